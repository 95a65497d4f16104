package starlib

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"golang.org/x/tools/txtar"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry"
)

var update = flag.Bool("update", false, "write the files of wanted results anew")

// TestErrorDetail runs build.star of each testdata/errors/*.txtar and compares the Detail of its error with the file want.
func TestErrorDetail(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			host := &errorHost{files: map[string]string{}}
			for _, f := range archive.Files {
				host.files[f.Name] = string(f.Data)
			}
			_, err = host.load(nil, "build.star")
			e := asError(err, func(path string) []byte { return []byte(host.files[path]) })
			if e == nil {
				t.Fatal("the script did not fail")
			}
			got := e.Detail() + "--\n" + e.Error() + "\n"
			if *update {
				host.update(t, file, archive, got)
			} else if got != host.files["want"] {
				t.Errorf("got:\n%s\nwant:\n%s", got, host.files["want"])
			}
		})
	}
}

// errorHost runs scripts from memory. Their \r, \x1b and the like are written as <CR> and <ESC>, since editors would not keep them.
type errorHost struct {
	files map[string]string
	step  *Error
}

func (h *errorHost) update(t *testing.T, file string, archive *txtar.Archive, got string) {
	for i := range archive.Files {
		if f := &archive.Files[i]; f.Name == "want" {
			f.Data = []byte(got)
		}
	}
	if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
		t.Fatal(err)
	}
}

func (h *errorHost) load(_ *starlark.Thread, name string) (starlark.StringDict, error) {
	source, ok := h.files[name]
	if !ok {
		return nil, withHint(fmt.Errorf("open %s: %w", name, fs.ErrNotExist), "files are named from the root as in //lib/"+name)
	}
	source = strings.NewReplacer("<CR>", "\r", "<ESC>", "\x1b", "<RLO>", "\u202e").Replace(source)
	h.files[name] = source
	env := starlark.StringDict{
		"bad":   starlark.NewBuiltin("bad", h.bad),
		"call":  starlark.NewBuiltin("call", h.call),
		"image": starlark.NewBuiltin("image", h.image),
	}
	return starlark.ExecFileOptions(dialect(), &starlark.Thread{Load: h.load}, name, source, env)
}

// bad(msg, hint) fails, with a hint if there is one.
func (h *errorHost) bad(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	msg, _ := starlark.AsString(args[0])
	err := errors.New(msg)
	if len(args) > 1 {
		hint, _ := starlark.AsString(args[1])
		err = withHint(err, hint)
	}
	return nil, err
}

// image() has the methods add_files, which starts something, and save, which waits for it; it fails.
func (h *errorHost) image(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return starlarkstruct.FromStringDict(starlark.String("Image"), starlark.StringDict{
		"add_files": starlark.NewBuiltin("add_files", h.addFiles),
		"save":      starlark.NewBuiltin("save", h.save),
	}), nil
}

func (h *errorHost) addFiles(thread *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	h.step = &Error{
		Kind: KindScript,
		Msg:  "add_files: ./dist: no such file or directory",
		Hint: `paths are relative to build.star; did you mean "./dist-prod"?`,
		Step: stackFrames(thread.CallStack()),
		err:  fs.ErrNotExist,
	}
	return starlark.None, nil
}

func (h *errorHost) save(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return nil, fmt.Errorf("save: %w", h.step)
}

// call(f) calls f.
func (h *errorHost) call(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Call(thread, args[0], nil, nil)
	if err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	return v, nil
}

func TestAsError(t *testing.T) {
	if asError(nil, nil) != nil {
		t.Error("nil is not nil")
	}
	cause := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	err := asError(fmt.Errorf("add_files: %w", withHint(cause, "look")), nil)
	if !errors.Is(err, fs.ErrNotExist) || err.Hint != "look" || err.Kind != KindScript || err.Step != nil {
		t.Errorf("got %+v", err)
	}
	if got := err.Detail(); got != "error: add_files: open x: file does not exist\nhint: look\n" {
		t.Errorf("got %q", got)
	}
	if k := asError(fmt.Errorf("wait: %w", context.Canceled), nil).Kind; k != KindInterrupted {
		t.Errorf("a cancelled run is %q", k)
	}
	known := &Error{Kind: KindPolicy, Msg: "no"}
	if got := asError(fmt.Errorf("x: %w", known), nil); got.Kind != KindPolicy || got.Msg != "no" {
		t.Errorf("got %+v", got)
	}
	if withHint(nil, "x") != nil {
		t.Error("a hint made an error of nil")
	}
	if got := hintOf(withHint(withHint(cause, "inner"), "outer")); got != "outer" {
		t.Errorf("got the %s hint", got)
	}
}

