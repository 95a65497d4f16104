package starlib

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// guardName is the name of the function that counts what the operator % and the method format are about to do: no script can write it.
const guardName = "%"

// countText measures a value that is going to be text, and returns it.
func countText(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if s, err := sessionOf(thread); err == nil {
		if _, err := s.measure(thread, args[0]); err != nil {
			return nil, fmt.Errorf("make text: %w", err)
		}
	}
	return args[0], nil
}

// guardTexts has what makes text of values without one of the metered functions, which are "%s" % x and "{}".format(x), count that first: x becomes a call of countText. Nothing else of
// Starlark goes down into a value without a limit of its own, and what is nested deeply enough would end the program.
func guardTexts(parsed *syntax.File) {
	syntax.Walk(parsed, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.BinaryExpr:
			if n.Op == syntax.PERCENT {
				n.Y = counted(n.Y, n.OpPos)
			}
		case *syntax.AssignStmt:
			if n.Op == syntax.PERCENT_EQ {
				n.RHS = counted(n.RHS, n.OpPos)
			}
		case *syntax.CallExpr:
			if method, ok := n.Fn.(*syntax.DotExpr); ok && method.Name.Name == "format" {
				for i, arg := range n.Args {
					n.Args[i] = countedArg(arg, n.Lparen)
				}
			}
		}
		return true
	})
}

// counted is a call of countText, which seems to be at the place of what it is for.
func counted(x syntax.Expr, at syntax.Position) syntax.Expr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: at, Name: guardName}, Lparen: at, Args: []syntax.Expr{x}, Rparen: at}
}

// countedArg is an argument whose value is counted: x, name = x, *x or **x.
func countedArg(arg syntax.Expr, at syntax.Position) syntax.Expr {
	switch arg := arg.(type) {
	case *syntax.BinaryExpr:
		if arg.Op == syntax.EQ {
			arg.Y = counted(arg.Y, at)
			return arg
		}
	case *syntax.UnaryExpr:
		if arg.Op == syntax.STAR || arg.Op == syntax.STARSTAR {
			arg.X = counted(arg.X, at)
			return arg
		}
	}
	return counted(arg, at)
}
