package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// plainTar is an archive with a file and a directory, and its two blocks of zeros.
func plainTar(t testing.TB) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	must(t, w.WriteHeader(&tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755}))
	must(t, w.WriteHeader(&tar.Header{Name: "d/é", Mode: 0o644, Size: 700}))
	_, err := w.Write(bytes.Repeat([]byte("x"), 700))
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	must(t, errors.Join(err, w.Close()))
	return b.Bytes()
}

func zstded(t testing.TB, data []byte, opts ...zstd.EOption) []byte {
	w, err := zstd.NewWriter(nil, opts...)
	must(t, err)
	defer w.Close()
	return w.EncodeAll(data, nil)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestFromTar(t *testing.T) {
	plain := plainTar(t)
	padded := join(plain, make([]byte, 10240-len(plain)))
	half := len(plain) / 2 / blockSize * blockSize
	for _, c := range []struct {
		name      string
		data      []byte
		plain     []byte
		mediaType string
	}{
		{"tar", plain, plain, content.OCILayer},
		{"tar of whole records", padded, padded, content.OCILayer},
		{"no entries", make([]byte, 1024), make([]byte, 1024), content.OCILayer},
		{"gzip", gzipped(t, plain), plain, content.OCILayerGzip},
		{"gzip of two members", join(gzipped(t, plain[:half]), gzipped(t, plain[half:])), plain, content.OCILayerGzip},
		{"zstd", zstded(t, plain), plain, content.OCILayerZstd},
		{"zstd of two frames", join(zstded(t, plain[:half]), zstded(t, plain[half:])), plain, content.OCILayerZstd},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m content.Memory
			l, err := FromTar(t.Context(), &m, content.FromBytes(c.data), &TarOptions{DiffID: digest.FromBytes(c.plain)})
			must(t, err)
			if want := content.Of(c.mediaType, c.data); l.Descriptor.Digest != want.Digest || l.Descriptor.Size != want.Size || l.Descriptor.MediaType != c.mediaType {
				t.Errorf("%v, want %v", l.Descriptor, want)
			}
			if stored, err := content.ReadAll(t.Context(), &m, l.Descriptor); err != nil || !bytes.Equal(stored, c.data) {
				t.Errorf("stored %d bytes, %v", len(stored), err)
			}
		})
	}
}

func TestFromTarRefuses(t *testing.T) {
	plain := plainTar(t)
	zip := gzipped(t, plain)
	noEnd := plain[:len(plain)-1024]
	broken := bytes.Clone(plain)
	broken[0] ^= 1
	badSum := bytes.Clone(zip)
	badSum[len(badSum)-5] ^= 1
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "ends without"},
		{"no end", noEnd, "ends without"},
		{"one block of zeros", plain[:len(plain)-512], "ends without"},
		{"cut in a header", plain[:700], "unexpected EOF"},
		{"cut in a file", plain[:2000], "unexpected EOF"},
		{"cut in padding", plain[:len(plain)-1024-10], "ends without"},
		{"a wrong checksum", broken, "invalid tar header"},
		{"text", bytes.Repeat([]byte("not a tar\n"), 200), "invalid tar header"},
		{"garbage behind", join(plain, []byte("garbage")), "something other than zeros"},
		{"an archive behind", join(plain, plain), "something other than zeros"},
		{"gzip that is cut", zip[:len(zip)-10], "unexpected EOF"},
		{"gzip with a wrong checksum", badSum, "invalid checksum"},
		{"gzip and garbage", join(zip, []byte("garbage-garbage")), "bad tar archive"},
		{"gzip and zeros", join(zip, make([]byte, 512)), "bad tar archive"},
		{"gzip of no end", gzipped(t, noEnd), "ends without"},
		{"gzip of garbage behind", gzipped(t, join(plain, []byte("garbage"))), "something other than zeros"},
		{"gzip of gzip", gzipped(t, zip), "bad tar archive"},
		{"zstd that is cut", zstded(t, plain)[:40], "unexpected EOF"},
		{"zstd and garbage", join(zstded(t, plain), []byte("garbage")), "bad tar archive"},
		{"zstd with a large window", zstdWindow(), "window size exceeded"},
		{"bzip2", []byte("BZh91AY&SY"), "something other than gzip and zstd"},
		{"xz", []byte("\xfd7zXZ\x00"), "something other than gzip and zstd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m content.Memory
			l, err := FromTar(t.Context(), &m, content.FromBytes(c.data), nil)
			if !errors.Is(err, ErrTar) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v %v, want %s", l, err, c.want)
			}
			if there, _ := m.Exists(t.Context(), content.Of("", c.data)); there {
				t.Error("it was stored")
			}
		})
	}
}

// zstdWindow is a frame whose header asks for a window of 128 MiB.
func zstdWindow() []byte {
	return []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00}
}

func TestFromTarOtherDiffID(t *testing.T) {
	var m content.Memory
	_, err := FromTar(t.Context(), &m, content.FromBytes(plainTar(t)), &TarOptions{DiffID: digest.FromString("other")})
	if !errors.Is(err, content.ErrVerification) {
		t.Errorf("got %v", err)
	}
}

// TestFromTarBomb stops where a few bytes have become a GiB.
func TestFromTarBomb(t *testing.T) {
	head, err := appendHeader(nil, &Entry{Path: "x", Size: 8 << 30})
	must(t, err)
	bomb := join(zstded(t, head), bytes.Repeat(zstded(t, make([]byte, 16<<20)), 70))
	in := bytes.NewReader(bomb)
	_, err = FromTar(t.Context(), &fullStore{1 << 40}, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(in), nil }, nil)
	if !errors.Is(err, ErrTar) || !strings.Contains(err.Error(), "make more than") {
		t.Errorf("got %v", err)
	}
}

// TestFromTarSparse has a file whose header claims more than the archive has; it takes no time.
func TestFromTarSparse(t *testing.T) {
	head, err := appendHeader(nil, &Entry{Path: "x", Size: 1 << 50})
	must(t, err)
	if _, err := FromTar(t.Context(), &content.Memory{}, content.FromBytes(join(head, make([]byte, 2048))), nil); !errors.Is(err, ErrTar) {
		t.Errorf("got %v", err)
	}
}

// TestFromTarOtherErrors are not the archive's fault.
func TestFromTarOtherErrors(t *testing.T) {
	plain := plainTar(t)
	for _, data := range [][]byte{plain, gzipped(t, plain), zstded(t, plain)} {
		if _, err := FromTar(t.Context(), &fullStore{20}, content.FromBytes(data), nil); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrTar) {
			t.Errorf("full store: %v", err)
		}
		open := func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(data[:len(data)/2]), failing{})), nil
		}
		if _, err := FromTar(t.Context(), &content.Memory{}, open, nil); err == nil || errors.Is(err, ErrTar) || !strings.Contains(err.Error(), "broken") {
			t.Errorf("broken source: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := FromTar(ctx, &content.Memory{}, content.FromBytes(plain), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzFromTar(f *testing.F) {
	plain := plainTar(f)
	for _, seed := range [][]byte{plain, gzipped(f, plain), zstded(f, plain), plain[:700], zstdWindow(), make([]byte, 1024)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m content.Memory
		l, err := FromTar(t.Context(), &m, content.FromBytes(data), nil)
		if err != nil {
			return
		}
		if l.Descriptor.Digest != digest.FromBytes(data) {
			t.Fatal("stored something else")
		}
		if l.Descriptor.MediaType == content.OCILayer && l.DiffID != l.Descriptor.Digest {
			t.Fatal("an uncompressed archive with a diff ID of its own")
		}
	})
}
