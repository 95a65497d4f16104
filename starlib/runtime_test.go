package starlib

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/build"
)

// TestFindRoot: the nearest imgscript.lock, else the nearest .git, else the script's directory.
func TestFindRoot(t *testing.T) {
	for _, tt := range []struct {
		files      []string
		root, name string
	}{
		{nil, "a/b", "x.star"},
		{[]string{".git/config"}, ".", "a/b/x.star"},
		{[]string{".git/config", "a/.git"}, "a", "b/x.star"},
		{[]string{".git/config", "imgscript.lock", "a/.git"}, ".", "a/b/x.star"},
		{[]string{"imgscript.lock", "a/b/imgscript.lock"}, "a/b", "x.star"},
	} {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		must(t, err)
		for _, file := range append(tt.files, "a/b/x.star") {
			must(t, writeTestFile(filepath.Join(dir, file), nil))
		}
		root, name, err := FindRoot(filepath.Join(dir, "a/b/x.star"))
		if err != nil || root != filepath.Join(dir, tt.root) || name != tt.name {
			t.Errorf("%v: got %s, %s, %v", tt.files, root, name, err)
		}
	}
	if _, _, err := FindRoot(filepath.Join(t.TempDir(), "none.star")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestWithoutRoot: the root is found for each script; its path is one of the file system.
func TestWithoutRoot(t *testing.T) {
	dir := t.TempDir()
	must(t, writeTestFile(filepath.Join(dir, ".git"), nil))
	must(t, writeTestFile(filepath.Join(dir, "top.txt"), []byte("top")))
	script := filepath.Join(dir, "a", "x.star")
	must(t, writeTestFile(script, []byte(`print(read_file("../top.txt"))`)))
	var printed []string
	rt, err := New(&Options{Print: func(pos syntax.Position, line string) { printed = append(printed, pos.String()+" "+line) }})
	must(t, err)
	if _, err := rt.ExecFile(t.Context(), script, nil); err != nil || fmt.Sprint(printed) != "[a/x.star:1:6 top]" {
		t.Errorf("got %v, %v", printed, err)
	}
}

// TestFiles: scripts and what they read come from an fs.FS; layouts cannot be written there.
func TestFiles(t *testing.T) {
	files := fstest.MapFS{
		"x.star":     {Data: []byte("load(\"lib/y.star\", \"y\")\nprint(y, glob(\"**/*.txt\"), read_file(\"lib/a.txt\"))\nimage(\"scratch\").add_files(\"lib\").digest\n")},
		"lib/y.star": {Data: []byte("y = 1")},
		"lib/a.txt":  {Data: []byte("a")},
		"out.star":   {Data: []byte(`image("scratch", "oci:out").save()`)},
	}
	var printed []string
	rt, err := New(&Options{Files: files, Engine: newTestEngine(t, 0), Print: func(_ syntax.Position, line string) { printed = append(printed, line) }})
	must(t, err)
	if _, err := rt.ExecFile(t.Context(), "x.star", nil); err != nil || fmt.Sprint(printed) != `[1 ["lib/a.txt"] a]` {
		t.Errorf("got %v, %v", printed, err)
	}
	_, err = rt.ExecFile(t.Context(), "out.star", nil)
	if e := (*Error)(nil); !errors.As(err, &e) || e.Kind != KindPolicy {
		t.Errorf("got %v", err)
	}
	if _, err := New(&Options{Files: files, Root: "."}); err == nil {
		t.Error("Root and Files are both taken")
	}
}

// TestSettings: platform and epoch of the run are the defaults of its images.
func TestSettings(t *testing.T) {
	w := newWorld(t, "REG")
	w.opts.Platform, w.opts.Epoch = "linux/arm64", time.Unix(86400, 5)
	_, err := w.run(t.Context(), "proj/build.star", `
img = image(REG + "/base:index", REG + "/app")
img.add_files({"/a": "app/run.sh"})
assert.eq(img.save().platforms, ["linux/arm64"])
assert.eq(remote_config(REG + "/app", "latest")["created"], "1970-01-02T00:00:00Z")
assert.eq(entries(REG + "/app", "latest", 1)[0].mtime, 86400)
assert.eq(image("scratch", REG + "/s").save().platforms, ["linux/arm64"])
assert.eq(remote_config(REG + "/s", "latest")["architecture"], "arm64")
`)
	if err != nil {
		t.Error(err)
	}
}

// TestPolicy: what the run is not permitted is an error of its kind, before anything is asked or sent.
func TestPolicy(t *testing.T) {
	no := func(what string) error { return fmt.Errorf("%w: %s", build.ErrPolicy, what) }
	yes := func(string) error { return nil }
	for script, policy := range map[string]*build.Policy{
		`image(REG + "/base:oci").layers()`:                               {Net: no},
		`client(REG + "/base").tags()`:                                    {Net: no},
		`image(REG + "/base:oci", REG + "/app").save()`:                   {Net: yes, Push: no},
		`image(REG + "/base:oci", REG + "/app").sync()`:                   {Net: yes, Push: no},
		`client(REG + "/base", write = True).upload("x")`:                 {Net: yes, Push: no},
		`fetch("http://127.0.0.1:1/x", sha256 = 64 * "0")`:                {Push: yes},
		`image("scratch", "oci:out").save()`:                              {Net: yes, Push: yes},
		`image("scratch", REG + "/app").add_files("/etc/x", "/x").digest`: {Net: yes, Push: yes, Read: no},
		`read_file("/etc/passwd")`:                                        {Read: no},
	} {
		w := newWorld(t, script+" # REG")
		w.opts.Policy = policy
		_, err := w.run(t.Context(), "proj/build.star", script)
		e := (*Error)(nil)
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v", script, err)
			continue
		}
		if e.Kind != KindPolicy || !errors.Is(err, build.ErrPolicy) || len(w.reg.Tags("app")) > 0 {
			t.Errorf("%s: got %s error %v", script, e.Kind, err)
		}
	}
}

// TestInterrupted: a run ends when its context does, in the middle of a loop, a wait or a module.
func TestInterrupted(t *testing.T) {
	for _, script := range []string{
		"for _ in range(1 << 60):\n    pass\n",
		`image(REG + "/base:oci").layers()`,
		`image(REG + "/base:oci", REG + "/app").save()`,
		`client(REG + "/base").tags()`,
	} {
		w := newWorld(t, script+"# REG")
		w.reg.Reset()
		w.stall()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		_, err := w.run(ctx, "proj/build.star", script)
		cancel()
		if e := (*Error)(nil); !errors.As(err, &e) || e.Kind != KindInterrupted || time.Since(start) > 10*time.Second {
			t.Errorf("%s: %v after %v", script, err, time.Since(start))
		}
	}
}

// TestConcurrentRuns: one Runtime runs many scripts at once, each on its own.
func TestConcurrentRuns(t *testing.T) {
	w := newWorld(t, "REG")
	w.opts.Print = nil
	w.opts.Events = nil
	rt, err := New(&w.opts)
	must(t, err)
	var group sync.WaitGroup
	digests := make([]string, 8)
	for k := range digests {
		group.Go(func() {
			result, err := rt.ExecFile(t.Context(), "proj/build.star", fmt.Sprintf(`
img = image(REG + "/base:oci", REG + "/app:%d")
img.add_files({"/app": "app"})
d = img.save().digest
`, k))
			if err != nil {
				t.Error(err)
				return
			}
			digests[k], _ = starlark.AsString(result.Globals["d"])
		})
	}
	group.Wait()
	for _, d := range digests {
		if d == "" || d != digests[0] {
			t.Errorf("got %v", digests)
		}
	}
}

// TestResultOfFailure: what was done by then is told.
func TestResultOfFailure(t *testing.T) {
	w := newWorld(t, "REG")
	result, err := w.run(t.Context(), "proj/build.star", `
x = 1
image(REG + "/base:oci", REG + "/app").save()
image(REG + "/nope", REG + "/other").save()
`)
	if err == nil || result == nil || len(result.Report.Saved) != 1 || len(result.Report.Unsaved) != 1 || result.Globals["x"] == nil {
		t.Errorf("got %+v, %v", result, err)
	}
	var step *build.StepError
	if !errors.As(err, &step) || step.Op != "image" {
		t.Errorf("got %T", errors.Unwrap(err))
	}
}

// TestForeignThread: a built-in of ours on a thread that no Runtime started is an error, not a panic.
func TestForeignThread(t *testing.T) {
	for name, fn := range predeclared() {
		if b, ok := fn.(*starlark.Builtin); ok && name == "image" {
			_, err := starlark.Call(new(starlark.Thread), b, starlark.Tuple{starlark.String("scratch")}, nil)
			if err == nil || !strings.Contains(err.Error(), "starlib.Runtime") {
				t.Errorf("got %v", err)
			}
		}
	}
	if Context(new(starlark.Thread)) == nil {
		t.Error("no context")
	}
}

// TestBadNames: scripts outside the root, and of odd types.
func TestBadNames(t *testing.T) {
	w := newWorld(t, "")
	for _, name := range []string{"../x.star", filepath.Join(w.root, "x.star"), "none.star", "proj"} {
		if _, err := w.run(t.Context(), name, nil); err == nil {
			t.Errorf("%s was run", name)
		}
	}
	var e *Error
	if _, err := w.run(t.Context(), "x.star", 3); !errors.As(err, &e) || e.Kind != KindUsage {
		t.Errorf("got %v", err)
	}
	if _, err := w.run(t.Context(), "x.star", []byte("x = 1")); err != nil {
		t.Error(err)
	}
}
