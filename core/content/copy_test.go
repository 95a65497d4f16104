package content_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// target is a Memory that writes down what is pushed, and fails or waits where the test says so.
type target struct {
	content.Memory
	before func(ctx context.Context, desc content.Descriptor) error

	mu    sync.Mutex
	began []digest.Digest
	order []content.Descriptor
}

// Push implements content.Pusher.
func (d *target) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	d.mu.Lock()
	d.began = append(d.began, desc.Digest)
	d.mu.Unlock()
	if d.before != nil {
		if err := d.before(ctx, desc); err != nil {
			return err
		}
	}
	if err := d.Memory.Push(ctx, desc, open); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.order = append(d.order, desc)
	return nil
}

// images writes an index of two images that share nothing, and one of both again, and returns it with everything below, the root last.
func images(t *testing.T, src *content.Memory) (root content.Descriptor, all []content.Descriptor) {
	t.Helper()
	one, two := contenttest.Image(t, src, content.OCIManifest, 2), contenttest.Image(t, src, content.DockerManifest, 3)
	inner := contenttest.Index(t, src, content.DockerList, one, two)
	root = contenttest.Index(t, src, content.OCIIndex, inner, one, two)
	return root, slices.Concat(children(t, src, one), children(t, src, two), []content.Descriptor{one, two, inner, root})
}

func children(t *testing.T, src content.Fetcher, desc content.Descriptor) []content.Descriptor {
	t.Helper()
	data, err := content.ReadAll(t.Context(), src, desc)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		t.Fatal(err)
	}
	return doc.Children()
}

func digests(descs []content.Descriptor) []digest.Digest {
	var out []digest.Digest
	for _, desc := range descs {
		out = append(out, desc.Digest)
	}
	return out
}

func sorted(d []digest.Digest) []digest.Digest { return slices.Sorted(slices.Values(d)) }

func TestCopyChildrenFirstAndEachOnce(t *testing.T) {
	src, dst := new(content.Memory), new(target)
	root, all := images(t, src)
	if err := content.Copy(t.Context(), dst, src, root, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sorted(digests(all)), sorted(digests(dst.order))); diff != "" {
		t.Errorf("what was pushed: %s", diff)
	}
	place := map[digest.Digest]int{}
	for i, desc := range dst.order {
		place[desc.Digest] = i
	}
	for _, desc := range all {
		if !content.IsDocument(desc.MediaType) {
			continue
		}
		for _, child := range children(t, src, desc) {
			if place[child.Digest] > place[desc.Digest] {
				t.Errorf("%s was pushed before its child %s", desc.Digest, child.Digest)
			}
		}
	}
}

func TestCopyBiggestFirst(t *testing.T) {
	for range 20 { // an order that goroutines race for would be another sooner or later
		src, dst := new(content.Memory), new(target)
		root := contenttest.Image(t, src, content.OCIManifest, 9)
		if err := content.Copy(t.Context(), dst, src, root, &content.CopyOptions{Concurrency: 1}); err != nil {
			t.Fatal(err)
		}
		blobs := dst.order[:len(dst.order)-1]
		if !slices.IsSortedFunc(blobs, func(a, b content.Descriptor) int { return int(b.Size - a.Size) }) {
			t.Fatalf("not the biggest first: %v", blobs)
		}
	}
}

