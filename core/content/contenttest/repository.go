package contenttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/imgscript/imgscript/core/content"
)

// TestRepository tries what a repository adds to a store: names, and the optional abilities that it has (TagPusher,
// ManifestReader, Mounter, Streamer). opts may be nil.
func TestRepository(t *testing.T, open func(t *testing.T) content.Repository, opts *Options) {
	t.Helper()
	_ = opts // asks nothing of repositories yet
	for _, c := range []struct {
		name string
		run  func(t *testing.T, r content.Repository)
	}{
		{"CopyImage", checkCopyImage},
		{"CopyIndex", checkCopyIndex},
		{"TagAndResolve", checkTag},
		{"TagMoves", checkTagMoves},
		{"ResolveDigest", checkResolveDigest},
		{"MissingNameIsErrNotFound", checkMissingName},
		{"TagOfMissingContent", checkTagMissing},
		{"WrongManifestIsRefused", checkWrongManifest},
		{"CancelledContext", checkNamesCancelled},
		{"PushTagged", checkPushTagged},
		{"ManifestReader", checkManifestReader},
		{"Mounter", checkMounter},
		{"Streamer", checkStreamer},
	} {
		t.Run("Repository/"+c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func checkCopyImage(t *testing.T, r content.Repository) {
	src := new(content.Memory)
	root := Image(t, src, content.OCIManifest, 3)
	mustCopy(t, r, src, root)
	mustCopy(t, r, src, root) // what is there is no error
	wantImage(t, r, src, root)
}

func checkCopyIndex(t *testing.T, r content.Repository) {
	src := new(content.Memory)
	one, two := Image(t, src, content.OCIManifest, 1), Image(t, src, content.DockerManifest, 2)
	root := Index(t, src, content.OCIIndex, one, two)
	mustCopy(t, r, src, root)
	for _, desc := range []content.Descriptor{root, one, two} {
		wantImage(t, r, src, desc)
	}
}

func checkTag(t *testing.T, r content.Repository) {
	root := mustImage(t, r, 1)
	for _, name := range []string{"latest", "v1.2.3_4-5", "UPPER"} {
		if err := r.Tag(t.Context(), root, name); err != nil {
			t.Errorf("Tag %s: %v", name, err)
		}
		wantResolves(t, r, name, root)
	}
	wantResolves(t, r, "latest", root)
}

func checkTagMoves(t *testing.T, r content.Repository) {
	one, two := mustImage(t, r, 1), mustImage(t, r, 2)
	for _, desc := range []content.Descriptor{one, two, two, one} {
		if err := r.Tag(t.Context(), desc, "latest"); err != nil {
			t.Fatalf("Tag: %v", err)
		}
		wantResolves(t, r, "latest", desc)
	}
	wantResolves(t, r, two.Digest.String(), two)
}

func checkResolveDigest(t *testing.T, r content.Repository) {
	root := mustImage(t, r, 1)
	wantResolves(t, r, root.Digest.String(), root)
}

func checkMissingName(t *testing.T, r content.Repository) {
	mustImage(t, r, 1)
	missing := content.Of(content.OCIManifest, Bytes(9)).Digest.String()
	for _, name := range []string{"nothing", missing} {
		if desc, err := r.Resolve(t.Context(), name); !errors.Is(err, content.ErrNotFound) {
			t.Errorf("Resolve %s: got %s, %v; want ErrNotFound", name, desc.Digest, err)
		}
	}
}

func checkTagMissing(t *testing.T, r content.Repository) {
	root := Image(t, new(content.Memory), content.OCIManifest, 1)
	if err := r.Tag(t.Context(), root, "latest"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("Tag of missing content: got error %v, want ErrNotFound", err)
	}
	if _, err := r.Resolve(t.Context(), "latest"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("Resolve of a tag that was refused: got error %v, want ErrNotFound", err)
	}
}

func checkWrongManifest(t *testing.T, r content.Repository) {
	src := new(content.Memory)
	root := Image(t, src, content.OCIManifest, 1)
	if err := content.Copy(t.Context(), r, src, root, &content.CopyOptions{WithoutRoot: true}); err != nil {
		t.Fatalf("Copy: %v", err)
	}
	wantRefused(t, r, root, append(mustRead(t, src, root), '\n'))
	mustCopy(t, r, src, root)
	wantImage(t, r, src, root)
}

func checkNamesCancelled(t *testing.T, r content.Repository) {
	root := mustImage(t, r, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Tag(ctx, root, "latest"); !errors.Is(err, context.Canceled) {
		t.Errorf("Tag with an ended context: got error %v, want context.Canceled", err)
	}
	if _, err := r.Resolve(ctx, root.Digest.String()); !errors.Is(err, context.Canceled) {
		t.Errorf("Resolve with an ended context: got error %v, want context.Canceled", err)
	}
	if _, err := r.Resolve(t.Context(), "latest"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("Resolve of a tag that was not set: got error %v, want ErrNotFound", err)
	}
}

// checkPushTagged goes through content.PushTagged, which uses the ability where there is one.
func checkPushTagged(t *testing.T, r content.Repository) {
	src := new(content.Memory)
	root := Image(t, src, content.OCIManifest, 1)
	if err := content.Copy(t.Context(), r, src, root, &content.CopyOptions{WithoutRoot: true}); err != nil {
		t.Fatalf("Copy: %v", err)
	}
	for _, tags := range [][]string{nil, {"one"}, {"two", "three"}} {
		if err := content.PushTagged(t.Context(), r, root, content.FromFetcher(src, root), tags); err != nil {
			t.Fatalf("PushTagged %v: %v", tags, err)
		}
		for _, tag := range append(slices.Clone(tags), root.Digest.String()) {
			wantResolves(t, r, tag, root)
		}
	}
	wrong := content.FromBytes([]byte("{}"))
	if err := content.PushTagged(t.Context(), r, root, wrong, []string{"wrong"}); err == nil {
		if _, err := r.Resolve(t.Context(), "wrong"); err == nil {
			wantImage(t, r, src, root) // a store that had it may not have looked
		}
	} else if !errors.Is(err, content.ErrVerification) {
		t.Errorf("PushTagged of wrong bytes: got error %v, want ErrVerification", err)
	}
}

// checkManifestReader goes through content.ReadDocument, which uses the ability where there is one.
func checkManifestReader(t *testing.T, r content.Repository) {
	src := new(content.Memory)
	root := Image(t, src, content.OCIManifest, 1)
	mustCopy(t, r, src, root)
	if err := r.Tag(t.Context(), root, "latest"); err != nil {
		t.Fatalf("Tag: %v", err)
	}
	for _, name := range []string{"latest", root.Digest.String()} {
		desc, data, err := content.ReadDocument(t.Context(), r, name)
		if err != nil || desc.Digest != root.Digest || desc.Size != root.Size || desc.MediaType != root.MediaType {
			t.Errorf("ReadDocument %s: got %v, %v; want %v", name, desc, err, root)
		}
		if !bytes.Equal(data, mustRead(t, src, root)) {
			t.Errorf("ReadDocument %s: got other bytes", name)
		}
	}
	if _, _, err := content.ReadDocument(t.Context(), r, "nothing"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("ReadDocument of a missing name: got error %v, want ErrNotFound", err)
	}
}

// checkMounter tries a Mount that can only upload: from names a place on another registry, which must be ignored.
func checkMounter(t *testing.T, r content.Repository) {
	m, ok := r.(content.Mounter)
	if !ok {
		return
	}
	data := Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	for i, want := range []content.Transfer{content.Uploaded, content.Present} {
		how, err := m.Mount(t.Context(), desc, []string{"elsewhere.invalid/app"}, content.FromBytes(data))
		// A registry may tell mounted from present or not, but never claims bytes that were not sent.
		if err != nil || (how == content.Uploaded) != (want == content.Uploaded) {
			t.Errorf("Mount %d: got %v, %v; want %v", i, how, err, want)
		}
		wantContent(t, r, desc, data)
	}
	other := content.Of(content.OCILayerGzip, Bytes(5001))
	if _, err := m.Mount(t.Context(), other, nil, content.FromBytes(data)); !errors.Is(err, content.ErrVerification) {
		t.Errorf("Mount with wrong bytes: got error %v, want ErrVerification", err)
	}
	wantExists(t, r, other, false)
}

func checkStreamer(t *testing.T, r content.Repository) {
	s, ok := r.(content.Streamer)
	if !ok {
		return
	}
	data := Bytes(300_000)
	want := content.Of(content.OCILayerGzip, data)
	desc, err := s.PushPending(t.Context(), content.OCILayerGzip, pending{open: content.FromBytes(data), desc: want})
	if err != nil || desc.Digest != want.Digest || desc.Size != want.Size || desc.MediaType != want.MediaType {
		t.Errorf("PushPending: got %v, %v; want %v", desc, err, want)
	}
	wantContent(t, r, want, data)

	boom := errors.New("the writer failed")
	failed := pending{err: boom, open: func(context.Context) (io.ReadCloser, error) {
		return &broken{data: Bytes(1000), err: boom}, nil
	}}
	if _, err := s.PushPending(t.Context(), content.OCILayerGzip, failed); !errors.Is(err, boom) {
		t.Errorf("PushPending of a writer that fails: got error %v, want the writer's", err)
	}
}

// pending is a blob whose writer has ended.
type pending struct {
	open content.Opener
	desc content.Descriptor
	err  error
}

// Open implements content.Pending.
func (p pending) Open(ctx context.Context) (io.ReadCloser, error) { return p.open(ctx) }

// Wait implements content.Pending.
func (p pending) Wait(context.Context) (content.Descriptor, error) { return p.desc, p.err }

func wantResolves(t *testing.T, r content.Resolver, name string, want content.Descriptor) {
	t.Helper()
	got, err := r.Resolve(t.Context(), name)
	if err != nil || got.Digest != want.Digest || got.MediaType != want.MediaType || got.Size != want.Size {
		t.Errorf("Resolve %s: got %s %s %d, %v; want %s %s %d", name,
			got.MediaType, got.Digest, got.Size, err, want.MediaType, want.Digest, want.Size)
	}
}
