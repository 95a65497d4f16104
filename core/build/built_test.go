package build_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// cached is a project that is built again and again, each time by another process, with one cache.
type cached struct {
	t          *testing.T
	root, dir  string
	to         *registrytest.Server
	repository string
}

// newCached has a project with a file that is too large to be sent after it was built.
func newCached(t *testing.T) *cached {
	c := &cached{t: t, dir: t.TempDir(), to: registrytest.New(t, nil), repository: "app"}
	noise := make([]byte, 3<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(noise)
	c.root = tree(t, map[string]string{"src/small": "1", "src/large": string(noise)})
	return c
}

// save builds and saves the project.
func (c *cached) save() (build.Saved, error) {
	c.t.Helper()
	c.to.Reset()
	engine, err := build.NewEngine(&build.EngineOptions{CacheDir: c.dir})
	if err != nil {
		c.t.Fatal(err)
	}
	defer engine.Close()
	report, err := engine.Do(c.t.Context(), &build.Options{Root: c.root}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: c.to.Host + "/" + c.repository})
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/app", Local: "src"}}, nil)
		img.Save(at("line 3"), nil)
		return nil
	})
	if err != nil {
		return build.Saved{}, err
	}
	return report.Saved[0], nil
}

func (c *cached) mustSave() build.Saved {
	c.t.Helper()
	saved, err := c.save()
	if err != nil {
		c.t.Fatal(err)
	}
	return saved
}

// blob is the file of the layer in the cache: the largest one.
func (c *cached) blob() string {
	c.t.Helper()
	var largest string
	var size int64
	err := filepath.WalkDir(filepath.Join(c.dir, "blobs"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			largest, size = name, info.Size()
		}
		return err
	})
	if err != nil || size < 3<<20 {
		c.t.Fatal(largest, err)
	}
	return largest
}

// wantComplete reads every blob of the image out of the registry.
func (c *cached) wantComplete() {
	c.t.Helper()
	expectComplete(c.t, c.to, c.repository, "latest")
}

// TestUnchangedLayerIsNotRead has the second run find its layer in the registry: four requests, and neither a file nor the cached blob is needed.
func TestUnchangedLayerIsNotRead(t *testing.T) {
	c := newCached(t)
	first := c.mustSave()
	if err := os.Remove(c.blob()); err != nil {
		t.Fatal(err)
	}
	second := c.mustSave()
	if second.Digest != first.Digest {
		t.Errorf("%s, want %s", second.Digest, first.Digest)
	}
	if lines := c.to.Lines(); len(lines) > 4 || strings.Contains(strings.Join(lines, "\n"), "POST") {
		t.Errorf("requests:\n%s", strings.Join(lines, "\n"))
	}
	c.wantComplete()
}

// TestUnchangedLayerElsewhere sends an unchanged layer to another repository, with the cached blob in every state.
func TestUnchangedLayerElsewhere(t *testing.T) {
	c := newCached(t)
	first := c.mustSave()
	for name, damage := range map[string]func(name string) error{
		"whole":   func(string) error { return nil },
		"gone":    os.Remove,
		"cut":     func(name string) error { return os.Truncate(name, 1000) },
		"flipped": flip,
	} {
		t.Run(name, func(t *testing.T) {
			c.t, c.to = t, registrytest.New(t, nil)
			if err := damage(c.blob()); err != nil {
				t.Fatal(err)
			}
			if saved := c.mustSave(); saved.Digest != first.Digest {
				t.Errorf("%s, want %s", saved.Digest, first.Digest)
			}
			c.wantComplete()
			data, err := os.ReadFile(c.blob())
			if err != nil || digest.FromBytes(data).Encoded() != filepath.Base(c.blob()) {
				t.Errorf("the cached blob was not made anew: %v", err)
			}
		})
	}
}

// flip changes a bit in the middle of a file.
func flip(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 4
	return os.WriteFile(name, data, 0o600)
}

// TestChangedLayerOfDamagedCache changes a file while the cached blob is damaged: the image is that of an empty cache.
func TestChangedLayerOfDamagedCache(t *testing.T) {
	c := newCached(t)
	c.mustSave()
	if err := errors.Join(flip(c.blob()), os.WriteFile(filepath.Join(c.root, "src/small"), []byte("2"), 0o644)); err != nil {
		t.Fatal(err)
	}
	got := c.mustSave()
	c.wantComplete()
	c.dir = t.TempDir()
	if want := c.mustSave(); got.Digest != want.Digest {
		t.Errorf("%s, want %s", got.Digest, want.Digest)
	}
}

// TestBadRecipes has records of layers that are damaged in every place: the image is that of an empty cache.
func TestBadRecipes(t *testing.T) {
	c := newCached(t)
	first := c.mustSave()
	records, err := filepath.Glob(filepath.Join(c.dir, "records/layers/*/*"))
	if err != nil || len(records) == 0 {
		t.Fatal(records, err)
	}
	for _, damage := range []func(data []byte) []byte{
		func([]byte) []byte { return nil },
		func(data []byte) []byte { return data[:len(data)/2] },
		func(data []byte) []byte { return bytes.Repeat([]byte{255}, len(data)) },
		func(data []byte) []byte { data[len(data)/2] ^= 1; return data },
	} {
		for _, name := range records {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if saved := c.mustSave(); saved.Digest != first.Digest {
			t.Errorf("%s, want %s", saved.Digest, first.Digest)
		}
		c.wantComplete()
	}
}
