package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// tree is what TestOneDigest packs: more files than a layer has workers, of sizes around those of buffers.
func tree() map[string]string {
	files := map[string]string{"run.sh": "#!/bin/sh\n", "sub/größe.txt": "umlaut\n", "sub/empty/": "", "with space/a": "a\n", ".hidden": "hidden\n"}
	source := rand.NewChaCha8([32]byte{1})
	for n := range 300 {
		data := make([]byte, []int{0, 1, 511, 512, 513, 4096, 65536, 300_000}[n%8])
		_, _ = source.Read(data) // it never fails
		files[fmt.Sprintf("dir%d/sub%d/file%d", n%7, n%3, n)] = string(data)
	}
	return files
}

// grow writes the tree in an order, with a umask and with times of its own.
func (w *world) grow(dir string, files map[string]string, order uint64, umask os.FileMode) {
	w.t.Helper()
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	names := []string{}
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	random := rand.New(rand.NewPCG(order, 0))
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		full := filepath.Join(w.dir, dir, name)
		if name[len(name)-1] == '/' {
			must(os.MkdirAll(full, 0o755))
			continue
		}
		writeFile(w.t, full, files[name])
		mode := os.FileMode(0o666)
		if name == "run.sh" {
			mode = 0o777
		}
		must(os.Chmod(full, mode&^umask))
		when := time.Unix(random.Int64N(2_000_000_000), random.Int64N(1_000_000_000))
		must(os.Chtimes(full, when, when))
	}
	must(os.Symlink("../run.sh", filepath.Join(w.dir, dir, "sub/link")))
	must(filepath.WalkDir(filepath.Join(w.dir, dir), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o777&^umask)
		}
		return err
	}))
}

// TestOneDigest packs the same tree on six runs, with 1, 2 and 16 jobs, other umasks, times and orders on disk, in another root: one digest.
func TestOneDigest(t *testing.T) {
	t.Parallel()
	files, digests := tree(), map[string]bool{}
	for i, jobs := range []string{"1", "2", "16", "1", "2", "16"} {
		w := newWorld(t, nil)
		w.grow("tree", files, uint64(i), []os.FileMode{0o022, 0o002, 0o077}[i/2])
		s := w.save(`
img = image("scratch", "oci:out")
img.add_files({"/app": "tree"})
img.add_files({"/again": "tree/dir1", "/and": "tree/dir2"}, uid = 1000, gid = 1000)
img.add_files({"/data": custom_file("data")})
img.env["A"] = "b"
img.save()
`, "--jobs", jobs)
		digests[s.Digest] = true
	}
	if len(digests) != 1 {
		t.Errorf("six runs gave %d digests: %v", len(digests), digests)
	}
}