// hintless is an error of another package that can have a hint and says nothing of its own.
type hintless struct{ err error }

func (h hintless) Error() string { return "wrapped: " + h.err.Error() }
func (h hintless) Hint() string  { return "" }
func (h hintless) Unwrap() error { return h.err }

// TestHintOf: an error of any package may carry a hint, however deep it is wrapped; "" lets an inner one speak.
func TestHintOf(t *testing.T) {
	inner := withHint(errors.New("bad"), "look")
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.New("bad"), ""},
		{hintless{errors.New("bad")}, ""},
		{hintless{inner}, "look"},
		{fmt.Errorf("a: %w", hintless{fmt.Errorf("b: %w", inner)}), "look"},
		{errors.Join(errors.New("first"), inner), "look"},
		{&build.StepError{Op: "save", Err: hintless{inner}}, "look"},
	} {
		if got := hintOf(c.err); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
	if e := Explain(fmt.Errorf("lock: %w", withHint(build.ErrPolicy, "imgscript update"))); e.Hint != "imgscript update" || e.Kind != KindPolicy {
		t.Errorf("got %+v", e)
	}
}

// TestAsErrorThroughStarlark: errors.Is and As work through a script.
func TestAsErrorThroughStarlark(t *testing.T) {
	host := &errorHost{files: map[string]string{"build.star": `load("missing.star", "x")`}}
	_, err := host.load(nil, "build.star")
	e := asError(err, nil)
	if !errors.Is(e, fs.ErrNotExist) || e.Step[0].String() != "build.star:1:1" || !strings.Contains(e.Hint, "//lib/missing.star") {
		t.Errorf("got %+v", e)
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain äあ\tx\ny", "plain äあ\tx\ny"},
		{"\x1b[31mred\a\r\x7f\u0085", `\x1b[31mred\a\r\x7f\u0085`},
		{"\u202egnp.exe\u2066\u200b\ufeff", `\u202egnp.exe\u2066\u200b\ufeff`},
		{"bad \xff\xc3", `bad \xff\xc3`},
		{"real \ufffd", "real \ufffd"},
		{"👩\u200d🚀e\u0301", "👩\u200d🚀e\u0301"},
	}
	for _, tt := range tests {
		if got := printable(tt.in); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestFrameString(t *testing.T) {
	for want, f := range map[string]Frame{
		"a.star:3:14": {File: "a.star", Line: 3, Col: 14},
		"a.star:3":    {File: "a.star", Line: 3},
		"a.star":      {File: "a.star", Col: 14},
		`a\nb.star`:   {File: "a\nb.star"},
	} {
		if got := f.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// FuzzErrorDetail: whatever a source line and a message hold, nothing that a terminal acts on comes out, and Error is one line.
func FuzzErrorDetail(f *testing.F) {
	f.Add("img.add_files({\"/app\": \"./dist\"})", 14, 20, "no such file")
	f.Add("\tä\u0301あ = bad()\x1b", 9, 5, "a\nb\x00")
	f.Add(strings.Repeat("あ", 300), 200, 400, "")
	f.Fuzz(func(t *testing.T, source string, col, end int, msg string) {
		source = strings.ReplaceAll(source, "\n", "")
		e := &Error{Msg: msg, Step: []Frame{{File: "f", Line: 1, Col: col, EndLine: 1, EndCol: end, Source: source}}}
		detail := e.Detail()
		for _, r := range detail {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
				t.Errorf("%q holds %q", detail, r)
			}
		}
		if strings.Count(e.Error(), "\n") > 0 {
			t.Errorf("%q is more than one line", e.Error())
		}
	})
}

// TestExplain makes errors of package build without a script into those of scripts: with a kind and a hint that speaks of no script.
func TestExplain(t *testing.T) {
	if e := Explain(nil); e != nil {
		t.Errorf("nil became %v", e)
	}
	denied := &registry.Error{Repository: "reg.example.com/app", Status: 401}
	for _, c := range []struct {
		err  error
		kind Kind
		hint string
	}{
		{&build.StepError{Op: "copy", Err: denied}, KindCredentials, "login reg.example.com`"},
		{fmt.Errorf("copy: %w", build.ErrPolicy), KindPolicy, ""},
		{build.ErrInterrupted, KindInterrupted, ""},
		{errors.New("bad"), KindScript, ""},
	} {
		e := Explain(c.err)
		if e.Kind != c.kind || !strings.HasSuffix(e.Hint, c.hint) || !errors.Is(e, c.err) || !strings.HasPrefix(e.Detail(), "error: "+c.err.Error()) {
			t.Errorf("%v: got kind %q, hint %q:\n%s", c.err, e.Kind, e.Hint, e.Detail())
		}
	}
}
