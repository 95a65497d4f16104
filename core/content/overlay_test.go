package content_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

func TestOverlayReadsBelowAndWritesAbove(t *testing.T) {
	below := new(target)
	root := contenttest.Image(t, below, content.OCIManifest, 1)
	if err := below.Tag(t.Context(), root, "latest"); err != nil {
		t.Fatal(err)
	}
	below.order = nil
	o := new(content.Overlay).Over(below)

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

// A blob that is only planned costs nothing until somebody reads it, and then it is held to its digest.
func TestOverlayOpensBlobsWhenTheyAreRead(t *testing.T) {
	o := new(content.Overlay).Over(new(content.Memory))
	data := contenttest.Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	opened := 0
	open := func(text []byte) content.Opener {
		return func(ctx context.Context) (io.ReadCloser, error) {
			opened++
			return content.FromBytes(text)(ctx)
		}
	}
	if err := o.Push(t.Context(), desc, open(data)); err != nil {
		t.Fatal(err)
	}
	if there, err := o.Exists(t.Context(), desc); !there || err != nil {
		t.Errorf("Exists: %t, %v", there, err)
	}
	if size, ok := o.Holds(desc.Digest); !ok || size != 5000 {
		t.Errorf("Holds: %d, %t", size, ok)
	}
	if opened != 0 {
		t.Errorf("the blob was opened %d times before anybody read it", opened)
	}
	if got, err := content.ReadAll(t.Context(), o, desc); err != nil || !slices.Equal(got, data) {
		t.Errorf("read: %v", err)
	}
	other := content.Of(content.OCILayerGzip, contenttest.Bytes(4999))
	if err := o.Push(t.Context(), other, open(data)); err != nil {
		t.Fatal(err)
	}
	if _, err := content.ReadAll(t.Context(), o, other); !errors.Is(err, content.ErrVerification) {
		t.Errorf("read of wrong bytes: %v, want ErrVerification", err)
	}
}

// What opens a blob may look for it in the very repository that is said to have it.
func TestOverlayDoesNotOpenABlobToOpenIt(t *testing.T) {
	below := new(content.Memory)
	o := new(content.Overlay).Over(below)
	data := contenttest.Bytes(50)
	desc := content.Of(content.OCILayerGzip, data)
	if err := o.Push(t.Context(), desc, content.FromFetcher(o, desc)); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Fetch(t.Context(), desc); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("a blob that is nowhere: %v, want ErrNotFound", err)
	}
	push(t, below, content.OCILayerGzip, data)
	for range 2 {
		if got, err := content.ReadAll(t.Context(), o, desc); err != nil || !slices.Equal(got, data) {
			t.Errorf("a blob that is below: %v", err)
		}
	}
}

// listing is a repository that lists its names and what refers to something.
type listing struct {
	*content.Memory
	tags      []string
	referrers []content.Descriptor
	err       error
}

// Tags implements content.TagLister.
func (l *listing) Tags(context.Context) ([]string, error) { return slices.Clone(l.tags), l.err }

// Referrers implements content.ReferrerLister.
func (l *listing) Referrers(context.Context, digest.Digest, string) ([]content.Descriptor, error) {
	return slices.Clone(l.referrers), l.err
}

func TestOverlayLists(t *testing.T) {
	below := &listing{Memory: new(content.Memory)}
	one, two := contenttest.Image(t, below, content.OCIManifest, 1), contenttest.Image(t, below, content.OCIManifest, 2)
	for tag, desc := range map[string]content.Descriptor{"a": one, "b": two, "c": one} {
		if err := below.Tag(t.Context(), desc, tag); err != nil {
			t.Fatal(err)
		}
		below.tags = append(below.tags, tag)
	}
	slices.Sort(below.tags)
	o := new(content.Overlay).Over(below)
	wantTags := func(want ...string) {
		t.Helper()
		got, err := o.Tags(t.Context())
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("tags: %v\n%s", err, diff)
		}
	}
	missing := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if desc, err := o.Resolve(t.Context(), name); !errors.Is(err, content.ErrNotFound) {
				t.Errorf("%s: %v, %v; want ErrNotFound", name, desc, err)
			}
			if _, err := o.ResolveDigest(t.Context(), name); !errors.Is(err, content.ErrNotFound) {
				t.Errorf("digest of %s: %v; want ErrNotFound", name, err)
			}
			if _, _, err := o.Manifest(t.Context(), name); !errors.Is(err, content.ErrNotFound) {
				t.Errorf("manifest of %s: %v; want ErrNotFound", name, err)
			}
		}
	}
	wantTags("a", "b", "c")
	if err := o.Tag(t.Context(), two, "d"); err != nil {
		t.Fatal(err)
	}
	wantTags("a", "b", "c", "d")

	if dgst, err := o.Delete(t.Context(), "b"); err != nil || dgst != two.Digest {
		t.Errorf("delete b: %s, %v", dgst, err)
	}
	wantTags("a", "c", "d")
	missing("b")
	if _, err := o.Delete(t.Context(), "b"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("delete b again: %v", err)
	}

	if _, err := o.Delete(t.Context(), one.Digest.String()); err != nil { // and with it what names it, here and below
		t.Fatal(err)
	}
	wantTags("d")
	missing("a", "c", one.Digest.String())
	if there, err := o.Exists(t.Context(), one); there || err != nil {
		t.Errorf("a deleted manifest exists: %t, %v", there, err)
	}
	if _, err := o.Fetch(t.Context(), one); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("fetch of a deleted manifest: %v", err)
	}

	data, err := content.ReadAll(t.Context(), below, one)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.PushTagged(t.Context(), one, content.FromBytes(data), "e"); err != nil { // it comes back, its names do not
		t.Fatal(err)
	}
	wantTags("d", "e")
	missing("a", "c")
	if got, err := o.Delete(t.Context(), one.Digest.String()); err != nil || got != one.Digest {
		t.Errorf("delete of what was pushed: %s, %v", got, err)
	}
	wantTags("d")
	missing("e", one.Digest.String())
}

