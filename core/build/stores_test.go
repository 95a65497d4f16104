package build_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestStoresOfAllKinds saves one image to a registry, a layout and archives, uses each as a base of the next, and finds the same digest everywhere, the same bytes in a second run,
// and nothing beside the files.
func TestStoresOfAllKinds(t *testing.T) {
	reg := registrytest.New(t, nil)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "file"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	places := []string{
		"oci-archive:out/o.tar:v1", "docker-archive:out/d.tar:app:v1", "oci:out/layout:v1", reg.Host + "/app:v1", "docker-archive:out/d.tar:web:v1", "oci-archive:out/o.tar:v2",
		"docker-archive:out/nameless.tar",
	}
	program := func(r *build.Run) error {
		img, err := r.Image(at("image"), "scratch", &build.ImageOptions{Target: places[0]})
		if err != nil {
			return err
		}
		img.AddFiles(at("add_files"), []build.File{{Target: "/file", Local: "file"}}, nil)
		if _, err := img.Save(at("save"), nil).Wait(); err != nil {
			return err
		}
		for i, place := range places[1:] {
			next, err := r.Image(at("next"), places[i], &build.ImageOptions{Target: place})
			if err != nil {
				return err
			}
			next.Save(at("save"), nil)
		}
		return nil
	}
	var before map[string][]byte
	for range 2 {
		report := runFor(t, root, program, reg)
		if len(report.Saved) != len(places) {
			t.Fatalf("%d saves", len(report.Saved))
		}
		for i, saved := range report.Saved {
			if saved.Digest != report.Saved[0].Digest {
				t.Errorf("%s has digest %s, the first one %s", places[i], saved.Digest, report.Saved[0].Digest)
			}
		}
		files := map[string][]byte{}
		var names []string
		entries, err := os.ReadDir(filepath.Join(root, "out"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
			if !e.IsDir() {
				if files[e.Name()], err = os.ReadFile(filepath.Join(root, "out", e.Name())); err != nil {
					t.Fatal(err)
				}
			}
		}
		if want := []string{"d.tar", "layout", "nameless.tar", "o.tar"}; !slices.Equal(names, want) {
			t.Errorf("files %q, want %q", names, want)
		}
		for name, data := range before {
			if !slices.Equal(data, files[name]) {
				t.Errorf("%s has other bytes in the second run", name)
			}
		}
		before = files
	}
}

// TestArchiveFailsWhole leaves an archive as it was when a later save to it fails.
func TestArchiveFailsWhole(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "a.tar")
	if err := os.WriteFile(file, []byte("what was there"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error {
		img, err := r.Image(at("image"), "scratch", &build.ImageOptions{Target: "oci-archive:a.tar:v1"})
		if err != nil {
			return err
		}
		img.AddFiles(at("add_files"), []build.File{{Target: "/file", Local: "missing"}}, nil)
		img.Save(at("save"), nil)
		return nil
	})
	if err == nil {
		t.Fatal("no error")
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "what was there" {
		t.Errorf("the file has %q, %v", data, err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 1 {
		t.Errorf("beside it: %v", entries)
	}
}
