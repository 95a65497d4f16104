package starlib

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/tools/txtar"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestPrograms runs testdata/program/*.txtar: proj/build.star, or what a comment line "run: FILE:FUNCTION" says, in the root that the other files are put into. What is
// printed, warned of and saved, and the error in full are compared with the file want, for one job, two and sixteen.
func TestPrograms(t *testing.T) { runPrograms(t, "testdata/program/*.txtar", 1, 2, 16) }

// TestWrongScripts runs testdata/wrong/*.txtar in the same way, for one job and sixteen: mistakes that people make, and what they read then.
func TestWrongScripts(t *testing.T) { runPrograms(t, "testdata/wrong/*.txtar", 1, 16) }

func runPrograms(t *testing.T, pattern string, jobs ...int) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			must(t, err)
			for k, jobs := range jobs {
				w := newWorld(t, "write( "+string(txtar.Format(archive)))
				w.engine = newTestEngine(t, jobs)
				w.opts.Engine = w.engine
				got := w.program(archive)
				if *update && k == 0 {
					setFile(archive, "want", got)
					must(t, writeTestFile(file, txtar.Format(archive)))
				} else if want := fileOf(archive, "want"); got != want {
					t.Errorf("%d jobs: got:\n%s\nwant:\n%s", jobs, got, want)
				}
			}
		})
	}
}

// unmarked is a file as it is written to the root: with the bytes that editors would not keep in an archive.
func unmarked(data []byte) []byte {
	text, isUTF16 := strings.CutPrefix(string(data), "<UTF16>")
	if isUTF16 {
		var units []byte
		for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
			units = binary.LittleEndian.AppendUint16(units, unit)
		}
		return units
	}
	return []byte(strings.NewReplacer("<NUL>", "\x00", "<BOM>", "\ufeff", "<CR>", "\r", "<NBSP>", "\u00a0", "<E9>", "\xe9").Replace(text))
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
			must(w.t, writeTestFile(filepath.Join(w.root, filepath.FromSlash(f.Name)), unmarked(f.Data)))
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
		if status, ok := strings.CutPrefix(line, "status: "); ok { // of all answers of REG
			code, err := strconv.Atoi(strings.TrimSpace(status))
			must(w.t, err)
			w.reg.SetFaults(registrytest.Fault{Times: -1, Status: code})
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
	text := strings.NewReplacer(w.root, "ROOT", filepath.Dir(w.root), "ABOVE").Replace(b.String())
	for name, s := range map[string]*registrytest.Server{"REG": w.reg, "OTHER": w.other} {
		if s != nil {
			text = strings.ReplaceAll(text, s.Host, name)
		}
	}
	if w.files != nil {
		text = strings.ReplaceAll(text, w.files.URL, "FILES")
	}
	if w.secure != nil {
		text = strings.ReplaceAll(text, strings.TrimPrefix(w.secure.URL, "https://"), "SECURE")
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
