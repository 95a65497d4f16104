package build_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// hows are how tasks may end, by what they do.
var hows = map[build.Work][]string{
	build.BaseWork: {"found"}, build.SourceWork: {"found"}, build.LayerWork: {"built", "unchanged"}, build.PushWork: {"uploaded", "mounted", "present"},
	build.TagWork: {"tagged"}, build.DownloadWork: {"downloaded"}, build.FetchWork: {"fetched"}, build.UploadWork: {"uploaded"},
	build.ReadWork: {"read"}, build.CompressWork: {"built"},
}

// listener takes the events of a run, and complains of those that break a promise.
type listener struct {
	t    *testing.T
	all  []build.Event
	open map[int]build.Event // the start of each task that did not end
	over bool                // the run is
	hear func(build.Event)   // is told each event too; may be nil
}

func listen(t *testing.T) *listener { return &listener{t: t, open: map[int]build.Event{}} }

// event needs no lock: events come one at a time.
func (l *listener) event(e build.Event) {
	if last := len(l.all) - 1; last >= 0 && e.Time.Before(l.all[last].Time) {
		l.t.Errorf("%v comes after %v", e, l.all[last])
	}
	if l.over || e.Time.IsZero() {
		l.t.Errorf("after the end of the run, or without a time: %+v", e)
	}
	l.all = append(l.all, e)
	start, known := l.open[e.Task]
	switch {
	case e.Kind == build.TaskStart:
		if e.Task < 1 || known || slices.ContainsFunc(l.all[:len(l.all)-1], func(old build.Event) bool { return old.Task == e.Task }) {
			l.t.Errorf("a task starts twice: %+v", e)
		}
		if hows[e.What] == nil || e.Subject == "" || (e.Where != "") != (e.What == build.PushWork || e.What == build.UploadWork) || e.Bytes != 0 || e.Total < -1 {
			l.t.Errorf("a task starts as %+v", e)
		}
		l.open[e.Task] = e
	case e.Task != 0 && (!known || e.What != start.What || e.Subject != start.Subject || e.Where != start.Where || e.Total != start.Total && start.Total != -1):
		l.t.Errorf("%+v is none of the task that started as %+v (%v)", e, start, known)
	case e.Kind == build.TaskEnd:
		delete(l.open, e.Task)
		if good := e.Err == nil; good != slices.Contains(hows[e.What], e.How) || good != (e.Digest != "") || e.Stopped && good {
			l.t.Errorf("a task ends as %+v", e)
		}
	case e.Kind == build.Waiting && (e.Host == "" || e.Reason == "" || e.Delay < 0):
		l.t.Errorf("it waits for %+v", e)
	}
	if l.hear != nil {
		l.hear(e)
	}
}

// do runs f. Afterwards every task has ended, and nothing more is told.
func (l *listener) do(ctx context.Context, e *build.Engine, opts build.Options, f func(*build.Run) error) error {
	opts.Events = l.event
	_, err := e.Do(ctx, &opts, f)
	l.over = true
	for _, start := range l.open {
		l.t.Errorf("it never ended: %+v", start)
	}
	return err
}

// ends are the ends of one kind of work.
func (l *listener) ends(what build.Work) []build.Event {
	return l.some(func(e build.Event) bool { return e.Kind == build.TaskEnd && e.What == what })
}

func (l *listener) some(wanted func(build.Event) bool) []build.Event {
	var list []build.Event
	for _, e := range l.all {
		if wanted(e) {
			list = append(list, e)
		}
	}
	return list
}

// count tells of how many ends of a kind of work went so.
func (l *listener) count(what build.Work, how string) int {
	n := 0
	for _, e := range l.ends(what) {
		if e.How == how {
			n++
		}
	}
	return n
}

