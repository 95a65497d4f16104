package content_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

func TestVerify(t *testing.T) {
	data := contenttest.Bytes(100_000)
	desc := func(size int64) content.Descriptor {
		return content.Descriptor{Digest: digest.FromBytes(data), Size: size}
	}
	sha512 := content.Descriptor{Digest: digest.SHA512.FromBytes(data), Size: 100_000}
	wrong := content.Of("", contenttest.Bytes(100_001))
	wrong.Size = 100_000
	other512 := sha512
	other512.Digest = digest.SHA512.FromString("other")
	boom := errors.New("the disk is broken")
	for _, c := range []struct {
		name string
		desc content.Descriptor
		r    io.Reader
		want error
	}{
		{"right", desc(100_000), bytes.NewReader(data), nil},
		{"right, a byte at a time", desc(100_000), iotest.OneByteReader(bytes.NewReader(data)), nil},
		{"right, EOF with the data", desc(100_000), iotest.DataErrReader(bytes.NewReader(data)), nil},
		{"unknown size", desc(-1), bytes.NewReader(data), nil},
		{"sha512", sha512, bytes.NewReader(data), nil},
		{"empty", content.Of("", nil), strings.NewReader(""), nil},
		{"too short", desc(100_000), bytes.NewReader(data[:99_999]), content.ErrVerification},
		{"nothing", desc(100_000), strings.NewReader(""), content.ErrVerification},
		{"too long", desc(100_000), io.MultiReader(bytes.NewReader(data), strings.NewReader("x")), content.ErrVerification},
		{"size too small", desc(99_999), bytes.NewReader(data), content.ErrVerification},
		{"size too big", desc(100_001), bytes.NewReader(data), content.ErrVerification},
		{"other bytes", wrong, bytes.NewReader(data), content.ErrVerification},
		{"other bytes, unknown size", content.Descriptor{Digest: wrong.Digest, Size: -1}, bytes.NewReader(data), content.ErrVerification},
		{"other bytes, sha512", other512, bytes.NewReader(data), content.ErrVerification},
		{"the reader's error", desc(100_000), io.MultiReader(bytes.NewReader(data[:10]), iotest.ErrReader(boom)), boom},
	} {
		r, err := content.Verify(io.NopCloser(c.r), c.desc)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got, err := io.ReadAll(r)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
		if err == nil && !bytes.Equal(got, data[:len(got)]) {
			t.Errorf("%s: other bytes", c.name)
		}
		if _, again := r.Read(make([]byte, 1)); again == nil || c.want != nil && !errors.Is(again, c.want) {
			t.Errorf("%s: a read after the end: got error %v, want it again", c.name, again)
		}
	}
}

// Too many bytes end the read at once: a server can't keep a reader busy for ever.
func TestVerifyStopsEndlessContent(t *testing.T) {
	desc := content.Of("", contenttest.Bytes(10))
	r, err := content.Verify(io.NopCloser(endless{}), desc)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, content.ErrVerification) || n > 10 {
		t.Errorf("got %d bytes, error %v", n, err)
	}
}

type endless struct{}

// Read implements io.Reader.
func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestVerifyClosesOnMalformedDigest(t *testing.T) {
	var c closer
	if _, err := content.Verify(&c, content.Descriptor{Digest: "sha256:x"}); !errors.Is(err, content.ErrInvalid) || !c.closed {
		t.Errorf("got error %v, closed %t", err, c.closed)
	}
}

type closer struct {
	strings.Reader
	closed bool
}

// Close implements io.Closer.
func (c *closer) Close() error { c.closed = true; return nil }

func TestReadLimited(t *testing.T) {
	src := new(content.Memory)
	desc := push(t, src, content.OctetStream, contenttest.Bytes(1000))
	unknown := desc
	unknown.Size = -1
	for _, c := range []struct {
		desc  content.Descriptor
		limit int64
		ok    bool
	}{
		{desc, 1000, true}, {desc, 999, false}, {desc, math.MaxInt64, true},
		{unknown, 1000, true}, {unknown, 999, false}, {unknown, math.MaxInt64, true}, {unknown, 0, false},
	} {
		data, err := content.ReadLimited(t.Context(), src, c.desc, c.limit)
		if (err == nil) != c.ok || c.ok && len(data) != 1000 {
			t.Errorf("size %d, limit %d: got %d bytes, %v", c.desc.Size, c.limit, len(data), err)
		}
	}
	lie := desc
	lie.Size = 1 << 60
	if _, err := content.ReadLimited(t.Context(), src, lie, math.MaxInt64); !errors.Is(err, content.ErrVerification) {
		t.Errorf("a size of 1 EiB: got %v", err)
	}
	lie.Size = 4000 // the server's word: allocated, and then refused
	if _, err := content.ReadLimited(t.Context(), src, lie, 5000); !errors.Is(err, content.ErrVerification) {
		t.Errorf("a wrong size: got %v", err)
	}
}

