package build_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// snapshot lists what is below a directory, with the time of its last change.
func snapshot(t *testing.T, root string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			list = append(list, fmt.Sprintf("%s %s %d %d", path, info.Mode(), info.Size(), info.ModTime().UnixNano()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// wantOnlyReads fails if a registry was sent anything but questions. Requests for tokens are none of them.
func wantOnlyReads(t *testing.T, servers ...*registrytest.Server) {
	t.Helper()
	for _, s := range servers {
		for _, r := range s.Requests() {
			if r.Class != registrytest.ClassToken && r.Method != http.MethodGet && r.Method != http.MethodHead {
				t.Errorf("the plan sent %s", r)
			}
		}
	}
}

// planOf plans a program and returns what it reported, which must be so for every number of processors, and have changed nothing.
func planOf(t *testing.T, engine *build.Engine, root string, f func(*build.Run) error, servers ...*registrytest.Server) *build.Report {
	t.Helper()
	before := snapshot(t, root)
	var first *build.Report
	for _, e := range []*build.Engine{engine, newEngine(t, 1), newEngine(t, 16)} {
		report, err := e.Do(t.Context(), &build.Options{Root: root, Plan: true}, f)
		if err != nil {
			t.Fatal(err)
		}
		if report.Plan == nil || len(report.Plan.Writes) == 0 {
			t.Fatalf("there is no plan: %v", report.Plan)
		}
		if first == nil {
			first = report
		}
		if diff := cmp.Diff(text(t, first.Plan), text(t, report.Plan)); diff != "" {
			t.Errorf("two plans of one thing differ:\n%s", diff)
		}
	}
	wantOnlyReads(t, servers...)
	if diff := cmp.Diff(before, snapshot(t, root)); diff != "" {
		t.Errorf("the plan changed files:\n%s", diff)
	}
	return first
}

func text(t *testing.T, p *build.Plan) string {
	t.Helper()
	data, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestPlanThenRun: a plan changes nothing, and says what the run after it then does: the same digests and tags, and as many blobs uploaded, mounted and skipped.
func TestPlanThenRun(t *testing.T) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			from, to := registrytest.New(t, nil), registrytest.New(t, nil)
			base(t, from)
			base(t, to)
			if p.seed != nil {
				p.seed(t, from, to)
			}
			from.Reset()
			to.Reset()
			root, engine := planRoot(t), newEngine(t, 2)
			f := func(r *build.Run) error { return p.run(r, from.Host, to.Host) }
			planned := planOf(t, engine, root, f, from, to)
			tags := tagsNow(planned.Plan, from, to)
			did, err := engine.Do(t.Context(), &build.Options{Root: root}, f)
			if err != nil {
				t.Fatal(err)
			}
			if did.Plan != nil {
				t.Error("a run that writes has a plan")
			}
			for _, diff := range []string{
				cmp.Diff(planned.Saved, did.Saved, cmpopts.IgnoreFields(build.Saved{}, "Layers")), cmp.Diff(planned.Copied, did.Copied),
			} {
				if diff != "" {
					t.Errorf("(-planned +done):\n%s", diff)
				}
			}
			wantPlanned(t, planned.Plan, did)
			if diff := cmp.Diff(after(planned.Plan, tags), tagsNow(planned.Plan, from, to)); diff != "" {
				t.Errorf("tags (-planned +there):\n%s", diff)
			}
		})
	}
}

// wantPlanned compares a plan with the report of the run after it.
func wantPlanned(t *testing.T, p *build.Plan, did *build.Report) {
	t.Helper()
	type counts struct {
		Target                     string
		Digest                     digest.Digest
		Uploaded, Mounted, Skipped int
		UploadedBytes              int64
	}
	var planned, done []counts
	for _, w := range p.Writes {
		if w.Op == "save" || w.Op == "copy" {
			c := counts{Target: w.Target, Digest: w.Digest}
			if w.Unchanged {
				w.Blobs = nil // a run asks for none of them
			}
			c.Uploaded, c.UploadedBytes = w.Count(build.ActionUpload)
			c.Mounted, _ = w.Count(build.ActionMount)
			c.Skipped, _ = w.Count(build.ActionSkip)
			planned = append(planned, c)
		}
	}
	for _, s := range did.Saved {
		done = append(done, counts{s.Target, s.Digest, s.Uploaded, s.Mounted, s.Skipped, s.UploadedBytes})
	}
	for _, c := range did.Copied {
		done = append(done, counts{c.Target, c.Digest, c.Uploaded, c.Mounted, c.Skipped, c.UploadedBytes})
	}
	if diff := cmp.Diff(planned, done); diff != "" {
		t.Errorf("(-planned +done):\n%s", diff)
	}
}

