package content_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

// mounter is a target that mounts what is somewhere on its registry.
type mounter struct {
	target
	from map[digest.Digest][]string
}

// Location implements content.Mounter.
func (m *mounter) Location() string { return "reg.example/app" }

// Mount implements content.Mounter.
func (m *mounter) Mount(ctx context.Context, desc content.Descriptor, from []string, open content.Opener) (content.Transfer, error) {
	m.mu.Lock()
	m.from[desc.Digest] = from
	m.mu.Unlock()
	if len(from) > 0 {
		return content.Mounted, nil
	}
	return content.Uploaded, m.Push(ctx, desc, open)
}

// located is a source that knows where its layers are.
type located struct{ *content.Memory }

// Sources implements content.Locator.
func (located) Sources(desc content.Descriptor) []string {
	if desc.MediaType == content.OCILayerGzip {
		return []string{"reg.example/base"}
	}
	return nil
}

func TestCopyGivesSourcesToMounters(t *testing.T) {
	src, dst := located{new(content.Memory)}, &mounter{from: map[digest.Digest][]string{}}
	root := contenttest.Image(t, src, content.OCIManifest, 2)
	count := map[content.Transfer]int{}
	var mu sync.Mutex
	err := content.Copy(t.Context(), dst, src, root, &content.CopyOptions{Done: func(_ content.Descriptor, how content.Transfer) {
		mu.Lock()
		defer mu.Unlock()
		count[how]++
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[content.Transfer]int{content.Mounted: 2, content.Uploaded: 2} // two layers; the config and the manifest
	if diff := cmp.Diff(want, count); diff != "" {
		t.Error(diff)
	}
	kids := children(t, src, root)
	if dst.from[kids[0].Digest] != nil || !slices.Equal(dst.from[kids[1].Digest], []string{"reg.example/base"}) {
		t.Errorf("mount from: %v", dst.from)
	}
}

// tagger is a repository that stores and names in one step.
type tagger struct {
	content.Memory
	tagged []string
}

// PushTagged implements content.TagPusher.
func (r *tagger) PushTagged(ctx context.Context, desc content.Descriptor, open content.Opener, tag string) error {
	r.tagged = append(r.tagged, tag)
	if err := r.Push(ctx, desc, open); err != nil {
		return err
	}
	return r.Tag(ctx, desc, tag)
}

func TestPushTaggedInOneStepOnlyForOne(t *testing.T) {
	src, dst := new(content.Memory), new(tagger)
	root := contenttest.Image(t, src, content.OCIManifest, 1)
	for _, tags := range [][]string{nil, {"a"}, {"b", "c"}} {
		if err := content.PushTagged(t.Context(), dst, root, content.FromFetcher(src, root), tags); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(dst.tagged, []string{"a"}) {
		t.Errorf("in one step: %v", dst.tagged)
	}
	for _, tag := range []string{"a", "b", "c"} {
		if desc, err := dst.Resolve(t.Context(), tag); err != nil || desc.Digest != root.Digest {
			t.Errorf("%s: %v, %v", tag, desc, err)
		}
	}
	boom := errors.New("no file")
	failing := func(context.Context) (io.ReadCloser, error) { return nil, boom }
	other := content.Of(content.OCIManifest, []byte("{}"))
	if err := content.PushTagged(t.Context(), dst, other, failing, []string{"x", "y"}); !errors.Is(err, boom) {
		t.Errorf("got %v, want the opener's", err)
	}
}

// reader is a repository that resolves and reads in one step.
type reader struct{ content.Memory }

// Manifest implements content.ManifestReader.
func (*reader) Manifest(context.Context, string) (content.Descriptor, []byte, error) {
	return content.Of(content.OCIManifest, []byte("one step")), []byte("one step"), nil
}

func TestReadDocumentInOneStep(t *testing.T) {
	if _, data, err := content.ReadDocument(t.Context(), new(reader), "x"); err != nil || string(data) != "one step" {
		t.Errorf("got %q, %v", data, err)
	}
}
