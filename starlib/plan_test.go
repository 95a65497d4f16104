package starlib

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/tools/txtar"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// What is in a registry, for helpers of scripts: in a plan, what would be.

func (w *world) tagsIn(repository string) []string {
	if c := w.planned(repository); c != nil {
		tags, err := c.Tags(Here(w.thread))
		if err != nil {
			w.t.Errorf("tags of %s: %v", repository, err)
		}
		return tags
	}
	s, repo := w.server(repository)
	return s.Tags(repo)
}

func (w *world) manifestIn(repository, ref string) (content.Descriptor, []byte, bool) {
	if c := w.planned(repository); c != nil {
		desc, data, err := c.Manifest(Here(w.thread), ref)
		return desc, data, err == nil
	}
	s, repo := w.server(repository)
	return s.Manifest(repo, ref)
}

func (w *world) blobIn(repository string, dgst digest.Digest) ([]byte, bool) {
	if c := w.planned(repository); c != nil {
		data, err := c.ReadBlob(Here(w.thread), dgst, 64<<20)
		return data, err == nil
	}
	s, repo := w.server(repository)
	return s.Blob(repo, dgst)
}

// planned is a client of a repository as it would be; nil outside of a plan.
func (w *world) planned(repository string) *build.Client {
	if !w.opts.Plan {
		return nil
	}
	run, err := Run(w.thread)
	must(w.t, err)
	host, _, _ := strings.Cut(repository, "/")
	c, err := run.Client(repository, auth.Map{host: {Username: "ann", Secret: "s3cr3t-pw"}}, false)
	must(w.t, err)
	return c
}

// onlyRead checks that the registries of a world were asked and sent nothing, tokens aside.
func (w *world) onlyRead(t *testing.T) {
	t.Helper()
	for _, s := range []*registrytest.Server{w.reg, w.other} {
		if s == nil {
			continue
		}
		for _, r := range s.Requests() {
			if r.Class != registrytest.ClassToken && r.Method != http.MethodGet && r.Method != http.MethodHead {
				t.Errorf("the plan sent %s", r)
			}
		}
	}
}

// listing is all that is below the root.
func (w *world) listing() string {
	var list strings.Builder
	must(w.t, filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&list, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		}
		return err
	}))
	return list.String()
}

// unwritten marks scripts that fail because of what only writing finds out. It is in a comment that says what.
const unwritten = "(A plan does not "

// TestRunPlanned plans what TestRun runs. Whatever a script looks at is as it would be in a run.
func TestRunPlanned(t *testing.T) {
	runScripts(t, "testdata/run/*.star", func(t *testing.T, filename, source string) error {
		t.Parallel()
		w := newWorld(t, source)
		w.opts.Plan = true
		before := w.listing()
		result, err := w.run(t.Context(), "proj/build.star", source)
		w.onlyRead(t)
		if after := w.listing(); after != before && !strings.Contains(source, "write(") {
			t.Errorf("files changed: before\n%s\nafter\n%s", before, after)
		}
		if result.Report.Plan == nil {
			t.Error("there is no plan")
		}
		if strings.Contains(source, unwritten) {
			must(t, err)
			w.opts.Plan = false // for the error that the script's comment expects
			_, err = w.run(t.Context(), "proj/build.star", source)
		}
		return renamed(err, "proj/build.star", filename)
	})
}

// sent is how an error names the request that failed. A run begins with a write and a plan with a question, whose answer has no body.
var sent = regexp.MustCompile(`: "UNAUTHORIZED authentication required"|(POST|HEAD) http://OTHER/v2/app/blobs/[^)]*`)

// TestProgramsPlanned plans what TestPrograms runs: each prints, warns and fails as it would, and no tag is there afterwards.
func TestProgramsPlanned(t *testing.T) {
	files, err := filepath.Glob("testdata/program/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			must(t, err)
			want := ""
			for line := range strings.Lines(fileOf(archive, "want")) {
				if !strings.HasPrefix(line, "tag: ") {
					want += line
				}
			}
			for _, jobs := range []int{1, 16} {
				w := newWorld(t, "write( "+string(txtar.Format(archive)))
				w.engine = newTestEngine(t, jobs)
				w.opts.Engine, w.opts.Plan = w.engine, true
				if got := w.program(archive); sent.ReplaceAllString(got, "") != sent.ReplaceAllString(want, "") {
					t.Errorf("%d jobs: got:\n%s\nwant:\n%s", jobs, got, want)
				}
				w.onlyRead(t)
			}
		})
	}
}

// TestPlanIsInTheResult: what a script would write is told to who runs it, in JSON as in Go.
func TestPlanIsInTheResult(t *testing.T) {
	w := newWorld(t, "write(")
	w.opts.Plan = true
	result, err := w.run(t.Context(), "proj/build.star", `image("scratch", "oci:out").save(tags = ["v1"])`)
	must(t, err)
	data, err := json.Marshal(result.Report.Plan)
	must(t, err)
	if want := `{"version":1,"writes":[{"op":"save","target":"oci:out","from":"scratch","digest":"` + result.Report.Saved[0].Digest.String(); !strings.HasPrefix(string(data), want) {
		t.Errorf("got %s, want %s…", data, want)
	}
}
