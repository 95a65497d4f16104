package check

import (
	"bytes"
	"strings"
	"unicode"

	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/starlib"
)

// report adds a problem about a node of a file.
func (c *checker) report(rule Rule, at syntax.Node, err error) {
	start, end := at.Span()
	c.reportSpan(rule, start, end, err)
}

// reportSpan adds a problem about a span of a file, and where that file is loaded if that is why it is one.
func (c *checker) reportSpan(rule Rule, start, end syntax.Position, err error, loadedAt ...syntax.Position) {
	places := append([]syntax.Position{start}, loadedAt...)
	c.add(rule, starlib.ErrorAt(err, places, end, c.linesOf(places)))
}

// reportAll adds what parsing or resolving a file found.
func (c *checker) reportAll(m *module, rule Rule, err error) {
	first := starlib.ExplainText(err, func(string) []byte { return m.text })
	for _, e := range append([]*starlib.Error{first}, first.More...) {
		at := starlib.Frame{Line: 1, Col: 1}
		if len(e.Step) > 0 {
			at = e.Step[0]
		}
		places := []syntax.Position{syntax.MakePosition(&m.name, int32(at.Line), int32(at.Col))}
		end := syntax.MakePosition(&m.name, int32(at.EndLine), int32(at.EndCol))
		c.add(rule, starlib.ErrorAt(&starlib.Error{Msg: e.Msg, Hint: e.Hint}, places, end, c.linesOf(places)))
	}
}

// add adds a problem. Where its end is not known, the span is the word that begins there, or one rune.
func (c *checker) add(rule Rule, e *starlib.Error) {
	for i := range e.Step {
		e.Step[i].File = c.opts.Prefix + e.Step[i].File
	}
	at := e.Step[0]
	p := Problem{Rule: rule, File: at.File, Line: at.Line, Col: at.Col, EndLine: at.EndLine, EndCol: at.EndCol, Message: e.Msg, Hint: e.Hint, err: e}
	if p.EndLine == 0 {
		p.EndLine, p.EndCol = at.Line, at.Col+max(1, wordAt(at.Source, at.Col))
	}
	c.problems = append(c.problems, p)
}

// linesOf gives files of which all lines are empty but those of some places: explaining a problem takes all lines of a file apart, and there may be thousands of problems.
func (c *checker) linesOf(places []syntax.Position) func(name string) []byte {
	return func(name string) []byte {
		m := c.modules[name]
		if m == nil {
			return nil
		}
		var text []byte
		for _, pos := range places {
			if pos.Filename() == name && int(pos.Line) <= len(m.splitLines()) {
				text = append(bytes.Repeat([]byte("\n"), int(pos.Line)-1), m.lines[pos.Line-1]...)
			}
		}
		return text
	}
}

// splitLines are the lines of a file, which end as Starlark has it.
func (m *module) splitLines() [][]byte {
	if m.lines == nil {
		text := bytes.ReplaceAll(m.text, []byte("\r\n"), []byte("\n"))
		m.lines = bytes.Split(bytes.ReplaceAll(text, []byte("\r"), []byte("\n")), []byte("\n"))
	}
	return m.lines
}

// wordAt is how many runes the word has that begins at a column of a line.
func wordAt(line string, col int) int {
	runes := []rune(line)
	if col < 1 || col > len(runes) {
		return 0
	}
	rest := string(runes[col-1:])
	word := strings.TrimLeftFunc(rest, func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
	return len([]rune(rest)) - len([]rune(word))
}
