package build_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestFlatten: the layer is the same on every machine; the next run with the same cache reads no layer, and one with another target needs it only there.
func TestFlatten(t *testing.T) {
	reg, other := registrytest.New(t, nil), registrytest.New(t, nil)
	img := reg.PushImage("base", "1", registrytest.Image{Layers: []map[string]string{{"/a/1": "one", "/a/2": "two"}, {"/a/.wh.1": "", "/b": "b"}}, Config: map[string]any{"User": "u"}})
	cache := t.TempDir()
	engine := func(dir string) *build.Engine {
		e, err := build.NewEngine(&build.EngineOptions{CacheDir: dir, Jobs: 2, Keychain: auth.Chain()})
		must(t, err)
		t.Cleanup(func() { e.Close() })
		return e
	}
	var saved []build.Saved
	for _, c := range []struct {
		name   string
		engine *build.Engine
		target string
		read   int
	}{
		{"the first time", engine(cache), reg.Host + "/app:1", 2},
		{"again", engine(cache), reg.Host + "/app:1", 0},
		{"to another registry", engine(cache), other.Host + "/app:1", 0},
		{"with another cache", engine(t.TempDir()), reg.Host + "/app:2", 2},
	} {
		reg.Reset()
		report, err := c.engine.Do(t.Context(), nil, cut(reg.Host+"/base:1", c.target, build.ImageOptions{}, flatten))
		must(t, err)
		if read := layersRead(reg, img); len(read) != c.read {
			t.Errorf("%s: %d layers were read, want %d: %v", c.name, len(read), c.read, read)
		}
		saved = append(saved, report.Saved[0])
		if saved[0].Digest != report.Saved[0].Digest {
			t.Errorf("%s: digest %s, want %s", c.name, report.Saved[0].Digest, saved[0].Digest)
		}
	}
	layers, history, config := savedImage(t, reg, "app", "1")
	if len(layers) != 1 || !slices.Equal(history, []string{"flatten()"}) || config.Config.User != "u" {
		t.Errorf("layers %v, history %v, config %+v", layers, history, config.Config)
	}
}

// TestFlattenOnce: images that start from the same layers share the work in one run.
func TestFlattenOnce(t *testing.T) {
	reg := registrytest.New(t, nil)
	img := reg.PushImage("base", "1", oldBase())
	reg.Reset()
	report := runFor(t, "", func(r *build.Run) error {
		for i := range 5 {
			err := cut(reg.Host+"/base:1", fmt.Sprintf("%s/app%d", reg.Host, i), build.ImageOptions{}, func(r *build.Run, img *build.Image) error {
				img.Configure(at("line 2"), "setting user", image.Changes{User: ptr(fmt.Sprint(i))})
				return flatten(r, img)
			})(r)
			if err != nil {
				return err
			}
		}
		return nil
	}, reg)
	if read := layersRead(reg, img); len(read) != 2 {
		t.Errorf("%d layers were read, want 2", len(read))
	}
	if len(report.Saved) != 5 || report.Saved[0].Uploaded+report.Saved[1].Uploaded+report.Saved[2].Uploaded+report.Saved[3].Uploaded+report.Saved[4].Uploaded != 5+1 {
		t.Errorf("%+v", report.Saved)
	}
}

func ptr[T any](v T) *T { return &v }

// TestFlattenWhatLies: a config that says of its layers what is not true does not get what was made of others, nor leave it for them.
func TestFlattenWhatLies(t *testing.T) {
	reg := registrytest.New(t, nil)
	good := reg.PushImage("base", "good", registrytest.Image{Layers: []map[string]string{{"/f": "good"}}})
	reg.PushImage("base", "bad", registrytest.Image{Layers: []map[string]string{{"/f": "evil"}}, Extra: map[string]any{"rootfs": map[string]any{"type": "layers", "diff_ids": good.DiffIDs}}})
	e := newEngine(t, 2)
	layers := map[string]digest.Digest{}
	for _, tag := range []string{"bad", "good"} {
		_, err := e.Do(t.Context(), nil, cut(reg.Host+"/base:"+tag, reg.Host+"/app:"+tag, build.ImageOptions{}, flatten))
		must(t, err)
		all, _, _ := savedImage(t, reg, "app", tag)
		layers[tag] = all[0]
	}
	if layers["good"] == layers["bad"] {
		t.Error("both are the same")
	}
}

