package check

import (
	"slices"

	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/starlib"
)

// checkLoading finds what a file does while another one loads it, and must not. Only what is surely reached counts: not what is in an if or a loop.
func (c *checker) checkLoading(m *module) {
	if len(m.loadedAt) == 0 {
		return
	}
	for _, s := range m.file.Stmts {
		for _, call := range reached(s) {
			if what := c.leaves(m, call); what != "" {
				c.reportCall(RuleLoading, call, starlib.WhileLoading(what, m.name), m.loadedAt[0])
			}
		}
	}
}

// reached are the calls that running a statement surely makes.
func reached(s syntax.Stmt) []*syntax.CallExpr {
	var calls []*syntax.CallExpr
	var visit func(e syntax.Expr)
	visit = func(e syntax.Expr) {
		switch e := e.(type) {
		case *syntax.CondExpr:
			visit(e.Cond)
			return
		case *syntax.BinaryExpr:
			if e.Op == syntax.AND || e.Op == syntax.OR {
				visit(e.X)
				return
			}
		case *syntax.CallExpr:
			defer func() { calls = append(calls, e) }()
		}
		for _, child := range children(e) {
			visit(child)
		}
	}
	switch s := s.(type) {
	case *syntax.ExprStmt:
		visit(s.X)
	case *syntax.AssignStmt:
		visit(s.RHS)
	case *syntax.ReturnStmt:
		if s.Result != nil {
			visit(s.Result)
		}
	}
	return calls
}

// leaving are the functions that must not be called while a module is loaded.
func leaving() []string { return []string{"save", "sync", "client"} }

// leaves names what of a call must not happen while a module is loaded, by way of functions of scripts too; "" is nothing.
func (c *checker) leaves(m *module, call *syntax.CallExpr) string {
	k, ok := c.typeOf(m, call.Fn).one()
	switch {
	case !ok:
	case k.function != nil:
		return c.leavesFunction(k.function)
	case k.builtin.function != nil && slices.Contains(leaving(), k.builtin.function.Name()):
		return k.builtin.function.Name()
	}
	return ""
}

// leavesFunction is leaves for what a function surely does before it may return.
func (c *checker) leavesFunction(f *function) string {
	if f.searched {
		return f.leaves
	}
	f.searched = true
	for _, s := range f.body {
		for _, call := range reached(s) {
			if what := c.leaves(f.module, call); what != "" {
				f.leaves = what
				return what
			}
		}
		if returns(s) {
			return ""
		}
	}
	return ""
}

// returns reports whether a statement may end its function.
func returns(s syntax.Stmt) bool {
	found := false
	syntax.Walk(s, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.ReturnStmt:
			found = true
		case *syntax.DefStmt, *syntax.LambdaExpr:
			return false
		}
		return !found
	})
	return found
}