// tagsNow are the digests of all tags in the repositories that a plan writes to, by "host/repository:tag".
func tagsNow(p *build.Plan, servers ...*registrytest.Server) map[string]digest.Digest {
	tags := map[string]digest.Digest{}
	for _, w := range p.Writes {
		for _, s := range servers {
			repository, ok := strings.CutPrefix(w.Target, s.Host+"/")
			if !ok {
				continue
			}
			for _, tag := range s.Tags(repository) {
				desc, _, _ := s.Manifest(repository, tag)
				tags[w.Target+":"+tag] = desc.Digest
			}
		}
	}
	return tags
}

// after is what a plan makes of tags.
func after(p *build.Plan, before map[string]digest.Digest) map[string]digest.Digest {
	tags := maps.Clone(before)
	for _, w := range p.Writes {
		for _, tag := range w.Tags {
			if !strings.HasPrefix(w.Target, "oci:") && !strings.HasPrefix(w.Target, "docker-archive:") {
				tags[w.Target+":"+tag.Name] = tag.New
			}
		}
	}
	maps.DeleteFunc(tags, func(_ string, dgst digest.Digest) bool { return dgst == "" })
	return tags
}

// TestPlanOfWhatIsThere: after a run, there is nothing left to do, and the plan says so.
func TestPlanOfWhatIsThere(t *testing.T) {
	to := registrytest.New(t, nil)
	base(t, to)
	root, engine := planRoot(t), newEngine(t, 2)
	f := func(r *build.Run) error { return withLayer(r, to.Host+"/base:v1", to.Host+"/app:v1", "svc1", nil) }
	if _, err := engine.Do(t.Context(), &build.Options{Root: root}, f); err != nil {
		t.Fatal(err)
	}
	to.Reset()
	w := planOf(t, engine, root, f, to).Plan.Writes[0]
	if n, _ := w.Count(build.ActionSkip); !w.Unchanged || n != len(w.Blobs) || len(w.Blobs) != 4 {
		t.Errorf("got %+v", w)
	}
	if tag := w.Tags[0]; tag.Old != tag.New || tag.New != w.Digest {
		t.Errorf("got %+v", tag)
	}
}

