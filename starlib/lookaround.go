package starlib

import (
	"strings"

	"go.starlark.net/syntax"
)

// bracket is one that opens, and its line.
type bracket struct {
	kind rune // '(', '[' or '{'
	line int
}

func closing(kind rune) rune {
	return rune(")]}"[strings.IndexRune("([{", kind)])
}

// openBracket is the innermost bracket that is open before a place of a file.
func (f *fileText) openBracket(line, col int) (bracket, bool) {
	var open []bracket
	quote := "" // that of the text of several lines that goes on
	for n := 1; n <= min(line, len(f.lines)); n++ {
		text := f.line(n)
		if n == line {
			text = head(text, col)
		}
		for text != "" {
			switch {
			case quote != "":
				_, rest, ended := strings.Cut(text, quote)
				if text = rest; ended {
					quote = ""
				}
			case text[0] == '#':
				text = ""
			case strings.HasPrefix(text, `"""`) || strings.HasPrefix(text, `'''`):
				quote, text = text[:3], text[3:]
			case text[0] == '"' || text[0] == '\'':
				text = text[len(textPattern.FindString(text)):]
			default:
				if strings.ContainsRune("([{", rune(text[0])) {
					open = append(open, bracket{rune(text[0]), n})
				} else if strings.ContainsRune(")]}", rune(text[0])) && len(open) > 0 {
					open = open[:len(open)-1]
				}
				text = text[1:]
			}
		}
	}
	if len(open) == 0 {
		return bracket{}, false
	}
	return open[len(open)-1], true
}

// globals are the names that the file sets at its top level, each with the last line that does.
func (f *fileText) globals() map[string]int {
	set := map[string]int{}
	if f.tree == nil {
		return set
	}
	for _, stmt := range f.tree.Stmts {
		switch stmt := stmt.(type) {
		case *syntax.DefStmt:
			set[stmt.Name.Name] = int(stmt.Def.Line)
		case *syntax.AssignStmt:
			if name, ok := stmt.LHS.(*syntax.Ident); ok {
				set[name.Name] = int(name.NamePos.Line)
			}
		}
	}
	return set
}

// parametersAt are the names of the parameters of the function that is defined at a place.
func (f *fileText) parametersAt(at Frame) []string {
	var names []string
	if f.tree == nil {
		return nil
	}
	syntax.Walk(f.tree, func(n syntax.Node) bool {
		def, ok := n.(*syntax.DefStmt)
		if !ok || int(def.Def.Line) != at.Line || int(def.Def.Col) != at.Col {
			return true
		}
		for _, param := range def.Params {
			if named, ok := param.(*syntax.BinaryExpr); ok {
				param = named.X
			}
			if name, ok := param.(*syntax.Ident); ok {
				names = append(names, name.Name)
			}
		}
		return true
	})
	return names
}
