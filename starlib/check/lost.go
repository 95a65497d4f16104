package check

import (
	"slices"
	"sort"
	"strings"

	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/starlib"
)

// A change of an image is lost when nothing that depends on it is saved and nothing looks at it afterwards: a run says so at its end. Here it is found where the
// text alone shows it: a name is bound once, to a new image, all that happens to the image happens by that name in the statements behind that one or within them, and the
// last of it is a change. Whatever may be a use is taken for one.

// checkLost finds changes that are never saved.
func (c *checker) checkLost(m *module) {
	if len(m.loadedAt) == 0 { // images of a module are templates, which are never lost
		surely := c.leavesAtTop(m)
		if surely || len(m.defs) == 0 && len(m.lambdas) == 0 {
			c.lostIn(m, m.file.Stmts, surely)
		}
	}
	for _, f := range m.defs {
		c.lostIn(m, f.body, true)
	}
}

// leavesAtTop reports whether the top level of a file does what no module may: then it is a script. One without functions is likely to be a script; others may be loaded, or
// run by one of their functions.
func (c *checker) leavesAtTop(m *module) bool {
	return slices.ContainsFunc(m.calls, func(call call) bool {
		k, ok := c.typeOf(m, call.node.Fn).one()
		return ok && call.within == nil && k.builtin.function != nil && slices.Contains(leaving(), k.builtin.function.Name())
	})
}

// lostIn finds images that are made in a list of statements, and in those within them. Where it is not sure that these are no templates, only images count that
// were given a target. Statements that end in a call of fail() have another error.
func (c *checker) lostIn(m *module, list []syntax.Stmt, surely bool) {
	if slices.ContainsFunc(list, isFail) {
		return
	}
	for i, s := range list {
		switch s := s.(type) {
		case *syntax.AssignStmt:
			if v, call := c.newImage(m, s); v != nil && (surely || hasTarget(call)) {
				c.lostImage(m, v, list[i+1:])
			}
		case *syntax.ForStmt:
			c.lostIn(m, s.Body, surely)
		case *syntax.IfStmt:
			c.lostIn(m, s.True, surely)
			c.lostIn(m, s.False, surely)
		}
	}
}

// isFail reports whether a statement is a call of fail().
func isFail(s syntax.Stmt) bool {
	e, isExpr := s.(*syntax.ExprStmt)
	if !isExpr {
		return false
	}
	call, isCall := unparen(e.X).(*syntax.CallExpr)
	if !isCall {
		return false
	}
	id, isName := unparen(call.Fn).(*syntax.Ident)
	return isName && id.Name == "fail"
}

// newImage is the variable that a statement binds to an image that it makes, if nothing else is ever bound to it, and the call that makes it. A global name in capitals is
// one that other files load.
func (c *checker) newImage(m *module, s *syntax.AssignStmt) (*variable, *syntax.CallExpr) {
	id, isName := unparen(s.LHS).(*syntax.Ident)
	call, isCall := unparen(s.RHS).(*syntax.CallExpr)
	if !isName || !isCall || s.Op != syntax.EQ {
		return nil, nil
	}
	v := m.variable(id)
	k, ok := c.typeOf(m, call.Fn).one()
	if v == nil || len(v.sources) != 1 || !ok || k.builtin.function == nil || !slices.Contains([]string{"image", "fork"}, k.builtin.function.Name()) {
		return nil, nil
	}
	if m.globals[id.Name] == v && strings.ToUpper(id.Name) == id.Name && !strings.HasPrefix(id.Name, "_") {
		return nil, nil
	}
	return v, call
}

// hasTarget reports whether image() or fork() is told where to save.
func hasTarget(call *syntax.CallExpr) bool {
	position := 1 // of the target among the arguments of image()
	if _, isFork := unparen(call.Fn).(*syntax.DotExpr); isFork {
		position = 0
	}
	for i, arg := range call.Args {
		if _, name, several := argument(arg); !several && (name == nil && i == position || name != nil && name.Name == "target") {
			return true
		}
	}
	return false
}

// lostImage reports the first of the changes that nothing comes of.
func (c *checker) lostImage(m *module, v *variable, list []syntax.Stmt) {
	h := &history{c: c, m: m, v: v}
	last := -1
	for _, id := range v.reads { // in the order of the statements that they are in
		if i := statementAt(list, id.NamePos); i > last {
			h.stmt(list[i])
			last = i
		}
	}
	if h.escaped || h.seen != len(v.reads) || len(h.pending) == 0 {
		return
	}
	first := h.pending[0]
	c.reportSpan(RuleLostChange, first.start, first.end, starlib.LostChange(first.op))
}

// statementAt is the index of the statement that a position may be in: the last one that does not begin behind it; -1 is none.
func statementAt(list []syntax.Stmt, pos syntax.Position) int {
	return sort.Search(len(list), func(i int) bool { return before(pos, syntax.Start(list[i])) }) - 1
}

func before(a, b syntax.Position) bool { return a.Line < b.Line || a.Line == b.Line && a.Col < b.Col }