func TestCopyConcurrency(t *testing.T) {
	src, dst := new(content.Memory), new(target)
	root := contenttest.Image(t, src, content.OCIManifest, 12)
	var mu sync.Mutex
	now, most := 0, 0
	dst.before = func(context.Context, content.Descriptor) error {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(2 * time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		return nil
	}
	if err := content.Copy(t.Context(), dst, src, root, &content.CopyOptions{Concurrency: 3}); err != nil {
		t.Fatal(err)
	}
	if most != 3 {
		t.Errorf("%d blobs at once, want 3", most)
	}
}

func TestCopyOnlyWhatIsMissing(t *testing.T) {
	src, dst := new(content.Memory), new(target)
	root, all := images(t, src)
	if err := content.Copy(t.Context(), &dst.Memory, src, root, nil); err != nil {
		t.Fatal(err)
	}
	var told []string
	var mu sync.Mutex
	opts := &content.CopyOptions{Done: func(desc content.Descriptor, how content.Transfer) {
		mu.Lock()
		defer mu.Unlock()
		if !content.IsDocument(desc.MediaType) {
			told = append(told, how.String())
		}
	}}
	if err := content.Copy(t.Context(), dst, src, root, opts); err != nil {
		t.Fatal(err)
	}
	for _, desc := range dst.order {
		if !content.IsDocument(desc.MediaType) {
			t.Errorf("blob %s was pushed again", desc.Digest)
		}
	}
	if want := len(all) - 4; len(told) != want || slices.ContainsFunc(told, func(s string) bool { return s != "present" }) {
		t.Errorf("told %v, want %d times present", told, want)
	}
	dst.order, opts.Always = nil, true
	if err := content.Copy(t.Context(), dst, src, root, opts); err != nil {
		t.Fatal(err)
	}
	if len(dst.order) != len(all) {
		t.Errorf("Always: %d pushed, want %d", len(dst.order), len(all))
	}
}

func TestCopyWithoutRoot(t *testing.T) {
	src, dst := new(content.Memory), new(target)
	root, all := images(t, src)
	if err := content.Copy(t.Context(), dst, src, root, &content.CopyOptions{WithoutRoot: true}); err != nil {
		t.Fatal(err)
	}
	if there, _ := dst.Exists(t.Context(), root); there || len(dst.order) != len(all)-1 {
		t.Errorf("root there: %t, %d of %d pushed", there, len(dst.order), len(all)-1)
	}
	blob := content.Of(content.OCILayer, nil)
	if err := content.Copy(t.Context(), dst, src, blob, &content.CopyOptions{WithoutRoot: true}); err != nil {
		t.Errorf("a blob, which needs nothing: %v", err)
	}
}

func TestCopyOfABlob(t *testing.T) {
	src, dst := new(content.Memory), new(target)
	data := []byte("a blob")
	desc := content.Of(content.OctetStream, data)
	if err := src.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
		t.Fatal(err)
	}
	if err := content.Copy(t.Context(), dst, src, desc, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := content.ReadAll(t.Context(), dst, desc); err != nil || string(got) != "a blob" {
		t.Errorf("got %q, %v", got, err)
	}
}

// manifest writes a manifest of a config and layers.
func manifest(t *testing.T, src *content.Memory, layers ...string) content.Descriptor {
	t.Helper()
	config := push(t, src, content.OCIConfig, []byte(`{}`))
	text := expand(fmt.Sprintf(`{"schemaVersion":2,"mediaType":"$OM","config":{"mediaType":%q,"digest":%q,"size":2},"layers":[%s]}`,
		config.MediaType, config.Digest, strings.Join(layers, ",")))
	return push(t, src, content.OCIManifest, []byte(text))
}

func push(t *testing.T, src *content.Memory, mediaType string, data []byte) content.Descriptor {
	t.Helper()
	desc := content.Of(mediaType, data)
	if err := src.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
		t.Fatal(err)
	}
	return desc
}

func TestCopySkipForeign(t *testing.T) {
	foreign := `{"mediaType":"` + content.DockerForeignLayer + `","digest":"` + digest.FromString("elsewhere").String() + `","size":9,"urls":["https://x.example/l"]}`
	src, dst := new(content.Memory), new(target)
	root := manifest(t, src, foreign)
	if err := content.Copy(t.Context(), dst, src, root, nil); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("without SkipForeign: got %v, want ErrNotFound: no one has the layer", err)
	}
	if err := content.Copy(t.Context(), dst, src, root, &content.CopyOptions{SkipForeign: true}); err != nil {
		t.Errorf("with SkipForeign: %v", err)
	}
	if there, _ := dst.Exists(t.Context(), root); !there {
		t.Error("the manifest is missing")
	}
}

// A registry checks no sizes, so the copy must: here two manifests disagree about one layer.
func TestCopyNoticesTwoSizes(t *testing.T) {
	src, dst := new(content.Memory), new(target)
	layer := push(t, src, content.OCILayer, []byte("layer"))
	entry := func(size int) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, layer.MediaType, layer.Digest, size)
	}
	root := contenttest.Index(t, src, content.OCIIndex, manifest(t, src, entry(5)), manifest(t, src, entry(6)))
	if err := content.Copy(t.Context(), dst, src, root, nil); !errors.Is(err, content.ErrVerification) {
		t.Errorf("got %v, want ErrVerification", err)
	}
	if there, _ := dst.Exists(t.Context(), root); there {
		t.Error("the index was pushed")
	}
}

// A layer whose media type says manifest is a blob all the same: only indexes point to documents.
func TestCopyLayerThatSaysManifest(t *testing.T) {
	src, dst := new(content.Memory), new(target)
	layer := push(t, src, content.OCIManifest, []byte("no manifest"))
	root := manifest(t, src, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, layer.MediaType, layer.Digest, layer.Size))
	if err := content.Copy(t.Context(), dst, src, root, nil); err != nil {
		t.Error(err)
	}
}

