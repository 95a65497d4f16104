package layer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// archives are texts of the sizes around those at which they are cut.
func archives() map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	all := map[string][]byte{"nothing": {}, "a byte": {7}}
	for name, size := range map[string]int{"a chunk": 4 << 20, "a byte less": 4<<20 - 1, "a byte more": 4<<20 + 1, "three": 9<<20 + 12345} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(random.IntN(7)) << (i >> 20)
		}
		all[name] = data
	}
	return all
}

// TestCompressTar compresses archives into what gzip reads, with the same bytes each time, whoever works and however the source is read.
func TestCompressTar(t *testing.T) {
	for name, data := range archives() {
		store := new(content.Memory)
		var first content.Descriptor
		for _, workers := range []*layer.Workers{nil, layer.NewWorkers(1), layer.NewWorkers(4)} {
			open := content.Opener(func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(&dripping{r: bytes.NewReader(data)}), nil
			})
			made, err := layer.CompressTar(t.Context(), store, open, &layer.CompressOptions{Workers: workers})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if made.DiffID != digest.FromBytes(data) || made.Descriptor.MediaType != content.OCILayerGzip {
				t.Errorf("%s: got %+v", name, made)
			}
			if first.Digest == "" {
				first = made.Descriptor
			}
			if made.Descriptor.Digest != first.Digest || made.Descriptor.Size != first.Size {
				t.Errorf("%s: %+v and %+v", name, made.Descriptor, first)
			}
		}
		packed, err := content.ReadOpener(t.Context(), content.FromFetcher(store, first), first)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if back, err := io.ReadAll(z); err != nil || !bytes.Equal(back, data) {
			t.Errorf("%s: %d bytes come back, %v", name, len(back), err)
		}
	}
}

// dripping gives odd numbers of bytes.
type dripping struct {
	r io.Reader
	n int
}

// Read implements io.Reader.
func (d *dripping) Read(p []byte) (int, error) {
	d.n++
	return d.r.Read(p[:min(len(p), 1+d.n*d.n%70000)])
}

// remembered is a cache of texts.
type remembered map[string][]byte

// Get implements layer.Cache.
func (r remembered) Get(_ context.Context, key string) ([]byte, bool) {
	value, ok := r[key]
	return value, ok
}

// Put implements layer.Cache.
func (r remembered) Put(_ context.Context, key string, value []byte) error {
	r[key] = value
	return nil
}

// Blob implements layer.Cache.
func (remembered) Blob(context.Context, digest.Digest) (layer.Blob, error) {
	return nil, content.ErrNotFound
}

// TestCompressTarOnce: an archive of which it is known what came of it is not opened, and what is remembered wrongly is not believed.
func TestCompressTarOnce(t *testing.T) {
	data := []byte("an archive")
	cache := remembered{}
	opts := &layer.CompressOptions{DiffID: digest.FromBytes(data), Cache: cache}
	first, err := layer.CompressTar(t.Context(), new(content.Memory), content.FromBytes(data), opts)
	if err != nil {
		t.Fatal(err)
	}
	closed := content.Opener(func(context.Context) (io.ReadCloser, error) { return nil, errors.New("opened") })
	again, err := layer.CompressTar(t.Context(), new(content.Memory), closed, opts)
	if err != nil || again.Descriptor.Digest != first.Descriptor.Digest || again.Descriptor.Size != first.Descriptor.Size || again.DiffID != first.DiffID {
		t.Errorf("got %+v, %v; want %+v", again, err, first)
	}
	for key := range cache {
		cache[key] = []byte("sha256:short 1")
	}
	if _, err := layer.CompressTar(t.Context(), new(content.Memory), closed, opts); err == nil {
		t.Error("a damaged record was believed")
	}
	other := &layer.CompressOptions{DiffID: digest.FromString("another")}
	store := new(content.Memory)
	if _, err := layer.CompressTar(t.Context(), store, content.FromBytes(data), other); !errors.Is(err, content.ErrVerification) {
		t.Errorf("another archive: %v", err)
	}
	if there, _ := store.Exists(t.Context(), first.Descriptor); there {
		t.Error("another archive was stored")
	}
}

// TestCompressTarFails: of a source that breaks nothing is stored, one that breaks as if it were at its end too.
func TestCompressTarFails(t *testing.T) {
	for name, failure := range map[string]error{"an error": errors.New("broken"), "an end too early": io.ErrUnexpectedEOF} {
		store := new(content.Memory)
		open := content.Opener(func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 5<<20)), failing{failure})), nil
		})
		if made, err := layer.CompressTar(t.Context(), store, open, nil); !errors.Is(err, failure) {
			t.Errorf("%s: got %+v, %v", name, made, err)
		}
	}
	gone := errors.New("gone")
	if _, err := layer.CompressTar(t.Context(), new(content.Memory), func(context.Context) (io.ReadCloser, error) { return nil, gone }, nil); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := layer.CompressTar(ctx, new(content.Memory), content.FromBytes(make([]byte, 10)), nil); !errors.Is(err, gone) {
		t.Errorf("cancelled: got %v", err)
	}
}

type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.err }
