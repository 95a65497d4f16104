package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// peakLimit is how much memory a run may use, whatever the size of what it packs, and manyLimit if that is a million files.
const (
	peakLimit = 150 << 20
	manyLimit = 600 << 20
)

// TestMemory builds and pushes a big file and a directory of many files, each in a run of its own.
func TestMemory(t *testing.T) {
	fileSize, files, filesLimit := int64(192<<20), 2000, int64(peakLimit)
	if os.Getenv("IMGSCRIPT_E2E_FULL") != "" {
		fileSize, files, filesLimit = 5<<30, 1_000_000, manyLimit
	}
	tools(t, "docker-registry")
	s := start(t, anyKind)
	for _, c := range []struct {
		name  string
		limit int64
		make  func(t *testing.T, dir string)
	}{
		{fmt.Sprintf("a file of %d MiB", fileSize>>20), peakLimit, func(t *testing.T, dir string) { writeRandom(t, filepath.Join(dir, "big"), fileSize) }},
		{fmt.Sprintf("%d files", files), filesLimit, func(t *testing.T, dir string) { writeMany(t, dir, files) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, map[string]*server{"REG": s})
			w.measure = true
			c.make(t, w.path("data"))
			for _, jobs := range []string{"1", "64"} {
				began := time.Now()
				out := w.try(`
img = image("scratch", REG + "/big")
img.add_files({"/data": "data"})
img.save()
`, "--jobs", jobs)
				if out.code != 0 {
					t.Fatalf("exit code %d\n%s", out.code, out.stderr)
				}
				t.Logf("%s jobs: peak of memory: %d MB, %.1f s, %d MB sent", jobs, out.peak/1_000_000, time.Since(began).Seconds(), out.saved[0].UploadedBytes/1_000_000)
				if out.peak > c.limit {
					t.Errorf("%s jobs: peak of memory: %d MiB, want at most %d", jobs, out.peak>>20, c.limit>>20)
				}
			}
		})
	}
}

// writeRandom writes a file that does not compress.
func writeRandom(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	if _, err := io.CopyN(out, rand.NewChaCha8([32]byte{}), size); err != nil {
		t.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
}

// writeMany writes small files into directories of 100.
func writeMany(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("dir%d/file%d.js", i/100, i)), fmt.Sprintf("module.exports = %d\n", i))
	}
}
