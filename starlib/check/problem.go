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

// reportSpan adds a problem about a span of a file, and where that file is loaded if that is why it is one. A hint that err carries, or one that fits its message, goes
// with it.
func (c *checker) reportSpan(rule Rule, start, end syntax.Position, err error, loadedAt ...syntax.Position) {
	e := &starlib.Error{Kind: starlib.KindScript, Msg: err.Error(), Hint: starlib.ExplainText(err, nil).Hint}
	for _, pos := range append([]syntax.Position{start}, loadedAt...) {
		e.Step = append(e.Step, starlib.Frame{File: pos.Filename(), Line: int(pos.Line), Col: int(pos.Col)})
	}
	c.add(rule, e, end)
}

// reportAll adds what parsing or resolving a file found.
func (c *checker) reportAll(m *module, rule Rule, err error) {
	first := starlib.ExplainText(err, nil)
	for _, e := range append([]*starlib.Error{first}, first.More...) {
		one := *e
		if one.More = nil; len(one.Step) == 0 {
			one.Step = []starlib.Frame{{File: m.name}}
		}
		c.add(rule, &one, syntax.Position{})
	}
}

// add adds a problem. Where its end is not known, the span is the word that begins there, or one rune.
func (c *checker) add(rule Rule, found *starlib.Error, end syntax.Position) {
	e := starlib.ExplainText(found, c.linesOf(found.Step))
	for i := range e.Step {
		e.Step[i].File = c.opts.Prefix + e.Step[i].File
	}
	at := e.Step[0]
	p := Problem{Rule: rule, File: at.File, Line: at.Line, Col: at.Col, EndLine: int(end.Line), EndCol: int(end.Col), Message: e.Msg, Hint: e.Hint, err: e}
	if !end.IsValid() {
		p.EndLine, p.EndCol = at.Line, at.Col+max(1, wordAt(at.Source, at.Col))
	}
	c.problems = append(c.problems, p)
}

// linesOf gives files of which all lines are empty but those of some frames: explaining a problem takes all lines of a file apart, and there may be thousands of problems.
func (c *checker) linesOf(frames []starlib.Frame) func(name string) []byte {
	return func(name string) []byte {
		m := c.modules[name]
		if m == nil {
			return nil
		}
		if m.lines == nil {
			m.lines = bytes.Split(m.text, []byte("\n"))
		}
		lines := map[int]bool{}
		last := 0
		for _, f := range frames {
			if f.File == name && f.Line >= 1 && f.Line <= len(m.lines) {
				lines[f.Line], last = true, max(last, f.Line)
			}
		}
		var text []byte
		for i := range last {
			if lines[i+1] {
				text = append(text, m.lines[i]...)
			}
			text = append(text, '\n')
		}
		return text
	}
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
