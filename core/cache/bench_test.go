package cache

import (
	"io"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

const benchSize = 16 << 20

func benchCache(b *testing.B) *Cache {
	c, err := Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkIngest writes blobs, which hashes them.
func BenchmarkIngest(b *testing.B) {
	c, data := benchCache(b), make([]byte, benchSize)
	b.ReportAllocs()
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := c.Ingest(b.Context(), "", func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFetch reads a blob, which verifies it.
func BenchmarkFetch(b *testing.B) {
	c, data := benchCache(b), make([]byte, benchSize)
	desc := content.Descriptor{Digest: digest.FromBytes(data), Size: benchSize}
	if err := c.Push(b.Context(), desc, content.FromBytes(data)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(benchSize)
	for b.Loop() {
		r, err := c.Fetch(b.Context(), desc)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			r.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecord writes and reads what is kept of a layer of half a GB.
func BenchmarkRecord(b *testing.B) {
	c, value := benchCache(b), make([]byte, 100_000)
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := c.Put(b.Context(), "bench", "key", value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := c.Get(b.Context(), "bench", "key"); !ok {
				b.Fatal("not there")
			}
		}
	})
}
