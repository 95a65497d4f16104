package build_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestLayerLimits: a layer that has too much is the failure of its step; what was saved before stays, and no tag of what comes after is there.
func TestLayerLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limits build.Limits
		want   string
	}{
		"files": {build.Limits{LayerFiles: 2}, "add_files: the layer has more than 2 files, which is the limit"},
		"bytes": {build.Limits{LayerBytes: 1 << 10}, "add_files: the layer has more than 1KiB, which is the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, nil)
			root := tree(t, map[string]string{"small": "x", "big/a": strings.Repeat("a", 1000), "big/b": strings.Repeat("b", 1000), "big/c": "c"})
			report, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: root, Limits: c.limits}, func(r *build.Run) error {
				for i, local := range []string{"small", "big", "small"} {
					img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: fmt.Sprintf("%s/app%d", reg.Host, i)})
					if err != nil {
						return err
					}
					img.AddFiles(at(fmt.Sprintf("line %d", 10*i)), []build.File{{Target: "/x", Local: local}}, nil)
					img.Save(at("line 3"), nil)
				}
				return nil
			})
			var step *build.StepError
			var over *build.LimitError
			if !errors.Is(err, build.ErrLimit) || !errors.As(err, &step) || step.At != at("line 10") || err.Error() != c.want {
				t.Errorf("got %v at %v", err, step.At)
			}
			if !errors.As(err, &over) || !strings.HasPrefix(over.Hint(), "--max-layer-"+name) {
				t.Errorf("got the hint %q", over.Hint())
			}
			if len(report.Saved) != 1 || len(reg.Tags("app0")) != 1 || len(reg.Tags("app1")) != 0 || len(reg.Tags("app2")) != 0 {
				t.Errorf("saved %v, tags %v %v %v", report.Saved, reg.Tags("app0"), reg.Tags("app1"), reg.Tags("app2"))
			}
		})
	}
}

// TestTarLimits holds archives to the limits of layers too.
func TestTarLimits(t *testing.T) {
	reg := registrytest.New(t, nil)
	_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: tree(t, map[string]string{"a": "a", "b": "b", "c": "c"})}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: reg.Host + "/app"})
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/", Local: "."}}, &layer.Options{Compression: layer.None})
		_, err = img.Save(at("line 3"), nil).Wait()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir(), Limits: build.Limits{LayerFiles: 2}}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/app", nil)
		if err != nil {
			return err
		}
		layers, err := img.Layers(at("line 2"))
		if err != nil {
			return err
		}
		l, err := r.LayerFromTar(at("line 3"), layers[0].Blob(), "")
		if err != nil {
			return err
		}
		_, err = l.Wait()
		return err
	})
	if !errors.Is(err, build.ErrLimit) || err.Error() != "layer_from_tar: the layer has more than 2 files, which is the limit" {
		t.Errorf("got %v", err)
	}
}

// TestRunTakesTooLong: a run that waits for a registry ends when its time is up. It was not interrupted; what was saved before stays, and no tag is half there.
func TestRunTakesTooLong(t *testing.T) {
	quick, slow := registrytest.New(t, nil), registrytest.New(t, &registrytest.Options{Latency: time.Minute})
	start := time.Now()
	report, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: tree(t, map[string]string{"a": "a"}), Limits: build.Limits{Time: 4 * time.Second}}, func(r *build.Run) error {
		for _, target := range []string{quick.Host + "/first", slow.Host + "/second", quick.Host + "/third"} {
			img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: target})
			if err != nil {
				return err
			}
			img.AddFiles(at("line 2"), []build.File{{Target: "/a", Local: "a"}}, nil)
			img.Save(at("line 3 of "+target), nil)
		}
		return nil
	})
	if took := time.Since(start); took > 45*time.Second {
		t.Errorf("it took %v", took)
	}
	var step *build.StepError
	if !errors.Is(err, build.ErrLimit) || errors.Is(err, build.ErrInterrupted) || err.Error() != "save: the run takes more than 4s, which is the limit" {
		t.Fatalf("got %v", err)
	}
	if !errors.As(err, &step) || step.At != at("line 3 of "+slow.Host+"/second") {
		t.Errorf("got %v", step.At)
	}
	if len(report.Saved) != 1 || len(quick.Tags("first")) != 1 || len(quick.Tags("third")) != 0 || len(slow.Tags("second")) != 0 {
		t.Errorf("saved %v; tags %v %v %v", report.Saved, quick.Tags("first"), quick.Tags("third"), slow.Tags("second"))
	}
}

// TestBytes: limits are shown as they are given.
func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 bytes", 1 << 10: "1KiB", 1500: "1500 bytes", 64 << 20: "64MiB", 3 << 30: "3GiB", 1 << 40: "1TiB", 1<<20 + 1: "1048577 bytes"} {
		if got := build.Bytes(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

// TestGlobVisits: who searches is told how much is looked at, and may end that.
func TestGlobVisits(t *testing.T) {
	root := tree(t, map[string]string{"a/1": "", "a/2": "", "b/c/3": "", "d": ""})
	stop := errors.New("enough")
	_, err := newEngine(t, 1).Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error {
		names := 0
		found, err := r.Glob([]string{"**"}, nil, &build.GlobOptions{Visit: func(n int) error { names += n; return nil }})
		if err != nil || len(found) != 4 || names < 7 {
			t.Errorf("found %v (%v), and looked at %d names", found, err, names)
		}
		_, err = r.Glob([]string{"a/*", "b/**"}, nil, &build.GlobOptions{Visit: func(int) error { return stop }})
		if !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
