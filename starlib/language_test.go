package starlib

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/imgscript/imgscript/core/build"
)

// samples are values as scripts write them, of every type that a script can write.
var samples = []string{
	`None`, `True`, `0`, `1`, `-1`, `644`, `1 << 70`, `1.5`, `""`, `"x"`, `"node index.js"`, `"30s"`, `"("`, `"none"`, `"2024-01-31T12:00:00Z"`, `"zstd"`,
	`b"x"`, `[]`, `["x"]`, `["A=1"]`, `[1]`, `[8080]`, `("x",)`, `{}`, `{"A": "1"}`, `{"A": 1}`, `{1: "x"}`, `{"/a": "x"}`, `struct(test = ["CMD", "true"])`,
}

// TestCheckAssign: what is said of setting an attribute of an image is what a run says that does it.
func TestCheckAssign(t *testing.T) {
	l := newTestLanguage(t)
	names := append(l.Members("Image"), "enviro", "workdir", "Cmd", "foo")
	rt, err := New(&Options{Root: t.TempDir(), Engine: newTestEngine(t, 0)})
	must(t, err)
	for _, name := range names {
		for _, sample := range samples {
			value := evalSample(t, sample)
			want := runError(t, rt, fmt.Sprintf("image(\"scratch\").%s = %s", name, sample))
			got := l.CheckAssign("Image", name, value)
			if missing := got != nil && strings.Contains(got.Error(), "has no"); missing && want != nil {
				continue // Starlark's own guess at what was meant may differ
			}
			compareMessages(t, name+" = "+sample, got, want)
			if bare := l.CheckAssign("Image", name, nil); bare != nil && fmt.Sprint(bare) != fmt.Sprint(got) {
				t.Errorf("%s = %s: %v without the value, %v with it", name, sample, bare, got)
			}
		}
	}
	if err := l.CheckAssign("Layer", "digest", nil); err == nil || err.Error() != "can't assign to .digest field of Layer" {
		t.Errorf("got %v", err)
	}
	if err := l.CheckAssign("Image", "envs", nil); err == nil || err.Error() != "Image has no .envs field (did you mean .env?)" {
		t.Errorf("got %v", err)
	}
}

// compareMessages wants the error of a run, or none where the run has none. A run may fail for more reasons.
func compareMessages(t *testing.T, what string, got, run error) {
	t.Helper()
	switch {
	case got == nil:
	case run == nil:
		t.Errorf("%s: got %q, and the run works", what, got)
	default:
		var e *Error
		if !errors.As(run, &e) || e.Msg != got.Error() || hintOf(got) != "" && hintOf(got) != e.Hint {
			t.Errorf("%s: got %q (%s), the run says %q", what, got, hintOf(got), e.Msg)
		}
	}
}

// TestCheckCall: what is said of a value for a parameter is what a run says, for every parameter of a global function or of a method of an image. And what is
// known of a value only by its type is refused only where every such value would be.
func TestCheckCall(t *testing.T) {
	l := newTestLanguage(t)
	for _, b := range slices.Concat(globalFunctions, regexpFunctions, imageClass.methods) {
		f := &Function{l.api.byName[b.name], l.args[b.name], nil}
		for i, p := range f.signature.params {
			for _, sample := range samples {
				value := evalSample(t, sample)
				args := fillRequired(f, i, Argument{Name: p.name, Value: value})
				byValue := misfitOf(f.CheckCall(args, false), len(args)-1)
				field := argFields(f.args)[p.name]
				v, _ := p.value(value)
				var stored error
				if v != nil {
					stored = p.store(v, reflect.New(f.args).Elem().FieldByIndex(field.index))
				}
				if (stored == nil) != (byValue == nil) {
					t.Errorf("%s(%s = %s): got %v, a run says %v", b.name, p.name, sample, byValue, stored)
				}
				args[len(args)-1] = Argument{Name: p.name, Types: []string{value.Type()}}
				if byType := misfitOf(f.CheckCall(args, false), len(args)-1); byType != nil && stored == nil {
					t.Errorf("%s(%s = %s): %v, but it works", b.name, p.name, sample, byType)
				}
			}
		}
	}
}

// TestCheckTogether: what is said of arguments that fit one by one is what a run says: of options of add_files, where the rest may be unknown, and of functions that touch nothing.
func TestCheckTogether(t *testing.T) {
	l := newTestLanguage(t)
	rt, err := New(&Options{Root: t.TempDir(), Engine: newTestEngine(t, 0)})
	must(t, err)
	found := 0
	compare := func(f *Function, call string, args []Argument) {
		for _, m := range f.CheckCall(args, false) {
			found++
			compareMessages(t, call, m.Err, runError(t, rt, call))
		}
	}
	add := l.Method("Image", "add_files")
	for _, options := range []string{
		`symlinks = "no"`, `symlinks = "keep"`, `hard_links = "no"`, `compression = "bzip2"`, `compression = "none"`, `level = 99`, `level = 9`, `uid = -1`, `max_depth = -1`, `max_depth = 0`,
		`ignore_files = ["a/b"]`, `mode = 0o644, preserve_mode = True`, `mode = 0o644, preserve_mode = False`, `mtime = "2024-01-31T12:00:00Z"`, `compression = "none", level = 3`,
	} {
		call := `image("scratch").add_files({"/a": b"x"}, ` + options + `)`
		compare(add, call, append([]Argument{{}}, argumentsOf(t, options)...))
	}
	custom := l.Function("custom_file")
	for _, args := range []string{
		``, `data = None`, `data = "x"`, `data = "abc", size = 4`, `data = "abc", size = -1`, `type = "directory"`, `data = "x", type = "directory"`, `type = "symlink"`,
		`type = "symlink", link_path = "x"`, `data = "x", link_path = "y"`,
	} {
		compare(custom, "custom_file("+args+")", argumentsOf(t, args))
	}
	if compare(l.Function("secret"), `secret("x")`, []Argument{{Value: starlark.String("x")}}); found < 14 {
		t.Errorf("only %d errors are found", found)
	}
}

