package check

import (
	"bytes"
	"slices"

	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/starlib"
)

// report adds a problem about a node of a file.
func (c *checker) report(rule Rule, at syntax.Node, err error) {
	start, end := starlib.Span(at)
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
		one := *e
		if one.More = nil; len(one.Step) == 0 || one.Step[0].Line == 0 {
			one.Step = []starlib.Frame{{File: m.name, Line: 1, Col: 1}}
		}
		c.add(rule, &one)
	}
}

// add adds a problem that has its place.
func (c *checker) add(rule Rule, e *starlib.Error) {
	e.Step = slices.Clone(e.Step)
	for i := range e.Step {
		e.Step[i].File = c.opts.Prefix + e.Step[i].File
	}
	at := e.Step[0]
	if at.EndLine == 0 {
		at.EndLine, at.EndCol = at.Line, at.Col+1
	}
	c.problems = append(c.problems, Problem{
		Rule: rule, File: at.File, Line: at.Line, Col: at.Col, EndLine: at.EndLine, EndCol: at.EndCol, Message: e.Msg, Hint: e.Hint, err: e,
	})
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
