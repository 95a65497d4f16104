package build_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/layer"
)

// outcomes counts how the tasks of runs ended: "layer /app: built".
type outcomes struct {
	mu    sync.Mutex
	count map[string]int
}

func (o *outcomes) event(e build.Event) {
	if e.Kind != build.TaskEnd || e.What != build.LayerWork {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count == nil {
		o.count = map[string]int{}
	}
	o.count[e.Name()+": "+e.How]++
}

// images saves n images into layouts, each with the same calls for the same files, in a run of e. One of the directories has a file with a size of its own.
func images(ctx context.Context, e *build.Engine, root, out string, n int, o *outcomes) ([]build.Saved, error) {
	report, err := e.Do(ctx, &build.Options{Root: root, Events: o.event}, func(r *build.Run) error {
		for k := range n {
			img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: fmt.Sprintf("oci:%s:%d", out, k)})
			if err != nil {
				return err
			}
			img.AddFiles(at("line 2"), []build.File{{Target: "/lib", Local: "lib"}}, nil)
			text := build.File{Target: "/etc/app", Custom: &layer.Custom{}, Data: build.BytesBlob("text", []byte("same"))}
			img.AddFiles(at("line 3"), []build.File{{Target: "/app", Local: "//app"}, text}, nil)
			own := build.File{Target: "/etc/name", Custom: &layer.Custom{}, Data: build.BytesBlob("text", []byte(fmt.Sprint(k)))}
			img.AddFiles(at("line 4"), []build.File{own}, nil)
			img.Save(at("line 5"), nil)
		}
		return nil
	})
	return report.Saved, err
}

// TestEqualCallsBuildOnce: images that add the same files by calls of their own share the building of the layers, within a run and between runs of one engine.
func TestEqualCallsBuildOnce(t *testing.T) {
	const runs, n = 3, 30
	root := tree(t, map[string]string{"lib/a": strings.Repeat("a", 3<<20), "lib/b": "b", "app/main": strings.Repeat("m", 100_000)})
	// Reading what was just written waits until it is so old that a later change shows in its times. Now it is, and what is built can be found again.
	want, err := images(t.Context(), newEngine(t, 0), root, "alone", n, &outcomes{})
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, 0)
	var o outcomes
	all := make([][]build.Saved, runs)
	var group errgroup.Group
	for i := range runs {
		group.Go(func() (err error) {
			all[i], err = images(t.Context(), e, root, fmt.Sprint("out", i), n, &o)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"layer /lib", "layer /app /etc/app"} {
		if built, unchanged := o.count[name+": built"], o.count[name+": unchanged"]; built != 1 || unchanged != runs*n-1 {
			t.Errorf("%s: built %d times and found %d times, want 1 and %d", name, built, unchanged, runs*n-1)
		}
	}
	if built := o.count["layer /etc/name: built"]; built < n {
		t.Errorf("the layers that differ: %d were built, want %d or more", built, n)
	}
	for _, saved := range all {
		for k := range saved {
			if saved[k].Digest != want[k].Digest {
				t.Errorf("image %d is %s, want %s", k, saved[k].Digest, want[k].Digest)
			}
		}
	}
}

// TestEqualCallsSeeChanges: a call that looks like an earlier one, of another run that is still building, gets the files as they are when it is made.
func TestEqualCallsSeeChanges(t *testing.T) {
	root := tree(t, map[string]string{"lib/a": strings.Repeat("a", 3<<20), "app/main": "m"})
	e := newEngine(t, 0)
	first, err := images(t.Context(), e, root, "out", 1, &outcomes{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "lib/a"), []byte(strings.Repeat("b", 3<<20)), 0o644); err != nil {
		t.Fatal(err)
	}
	second, err := images(t.Context(), e, root, "out", 2, &outcomes{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := images(t.Context(), newEngine(t, 0), root, "fresh", 2, &outcomes{})
	if err != nil {
		t.Fatal(err)
	}
	if first[0].Digest == second[0].Digest || second[0].Digest != want[0].Digest || second[1].Digest != want[1].Digest {
		t.Errorf("%s, then %s and %s; want %s and %s", first[0].Digest, second[0].Digest, second[1].Digest, want[0].Digest, want[1].Digest)
	}
}

// TestEqualCallsThatNeedEachOther: a layer whose file is another layer's blob does not wait for a turn that the other one waits for, however alike their calls are.
func TestEqualCallsThatNeedEachOther(t *testing.T) {
	root := tree(t, map[string]string{"lib/a": strings.Repeat("a", 100_000)})
	e := newEngine(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := e.Do(ctx, &build.Options{Root: root}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: "oci:out"})
		if err != nil {
			return err
		}
		blob := build.BytesBlob("text", []byte("text"))
		for range 5 {
			l := img.AddFiles(at("line 2"), []build.File{{Target: "/lib", Local: "lib"}, {Target: "/x", Custom: &layer.Custom{}, Data: blob}}, nil)
			blob = l.Blob()
		}
		img.Save(at("line 3"), nil)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestFailedTurn: who waits for a layer that could not be built fails of its own, or builds it when only the other run was cancelled.
func TestFailedTurn(t *testing.T) {
	root := tree(t, map[string]string{"lib/a": strings.Repeat("a", 8<<20), "app/main": "m"})
	e := newEngine(t, 1)
	cancelled, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error {
		_, err := images(cancelled, e, root, "out", 3, &outcomes{})
		cancel()
		if err == nil {
			t.Log("it ended before it was cancelled")
		}
		return nil
	})
	group.Go(func() error {
		_, err := images(t.Context(), e, root, "out", 3, &outcomes{})
		return err
	})
	cancel()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(filepath.Join(root, "lib")); err != nil {
		t.Fatal(err)
	}
	if _, err := images(t.Context(), e, root, "out", 3, &outcomes{}); err == nil || !strings.Contains(err.Error(), "lib") {
		t.Errorf("without the files: %v", err)
	}
}
