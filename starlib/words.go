package starlib

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// wordPattern matches one word of a line as Starlark's scanner cuts it, or what is left of one.
var wordPattern = regexp.MustCompile(`[rb]{0,2}(?:"""|''')|[rb]{0,2}(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)|[\pL_][\pL\pN_]*|[0-9][\w.]*|//=|\*\*|//|<<=|>>=|<<|>>|[-+*/%&|^=!<>]=|\S`)

// words are the columns of the words of a line, from 1, and those behind them.
func words(line string) [][2]int {
	var list [][2]int
	at, col := 0, 1
	for _, m := range wordPattern.FindAllStringIndex(line, -1) {
		start := col + utf8.RuneCountInString(line[at:m[0]])
		end := start + utf8.RuneCountInString(line[m[0]:m[1]])
		list = append(list, [2]int{start, end})
		at, col = m[1], end
	}
	return list
}

// wordAt finds the word that an error of the parser is about. What the parser wonders about it has read already: the position is then that behind the word. The end of a line or of the file is
// shown behind the last word before it.
func (f *fileText) wordAt(line, col int, msg string) span {
	line = min(line, len(f.lines)+1)
	if strings.TrimSpace(head(f.line(line), col)) == "" && atEnd(msg) || line > len(f.lines) {
		for line--; line > 0 && strings.TrimSpace(f.line(line)) == ""; line-- {
		}
		col = 1 + utf8.RuneCountInString(strings.TrimRight(f.line(line), " \t"))
		return span{line, col, line, col + 1}
	}
	list := words(f.line(line))
	if isBehind(msg) {
		for _, w := range list {
			if w[1] == col {
				return span{line, w[0], line, w[1]}
			}
		}
	}
	for _, w := range list {
		if w[0] <= col && col < w[1] && !strings.HasPrefix(msg, "unexpected input character ") {
			return span{line, w[0], line, w[1]}
		}
	}
	return span{line, col, line, col + 1}
}

// head is what of a line is before a column.
func head(line string, col int) string {
	before, _ := splitColumn(line, col)
	return before
}

// atEnd reports whether the parser says that a line or the file ended too early.
func atEnd(msg string) bool {
	return strings.HasPrefix(msg, "got newline, ") || strings.HasPrefix(msg, "got end of file, ")
}

// isBehind reports whether the position of a message is behind the word that it is about.
func isBehind(msg string) bool {
	if strings.HasPrefix(msg, "got ") {
		return !strings.HasSuffix(msg, ", want primary expression")
	}
	for _, part := range []string{"not an identifier", "load operand must ", "original name of ", "first operand of ", "keyword argument must ", "obsolete form of ", " does not associate with "} {
		if strings.Contains(msg, part) {
			return true
		}
	}
	return false
}
