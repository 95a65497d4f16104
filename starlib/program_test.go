package starlib

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestPrograms runs testdata/program/*.txtar: proj/build.star, or what a comment line "run: FILE:FUNCTION" says, in the root that the other files are put into. What is
// printed, warned of and saved, and the error in full are compared with the file want, for one job, two and sixteen.
func TestPrograms(t *testing.T) {
	files, err := filepath.Glob("testdata/program/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			must(t, err)
			for _, jobs := range []int{1, 2, 16} {
				w := newWorld(t, "write( "+string(txtar.Format(archive)))
				w.engine = newTestEngine(t, jobs)
				w.opts.Engine = w.engine
				got := w.program(archive)
				if *update && jobs == 1 {
					setFile(archive, "want", got)
					must(t, writeTestFile(file, txtar.Format(archive)))
				} else if want := fileOf(archive, "want"); got != want {
					t.Errorf("%d jobs: got:\n%s\nwant:\n%s", jobs, got, want)
				}
			}
		})
	}
}

func fileOf(archive *txtar.Archive, name string) string {
	for _, f := range archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func setFile(archive *txtar.Archive, name, data string) {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			archive.Files[i].Data = []byte(data)
			return
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(data)})
}

// program runs the program of an archive and says all that came of it.
func (w *world) program(archive *txtar.Archive) string {
	for _, f := range archive.Files {
		if f.Name != "want" {
			must(w.t, writeTestFile(filepath.Join(w.root, filepath.FromSlash(f.Name)), f.Data))
		}
	}
	servers := slices.DeleteFunc([]*registrytest.Server{w.reg, w.other}, func(s *registrytest.Server) bool { return s == nil })
	before := map[*registrytest.Server][]string{}
	for _, s := range servers {
		before[s] = w.tags(s)
	}
	file, function := "proj/build.star", ""
	for line := range strings.Lines(string(archive.Comment)) {
		if run, ok := strings.CutPrefix(line, "run: "); ok {
			file, function, _ = strings.Cut(strings.TrimSpace(run), ":")
		}
	}
	if strings.Contains(string(archive.Comment), "--var") {
		w.opts.Vars = map[string]string{"greeting": "hello"}
	}
	rt, err := New(&w.opts)
	must(w.t, err)
	var result *Result
	if function == "" {
		result, err = rt.ExecFile(w.t.Context(), file, nil)
	} else {
		result, err = rt.Call(w.t.Context(), file, function, nil)
	}
	var b strings.Builder
	for _, line := range w.printed {
		fmt.Fprintf(&b, "print: %s\n", line)
	}
	for _, warning := range result.Report.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	for _, saved := range result.Report.Saved {
		fmt.Fprintf(&b, "saved: %s %s\n", saved.Target, strings.Join(saved.Tags, " "))
	}
	for _, unsaved := range result.Report.Unsaved {
		fmt.Fprintf(&b, "unsaved: %s\n", unsaved)
	}
	for _, s := range servers {
		for _, tag := range w.tags(s) {
			if !slices.Contains(before[s], tag) {
				fmt.Fprintf(&b, "tag: %s/%s\n", s.Host, tag)
			}
		}
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		fmt.Fprintf(&b, "%s(%s)\n", e.Detail(), e.Kind)
	} else if err != nil {
		w.t.Errorf("%v is no *Error", err)
	}
	text := strings.ReplaceAll(b.String(), w.root, "ROOT")
	for name, s := range map[string]*registrytest.Server{"REG": w.reg, "OTHER": w.other} {
		if s != nil {
			text = strings.ReplaceAll(text, s.Host, name)
		}
	}
	return text
}

// tags lists the tags that programs make, as repository:tag.
func (w *world) tags(s *registrytest.Server) []string {
	var all []string
	for _, repo := range []string{"a", "app", "b", "base", "c", "d", "e"} {
		for _, tag := range s.Tags(repo) {
			all = append(all, repo+":"+tag)
		}
	}
	return all
}
