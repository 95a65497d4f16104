package starlib

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarktest"
)

// TestScripts runs testdata/*.star.
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/*.star", execBare)
}

// execBare runs a script that has assert, re, and JSON as Go code uses it (from_json and to_json) and nothing else of ours.
func execBare(t *testing.T, filename, source string) error {
	assert, err := starlarktest.LoadAssertModule()
	if err != nil {
		t.Fatal(err)
	}
	env := starlark.StringDict{
		"assert":    assert["assert"],
		"freeze":    assert["freeze"],
		"struct":    testBuiltin("struct"),
		"re":        moduleOf("re", regexpFunctions),
		"from_json": testBuiltin("from_json"),
		"to_json":   testBuiltin("to_json"),
	}
	thread := &starlark.Thread{Name: t.Name()}
	starlarktest.SetReporter(thread, t)
	_, err = starlark.ExecFileOptions(dialect(), thread, filename, source, env)
	return err
}

// runScripts runs each part of each file that matches, parts being divided by lines "---", as a file of its own (with the lines
// of the whole). A comment `### "regexp"` says that its line fails, and what the message followed by "; hint: " and the hint matches.
// exec runs one part.
func runScripts(t *testing.T, pattern string, exec func(t *testing.T, filename, source string) error) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line := 0
		for _, part := range strings.Split(string(data), "\n---\n") {
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(file), line+1), func(t *testing.T) {
				source := strings.Repeat("\n", line) + part
				err := exec(t, file, source)
				for _, problem := range compareErrors(file, source, err) {
					t.Errorf("\n%s", problem)
				}
			})
			line += strings.Count(part, "\n") + 2
		}
	}
}

var expectation = regexp.MustCompile(`###\s*(".*"|` + "`.*`" + `)\s*$`)

// compareErrors says how err differs from what the comments of a script expect.
func compareErrors(file, source string, err error) (problems []string) {
	want := map[int]*regexp.Regexp{}
	for i, line := range strings.Split(source, "\n") {
		if m := expectation.FindStringSubmatch(line); m != nil {
			text, err := strconv.Unquote(m[1])
			if err != nil {
				return []string{fmt.Sprintf("%s:%d: %s: %v", file, i+1, m[1], err)}
			}
			want[i+1] = regexp.MustCompile(text)
		}
	}
	for _, e := range flatten(asError(err, func(string) []byte { return []byte(source) })) {
		line := lineIn(file, e)
		text := e.Msg
		if e.Hint != "" {
			text += "; hint: " + e.Hint
		}
		if rx := want[line]; rx == nil {
			problems = append(problems, fmt.Sprintf("%s:%d: unexpected error: %s", file, line, text))
		} else if !rx.MatchString(text) {
			problems = append(problems, fmt.Sprintf("%s:%d: error %q does not match %q", file, line, text, rx))
		}
		delete(want, line)
	}
	for line, rx := range want {
		problems = append(problems, fmt.Sprintf("%s:%d: no error, want one that matches %q", file, line, rx))
	}
	return problems
}

func flatten(e *Error) []*Error {
	if e == nil {
		return nil
	}
	return append([]*Error{e}, e.More...)
}

// lineIn returns the innermost line of file that e has to do with, else 0.
func lineIn(file string, e *Error) int {
	for _, f := range e.Step {
		if f.File == file {
			return f.Line
		}
	}
	return 0
}

func TestCompareErrors(t *testing.T) {
	at := func(line int, msg string) error {
		return &Error{Msg: msg, Hint: "h", Step: []Frame{{File: "other", Line: 9}, {File: "f", Line: line}}}
	}
	tests := []struct {
		name, source string
		err          error
		want         []string
	}{
		{"none", "x = 1", nil, nil},
		{"as expected", "x = 1\ny() ### \"bo+m; hint: h\"", at(2, "boom"), nil},
		{"another text", "y() ### `bang`", at(1, "boom"), []string{`f:1: error "boom; hint: h" does not match "bang"`}},
		{"another line", "x\ny() ### `boom`", at(1, "boom"), []string{"f:1: unexpected error: boom; hint: h", `f:2: no error, want one that matches "boom"`}},
		{"missing", "y() ### `boom`", nil, []string{`f:1: no error, want one that matches "boom"`}},
	}
	for _, tt := range tests {
		if got := compareErrors("f", tt.source, tt.err); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