func TestOverlayListsReferrers(t *testing.T) {
	below := &listing{Memory: new(content.Memory), err: content.ErrNotFound}
	o := new(content.Overlay).Over(below)
	subject := content.Of(content.OCIManifest, contenttest.Bytes(9))
	if _, err := o.Referrers(t.Context(), subject.Digest, ""); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("of a repository that does not exist: %v", err)
	}
	refer := func(artifactType string) content.Descriptor {
		data := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"annotations":{"k":"v"},"subject":{"mediaType":%q,"digest":%q,"size":%d},
			"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[]}`,
			content.OCIManifest, artifactType, subject.MediaType, subject.Digest, subject.Size, digest.FromString("{}"))
		desc := content.Of(content.OCIManifest, data)
		if err := o.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
			t.Fatal(err)
		}
		return desc
	}
	want := func(artifactType string, want ...content.Descriptor) {
		t.Helper()
		list, err := o.Referrers(t.Context(), subject.Digest, artifactType)
		var got, wanted []digest.Digest
		for _, desc := range list {
			got = append(got, desc.Digest)
		}
		for _, desc := range want {
			wanted = append(wanted, desc.Digest)
		}
		if diff := cmp.Diff(wanted, got); diff != "" || err != nil {
			t.Errorf("referrers of type %q: %v\n%s", artifactType, err, diff)
		}
	}
	one, two := refer("text/one"), refer("text/two")
	want("", one, two)
	want("text/two", two)
	list, err := o.Referrers(t.Context(), subject.Digest, "text/one")
	if err != nil || len(list) != 1 || list[0].ArtifactType != "text/one" || list[0].Annotations["k"] != "v" {
		t.Errorf("a referrer is described as %v, %v", list, err)
	}
	there := content.Descriptor{MediaType: content.OCIManifest, Digest: digest.FromString("there"), Size: 5, ArtifactType: "text/one"}
	below.err, below.referrers = nil, []content.Descriptor{there, two}
	want("", there, two, one)
	if _, err := o.Delete(t.Context(), two.Digest.String()); err != nil {
		t.Fatal(err)
	}
	want("", there, one)
	also := content.Descriptor{MediaType: content.OCIManifest, Digest: digest.FromString("also"), Size: 4, ArtifactType: "text/two"}
	if err := o.KeepReferrers(t.Context(), subject.Digest, []content.Descriptor{also}); err != nil {
		t.Fatal(err)
	}
	want("", there, also, one)
	want("text/two", also)
}

// The empty name is that of a layout's only image.
func TestOverlayResolvesTheOnlyImage(t *testing.T) {
	first, second := []byte("1"), []byte("2")
	for _, test := range []struct {
		name   string
		below  map[string][]byte // images by tag; "" is the one that the empty name stands for
		pushed map[string][]byte
		want   []byte // nil: ErrNotFound
	}{
		{"nothing", nil, nil, nil},
		{"there", map[string][]byte{"": first, "v1": first}, nil, first},
		{"pushed into nothing", nil, map[string][]byte{"v1": first}, first},
		{"pushed again", map[string][]byte{"": first, "v1": first}, map[string][]byte{"v2": first}, first},
		{"in place of it", map[string][]byte{"": first, "v1": first}, map[string][]byte{"v1": second}, second},
		{"two", map[string][]byte{"": first, "v1": first}, map[string][]byte{"v2": second}, nil},
		{"two, one the latest", map[string][]byte{"": first, "v1": first}, map[string][]byte{"latest": second}, second},
		{"two, the other the latest", map[string][]byte{"": first, "latest": first}, map[string][]byte{"v2": second}, first},
		{"two pushed", nil, map[string][]byte{"v1": first, "latest": second}, second},
	} {
		t.Run(test.name, func(t *testing.T) {
			below := &listing{Memory: new(content.Memory)}
			put := func(r content.Repository, tag string, layer []byte) content.Descriptor {
				data := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"k":%q}}`, content.OCIIndex, layer)
				desc := content.Of(content.OCIIndex, data)
				if err := content.PushTagged(t.Context(), r, desc, content.FromBytes(data), []string{tag}); err != nil {
					t.Fatal(err)
				}
				return desc
			}
			for tag, layer := range test.below {
				put(below, tag, layer)
				if tag != "" {
					below.tags = append(below.tags, tag)
				}
			}
			o := new(content.Overlay).Over(below)
			for tag, layer := range test.pushed {
				put(o, tag, layer)
			}
			desc, err := o.Resolve(t.Context(), "")
			switch {
			case test.want == nil && !errors.Is(err, content.ErrNotFound):
				t.Errorf("got %v, %v; want ErrNotFound", desc, err)
			case test.want != nil && (err != nil || desc.Digest != put(new(content.Memory), "x", test.want).Digest):
				t.Errorf("got %v, %v", desc, err)
			}
		})
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
