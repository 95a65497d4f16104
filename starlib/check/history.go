package check

import (
	"slices"

	"go.starlark.net/syntax"
)

// history is what happens to one image, statement by statement.
type history struct {
	c       *checker
	m       *module
	v       *variable // its name
	pending []change  // that nothing came of so far
	uses    int       // and of changes that were taken back
	seen    int       // how many of the reads of v
	escaped bool      // somebody else may have the image, or one of its dicts
}

// change is a change of an image.
type change struct {
	op         string // in the words of a run: "setting cmd", "add_files"
	attribute  string // that is set, or ""
	start, end syntax.Position
}

// stmt follows a statement. Of one that has others in it nobody knows how often they are run: what they change does not count, what they may use does.
func (h *history) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		if !h.changing(s.X) {
			h.expr(s.X)
		}
	case *syntax.AssignStmt:
		h.expr(s.RHS)
		h.assign(s)
	case *syntax.ReturnStmt:
		h.expr(s.Result)
	case *syntax.DefStmt:
		h.closure(s)
	case *syntax.ForStmt, *syntax.IfStmt, *syntax.WhileStmt:
		pending, uses := h.pending, h.uses
		h.within(s)
		h.pending = pending
		if h.uses != uses {
			h.pending = nil
		}
	}
}

// within follows what is in a statement.
func (h *history) within(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.ForStmt:
		h.expr(s.X)
		h.stmts(s.Body)
	case *syntax.WhileStmt:
		h.expr(s.Cond)
		h.stmts(s.Body)
	case *syntax.IfStmt:
		h.expr(s.Cond)
		h.stmts(s.True)
		h.stmts(s.False)
	}
}

func (h *history) stmts(list []syntax.Stmt) {
	for _, s := range list {
		h.stmt(s)
	}
}

// closure takes a function that knows the image for somebody else.
func (h *history) closure(n syntax.Node) {
	syntax.Walk(n, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok && h.isImage(id) {
			h.seen++
			h.escaped = true
		}
		return true
	})
}

// isImage reports whether an expression is the name of the image.
func (h *history) isImage(e syntax.Expr) bool {
	id, ok := unparen(e).(*syntax.Ident)
	return ok && h.m.variable(id) == h.v
}

// attribute is the name of the attribute of the image that an expression is, or "".
func (h *history) attribute(e syntax.Expr) string {
	if dot, ok := unparen(e).(*syntax.DotExpr); ok && h.isImage(dot.X) {
		return dot.Name.Name
	}
	return ""
}

// isDict reports whether an attribute of the image may be one of its dicts, which change in place.
func (h *history) isDict(e syntax.Expr) bool {
	names := h.c.typeOf(h.m, unparen(e)).names()
	return len(names) == 0 || slices.Contains(names, "dict")
}

// changing follows a call that is a statement of its own, if it changes the image.
func (h *history) changing(e syntax.Expr) bool {
	call, ok := unparen(e).(*syntax.CallExpr)
	if !ok {
		return false
	}
	method, ok := unparen(call.Fn).(*syntax.DotExpr)
	if !ok {
		return false
	}
	dict := h.attribute(method.X)
	name := method.Name.Name
	switch {
	case h.isImage(method.X) && (name == "add_files" || name == "add_layer"):
		h.seen++
		h.arguments(call)
		h.pending = append(h.pending, change{op: name, start: syntax.Start(method.Name), end: behind(call.Rparen)})
	case dict != "" && (name == "update" || name == "setdefault"):
		h.seen++
		h.arguments(call)
		h.set(dict, method.X)
	default:
		return false
	}
	return true
}

// set notes that an attribute is set, or changed in place. One that cannot be set ends the script.
func (h *history) set(attribute string, target syntax.Expr) {
	if h.c.lang.CheckAssign("Image", attribute, nil) != nil {
		h.use()
		return
	}
	start, end := target.Span()
	if dot, ok := unparen(target).(*syntax.DotExpr); ok {
		start = dot.Name.NamePos
	}
	h.pending = append(h.pending, change{"setting " + attribute, attribute, start, end})
}

// takeBack forgets what was set: perhaps it is as it was before.
func (h *history) takeBack(attribute string) {
	h.uses++
	h.pending = slices.DeleteFunc(slices.Clone(h.pending), func(c change) bool { return c.attribute == attribute })
}

// use says that something came of all changes so far.
func (h *history) use() {
	h.uses++
	h.pending = nil
}

// assign follows the left side of an assignment.
func (h *history) assign(s *syntax.AssignStmt) {
	target := unparen(s.LHS)
	if name := h.attribute(target); name != "" {
		h.seen++
		if s.Op == syntax.EQ && isNothing(s.RHS) {
			h.takeBack(name)
		} else {
			h.set(name, target)
		}
		return
	}
	if index, ok := target.(*syntax.IndexExpr); ok && h.attribute(index.X) != "" {
		h.seen++
		h.expr(index.Y)
		h.set(h.attribute(index.X), index.X)
		return
	}
	if _, isName := target.(*syntax.Ident); !isName {
		h.exprs(children(target))
	}
}

// isNothing reports whether a value is None or empty, which may be no change.
func isNothing(e syntax.Expr) bool {
	switch e := unparen(e).(type) {
	case *syntax.Ident:
		return e.Name == "None"
	case *syntax.DictExpr:
		return len(e.List) == 0
	}
	return false
}

func (h *history) exprs(list []syntax.Expr) {
	for _, e := range list {
		h.expr(e)
	}
}

// expr follows an expression whose value is used.
func (h *history) expr(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.Ident:
		if h.isImage(e) {
			h.seen++
			h.escaped = true
		}
	case *syntax.CallExpr:
		h.call(e)
	case *syntax.DotExpr:
		if h.attribute(e) == "" {
			h.expr(e.X)
			return
		}
		h.seen++
		h.escaped = h.escaped || h.isDict(e)
	case *syntax.IndexExpr:
		if h.attribute(e.X) != "" {
			h.seen++
		} else {
			h.expr(e.X)
		}
		h.expr(e.Y)
	case *syntax.LambdaExpr:
		h.closure(e)
	case *syntax.Comprehension:
		for _, clause := range e.Clauses {
			switch clause := clause.(type) {
			case *syntax.ForClause:
				h.expr(clause.X)
			case *syntax.IfClause:
				h.expr(clause.Cond)
			}
		}
		h.expr(e.Body)
	default:
		h.exprs(children(e))
	}
}

func (h *history) arguments(call *syntax.CallExpr) {
	for _, arg := range call.Args {
		value, _, _ := argument(arg)
		h.expr(value)
	}
}

// call follows a call of a method of the image or of one of its dicts, or any other.
func (h *history) call(e *syntax.CallExpr) {
	method, ok := unparen(e.Fn).(*syntax.DotExpr)
	switch {
	case ok && h.isImage(method.X):
		h.seen++
		h.arguments(e)
		h.escaped = h.escaped || method.Name.Name == "on" // a view is the image by another name
		if !slices.Contains([]string{"add_files", "add_layer", "remove_layer", "rebase", "flatten", "append", "remove_files", "sync", "client"}, method.Name.Name) {
			h.use()
		}
	case ok && h.attribute(method.X) != "":
		h.seen++
		h.arguments(e)
		if !slices.Contains([]string{"get", "items", "keys", "values"}, method.Name.Name) {
			h.takeBack(h.attribute(method.X))
		}
	default:
		h.exprs(children(e))
	}
}