func TestReadOpenerVerifies(t *testing.T) {
	desc := content.Of(content.OCIManifest, []byte("right"))
	if data, err := content.ReadOpener(t.Context(), content.FromBytes([]byte("right")), desc); err != nil || string(data) != "right" {
		t.Errorf("got %q, %v", data, err)
	}
	if _, err := content.ReadOpener(t.Context(), content.FromBytes([]byte("wrong")), desc); !errors.Is(err, content.ErrVerification) {
		t.Errorf("got %v", err)
	}
	boom := errors.New("no such file")
	failing := func(context.Context) (io.ReadCloser, error) { return nil, boom }
	if _, err := content.ReadOpener(t.Context(), failing, desc); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}

func TestCheckBytes(t *testing.T) {
	data := []byte("text")
	desc := content.Of("", data)
	unknown, short, other := desc, desc, desc
	unknown.Size, short.Size, other.Digest = -1, 3, digest.FromString("other")
	for _, c := range []struct {
		desc content.Descriptor
		want error
	}{
		{desc, nil}, {unknown, nil}, {short, content.ErrVerification}, {other, content.ErrVerification},
		{content.Descriptor{Digest: "sha512:" + digest.Digest(digest.SHA512.FromBytes(data).Encoded()), Size: 4}, nil},
		{content.Descriptor{Digest: "sha1:x", Size: 4}, content.ErrInvalid},
	} {
		if err := content.CheckBytes(c.desc, data); !errors.Is(err, c.want) {
			t.Errorf("%s, %d bytes: got %v, want %v", c.desc.Digest, c.desc.Size, err, c.want)
		}
	}
}

func TestParseDigest(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 8)
	for s, ok := range map[string]bool{
		"sha256:" + hex[:64]: true, "sha512:" + hex: true,
		"sha256:" + hex: false, "sha512:" + hex[:64]: false, "sha384:" + hex[:96]: false, "sha256:" + hex[:63] + "g": false,
		"SHA256:" + hex[:64]: false, "sha256:" + hex[:64] + "\n": false, " sha256:" + hex[:64]: false, "": false, ":": false,
		"sha256:" + strings.ToUpper(hex[:64]): false, "sha256+b64:" + hex[:64]: false, strings.Repeat("x", 10_000): false,
	} {
		got, err := content.ParseDigest(s)
		if (err == nil) != ok || ok && got.String() != s || !ok && !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func TestMediaTypes(t *testing.T) {
	for _, m := range content.Documents() {
		if !content.IsDocument(m) || content.IsManifest(m) == content.IsIndex(m) || content.IsSchema1(m) {
			t.Errorf("%s: document %t, manifest %t, index %t", m, content.IsDocument(m), content.IsManifest(m), content.IsIndex(m))
		}
	}
	for desc, want := range map[*content.Descriptor]bool{
		{MediaType: content.OCILayerGzip}:                                           false,
		{MediaType: content.OCILayerGzip, URLs: []string{"https://x.example/"}}:     true,
		{MediaType: content.DockerForeignLayer}:                                     true,
		{MediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"}: true,
		{MediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar"}:         true,
	} {
		if got := content.IsForeign(*desc); got != want {
			t.Errorf("%s %v: foreign %t", desc.MediaType, desc.URLs, got)
		}
	}
}

// TestVerifyOnce: what is verified already is not verified again, unless it is held to something else or was read from.
func TestVerifyOnce(t *testing.T) {
	data := []byte("some bytes")
	desc := content.Of(content.OctetStream, data)
	open := func(desc content.Descriptor) io.ReadCloser {
		t.Helper()
		r, err := content.Verify(io.NopCloser(bytes.NewReader(data)), desc)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	again := func(r io.ReadCloser, desc content.Descriptor) io.ReadCloser {
		t.Helper()
		twice, err := content.Verify(r, desc)
		if err != nil {
			t.Fatal(err)
		}
		return twice
	}
	if r := open(desc); again(r, desc) != r {
		t.Error("it is verified twice")
	}
	sizeUnknown, other := desc, content.Of(content.OctetStream, []byte("other"))
	sizeUnknown.Size = -1
	if r := open(sizeUnknown); again(r, desc) == r {
		t.Error("the size is not verified")
	}
	if r := open(desc); again(r, other) == r {
		t.Error("another digest is not verified")
	}
	r := open(desc)
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(again(r, desc)); !errors.Is(err, content.ErrVerification) {
		t.Errorf("the rest is taken for the whole: %v", err)
	}
}
