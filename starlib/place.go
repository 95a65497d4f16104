package starlib

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"go.starlark.net/syntax"
)

// fileTexts are the files that an error speaks of, each read and parsed once.
type fileTexts struct {
	source func(path string) []byte
	files  map[string]*fileText
}

// fileText is one of them.
type fileText struct {
	lines []string
	tree  *syntax.File // nil when it is not well-formed
}

// newTexts looks at files by source, which may be nil.
func newTexts(source func(path string) []byte) *fileTexts {
	if source == nil {
		source = func(string) []byte { return nil }
	}
	return &fileTexts{source, map[string]*fileText{}}
}

func (t *fileTexts) file(path string) *fileText {
	if known, ok := t.files[path]; ok {
		return known
	}
	data := t.source(path)
	f := &fileText{lines: strings.Split(string(data), "\n")}
	for i, line := range f.lines {
		f.lines[i] = strings.TrimSuffix(line, "\r")
	}
	f.tree, _ = fileOptions.Parse(path, data, 0) // of what does not parse the words are looked at
	t.files[path] = f
	return f
}

// line is the n-th line, from 1, or "".
func (f *fileText) line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	return f.lines[n-1]
}

// addPlaces completes the frames of e by the text of the files: the place itself becomes the text that is to blame, and each has its line.
func (e *Error) addPlaces(t *fileTexts) {
	if len(e.Step) > 0 && e.Step[0].Line > 0 && e.Step[0].EndLine == 0 {
		e.narrow(t.file(e.Step[0].File))
	}
	for _, frames := range [][]Frame{e.Step, e.Needed} {
		for i := range frames {
			if f := &frames[i]; f.Source == "" {
				f.Source = withoutSecrets(t.file(f.File).line(f.Line))
			}
		}
	}
	for _, more := range e.More {
		more.addPlaces(t)
	}
}

// narrow makes the place of e, a point in the file, the text that is to blame.
func (e *Error) narrow(f *fileText) {
	var s span
	switch {
	case len(f.lines) == 1 && f.lines[0] == "": // its text is not known
		return
	case f.tree != nil:
		s = e.spanIn(f.tree)
	}
	if !s.valid() {
		s = f.wordAt(e.Step[0].Line, e.Step[0].Col, e.Msg)
	}
	if place := &e.Step[0]; s.valid() {
		place.Line, place.Col, place.EndLine, place.EndCol = s.line, s.col, s.endLine, s.endCol
	}
}

// span is a part of a file, from its first column to the one behind its last, from 1.
type span struct{ line, col, endLine, endCol int }

func (s span) valid() bool {
	return s.line > 0 && s.col > 0 && (s.endLine > s.line || s.endLine == s.line && s.endCol > s.col)
}

func between(start, end syntax.Position) span {
	return span{int(start.Line), int(start.Col), int(end.Line), int(end.Col)}
}

// secretText matches a text in an auth map that is written in the script, and what says that it is one.
var secretText = regexp.MustCompile(`(["'](?:Secret|token|credentials|private_key|refresh_token|client_secret)["']\s*:\s*[rb]*)("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)`)

// withoutSecrets hides in a line of a script the credentials that are written into it: errors end up in logs. Columns stay where they are.
func withoutSecrets(line string) string {
	return secretText.ReplaceAllStringFunc(line, func(pair string) string {
		parts := secretText.FindStringSubmatch(pair)
		return parts[1] + strings.Repeat("*", utf8.RuneCountInString(parts[2]))
	})
}
