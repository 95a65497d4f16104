package content_test

import (
	"errors"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

func TestOverlayReadsBelowAndWritesAbove(t *testing.T) {
	below, above := new(target), new(content.Memory)
	root := contenttest.Image(t, below, content.OCIManifest, 1)
	if err := below.Tag(t.Context(), root, "latest"); err != nil {
		t.Fatal(err)
	}
	below.order = nil
	o := content.Overlay(below, above)

	if there, err := o.Exists(t.Context(), root); !there || err != nil {
		t.Errorf("Exists: %t, %v", there, err)
	}
	if desc, err := o.Resolve(t.Context(), "latest"); err != nil || desc.Digest != root.Digest {
		t.Errorf("Resolve: %v, %v", desc, err)
	}
	if _, data, err := content.ReadDocument(t.Context(), o, "latest"); err != nil || content.CheckBytes(root, data) != nil {
		t.Errorf("ReadDocument: %v", err)
	}
	other := contenttest.Image(t, o, content.OCIManifest, 2)
	if err := o.Tag(t.Context(), other, "latest"); err != nil {
		t.Fatal(err)
	}
	if err := o.Tag(t.Context(), root, "old"); err != nil { // content that only below has
		t.Fatal(err)
	}
	for name, want := range map[string]content.Descriptor{"latest": other, "old": root} {
		if desc, err := o.Resolve(t.Context(), name); err != nil || desc.Digest != want.Digest {
			t.Errorf("%s: %v, %v; want %v", name, desc, err, want)
		}
	}
	if desc, _ := below.Resolve(t.Context(), "latest"); len(below.order) > 0 || desc.Digest != root.Digest {
		t.Errorf("below was changed: %v, latest %v", below.order, desc)
	}
	if _, err := below.Resolve(t.Context(), "old"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("below has the tag old: %v", err)
	}
}

func TestMemoryIsReadyWhenZero(t *testing.T) {
	var m content.Memory
	if _, err := m.Resolve(t.Context(), "latest"); !errors.Is(err, content.ErrNotFound) {
		t.Error(err)
	}
	desc := contenttest.Image(t, &m, content.OCIManifest, 0)
	if err := m.Tag(t.Context(), desc, "latest"); err != nil {
		t.Error(err)
	}
}

// The same bytes as a blob (an artifact may hold a manifest): they are still the manifest that they were pushed as.
func TestMemoryKeepsADocumentsMediaType(t *testing.T) {
	m := new(content.Memory)
	root := contenttest.Image(t, m, content.OCIManifest, 0)
	data, err := content.ReadAll(t.Context(), m, root)
	if err != nil {
		t.Fatal(err)
	}
	push(t, m, content.OctetStream, data)
	if desc, err := m.Resolve(t.Context(), root.Digest.String()); err != nil || desc.MediaType != content.OCIManifest {
		t.Errorf("got %v, %v", desc, err)
	}
}
