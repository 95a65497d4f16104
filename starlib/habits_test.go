package starlib

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.starlark.net/syntax"
	"golang.org/x/tools/txtar"
)

// TestHabits runs testdata/habits.txtar: for each row of the tables, under its name, scripts that somebody with this habit writes, divided by lines "---". Each
// of them fails with the hint of that row.
func TestHabits(t *testing.T) {
	data, err := os.ReadFile("testdata/habits.txtar")
	must(t, err)
	examples := map[string][]string{}
	for _, f := range txtar.Parse(data).Files {
		if len(examples[f.Name]) > 0 {
			t.Errorf("%s is there twice", f.Name)
		}
		examples[f.Name] = strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n---\n")
	}
	engine := newTestEngine(t, 1)
	var names []string
	for _, h := range habits() {
		if slices.Contains(names, h.name) {
			t.Errorf("two rows are named %q", h.name)
		}
		names = append(names, h.name)
		if len(examples[h.name]) == 0 {
			t.Errorf("there is no example of %q", h.name)
		}
		for _, script := range examples[h.name] {
			script = strings.NewReplacer("<NBSP>", "\u00a0", "<ZWSP>", "\u200b").Replace(script)
			e := failing(t, Options{Engine: engine, Files: fstest.MapFS{"build.star": {Data: []byte(script)}, "lib.star": {Data: []byte("d, l = {}, []")}}})
			if e == nil {
				t.Errorf("%s: it has no error:\n%s", h.name, script)
				continue
			}
			told := *e
			if parsing := (syntax.Error{}); errors.As(e, &parsing) {
				told.Msg = parsing.Msg // before it was put into plain words
			}
			if name, hint := told.habit(); name != h.name || e.Hint != hint {
				t.Errorf("%s: got the row %q and\n%s", h.name, name, e.Detail())
			}
		}
		delete(examples, h.name)
	}
	for name := range examples {
		t.Errorf("there is no row %q", name)
	}
}

// failing is the error of a script.
func failing(t *testing.T, opts Options) *Error {
	t.Helper()
	rt, err := New(&opts)
	must(t, err)
	_, err = rt.ExecFile(context.Background(), "build.star", nil)
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Errorf("%v is no *Error", err)
	}
	return e
}

// TestHabitHints holds the hints to their form: they begin in lower case or with a name, end without a full stop, and have no stray variable of a pattern.
func TestHabitHints(t *testing.T) {
	for _, h := range habits() {
		if strings.HasSuffix(h.hint, ".") || regexp.MustCompile(`^[A-Z][a-z]`).MatchString(h.hint) || regexp.MustCompile(`\$[^1$]`).MatchString(h.hint) {
			t.Errorf("%s: %s", h.name, h.hint)
		}
	}
}

// TestUpstreamSuggests: what Starlark finds by itself, this package does not look for.
func TestUpstreamSuggests(t *testing.T) {
	for script, want := range map[string]string{
		`image("scratch").workingDir`:              "(did you mean .working_dir?)",
		`image("scratch").WorkingDir = "/app"`:     "(did you mean .working_dir?)",
		`image("scratch").addFiles({})`:            "(did you mean .add_files?)",
		`image("scratch").workdir`:                 "(did you mean .working_dir?)",
		`image("scratch").add_file({})`:            "(did you mean .add_files?)",
		`image("scratch").ENTRYPOINT`:              "(did you mean .entrypoint?)",
		"services = []\nservcies":                  "(did you mean services?)",
		`struct(name = "x").nam`:                   "(did you mean .name?)",
		`"x".uper()`:                               "(did you mean .upper?)",
		`json.decod("{}")`:                         "(did you mean .decode?)",
		"def f(service):\n    return servce\nf(1)": "(did you mean service?)",
		`load("a.star", "service")`:                "(did you mean services?)",
	} {
		files := fstest.MapFS{"build.star": {Data: []byte(script)}, "a.star": {Data: []byte("services = 1")}}
		if e := failing(t, Options{Files: files}); e == nil || !strings.HasSuffix(e.Msg, want) || e.Hint != "" {
			t.Errorf("%s: got %+v", script, e)
		}
	}
}
