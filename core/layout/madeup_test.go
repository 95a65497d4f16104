package layout_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/layout"
)

// TestMadeUp tells the manifests that an archive, or a daemon, has from those that were made for want of one.
func TestMadeUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "saved.tar")
	data, _ := saved(t, false)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	made := openArchive(t, file, layout.ArchiveOptions{Docker: true, ReadOnly: true})
	desc, err := made.Resolve(t.Context(), "app:v1")
	if err != nil || !made.MadeUp(desc.Digest) {
		t.Errorf("of docker save: %v, %v", desc, err)
	}
	e := startEngine(t)
	e.image = data
	d := openDaemon(t, layout.DaemonOptions{Host: e.host, ReadOnly: true})
	if desc, err := d.Resolve(t.Context(), "app:v1"); err != nil || !d.MadeUp(desc.Digest) {
		t.Errorf("of a daemon: %v, %v", desc, err)
	}
	src := new(content.Memory)
	root := contenttest.Image(t, src, content.DockerManifest, 1)
	own := filepath.Join(t.TempDir(), "own.tar")
	put(t, openArchive(t, own, layout.ArchiveOptions{Docker: true}), src, root, "app:v1")
	back := openArchive(t, own, layout.ArchiveOptions{Docker: true, ReadOnly: true})
	if desc, err := back.Resolve(t.Context(), "app:v1"); err != nil || desc.Digest != root.Digest || back.MadeUp(desc.Digest) {
		t.Errorf("of one with manifests: %v, %v", desc, err)
	}
}