// TestPlanSays what is in a plan: layers with their sources, tags with what they were, deletions.
func TestPlanSays(t *testing.T) {
	to := registrytest.New(t, nil)
	seeded := base(t, to)
	old := to.PushImage("app", "v1", layersOf(1)).Manifest.Digest
	root := planRoot(t)
	report := planOf(t, newEngine(t, 2), root, func(r *build.Run) error {
		if err := withLayer(r, to.Host+"/base:v1", to.Host+"/app:v1", "svc1", &build.SaveOptions{Tags: []string{"v1", "v2"}}); err != nil {
			return err
		}
		c, err := r.Client(to.Host+"/app", nil, true)
		if err != nil {
			return err
		}
		return errors.Join(c.Delete("v2"), c.Delete(old.String()))
	}, to)
	saved := report.Saved[0]
	built, err := saved.Layers[2].Wait()
	if err != nil {
		t.Fatal(err)
	}
	doc := saved.Digest
	from := to.Host + "/base:v1"
	config := report.Plan.Writes[0].Blobs[3]
	want := []build.Write{
		{
			Op: "save", Target: to.Host + "/app", From: from, Digest: doc, MediaType: content.OCIManifest, Size: saved.Size, Platforms: []string{"linux/amd64"},
			Blobs: []build.PlannedBlob{
				{Action: "mount", Kind: "layer", Digest: seeded.Layers[0].Digest, Size: seeded.Layers[0].Size, MediaType: content.OCILayerGzip, DiffID: seeded.DiffIDs[0], Source: from},
				{Action: "mount", Kind: "layer", Digest: seeded.Layers[1].Digest, Size: seeded.Layers[1].Size, MediaType: content.OCILayerGzip, DiffID: seeded.DiffIDs[1], Source: from},
				{Action: "upload", Kind: "layer", Digest: built.Descriptor.Digest, Size: built.Descriptor.Size, MediaType: content.OCILayerGzip, DiffID: built.DiffID, Source: `add_files({"/srv": "//svc1"})`},
				{Action: "upload", Kind: "config", Digest: config.Digest, Size: config.Size, MediaType: content.OCIConfig},
			},
			Tags: []build.PlannedTag{{Name: "v1", Old: old, New: doc}, {Name: "v2", New: doc}},
		},
		{Op: "delete", Target: to.Host + "/app", Tags: []build.PlannedTag{{Name: "v2", Old: doc}}},
		{Op: "delete", Target: to.Host + "/app", Digest: old},
	}
	if diff := cmp.Diff(want, report.Plan.Writes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := build.ParsePlan([]byte(text(t, report.Plan)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report.Plan, again); diff != "" {
		t.Errorf("read from its JSON it is another:\n%s", diff)
	}
}

// TestPlanRefusesSomebodysDirectory, as the run would, before it has sent anything.
func TestPlanRefusesSomebodysDirectory(t *testing.T) {
	root := tree(t, map[string]string{"src/main.go": "package main", "app": "x"})
	for _, plan := range []bool{true, false} {
		_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: root, Plan: plan}, func(r *build.Run) error {
			return withLayer(r, "scratch", "oci:src", "app", nil)
		})
		if err == nil || !strings.Contains(err.Error(), "holds other files") {
			t.Errorf("plan %t: %v", plan, err)
		}
	}
}

// TestPlanOfArchives: an archive is written anew each time, whatever it holds, and what it holds then is what was planned.
func TestPlanOfArchives(t *testing.T) {
	root, engine := planRoot(t), newEngine(t, 2)
	f := func(r *build.Run) error {
		if err := withLayer(r, "scratch", "oci-archive:out.tar:v1", "svc1", nil); err != nil {
			return err
		}
		return withLayer(r, "oci-archive:out.tar:v1", "oci:out", "svc2", nil)
	}
	for range 2 {
		planned := planOf(t, engine, root, f)
		did, err := engine.Do(t.Context(), &build.Options{Root: root}, f)
		if err != nil {
			t.Fatal(err)
		}
		wantPlanned(t, planned.Plan, did)
	}
}

// TestPlanDownloadsNothing that would only be copied: of an image in another registry, the manifest and the config are read and no layer.
func TestPlanDownloadsNothing(t *testing.T) {
	from, to := registrytest.New(t, nil), registrytest.New(t, nil)
	seeded := from.PushImage("base", "v1", layersOf(5))
	planOf(t, newEngine(t, 2), planRoot(t), func(r *build.Run) error {
		if err := withLayer(r, from.Host+"/base:v1", to.Host+"/app:v1", "svc1", nil); err != nil {
			return err
		}
		r.Copy(at("copy"), from.Host+"/base:v1", to.Host+"/copy:v1", nil)
		c, err := r.Client(to.Host+"/blobs", nil, true)
		if err != nil {
			return err
		}
		_, err = c.CopyBlob(at("line 4"), seeded.Layers[0].Digest, from.Host+"/base")
		return err
	}, from, to)
	for _, r := range from.Requests() {
		isLayer := slices.ContainsFunc(seeded.Layers, func(d content.Descriptor) bool { return d.Digest.String() == r.Reference })
		if r.Method == http.MethodGet && isLayer {
			t.Errorf("the plan read a layer: %s", r)
		}
	}
}

