package contenttest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Bytes returns n bytes that don't compress and are the same at each call; the bytes of one n are no prefix of another's.
func Bytes(n int) []byte {
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(n >> (8 * i))
	}
	data := make([]byte, n)
	rand.NewChaCha8(seed).Read(data) // never fails
	return data
}

func sha512Of(data []byte) digest.Digest { return digest.SHA512.FromBytes(data) }

// malformedDigests would lead out of a directory, name another blob, or mean nothing (CVE-2024-3727).
func malformedDigests() []digest.Digest {
	hex := strings.Repeat("a", 64)
	return []digest.Digest{
		"", "sha256:", "sha256", digest.Digest(hex), "sha256:abc", digest.Digest("sha256:" + strings.ToUpper(hex)),
		digest.Digest("sha256:" + hex + "a"), digest.Digest("sha256:" + hex[:61] + "/.."), "sha256:../../../../etc/passwd",
		digest.Digest("../sha256:" + hex), digest.Digest("md5:" + hex[:32]), digest.Digest("sha512:" + hex), digest.Digest("sha256:" + hex + "\n"),
	}
}

func mustPush(t *testing.T, s content.Pusher, desc content.Descriptor, data []byte) {
	t.Helper()
	if err := s.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
		t.Fatalf("Push of %d bytes: %v", len(data), err)
	}
}

// wantRefused pushes bytes that are not desc's: an error that is ErrVerification, and nothing is there afterwards.
func wantRefused(t *testing.T, s content.Store, desc content.Descriptor, data []byte) {
	t.Helper()
	var opened counter
	if err := s.Push(t.Context(), desc, opened.opener(content.FromBytes(data))); !errors.Is(err, content.ErrVerification) {
		t.Errorf("Push of %d wrong bytes for %d: got error %v, want ErrVerification", len(data), desc.Size, err)
	}
	opened.wantClosed(t)
	wantExists(t, s, desc, false)
	if _, err := fetch(t, s, desc); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("Fetch after a refused Push: got error %v, want ErrNotFound", err)
	}
}

// fetch reads desc to its end. An error of Fetch and one of the reader count the same.
func fetch(t *testing.T, s content.Fetcher, desc content.Descriptor) ([]byte, error) {
	r, err := s.Fetch(t.Context(), desc)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close of a reader: %v", err)
		}
	}()
	return io.ReadAll(r)
}

func wantContent(t *testing.T, s content.Fetcher, desc content.Descriptor, want []byte) {
	t.Helper()
	got, err := fetch(t, s, desc)
	if err != nil {
		t.Errorf("Fetch of %d bytes: %v", len(want), err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("Fetch of %d bytes: got %d other ones", len(want), len(got))
	}
}

func wantExists(t *testing.T, s content.Store, desc content.Descriptor, want bool) {
	t.Helper()
	if got, err := s.Exists(t.Context(), desc); err != nil || got != want {
		t.Errorf("Exists of %d bytes: got %t, %v; want %t", desc.Size, got, err, want)
	}
}
