package content_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

// forgetful is a store that refuses documents whose children it does not have, and that loses what it is told to, once.
type forgetful struct {
	target
	lost   map[digest.Digest]bool // on arrival
	claims bool                   // that it has what it lost
	gone   map[digest.Digest]bool
}

// Push implements content.Pusher.
func (f *forgetful) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	if content.IsDocument(desc.MediaType) {
		data, err := content.ReadOpener(ctx, open, desc)
		if err != nil {
			return err
		}
		doc, err := content.ParseDocument(desc.MediaType, data)
		if err != nil {
			return err
		}
		for _, child := range doc.Children() {
			f.mu.Lock()
			gone := f.gone[child.Digest]
			f.mu.Unlock()
			if gone {
				return fmt.Errorf("%s: %w", child.Digest, content.ErrIncomplete)
			}
		}
	}
	f.mu.Lock()
	f.gone[desc.Digest] = f.lost[desc.Digest]
	delete(f.lost, desc.Digest)
	f.mu.Unlock()
	return f.target.Push(ctx, desc, open)
}

// Exists implements content.Store.
func (f *forgetful) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	f.mu.Lock()
	gone := f.gone[desc.Digest]
	f.mu.Unlock()
	if gone && !f.claims {
		return false, nil
	}
	return f.target.Exists(ctx, desc)
}

func lose(claims bool, descs ...content.Descriptor) *forgetful {
	f := &forgetful{lost: map[digest.Digest]bool{}, gone: map[digest.Digest]bool{}, claims: claims}
	for _, desc := range descs {
		f.lost[desc.Digest] = true
	}
	return f
}

// What a store lost is sent again, and only that; where it claims to have everything, everything is.
func TestCopyMendsWhatWasLost(t *testing.T) {
	src := new(content.Memory)
	root, all := images(t, src)
	layer, manifest := all[1], all[7]
	for _, test := range []struct {
		name   string
		dst    *forgetful
		resent int
	}{
		{"a layer", lose(false, layer), 1},
		{"a layer, which it claims to have", lose(true, layer), 3}, // the config and the layers of one image
		{"a layer and its manifest", lose(false, layer, manifest), 2},
	} {
		if err := content.Copy(t.Context(), test.dst, src, root, nil); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if there, _ := test.dst.Exists(t.Context(), root); !there || test.dst.gone[layer.Digest] {
			t.Errorf("%s: the copy is incomplete", test.name)
		}
		if n := len(test.dst.order) - len(all); n != test.resent {
			t.Errorf("%s: %d were sent again, want %d", test.name, n, test.resent)
		}
	}
}

// The root of a copy without it is its caller's to mend.
func TestMend(t *testing.T) {
	src := new(content.Memory)
	root := contenttest.Image(t, src, content.OCIManifest, 2)
	needed := children(t, src, root)
	dst := lose(false, needed[0])
	data, err := content.ReadAll(t.Context(), src, root)
	if err != nil {
		t.Fatal(err)
	}
	if err := content.Copy(t.Context(), dst, src, root, &content.CopyOptions{WithoutRoot: true}); err != nil {
		t.Fatal(err)
	}
	err = content.PushTagged(t.Context(), dst, root, content.FromBytes(data), []string{"v1"})
	if !errors.Is(err, content.ErrIncomplete) {
		t.Errorf("got %v, want ErrIncomplete", err)
	}
	if err := content.Mend(t.Context(), dst, src, root, nil); err != nil {
		t.Error(err)
	}
	if err := content.PushTagged(t.Context(), dst, root, content.FromBytes(data), []string{"v1"}); err != nil {
		t.Error(err)
	}
}

// A store that refuses for ever is believed the second time.
func TestCopyMendsOnce(t *testing.T) {
	src, dst := new(content.Memory), new(target)
	root := contenttest.Image(t, src, content.OCIManifest, 1)
	dst.before = func(_ context.Context, desc content.Descriptor) error {
		if desc.Digest == root.Digest {
			return content.ErrIncomplete
		}
		return nil
	}
	if err := content.Copy(t.Context(), dst, src, root, nil); !errors.Is(err, content.ErrIncomplete) {
		t.Errorf("got %v, want ErrIncomplete", err)
	}
	pushes := map[digest.Digest]int{}
	for _, d := range dst.began {
		pushes[d]++
	}
	want := map[digest.Digest]int{root.Digest: 2}
	for _, child := range children(t, src, root) {
		want[child.Digest] = 2
	}
	if diff := cmp.Diff(want, pushes); diff != "" {
		t.Errorf("pushes (-want +got):\n%s", diff)
	}
}

// twisted is a source of which one blob comes changed a number of times.
type twisted struct {
	*content.Memory
	blob  digest.Digest
	times *atomic.Int32
}

// Fetch implements content.Fetcher.
func (s twisted) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if desc.Digest == s.blob && s.times.Add(-1) >= 0 {
		return content.Verify(io.NopCloser(io.LimitReader(zeros{}, desc.Size)), desc)
	}
	return s.Memory.Fetch(ctx, desc)
}

type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A blob that came changed is read once more: what a store took of it can't be taken back by its source.
func TestCopyReadsAgainWhatCameChanged(t *testing.T) {
	src := new(content.Memory)
	root := contenttest.Image(t, src, content.OCIManifest, 1)
	layer := children(t, src, root)[1]
	for times, want := range []error{nil, nil, content.ErrVerification} {
		dst := new(target)
		left := new(atomic.Int32)
		left.Store(int32(times))
		err := content.Copy(t.Context(), dst, twisted{src, layer.Digest, left}, root, nil)
		if !errors.Is(err, want) {
			t.Errorf("changed %d times: got %v, want %v", times, err, want)
		}
		if there, _ := dst.Exists(t.Context(), root); there != (want == nil) {
			t.Errorf("changed %d times: the root is there: %t", times, there)
		}
	}
}