func TestCopyBoundsDocuments(t *testing.T) {
	src := new(content.Memory)
	one := contenttest.Image(t, src, content.OCIManifest, 1)
	huge := content.Descriptor{MediaType: content.OCIManifest, Size: content.MaxDocument}
	manifests := []content.Descriptor{one}
	for i := range 100 {
		huge.Digest = digest.FromString(fmt.Sprint(i))
		manifests = append(manifests, huge)
	}
	root := contenttest.Index(t, src, content.OCIIndex, manifests...)
	if err := content.Copy(t.Context(), new(target), src, root, nil); !errors.Is(err, content.ErrInvalid) {
		t.Errorf("an index of 400 MiB of manifests: got %v, want ErrInvalid", err)
	}
}

func TestCopyOneFailureIsTheError(t *testing.T) {
	boom := errors.New("this layer can't be stored")
	for range 30 { // whoever notices first: the error is the failure, never the cancellation that it caused
		src, dst := new(content.Memory), new(target)
		root, all := images(t, src)
		failing := all[1].Digest
		dst.before = func(ctx context.Context, desc content.Descriptor) error {
			if desc.Digest == failing {
				return boom
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Millisecond):
				return nil
			}
		}
		if err := content.Copy(t.Context(), dst, src, root, nil); !errors.Is(err, boom) {
			t.Fatalf("got %v, want %v", err, boom)
		}
		if there, _ := dst.Exists(t.Context(), root); there {
			t.Fatal("the root was pushed")
		}
	}
}

// A sibling's failure must not turn up as the error of a blob that two images share.
func TestCopySharedBlobOfAFailedImage(t *testing.T) {
	boom := errors.New("this layer can't be stored")
	for range 30 {
		src, dst := new(content.Memory), new(target)
		shared, bad := push(t, src, content.OCILayer, []byte("shared")), push(t, src, content.OCILayer, []byte("bad"))
		entry := func(d content.Descriptor) string {
			return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, d.MediaType, d.Digest, d.Size)
		}
		root := contenttest.Index(t, src, content.OCIIndex, manifest(t, src, entry(shared), entry(bad)), manifest(t, src, entry(shared)))
		dst.before = func(ctx context.Context, desc content.Descriptor) error {
			switch desc.Digest {
			case bad.Digest:
				time.Sleep(time.Millisecond)
				return boom
			case shared.Digest:
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		if err := content.Copy(t.Context(), dst, src, root, nil); !errors.Is(err, boom) {
			t.Fatalf("got %v, want %v", err, boom)
		}
	}
}

func TestCopyMissingBlobAndMissingManifest(t *testing.T) {
	src := new(content.Memory)
	missing := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":3}`, content.OCILayer, digest.FromString("abc"))
	for name, root := range map[string]content.Descriptor{
		"blob": manifest(t, src, missing), "manifest": content.Of(content.OCIManifest, []byte("nobody has this")),
	} {
		if err := content.Copy(t.Context(), new(target), src, root, nil); !errors.Is(err, content.ErrNotFound) {
			t.Errorf("missing %s: got %v, want ErrNotFound", name, err)
		}
	}
}

func TestCopyMalformedManifest(t *testing.T) {
	src := new(content.Memory)
	root := push(t, src, content.OCIManifest, []byte(`{"config":1}`))
	err := content.Copy(t.Context(), new(target), src, root, nil)
	if !errors.Is(err, content.ErrInvalid) || !strings.Contains(err.Error(), root.Digest.String()) {
		t.Errorf("got %v, want ErrInvalid with the digest", err)
	}
}

// The context ends while blobs are on their way: Copy returns its cause soon, and goleak finds nothing that still runs.
func TestCopyCancelled(t *testing.T) {
	src, dst := new(content.Memory), new(target)
	root, _ := images(t, src)
	cause := errors.New("the user has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	dst.before = func(ctx context.Context, _ content.Descriptor) error {
		cancel(cause)
		<-ctx.Done()
		return ctx.Err()
	}
	done := make(chan error)
	go func() { done <- content.Copy(ctx, dst, src, root, &content.CopyOptions{Concurrency: 2}) }()
	select {
	case err := <-done:
		if !errors.Is(err, cause) {
			t.Errorf("got %v, want %v", err, cause)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Copy did not return")
	}
	if len(dst.order) > 0 {
		t.Errorf("%d pushed", len(dst.order))
	}
}

func TestCopyPanicIsAnError(t *testing.T) {
	src, dst := new(content.Memory), new(target)
	root, _ := images(t, src)
	dst.before = func(context.Context, content.Descriptor) error { panic("a bug in a store") }
	err := content.Copy(t.Context(), dst, src, root, nil)
	if err == nil || !strings.Contains(err.Error(), "a bug in a store") {
		t.Errorf("got %v", err)
	}
}