// TestEvents follows a run by what it tells: every task starts once and ends once, and says how.
func TestEvents(t *testing.T) {
	reg := registrytest.New(t, nil)
	seeded := base(t, reg)
	l := listen(t)
	root := tree(t, map[string]string{"svc1/app": "app 1"})
	if err := l.do(t.Context(), newEngine(t, 2), build.Options{Root: root}, func(r *build.Run) error { return services(r, reg, 1, 0) }); err != nil {
		t.Fatal(err)
	}
	bases := l.ends(build.BaseWork)
	if len(bases) != 1 || bases[0].Subject != reg.Host+"/base:v1" || bases[0].Digest != seeded.Manifest.Digest {
		t.Errorf("the base: %+v", bases)
	}
	if layers := l.ends(build.LayerWork); len(layers) != 1 || layers[0].Name() != "layer /srv" || layers[0].Bytes == 0 {
		t.Errorf("the layer: %+v", layers)
	}
	if mounted, uploaded := l.count(build.PushWork, "mounted"), l.count(build.PushWork, "uploaded"); mounted != 2 || uploaded != 2 {
		t.Errorf("%d layers of the base mounted, layer and config in %d uploads, want 2 and 2: %+v", mounted, uploaded, l.ends(build.PushWork))
	}
	for _, e := range l.ends(build.PushWork) {
		if e.How == "uploaded" && (e.Bytes != e.Total || e.Digest.String() != e.Subject || e.Where != reg.Host+"/svc1") {
			t.Errorf("an upload ended as %+v", e)
		}
		if want := "push " + e.Digest.String()[:len("sha256:")+12] + " to " + reg.Host + "/svc1"; e.Name() != want {
			t.Errorf("it is called %q, want %q", e.Name(), want)
		}
	}
	if tags := l.ends(build.TagWork); len(tags) != 1 || tags[0].Subject != reg.Host+"/svc1:latest" {
		t.Errorf("the tag: %+v", tags)
	}
}

// TestEventsOfGrowingLayer: one that is sent while it is built has no digest before its end.
func TestEventsOfGrowingLayer(t *testing.T) {
	reg := registrytest.New(t, nil)
	l := listen(t)
	var data bytes.Buffer
	for i := range 400_000 {
		fmt.Fprintln(&data, i*i)
	}
	err := l.do(t.Context(), newEngine(t, 2), build.Options{Root: tree(t, map[string]string{"data": data.String()})}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: reg.Host + "/app"})
		if err == nil {
			img.AddFiles(at("line 2"), []build.File{{Target: "/data", Local: "data"}}, nil)
			img.Save(at("line 3"), nil)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	built := l.ends(build.LayerWork)[0]
	sent := l.some(func(e build.Event) bool {
		return e.Kind == build.TaskEnd && e.Subject == "/data" && e.What == build.PushWork
	})
	if len(sent) != 1 || sent[0].Digest != built.Digest || sent[0].Bytes != built.Bytes || sent[0].Total != built.Bytes {
		t.Errorf("built as %+v, sent as %+v", built, sent)
	}
}

