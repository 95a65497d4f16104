package starlib

import (
	"errors"
	"strings"
	"testing"
)

// FuzzPlaces: whatever a file and a message of Starlark hold, and wherever in the file the error is said to be, its place is in the file.
func FuzzPlaces(f *testing.F) {
	for _, msg := range []string{
		"got ')', want primary expression", "got newline, want ':'", "got end of file, want ']'", "got identifier, want ','", "undefined: b", "not an identifier", `fail: "a"`,
		"invalid call of non-function (int)", "load: name a not found in module b", "unexpected input character '“'", "Image has no .evn field or method", "int value is not iterable",
	} {
		f.Add("x = f(\"a\", [1], k = {\"b\": 2})\n\tfor a, b in x.c[1:2]:\n'''\n", 1, 6, msg)
		f.Add("load(\"b\", \"a\")\ndef f(a, *b):\n    return -a.b(\"\"\"\n\"\"\" % 1)\n", 3, 14, msg)
	}
	f.Fuzz(func(t *testing.T, source string, line, col int, msg string) {
		e := &Error{Msg: msg, err: errors.New(msg), Step: []Frame{{File: "f", Line: line, Col: col}}}
		texts := newTexts(func(string) []byte { return []byte(source) })
		e.addPlaces(texts)
		e.addHints(texts)
		place, lines := e.Step[0], 1+strings.Count(source, "\n")
		if place.EndLine != 0 && (place.Line < 1 || place.Line > lines || place.EndLine < place.Line || place.EndLine > lines) {
			t.Errorf("%d:%d to %d:%d of %d lines", place.Line, place.Col, place.EndLine, place.EndCol, lines)
		}
		if e.Detail() == "" {
			t.Error("nothing is shown")
		}
	})
}
