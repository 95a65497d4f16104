package starlib

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"go.starlark.net/syntax"
)

// checkText finds what keeps a file from being a script, whatever it says: the parser would stumble over it without a word that helps or, worse,
// not see it. It takes a NUL for the end of the file.
func checkText(file string, text []byte) error {
	whole := func(msg, hint string) error {
		return withHint(syntax.Error{Pos: syntax.MakePosition(&file, 0, 0), Msg: msg}, hint)
	}
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return whole("the file is UTF-16, and scripts are UTF-8", "save it as UTF-8 without a byte order mark")
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return whole("the file begins with a byte order mark", "save it as UTF-8 without one")
	case isJSON(text):
		return whole("the file is JSON, and no script", `json.decode(read_file("…")) reads JSON in a script`)
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return withHint(syntax.Error{Pos: positionAt(&file, text, i), Msg: "the file has a NUL byte here, so it is no text"}, "is it the right file?")
	}
	if i := invalidAt(text); i >= 0 {
		return withHint(syntax.Error{Pos: positionAt(&file, text, i), Msg: "the file is not UTF-8 here"}, `save it as UTF-8; other bytes are written "\x…" in b"…"`)
	}
	return nil
}

// isJSON reports whether a text is an object or an array of JSON, which as a script would do nothing.
func isJSON(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 0 && (text[0] == '{' || text[0] == '[') && json.Valid(text)
}

// invalidAt is the first byte that is no UTF-8, or -1.
func invalidAt(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// positionAt is the line and column of a byte.
func positionAt(file *string, text []byte, offset int) syntax.Position {
	before := text[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return syntax.MakePosition(file, int32(1+bytes.Count(before, []byte("\n"))), int32(1+utf8.RuneCount(before[start:])))
}
