package check_test

import (
	"testing"
	"testing/fstest"

	"github.com/imgscript/imgscript/starlib/check"
)

// TestNoText: what is no text of a script is one problem, with a place and a hint; the parser takes a NUL for the end of the file.
func TestNoText(t *testing.T) {
	for text, line := range map[string]int{"x = 1\ny = \"\x00\"\nz = nothing\n": 2, "\ufeffx = 1\n": 1, "\xff\xfex\x00": 1, "{\"a\": true}": 1, "x = 1\n# \xe9\n": 2} {
		files := fstest.MapFS{"build.star": {Data: []byte(text)}}
		problems, err := check.Files(t.Context(), files, []string{"build.star"}, nil)
		if err != nil || len(problems) != 1 {
			t.Errorf("%q: got %v, %v", text, problems, err)
			continue
		}
		if p := problems[0]; p.Rule != check.RuleSyntax || p.Line != line || p.Col < 1 || p.EndLine != line || p.EndCol <= p.Col || p.Hint == "" {
			t.Errorf("%q: got %+v", text, p)
		}
	}
}
