package starlib

import (
	"fmt"

	sjson "go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/imgscript/imgscript/core/build"
)

// jsonModule is Starlark's module json within the limits of the run: what it would do is counted before it does it.
func jsonModule() *starlarkstruct.Module {
	m := &starlarkstruct.Module{Name: sjson.Module.Name, Members: starlark.StringDict{}}
	for name, cost := range map[string]cost{"encode": encoding, "encode_indent": encoding, "decode": reading, "indent": indenting} {
		m.Members[name] = meter(sjson.Module.Members[name].(*starlark.Builtin), cost)
	}
	return m
}

// encoding is the cost of writing a value as JSON, indented by what the keywords say.
func encoding(s *session, thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) error {
	m, err := s.measure(thread, args...)
	if err != nil {
		return err
	}
	line, level := indentation(kwargs)
	return s.jsonSize(thread, plus(m.bytes, plus(multiplied(m.values, line), multiplied(m.depths, level))))
}

// indentation is how many bytes begin each line, and how many more for each level. Both are 0 in text without lines: where there is no
// keyword, the default of a tab is as good as nothing.
func indentation(kwargs []starlark.Tuple) (line, level int64) {
	for _, pair := range kwargs {
		text, _ := starlark.AsString(pair[1])
		switch name, _ := starlark.AsString(pair[0]); name {
		case "prefix":
			line = int64(len(text)) + 1
		case "indent":
			level = int64(len(text))
		}
	}
	return line, level
}

// jsonSize holds a text to the limit, and charges for its bytes.
func (s *session) jsonSize(thread *starlark.Thread, n int64) error {
	if n > s.limits.JSONBytes {
		return &build.LimitError{Text: "the JSON text has more than " + build.Bytes(s.limits.JSONBytes), Flag: "--max-json-bytes"}
	}
	return s.charge(thread, n)
}

// reading is the cost of reading JSON.
func reading(s *session, thread *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) error {
	if len(args) == 0 {
		return nil // which is an error
	}
	text, _ := starlark.AsString(args[0])
	if err := s.jsonSize(thread, int64(len(text))); err != nil {
		return err
	}
	if _, err := scanJSON(text); err != nil {
		return err
	}
	return s.charge(thread, multiplied(int64(len(text)), jsonSteps))
}

// indenting is the cost of indenting JSON.
func indenting(s *session, thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) error {
	if len(args) == 0 {
		return nil
	}
	text, _ := starlark.AsString(args[0])
	if err := s.jsonSize(thread, int64(len(text))); err != nil {
		return err
	}
	found, err := scanJSON(text)
	if err != nil {
		return err
	}
	line, level := indentation(kwargs)
	return s.jsonSize(thread, plus(multiplied(found.lines, line), multiplied(found.levels, level)))
}

func plus(a, b int64) int64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return multiplied(a, b)
}

// scanned is what a JSON text needs to be read and to be indented.
type scanned struct {
	lines, levels int64 // of the indented text: how many, and how deep all together
}

// scanJSON looks for what takes the readers of a text more than linear time, or more stack than there is. Whether the text is well-formed, they find out.
func scanJSON(text string) (scanned, error) {
	var found scanned
	depth, digits := int64(0), 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if !isDigit(c) {
			digits = 0
		}
		switch {
		case c == '"':
			i = endOfString(text, i)
		case c == '[' || c == '{':
			if depth++; depth > maxJSONDepth {
				return found, fmt.Errorf("nested more than %d deep", maxJSONDepth)
			}
			found.lines, found.levels = found.lines+1, found.levels+depth
		case c == ']' || c == '}':
			depth = max(depth-1, 0)
			found.lines, found.levels = found.lines+1, found.levels+depth
		case c == ',':
			found.lines, found.levels = found.lines+1, found.levels+depth
		case isDigit(c):
			if digits++; digits > maxJSONDigits {
				return found, fmt.Errorf("number %s is too large", shorten(text[i-digits+1:]))
			}
		}
	}
	return found, nil
}

// endOfString returns where the string ends that begins at i.
func endOfString(text string, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}