// TestEventsOfCopies has the source, the blobs and the tag.
func TestEventsOfCopies(t *testing.T) {
	reg, to := registrytest.New(t, nil), registrytest.New(t, nil)
	base(t, reg)
	reg.PushImage("base", "v2", registrytest.Image{})
	l := listen(t)
	err := l.do(t.Context(), newEngine(t, 2), build.Options{Root: t.TempDir()}, func(r *build.Run) error {
		_, err := r.Copy(at("line 1"), reg.Host+"/base", to.Host+"/copy", &build.CopyOptions{AllTags: true}).Wait()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.ends(build.SourceWork)) != 2 || l.count(build.PushWork, "uploaded") < 3 {
		t.Errorf("got %+v", l.all)
	}
	var tags []string
	for _, e := range l.ends(build.TagWork) {
		tags = append(tags, e.Subject)
	}
	if want := []string{to.Host + "/copy:v1", to.Host + "/copy:v2"}; !slices.Equal(tags, want) {
		t.Errorf("tags %q, want %q", tags, want)
	}
}

// TestEventsOfFailures: what failed ends with its error, what was stopped because of it says so.
func TestEventsOfFailures(t *testing.T) {
	reg := registrytest.New(t, nil)
	base(t, reg)
	l := listen(t)
	err := l.do(t.Context(), newEngine(t, 2), build.Options{Root: serviceTree(t, 3)}, func(r *build.Run) error { return services(r, reg, 3, 2) })
	if err == nil {
		t.Fatal("a file is missing")
	}
	failed := l.some(func(e build.Event) bool { return e.Err != nil && !e.Stopped })
	if len(failed) != 1 || failed[0].What != build.LayerWork || !strings.Contains(failed[0].Err.Error(), "missing") {
		t.Errorf("failed: %+v", failed)
	}
	reg = registrytest.New(t, nil)
	base(t, reg)
	reg.SetFaults(registrytest.Fault{Class: registrytest.ClassManifest, Method: http.MethodPut, Status: 403, Times: -1})
	l = listen(t)
	if err := l.do(t.Context(), newEngine(t, 2), build.Options{Root: serviceTree(t, 1)}, func(r *build.Run) error { return services(r, reg, 1, 0) }); err == nil {
		t.Fatal("the manifest is refused")
	}
	if tags := l.ends(build.TagWork); len(tags) != 1 || tags[0].Err == nil || tags[0].Stopped {
		t.Errorf("the tag: %+v", tags)
	}
}

// TestEventsOfCancelledRun: all that was under way ends as stopped.
func TestEventsOfCancelledRun(t *testing.T) {
	reg := registrytest.New(t, nil)
	base(t, reg)
	reg.SetFaults(registrytest.Fault{Class: registrytest.ClassUpload, Stall: true, Times: -1})
	ctx, cancel := context.WithCancel(t.Context())
	l := listen(t)
	l.hear = func(e build.Event) {
		if e.Kind == build.TaskStart && e.What == build.PushWork {
			cancel()
		}
	}
	err := l.do(ctx, newEngine(t, 2), build.Options{Root: serviceTree(t, 3)}, func(r *build.Run) error { return services(r, reg, 3, 0) })
	if !errors.Is(err, build.ErrInterrupted) {
		t.Fatal(err)
	}
	stopped := 0
	for _, e := range l.ends(build.PushWork) {
		if e.Err != nil && !e.Stopped {
			t.Errorf("it did not fail of its own: %+v", e)
		}
		if e.Stopped {
			stopped++
		}
	}
	if stopped == 0 {
		t.Errorf("nothing was stopped: %+v", l.all)
	}
}

// TestEventsOfPanics: a task that panics ends too.
func TestEventsOfPanics(t *testing.T) {
	l := listen(t)
	err := l.do(t.Context(), newEngine(t, 2), build.Options{Root: t.TempDir()}, func(r *build.Run) error {
		_, err := r.LayerFromTar(at("line 1"), &build.Blob{Name: "bad.tar", Size: -1, Open: func(context.Context) (io.ReadCloser, error) { panic("boom") }}, "")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Fatal(err)
	}
	if ends := l.ends(build.LayerWork); len(ends) != 1 || ends[0].Err == nil {
		t.Errorf("got %+v", ends)
	}
}

// TestWaitingIsTold: requests that wait tell so in the task that they are for, or, of a client's, in none.
func TestWaitingIsTold(t *testing.T) {
	for _, test := range []struct {
		name   string
		fault  registrytest.Fault
		what   build.Work
		reason string
		tries  int
	}{
		{"base", registrytest.Fault{Class: registrytest.ClassManifest, Match: "/base/", Method: http.MethodGet, Status: 503}, build.BaseWork, "503 Service Unavailable", 1},
		{"push", registrytest.Fault{Class: registrytest.ClassUpload, Status: 502}, build.PushWork, "502 Bad Gateway", 1},
		{"tag", registrytest.Fault{Class: registrytest.ClassManifest, Method: http.MethodPut, Status: 500}, build.TagWork, "500 Internal Server Error", 1},
		{"client", registrytest.Fault{Class: registrytest.ClassTags, Status: 504}, "", "504 Gateway Timeout", 1},
		{"rate limit", registrytest.Fault{Class: registrytest.ClassTags, Status: 429, Header: http.Header{"Retry-After": {"1"}}}, "", "429 Too Many Requests", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // one of them takes the second that its registry asks for
			reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{test.fault}})
			base(t, reg)
			l := listen(t)
			err := l.do(t.Context(), newEngine(t, 2), build.Options{Root: serviceTree(t, 1)}, func(r *build.Run) error {
				c, err := r.Client(reg.Host+"/base", nil, false)
				if err == nil {
					_, err = c.Tags(at("line 1"))
				}
				if err == nil {
					err = services(r, reg, 1, 0)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			waiting := l.some(func(e build.Event) bool { return e.Kind == build.Waiting })
			if len(waiting) == 0 {
				t.Fatalf("it does not say that it waits: %+v", l.all)
			}
			for _, e := range waiting {
				if e.What != test.what || (e.Task == 0) != (test.what == "") || e.Host != reg.Host || e.Reason != test.reason || e.Tries != test.tries {
					t.Errorf("it waits: %+v", e)
				}
			}
		})
	}
}
