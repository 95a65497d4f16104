package cache

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

func TestMain(m *testing.M) {
	if run, ok := children[os.Getenv("CACHE_TEST_CHILD")]; ok {
		run(os.Args[len(os.Args)-1])
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string) *Cache {
	t.Helper()
	c, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConformance(t *testing.T) {
	damage := &contenttest.Options{
		Corrupt: func(t *testing.T, s content.Store, desc content.Descriptor) {
			rewrite(t, s.(*Cache), desc, func(data []byte) []byte { data[len(data)/2] ^= 1; return data })
		},
		Truncate: func(t *testing.T, s content.Store, desc content.Descriptor) {
			rewrite(t, s.(*Cache), desc, func(data []byte) []byte { return data[:len(data)/2] })
		},
	}
	contenttest.TestStore(t, func(t *testing.T) content.Store { return open(t, t.TempDir()) }, damage)
	contenttest.TestIngester(t, func(t *testing.T) content.Ingester { return open(t, t.TempDir()) })
}

// rewrite changes the file of a blob behind the cache's back.
func rewrite(t *testing.T, c *Cache, desc content.Descriptor, change func([]byte) []byte) {
	t.Helper()
	file := blobFile(t, c, desc)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func blobFile(t *testing.T, c *Cache, desc content.Descriptor) string {
	t.Helper()
	name, err := blobName(desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(c.Dir(), name)
}

func push(t *testing.T, c *Cache, size int) (content.Descriptor, []byte) {
	t.Helper()
	data := contenttest.Bytes(size)
	desc := content.Of(content.OCILayerGzip, data)
	if err := c.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
		t.Fatal(err)
	}
	return desc, data
}

func wantBlob(t *testing.T, c content.Fetcher, desc content.Descriptor, want []byte) {
	t.Helper()
	got, err := content.ReadLimited(t.Context(), c, desc, 64<<20)
	if err != nil {
		t.Errorf("Fetch: %v", err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("Fetch: %d other bytes, want %d", len(got), len(want))
	}
}

// files lists what is below a directory, leaving out folders.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// wantNoTemp checks that nothing half-written is left.
func wantNoTemp(t *testing.T, c *Cache) {
	t.Helper()
	for _, name := range files(t, c.Dir()) {
		if strings.Contains(name, atomicfile.Prefix) {
			t.Errorf("temporary file %s is left", name)
		}
	}
}

func TestDamagedBlobIsAMiss(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
	}{
		{"flipped bit", func(b []byte) []byte { b[77] ^= 0x10; return b }},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }},
		{"longer", func(b []byte) []byte { return append(b, 0) }},
		{"emptied by a power failure", func([]byte) []byte { return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			desc, data := push(t, open(t, dir), 100_000)
			later := open(t, dir) // as a later run does
			rewrite(t, later, desc, c.change)
			if _, err := later.Fetch(t.Context(), desc); !errors.Is(err, content.ErrNotFound) {
				t.Fatalf("Fetch of a damaged blob: got error %v, want ErrNotFound", err)
			}
			push(t, later, 100_000)
			wantBlob(t, later, desc, data)

			rewrite(t, later, desc, c.change)
			push(t, open(t, dir), 100_000) // writes it anew, though there is something under its name
			wantBlob(t, open(t, dir), desc, data)

			rewrite(t, later, desc, c.change)
			if there, err := open(t, dir).Exists(t.Context(), desc); there || err != nil {
				t.Errorf("Exists of a damaged blob: %t, %v", there, err)
			}
			if left, err := os.Stat(blobFile(t, later, desc)); err == nil {
				t.Errorf("the damaged blob of %d bytes stays", left.Size())
			}
		})
	}
}

// A blob that goes bad after this process wrote it must not be handed out for good either.
func TestDamageAfterVerification(t *testing.T) {
	c := open(t, t.TempDir())
	desc, _ := push(t, c, 100_000)
	before, err := os.Stat(blobFile(t, c, desc))
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, c, desc, func(b []byte) []byte { b[5] ^= 1; return b })
	if err := os.Chtimes(blobFile(t, c, desc), before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if _, err := content.ReadAll(t.Context(), c, desc); !errors.Is(err, content.ErrVerification) {
		t.Errorf("first read: got error %v, want ErrVerification", err)
	}
	if _, err := content.ReadAll(t.Context(), c, desc); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("second read: got error %v, want ErrNotFound", err)
	}
}

// A manifest that lies about a size must not make us throw good bytes away.
func TestWrongSizeKeepsTheBlob(t *testing.T) {
	dir := t.TempDir()
	desc, data := push(t, open(t, dir), 5000)
	c := open(t, dir)
	wrong := desc
	wrong.Size = 4999
	if _, err := content.ReadAll(t.Context(), c, wrong); !errors.Is(err, content.ErrVerification) {
		t.Errorf("Fetch with a wrong size: got error %v, want ErrVerification", err)
	}
	wantBlob(t, c, desc, data)
}

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	c := open(t, dir)
	push(t, c, 10)
	for _, name := range []string{"", "blobs", "blobs/sha256"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, error %v, want 0700", name, info.Mode(), err)
		}
	}
	for _, name := range files(t, dir) {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, error %v, want 0600", name, info.Mode(), err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, nil); err == nil {
		t.Error("Open of a file: no error")
	}
}

func TestOpenRemovesLeftovers(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	c := open(t, dir)
	leftover := filepath.Join(dir, tmpDir, atomicfile.Prefix+"old")
	fresh := filepath.Join(dir, tmpDir, atomicfile.Prefix+"fresh")
	foreign := filepath.Join(dir, tmpDir, "somebody's")
	for _, file := range []string{leftover, fresh, foreign} {
		if err := os.WriteFile(file, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.Ingest(t.Context(), content.OCILayer, func(w io.Writer) error {
		w.Write([]byte("slow, but alive"))
		for _, name := range files(t, filepath.Join(dir, tmpDir)) {
			if name != filepath.Base(fresh) {
				os.Chtimes(filepath.Join(dir, tmpDir, name), old, old)
			}
		}
		open(t, dir)
		return nil
	})
	if err != nil {
		t.Errorf("Ingest while another process cleans up: %v", err)
	}
	if _, err := os.Stat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover: %v, want it removed", err)
	}
	for _, file := range []string{fresh, foreign} {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v, want it kept", file, err)
		}
	}
}

func TestTemp(t *testing.T) {
	c, err := Temp()
	if err != nil {
		t.Fatal(err)
	}
	desc, data := push(t, c, 100)
	wantBlob(t, c, desc, data)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(c.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v, want the directory removed", err)
	}
	if _, err := c.Fetch(t.Context(), desc); err == nil {
		t.Error("Fetch after Close: no error")
	}
}
