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
	for _, compression := range []string{None, Gzip, Zstd} {
		b.Run(compression, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := Build(b.Context(), discard{}, entries, &Options{Compression: compression})
				must(b, err)
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

// discard is a store that keeps nothing.
type discard struct{}

func (discard) Ingest(_ context.Context, mediaType string, write func(io.Writer) error) (content.Descriptor, error) {
	return content.Descriptor{MediaType: mediaType}, write(io.Discard)
}