// TestFlattenDamagedLayer: a layer that is not what its digest says is an error, and nothing is remembered of it.
func TestFlattenDamagedLayer(t *testing.T) {
	reg := registrytest.New(t, nil)
	img := reg.PushImage("base", "1", oldBase())
	reg.SetFaults(registrytest.Fault{Method: http.MethodGet, Class: registrytest.ClassBlob, Match: img.Layers[1].Digest.String(), Status: http.StatusNotFound, Times: 1})
	e := newEngine(t, 2)
	run := cut(reg.Host+"/base:1", reg.Host+"/app:1", build.ImageOptions{}, flatten)
	_, err := e.Do(t.Context(), nil, run)
	var step *build.StepError
	if !errors.As(err, &step) || step.Op != "flatten" || step.At != at("line 5") || !strings.Contains(err.Error(), "layer 2, "+img.Layers[1].Digest.String()) {
		t.Errorf("got %v", err)
	}
	_, err = e.Do(t.Context(), nil, run)
	must(t, err)
}

// TestFlattenLimits holds what comes of it to the limits of the run, remembered or not.
func TestFlattenLimits(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "1", oldBase())
	e := newEngine(t, 2)
	run := cut(reg.Host+"/base:1", reg.Host+"/app:1", build.ImageOptions{}, flatten)
	_, err := e.Do(t.Context(), nil, run)
	must(t, err)
	if _, err := e.Do(t.Context(), &build.Options{Limits: build.Limits{LayerFiles: 2}}, run); !errors.Is(err, build.ErrLimit) {
		t.Errorf("files: %v", err)
	}
	if _, err := e.Do(t.Context(), &build.Options{Limits: build.Limits{LayerBytes: 2}}, run); !errors.Is(err, build.ErrLimit) {
		t.Errorf("bytes: %v", err)
	}
}

// TestRemoveFiles: a layer of whiteouts, which a program may look at and put elsewhere.
func TestRemoveFiles(t *testing.T) {
	reg := registrytest.New(t, nil)
	img := reg.PushImage("base", "1", oldBase())
	run := cut(reg.Host+"/base:1", reg.Host+"/app:1", build.ImageOptions{}, func(_ *build.Run, img *build.Image) error {
		l, err := img.RemoveFiles(at("line 5"), []string{"/etc/o*", "/none"}, &build.RemoveFilesOptions{AllowEmpty: true})
		if err != nil {
			return err
		}
		built, err := l.Wait()
		if err == nil && l.CreatedBy() != `remove_files(["/etc/o*", "/none"])` {
			err = fmt.Errorf("created by %s", l.CreatedBy())
		}
		layers, errLayers := img.Layers(at("line 6"))
		if errLayers == nil && len(layers) == 3 {
			if last, _ := layers[2].Wait(); last.DiffID != built.DiffID {
				err = fmt.Errorf("the image has %v and not %v", last, built)
			}
		}
		return errors.Join(err, errLayers)
	})
	e := newEngine(t, 2)
	for _, want := range []int{2, 0} {
		reg.Reset()
		_, err := e.Do(t.Context(), nil, run)
		must(t, err)
		if read := layersRead(reg, img); len(read) != want {
			t.Errorf("%d layers were read, want %d", len(read), want)
		}
	}
	layers, history, _ := savedImage(t, reg, "app", "1")
	if len(layers) != 3 || history[2] != `remove_files(["/etc/o*", "/none"])` {
		t.Errorf("layers %v, history %q", layers, history)
	}
}

// TestRemoveThenFlatten: what was removed is not in the layer, so two ways to the same files are one layer.
func TestRemoveThenFlatten(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "1", oldBase())
	reg.PushImage("base", "2", registrytest.Image{Layers: []map[string]string{{"/etc/keep": "x"}, {"/bin/sh": "old"}}})
	e := newEngine(t, 2)
	both := func(r *build.Run, img *build.Image) error {
		return errors.Join(removeFiles("/etc/*s", "/bin")(r, img), flatten(r, img))
	}
	_, err := e.Do(t.Context(), nil, cut(reg.Host+"/base:1", reg.Host+"/app:1", build.ImageOptions{}, both))
	must(t, err)
	_, err = e.Do(t.Context(), nil, cut(reg.Host+"/base:2", reg.Host+"/app:2", build.ImageOptions{}, func(r *build.Run, img *build.Image) error {
		return errors.Join(removeFiles("/bin")(r, img), flatten(r, img))
	}))
	must(t, err)
	one, _, _ := savedImage(t, reg, "app", "1")
	two, _, _ := savedImage(t, reg, "app", "2")
	if len(one) != 1 || one[0] != two[0] {
		t.Errorf("layers %v and %v", one, two)
	}
}