// argumentsOf are arguments by name.
func argumentsOf(t *testing.T, text string) []Argument {
	t.Helper()
	var args []Argument
	value := evalSample(t, "struct("+text+")").(starlark.HasAttrs)
	for _, name := range value.AttrNames() {
		v, err := value.Attr(name)
		must(t, err)
		args = append(args, Argument{Name: name, Value: v})
	}
	return args
}

// fillRequired are arguments for a call that lacks nothing but knows of none but the last.
func fillRequired(f *Function, not int, last Argument) []Argument {
	var args []Argument
	for i, p := range f.signature.params {
		if p.required && i != not {
			args = append(args, Argument{Name: p.name})
		}
	}
	return append(args, last)
}

func misfitOf(found []Misfit, argument int) error {
	for _, m := range found {
		if m.Argument == argument {
			return m.Err
		}
	}
	return nil
}

// TestCheckCallShape: arguments that are unknown, missing, too many or given twice, all at once, in the words of a run.
func TestCheckCallShape(t *testing.T) {
	l := newTestLanguage(t)
	pos := func(values ...starlark.Value) []Argument {
		var args []Argument
		for _, v := range values {
			args = append(args, Argument{Value: v})
		}
		return args
	}
	named := func(names ...string) []Argument {
		var args []Argument
		for _, name := range names {
			args = append(args, Argument{Name: name})
		}
		return args
	}
	x := starlark.String("x")
	tests := []struct {
		function string
		args     []Argument
		open     bool
		want     []string
	}{
		{"image", pos(x), false, nil},
		{"image", nil, false, []string{"-1 image: missing argument: base"}},
		{"image", nil, true, nil},
		{"image", named("taget", "frmat"), false, []string{
			`0 image: unexpected keyword argument "taget" (did you mean "target"?)`, `1 image: unexpected keyword argument "frmat" (did you mean "format"?)`, "-1 image: missing argument: base",
		}},
		{"image", append(pos(x, x), named("base")...), false, []string{"2 image: base is given twice"}},
		{"image", pos(x, x, starlark.MakeInt(3)), false, []string{"2 image: auth must be given by name: auth = 3"}},
		{"image", pos(x, x, nil), false, []string{"2 image: auth must be given by name: auth = …"}},
		{"whiteout", pos(x), false, []string{"0 whiteout: want at most 0 arguments, got 1"}},
		{"re.match", pos(x), false, []string{"-1 re.match: missing argument: string"}},
		{"Image.save", pos(x), false, []string{`0 save: tags: want a list of strings, got string; write ["x"]`}},
		{"Image.save", []Argument{{Types: []string{"string"}}}, false, []string{"0 save: tags: want a list, got string"}},
		{"Image.save", []Argument{{Types: []string{"NoneType", "string"}}}, false, nil},
		{"Image.save", []Argument{{Types: []string{"Layer", "string"}}}, false, []string{"0 save: tags: want a list, got Layer"}},
		{"Image.save", []Argument{{Types: []string{"set"}}}, false, nil},
	}
	for _, tt := range tests {
		f := &Function{l.api.byName[tt.function], l.args[tt.function], l.pure[tt.function]}
		var got []string
		for _, m := range f.CheckCall(tt.args, tt.open) {
			got = append(got, fmt.Sprintf("%d %v", m.Argument, m.Err))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.function, got, tt.want)
		}
	}
}

// TestLanguage: every name is found, and no other.
func TestLanguage(t *testing.T) {
	l := newTestLanguage(t)
	for _, s := range l.api.functions {
		switch {
		case s.receiver == "" && l.Function(s.qualified()) == nil, s.receiver != "" && l.Method(s.receiver, s.name) == nil:
			t.Errorf("%s is not found", s.qualified())
		case s.receiver != "" && !slices.Contains(l.Members(s.receiver), s.name):
			t.Errorf("%s is not among the members", s.qualified())
		}
	}
	for _, d := range l.api.attributes {
		if typ, ok := l.Attribute(d.receiver, d.name); !ok || typ != d.typ || !slices.Contains(l.Members(d.receiver), d.name) {
			t.Errorf("%s.%s is not found", d.receiver, d.name)
		}
	}
	if l.Function("Image.save") != nil || l.Method("Image", "digest") != nil || l.IsType("Reference") || !l.IsType("Saved") {
		t.Error("something is found that is not there")
	}
	if got := strings.Join(l.Expand("Data | None"), " "); got != "str bytes Blob File Layer None" {
		t.Errorf("Data is %s", got)
	}
	if names := l.Predeclared(); !names.Has("image") || !names.Has("json") || names.Has("len") {
		t.Error("predeclared names are missing")
	}
}

func newTestLanguage(t *testing.T) *Language {
	t.Helper()
	l, err := NewLanguage()
	must(t, err)
	return l
}

func evalSample(t *testing.T, text string) starlark.Value {
	t.Helper()
	env := starlark.StringDict{"struct": starlark.NewBuiltin("struct", starlarkstruct.Make)}
	v, err := starlark.EvalOptions(dialect(), &starlark.Thread{}, "sample", text, env)
	must(t, err)
	return v
}

// runError is the error of a script, but for one about lost changes.
func runError(t *testing.T, rt *Runtime, text string) error {
	t.Helper()
	_, err := rt.ExecFile(t.Context(), "build.star", text)
	if lost := (*build.LostChangeError)(nil); errors.As(err, &lost) {
		return nil
	}
	return err
}
