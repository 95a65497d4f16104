package layer

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/imgscript/imgscript/core/content"
)

// benchTree is n files of about 2 KB, twenty to a directory.
func benchTree(b *testing.B, n int) *Tree {
	dir := b.TempDir()
	text := make([]byte, 4000)
	for i := range text {
		text[i] = byte(i * i >> 3)
	}
	for i := range n {
		full := filepath.Join(dir, fmt.Sprintf("node_modules/package-%d/lib", i/20))
		if i%20 == 0 {
			must(b, os.MkdirAll(full, 0o755))
		}
		must(b, os.WriteFile(filepath.Join(full, fmt.Sprintf("file-%d.js", i)), text[:i%len(text)], 0o644))
	}
	return openTree(b, dir)
}

func BenchmarkScan(b *testing.B) {
	const n = 20_000
	files := []File{{Target: "/app", Tree: benchTree(b, n), Local: "."}}
	for name, opts := range map[string]*Options{
		"plain":   nil,
		"ignores": {Ignores: []string{"*.md", "test/", "**/*.test.js", "!keep.md", "/dist"}, IgnoreFiles: []string{".gitignore"}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := Scan(b.Context(), files, opts)
				must(b, err)
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	const n = 20_000
	entries, err := Scan(b.Context(), []File{{Target: "/app", Tree: benchTree(b, n), Local: "."}}, nil)
	must(b, err)
	total, workers := int64(0), NewWorkers(0)
	for i := range entries {
		total += entries[i].Size
	}
	for _, compression := range []string{None, Gzip, Zstd} {
		b.Run(compression, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(total)
			for b.Loop() {
				_, err := Build(b.Context(), discard{}, entries, &Options{Compression: compression, Workers: workers})
				must(b, err)
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

// BenchmarkCached builds a tree that was built before, when nothing changed and when one file did.
func BenchmarkCached(b *testing.B) {
	const n = 20_000
	tree, cache, workers := benchTree(b, n), &memoryCache{}, NewWorkers(0)
	files := []File{{Target: "/app", Tree: tree, Local: "."}}
	prepared := func() *Plan {
		p, err := Prepare(b.Context(), files, &Options{Cache: cache, Workers: workers})
		must(b, err)
		return p
	}
	_, err := prepared().Build(b.Context(), cache)
	must(b, err)
	b.Run("unchanged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := prepared().Known(); !ok {
				b.Fatal("not known")
			}
		}
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "files/s")
	})
	b.Run("one changed", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			must(b, os.WriteFile(filepath.Join(tree.dirs[0], "node_modules/package-500/lib/file-10000.js"), fmt.Append(nil, i), 0o644))
			_, err := prepared().Build(b.Context(), cache)
			must(b, err)
		}
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "files/s")
	})
}

// BenchmarkPack hashes and compresses one chunk, as one processor does it.
func BenchmarkPack(b *testing.B) {
	text := make([]byte, chunkTarget)
	for i := range text {
		text[i] = "return function(e){ }"[(i*i>>4)%21]
	}
	for _, compression := range []string{None, Gzip, Zstd} {
		b.Run(compression, func(b *testing.B) {
			a := &archive{workers: NewWorkers(1), coding: coding{compression, defaultLevel}, keep: true}
			c := &chunk{buffer: &buffer{raw: text}}
			b.ReportAllocs()
			b.SetBytes(chunkTarget)
			for b.Loop() {
				must(b, a.pack(c))
			}
		})
	}
}

// BenchmarkFill reads small files and writes them as an archive, on one processor and without compression.
func BenchmarkFill(b *testing.B) {
	const n = 2_000
	found, err := scan(b.Context(), []File{{Target: "/app", Tree: benchTree(b, n), Local: "."}}, &Options{})
	must(b, err)
	views := openViews(found)
	defer views.close()
	a := &archive{entries: found, views: views}
	c := &chunk{cut: cut{to: position{entry: found.len()}}, buffer: &buffer{}}
	must(b, pause(b.Context()))
	b.ReportAllocs()
	for b.Loop() {
		must(b, a.fill(b.Context(), c, a.readNow))
		b.SetBytes(int64(len(c.raw)))
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "files/s")
}

// discard is a store that keeps nothing.
type discard struct{}

func (discard) Ingest(_ context.Context, mediaType string, write func(io.Writer) error) (content.Descriptor, error) {
	return content.Descriptor{MediaType: mediaType}, write(io.Discard)
}
