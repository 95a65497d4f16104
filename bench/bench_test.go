//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func TestMain(m *testing.M) {
	if file, ok := os.LookupEnv(measureInto); ok {
		syscall.Exit(measureCommand(file, os.Args[1:])) // os.Exit sleeps a second under the race detector
	}
	os.Exit(buildAndRun(m))
}

// bin has the built imgscript.
var bin string

func buildAndRun(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "imgscript-bench-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(bin)
	if _, err := (command{args: []string{"go", "build", "-o", bin + "/", "../cmd/imgscript"}, env: os.Environ()}).run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// forTest is a lab with little data and registries in this process, in which imgscript alone takes part.
func forTest(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	l := &lab{dir: dir, bin: bin, quick: true, runs: 2, size: quickSizes, only: []string{"imgscript"}, versions: map[string]string{}, out: t.Output()}
	l.size.big, l.size.layerSize, l.size.tree, l.size.curve = 1<<20, 100_000, 200, []int{10, 100, 300, 1000}
	l.open = func(context.Context, string) (*registry, error) {
		server := registrytest.New(t, nil)
		nothing := func() error { return nil }
		return &registry{
			host: server.Host, reset: nothing, keep: nothing,
			requests: func() int { return len(server.Requests()) },
			time:     func() float64 { return 0 },
			close:    server.Close,
		}, nil
	}
	if err := l.writeScripts(); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestJobs does every job with imgscript: each is measured as often as it should be, and its images are verified.
func TestJobs(t *testing.T) {
	l := forTest(t)
	r := &results{Machine: thisMachine(), Versions: l.versions}
	for _, j := range jobs {
		if j.name == "zstd" && !installed("zstd") {
			continue // images are verified with it
		}
		done, err := l.do(t.Context(), j)
		if err != nil {
			t.Fatalf("%s: %v", j.name, err)
		}
		r.put(done)
		want := l.runs * max(1, j.times)
		for _, e := range done.Entries {
			if e.Error != "" || len(e.Samples) != want {
				t.Errorf("%s, %s: %d samples, want %d: %s", j.name, e.Label, len(e.Samples), want, e.Error)
				continue
			}
			for _, s := range e.Samples {
				if s.Wall <= 0 || s.Peak < 1<<20 || s.Requests == 0 && j.name != "startup" {
					t.Errorf("%s, %s: %+v", j.name, e.Label, s)
				}
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(l.data(), "tree/app/00-front*")); left != nil {
		t.Errorf("files are left in the tree: %v", left)
	}
	if e := r.entry("cold", "imgscript"); e.OneStream == 0 || e.Layer == 0 {
		t.Errorf("the sizes of the layer are %d and %d", e.Layer, e.OneStream)
	}
	file := filepath.Join(t.TempDir(), "results.json")
	if err := r.save(file); err != nil {
		t.Fatal(err)
	}
	again, err := load(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("results that are loaded are other ones:\n%s", diff)
	}
}

func installed(name string) bool {
	return slices.ContainsFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool { return exists(filepath.Join(dir, name)) })
}

// TestFailures leaves a tool out that fails, or that makes an image with other files, and goes on with the others.
func TestFailures(t *testing.T) {
	l := forTest(t)
	l.only = nil
	j := *jobs[0]
	j.entries = []entry{
		{tool: "fails", script: "echo no such luck >&2; exit 3"},
		{tool: "lacks a file", script: imgscriptMake + ` --var tree=../$NAME/app/node_modules/000/00`},
		{tool: "imgscript", script: imgscriptMake},
	}
	done, err := l.do(t.Context(), &j)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"no such luck", "is missing", ""} {
		e := done.Entries[i]
		if failed := e.Error != ""; failed != (want != "") || !strings.Contains(e.Error, want) || failed != (len(e.Samples) == 0) {
			t.Errorf("%s: %d samples, error %q, want %q", e.Label, len(e.Samples), e.Error, want)
		}
	}
}

// TestCompareTrees finds every kind of difference.
func TestCompareTrees(t *testing.T) {
	dir := t.TempDir()
	write := func(path, data string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "1")
	write("d/b", "2")
	if err := os.Symlink("a", filepath.Join(dir, "l")); err != nil {
		t.Fatal(err)
	}
	want := tree{}
	if err := want.add(dir, "app"); err != nil {
		t.Fatal(err)
	}
	if got := len(want); got != 5 { // app, a, d, d/b, l
		t.Fatalf("%d entries, want 5: %v", got, want)
	}
	for name, change := range map[string]func(tree){
		"":                    func(t tree) { delete(t, "app/d") },
		"app/a is missing":    func(t tree) { delete(t, "app/a") },
		"app/a: want":         func(t tree) { f := t["app/a"]; f.digest[0]++; t["app/a"] = f },
		"app/d/b: want":       func(t tree) { f := t["app/d/b"]; f.mode = 0o600; t["app/d/b"] = f },
		"app/d: want":         func(t tree) { f := t["app/d"]; f.mode = os.ModeDir | 0o700; t["app/d"] = f },
		"app/l: want":         func(t tree) { f := t["app/l"]; f.link = "b"; t["app/l"] = f },
		"x should not be the": func(t tree) { t["x"] = file{} },
	} {
		got := tree{}
		for path, f := range want {
			got[path] = f
		}
		change(got)
		err := compareTrees(want, got)
		if (err == nil) != (name == "") || err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}

// TestService knows whether a process runs, and stops one that does.
func TestService(t *testing.T) {
	ready := func() bool { return true }
	for _, script := range []string{"exit 0", "exec sleep 1000"} {
		s, err := startService(t.Context(), command{args: shell(script), env: os.Environ()}, filepath.Join(t.TempDir(), "log"), ready)
		if err != nil {
			t.Fatal(err)
		}
		if script == "exit 0" {
			<-s.done
		} else if !s.running() {
			t.Errorf("%q does not run", script)
		}
		s.stop()
		if s.running() {
			t.Errorf("%q still runs", script)
		}
	}
	var none *service
	none.stop()
	if !none.running() || none.pid() != 0 {
		t.Error("no service is one that has ended")
	}
}

// TestStorage keeps what was marked, and removes the rest.
func TestStorage(t *testing.T) {
	s := storage{root: t.TempDir()}
	mkdir := func(path string) string {
		t.Helper()
		path = filepath.Join(s.root, path)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kept := []string{mkdir("repositories/base"), mkdir("blobs/sha256/aa/aa11")}
	if err := s.mark(); err != nil {
		t.Fatal(err)
	}
	removed := []string{mkdir("repositories/app"), mkdir("blobs/sha256/aa/aa22"), mkdir("blobs/sha256/bb/bb11")}
	if err := s.reset(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range kept {
		if !exists(dir) {
			t.Errorf("%s is removed", dir)
		}
	}
	for _, dir := range removed {
		if exists(dir) {
			t.Errorf("%s is left", dir)
		}
	}
}

// TestClean removes no directory that is not one of this program.
func TestClean(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"--clean", "--dir", dir}, &bytes.Buffer{}, &bytes.Buffer{}); err == nil || !exists(filepath.Join(dir, "thesis.tex")) {
		t.Errorf("a directory of somebody else is cleaned: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := clean(dir); err != nil || exists(dir) {
		t.Errorf("a directory of this program is left: %v", err)
	}
}

// TestPublished holds the documents to the results that they were written from. Without results there is nothing in them.
func TestPublished(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !exists("results.json") {
		if exists("../docs/performance.md") || !bytes.Contains(readme, []byte(begin+end)) {
			t.Error("docs/performance.md or the rows of README.md are there without bench/results.json, which they are written from")
		}
		return
	}
	r, err := load("results.json")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, dir := range []string{"bench", "docs"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "README.md"), readme, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.publish(root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "docs/performance.md", published} {
		got, want := read(t, filepath.Join("..", name)), read(t, filepath.Join(root, name))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s is not what %s makes of it; write it anew with bash bench/run --render --write:\n%s", name, published, diff)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestLock holds the lock to the packages that are asked for, all with versions and digests.
func TestLock(t *testing.T) {
	var asked struct{ Dependencies map[string]string }
	var lock struct {
		Packages map[string]struct {
			Version, Integrity string
			Dependencies       map[string]string
		}
	}
	for data, into := range map[*[]byte]any{&packageJSON: &asked, &packageLock: &lock} {
		if err := json.Unmarshal(*data, into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(asked.Dependencies, lock.Packages[""].Dependencies); diff != "" {
		t.Error(diff)
	}
	for name, p := range lock.Packages {
		if name != "" && (p.Version == "" || !strings.HasPrefix(p.Integrity, "sha512-")) {
			t.Errorf("%s is not pinned: %+v", name, p)
		}
	}
}
