package format

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/syntax"
)

// shape is what a file means, in a form that can be compared: its tree without positions, parentheses and comments. Left out is what has no meaning: the order of the
// names in a load statement, and texts that are statements, which are docstrings.
func shape(file *syntax.File) []string {
	var list []string
	var inner []bool // whether the nodes around have an end of their own
	syntax.Walk(file, func(n syntax.Node) bool {
		if n == nil {
			if inner[len(inner)-1] {
				list = append(list, "end")
			}
			inner = inner[:len(inner)-1]
			return true
		}
		text, open := nodeShape(n)
		if text != "" {
			list = append(list, text)
		}
		if open {
			inner = append(inner, text != "")
		}
		return open
	})
	return list
}

// nodeShape says all of a node but what is in it; open is whether that counts.
func nodeShape(n syntax.Node) (text string, open bool) {
	switch n := n.(type) {
	case *syntax.ParenExpr:
		return "", true
	case *syntax.LoadStmt:
		return loadShape(n), false
	case *syntax.ExprStmt:
		if lit, ok := n.X.(*syntax.Literal); ok && lit.Token == syntax.STRING {
			return "docstring", false
		}
	case *syntax.Ident:
		return n.Name, false
	case *syntax.Literal:
		return fmt.Sprintf("%v %v", n.Token, n.Value), false
	case *syntax.BranchStmt:
		return n.Token.String(), false
	case *syntax.AssignStmt:
		return n.Op.String(), true
	case *syntax.BinaryExpr:
		return n.Op.String(), true
	case *syntax.UnaryExpr:
		return "unary " + n.Op.String(), true
	case *syntax.IfStmt:
		return fmt.Sprintf("if %d %d", len(n.True), len(n.False)), true
	case *syntax.DefStmt:
		return fmt.Sprintf("def %d", len(n.Params)), true
	case *syntax.LambdaExpr:
		return fmt.Sprintf("lambda %d", len(n.Params)), true
	case *syntax.SliceExpr:
		return fmt.Sprintf("slice %t %t %t", n.Lo != nil, n.Hi != nil, n.Step != nil), true
	case *syntax.Comprehension:
		return fmt.Sprintf("comprehension %t", n.Curly), true
	}
	return fmt.Sprintf("%T", n), true
}

func loadShape(n *syntax.LoadStmt) string {
	var names []string
	for i, to := range n.To {
		names = append(names, to.Name+"="+n.From[i].Name)
	}
	slices.Sort(names)
	return "load " + n.ModuleName() + " " + strings.Join(slices.Compact(names), " ")
}