// TestPlanOfFailure: a plan that fails says why, as the run would, and what it had planned by then.
func TestPlanOfFailure(t *testing.T) {
	to := registrytest.New(t, nil)
	base(t, to)
	root := serviceTree(t, 3)
	var said []string
	for _, plan := range []bool{true, false} {
		report, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: root, Plan: plan}, func(r *build.Run) error { return services(r, to, 3, 2) })
		if err == nil {
			t.Fatal("it succeeded")
		}
		said = append(said, err.Error())
		if plan && (report.Plan == nil || len(report.Plan.Writes) != 1 || report.Plan.Writes[0].Target != to.Host+"/svc1") {
			t.Errorf("planned was %+v", report.Plan)
		}
		if plan {
			wantOnlyReads(t, to)
		}
	}
	if said[0] != said[1] {
		t.Errorf("the plan said %q, the run %q", said[0], said[1])
	}
}

// TestPlanOfServices: of images that share new layers, it is the first in the program that uploads them, whichever is ready first.
func TestPlanOfServices(t *testing.T) {
	from, to := registrytest.New(t, nil), registrytest.New(t, nil)
	from.PushImage("base", "v1", layersOf(3))
	plan := planOf(t, newEngine(t, 2), t.TempDir(), fleet(from.Host+"/base:v1", to, 10), from, to).Plan
	for i, w := range plan.Writes {
		uploads, _ := w.Count(build.ActionUpload)
		mounts, _ := w.Count(build.ActionMount)
		wantUploads, wantMounts := 1, 3
		if i == 0 {
			wantUploads, wantMounts = 4, 0
		}
		if w.Target != fmt.Sprintf("%s/fleet/app%d", to.Host, i) || uploads != wantUploads || mounts != wantMounts {
			t.Errorf("write %d: %s uploads %d and mounts %d, want %d and %d", i, w.Target, uploads, mounts, wantUploads, wantMounts)
		}
	}
}

// TestPlanReadsWhatIsPlanned in other ways than by a client: files of an image that is only planned are there.
func TestPlanReadsWhatIsPlanned(t *testing.T) {
	to := registrytest.New(t, nil)
	planOf(t, newEngine(t, 2), planRoot(t), func(r *build.Run) error {
		if err := withLayer(r, "scratch", to.Host+"/app:v1", "svc1", nil); err != nil {
			return err
		}
		img, err := r.Image(at("line 4"), to.Host+"/app:v1", nil)
		if err != nil {
			return err
		}
		layers, err := img.Layers(at("line 5"))
		if err != nil || len(layers) != 1 {
			return fmt.Errorf("%d layers, %w", len(layers), err)
		}
		body, err := layers[0].Blob().Open(context.Background())
		if err != nil {
			return err
		}
		defer body.Close()
		data, err := io.ReadAll(body)
		if err != nil || digest.FromBytes(data) != layerDigest(layers[0]) {
			return fmt.Errorf("%d bytes, %w", len(data), err)
		}
		return nil
	}, to)
}

func layerDigest(l *build.Layer) digest.Digest {
	known, err := l.Wait()
	if err != nil {
		return ""
	}
	return known.Descriptor.Digest
}

// TestPlanOfConfiguration plans a change of the config alone, of a base with several tags of its own.
func TestPlanOfConfiguration(t *testing.T) {
	to := registrytest.New(t, nil)
	base(t, to)
	plan := planOf(t, newEngine(t, 2), t.TempDir(), func(r *build.Run) error {
		img, err := r.Image(at("line 1"), to.Host+"/base:v1", &build.ImageOptions{Target: to.Host + "/base:v1"})
		if err != nil {
			return err
		}
		img.Configure(at("line 2"), "cmd", image.Changes{Cmd: []string{"x"}})
		img.Save(at("line 3"), nil)
		return nil
	}, to).Plan
	w := plan.Writes[0]
	uploads, _ := w.Count(build.ActionUpload)
	if skips, _ := w.Count(build.ActionSkip); uploads != 1 || skips != 2 || w.Blobs[2].Kind != "config" || w.Blobs[2].Action != build.ActionUpload {
		t.Errorf("got %+v", w)
	}
}
