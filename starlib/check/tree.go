package check

import "go.starlark.net/syntax"

// unparen is an expression without the parentheses around it; nil stays nil.
func unparen(e syntax.Expr) syntax.Expr {
	for {
		p, ok := e.(*syntax.ParenExpr)
		if !ok {
			return e
		}
		e = p.X
	}
}

// children are the expressions that an expression is made of, in the order in which they are evaluated; of a call its function and the values of its arguments. Those that
// open a scope, comprehensions and lambdas, have none.
func children(e syntax.Expr) []syntax.Expr {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return []syntax.Expr{e.X}
	case *syntax.ListExpr:
		return e.List
	case *syntax.TupleExpr:
		return e.List
	case *syntax.DictExpr:
		return e.List
	case *syntax.DictEntry:
		return []syntax.Expr{e.Key, e.Value}
	case *syntax.CondExpr:
		return []syntax.Expr{e.Cond, e.True, e.False}
	case *syntax.BinaryExpr:
		return []syntax.Expr{e.X, e.Y}
	case *syntax.UnaryExpr:
		return present(e.X)
	case *syntax.IndexExpr:
		return []syntax.Expr{e.X, e.Y}
	case *syntax.SliceExpr:
		return present(e.X, e.Lo, e.Hi, e.Step)
	case *syntax.DotExpr:
		return []syntax.Expr{e.X}
	case *syntax.CallExpr:
		list := []syntax.Expr{e.Fn}
		for _, arg := range e.Args {
			value, _, _ := argument(arg)
			list = append(list, value)
		}
		return list
	}
	return nil
}

// present leaves out what is not there.
func present(list ...syntax.Expr) []syntax.Expr {
	var all []syntax.Expr
	for _, e := range list {
		if e != nil {
			all = append(all, e)
		}
	}
	return all
}
