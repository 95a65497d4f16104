package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

// age makes a file look as if it was used last that long ago.
func age(t *testing.T, c *Cache, name string, ago time.Duration) {
	t.Helper()
	when := time.Now().Add(-ago)
	if err := os.Chtimes(filepath.Join(c.Dir(), name), when, when); err != nil {
		t.Fatal(err)
	}
}

// aged puts a blob into the cache that was used last that long ago.
func aged(t *testing.T, c *Cache, size int, ago time.Duration) content.Descriptor {
	t.Helper()
	desc, _ := push(t, c, size)
	name, err := blobName(desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	age(t, c, name, ago)
	return desc
}

func wantThere(t *testing.T, c *Cache, want bool, blobs ...content.Descriptor) {
	t.Helper()
	for _, desc := range blobs {
		if _, err := os.Stat(blobFile(t, c, desc)); (err == nil) != want {
			t.Errorf("the blob of %d bytes: %v; want it there: %t", desc.Size, err, want)
		}
	}
}

func wantPruned(t *testing.T, c *Cache, maxSize int64, want Pruned) {
	t.Helper()
	if got, err := c.Prune(t.Context(), maxSize); err != nil || got != want {
		t.Errorf("Prune(%d) = %+v, %v; want %+v", maxSize, got, err, want)
	}
}

func TestPruneLeastRecentlyUsedFirst(t *testing.T) {
	c := open(t, t.TempDir())
	old, middle, young := aged(t, c, 1000, 30*time.Hour), aged(t, c, 2000, 20*time.Hour), aged(t, c, 3000, 10*time.Hour)
	put(t, c, "layers", "k", "value")
	record := int64(32 + len("value"))
	age(t, c, recordName("layers", "k"), 25*time.Hour)
	writeFile(t, filepath.Join(c.Dir(), "blobs/sha256/ab/stray"), "not a blob")
	writeFile(t, filepath.Join(c.Dir(), "stray"), "not the cache's")

	info, err := c.Info(t.Context())
	if err != nil || info.Blobs != 3 || info.Records != 1 || info.Bytes != 6000+record || time.Since(info.Oldest).Round(time.Hour) != 30*time.Hour || info.Dir != c.Dir() {
		t.Errorf("Info: %+v, %v", info, err)
	}
	wantPruned(t, c, 6000+record, Pruned{Left: 6000 + record})
	wantPruned(t, c, 6000+record-1, Pruned{Blobs: 1, Bytes: 1000, Left: 5000 + record})
	wantThere(t, c, false, old)
	wantPruned(t, c, 4999, Pruned{Blobs: 1, Records: 1, Bytes: 2000 + record, Left: 3000})
	wantThere(t, c, false, middle)
	wantMiss(t, c, "layers", "k")
	wantThere(t, c, true, young)
	wantPruned(t, c, 0, Pruned{Blobs: 1, Bytes: 3000})
	if info, err := c.Info(t.Context()); err != nil || info.Blobs+info.Records != 0 || !info.Oldest.IsZero() {
		t.Errorf("Info of an empty cache: %+v, %v", info, err)
	}
	for _, name := range []string{"blobs/sha256/ab/stray", "stray", tagFile} {
		if _, err := os.Stat(filepath.Join(c.Dir(), name)); err != nil {
			t.Errorf("what is no blob was removed: %v", err)
		}
	}
}

func writeFile(t *testing.T, name, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUse(t *testing.T) {
	c := open(t, t.TempDir())
	desc, data := push(t, c, 1000)
	put(t, c, "b", "k", "v")
	blob, _ := blobName(desc.Digest)
	record := recordName("b", "k")
	for _, u := range []struct {
		name string
		file string
		use  func()
	}{
		{"Fetch", blob, func() { wantBlob(t, c, desc, data) }},
		{"Exists", blob, func() { _, _ = c.Exists(t.Context(), desc) }},
		{"Push", blob, func() { _ = c.Push(t.Context(), desc, content.FromBytes(data)) }},
		{"Open", blob, func() {
			if f, err := c.Open(desc.Digest); err == nil {
				f.Close()
			}
		}},
		{"Used", blob, func() { c.Used(desc.Digest) }},
		{"Get", record, func() { wantRecord(t, c, "b", "k", "v") }},
	} {
		for ago, want := range map[time.Duration]time.Duration{50 * time.Minute: 50 * time.Minute, 70 * time.Minute: 0, -70 * time.Minute: 0} {
			age(t, c, u.file, ago)
			u.use()
			info, err := c.root.Stat(u.file)
			if got := time.Since(info.ModTime()); err != nil || (got-want).Abs() > 5*time.Minute {
				t.Errorf("%s of what was used %v ago: now %v ago, %v; want %v", u.name, ago, got, err, want)
			}
		}
	}
	c.Used(content.Of(content.OCILayer, []byte("nothing of this")).Digest)
}

// TestUseIsNoChange makes sure that noting the use of a blob does not make it be hashed again.
func TestUseIsNoChange(t *testing.T) {
	c := open(t, t.TempDir())
	desc := aged(t, c, 1000, 2*time.Hour)
	if _, err := c.Exists(t.Context(), desc); err != nil { // hashes it, and sets its time
		t.Fatal(err)
	}
	info, err := os.Stat(blobFile(t, c, desc))
	if err != nil || time.Since(info.ModTime()) > time.Hour || !c.isVerified(desc.Digest, info) {
		t.Errorf("%v, %v, verified: %t", info.ModTime(), err, c.isVerified(desc.Digest, info))
	}
}

func TestHold(t *testing.T) {
	dir := t.TempDir()
	c, other := open(t, dir), open(t, dir)
	old, young := aged(t, c, 1000, 3*time.Hour), aged(t, c, 2000, 50*time.Minute) // at most an hour before a use is noted again
	release := other.Hold()
	wantPruned(t, c, 0, Pruned{Blobs: 1, Bytes: 1000, Left: 2000, InUse: 2000})
	wantThere(t, c, false, old)
	wantThere(t, c, true, young)

	second := other.Hold()
	release()
	wantPruned(t, c, 1500, Pruned{Left: 2000, InUse: 500})
	second()
	wantPruned(t, c, 0, Pruned{Blobs: 1, Bytes: 2000})
	if left := files(t, filepath.Join(dir, runsDir)); len(left) > 0 {
		t.Errorf("left of the runs: %q", left)
	}
}

// TestHoldOfLongRun makes sure that a run keeps what it used hours ago.
func TestHoldOfLongRun(t *testing.T) {
	c := open(t, t.TempDir())
	desc := aged(t, c, 1000, 3*time.Hour)
	release := c.Hold()
	defer release()
	for _, name := range files(t, c.Dir()) {
		if strings.HasPrefix(name, runsDir) {
			age(t, c, name, 4*time.Hour)
		}
	}
	wantPruned(t, c, 0, Pruned{Left: 1000, InUse: 1000})
	wantThere(t, c, true, desc)
}

func TestHoldOfDeadProcess(t *testing.T) {
	c := open(t, t.TempDir())
	desc := aged(t, c, 1000, 2*time.Minute)
	dead := runsDir + "/.tmp-dead"
	writeFile(t, filepath.Join(c.Dir(), dead), "")
	wantPruned(t, c, 0, Pruned{Left: 1000, InUse: 1000}) // it may be about to lock its file
	age(t, c, dead, 2*time.Minute)
	wantPruned(t, c, 0, Pruned{Blobs: 1, Bytes: 1000})
	wantThere(t, c, false, desc)
}

// limited opens a cache with a limit.
func limited(t *testing.T, dir string, limit int64) *Cache {
	t.Helper()
	c, err := Open(dir, &Options{MaxSize: limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ingest writes a new blob of size bytes.
func ingest(t *testing.T, c *Cache, size int, seed uint64) content.Descriptor {
	t.Helper()
	desc, err := c.Ingest(t.Context(), content.OCILayer, func(w io.Writer) error {
		var key [32]byte
		key[0], key[1] = byte(seed), byte(seed>>8)
		_, err := io.CopyN(w, rand.NewChaCha8(key), int64(size))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

// TestTrimKeepsLimit writes for ever, in runs, with and without others beside them.
func TestTrimKeepsLimit(t *testing.T) {
	dir := t.TempDir()
	const limit = 100_000
	var last content.Descriptor
	for i := range 60 {
		c := limited(t, dir, limit)
		release := c.Hold()
		last = ingest(t, c, 7000, uint64(i))
		put(t, c, "b", fmt.Sprint(i), "v")
		release()
		if err := c.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantThere(t, c, true, last)
		info, err := c.Info(t.Context())
		if err != nil || info.Bytes > limit || i > 20 && info.Bytes < limit*8/10 || info.MaxSize != limit {
			t.Fatalf("after run %d: %+v, %v", i, info, err)
		}
	}
}

func TestTrimOfOneLargeRun(t *testing.T) {
	c := limited(t, t.TempDir(), 10_000)
	for i := range 5 {
		ingest(t, c, 4000, uint64(i))
	}
	if err := c.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := c.Info(t.Context()); err != nil || info.Blobs != 2 {
		t.Errorf("%+v, %v; want two blobs", info, err)
	}
}

// TestTrimIsCheap makes sure that the cache is not listed when it can't have reached its limit: a listing would see that the size is not what it is said to be.
func TestTrimIsCheap(t *testing.T) {
	c := limited(t, t.TempDir(), 10_000)
	sizes := func() string {
		data, _ := os.ReadFile(filepath.Join(c.Dir(), sizeFile))
		return strings.ReplaceAll(string(data), "\n", "+")
	}
	trim := func(want string) {
		t.Helper()
		if err := c.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := sizes(); got != want {
			t.Errorf("size: %q, want %q", got, want)
		}
	}
	trim("")
	a := aged(t, c, 1000, 2*time.Hour)
	trim("1000+")
	trim("1000+")
	b := aged(t, c, 2000, time.Hour)
	trim("1000+2000+")
	writeFile(t, filepath.Join(c.Dir(), sizeFile), "5\n")
	ingest(t, c, 4000, 1)
	trim("5+4000+")
	writeFile(t, filepath.Join(c.Dir(), sizeFile), "9000\n")
	ingest(t, c, 2000, 2)
	trim("9000+") // it was not as much
	wantThere(t, c, true, a, b)
	ingest(t, c, 1500, 3)
	trim("7500+") // 10,500 are too much; nine tenths are 9,000, for which both have to go
	wantThere(t, c, false, a, b)
}

// TestTrimOfUnknownSize makes sure that nothing that the file of the size may hold is an error, or makes the cache grow for ever.
func TestTrimOfUnknownSize(t *testing.T) {
	for _, text := range []string{"", "x", "-5\n", "1\n9223372036854775807\n", strings.Repeat("1\n", maxSizeFile), "9223372036854775808\n", "\x00\xff"} {
		c := limited(t, t.TempDir(), 5_000)
		writeFile(t, filepath.Join(c.Dir(), sizeFile), text)
		for i := range 4 {
			ingest(t, c, 2000, uint64(i))
			if err := c.Trim(t.Context()); err != nil {
				t.Errorf("size %.20q: %v", text, err)
			}
		}
		if info, err := c.Info(t.Context()); err != nil || info.Bytes > 5000 {
			t.Errorf("size %.20q: %+v, %v", text, info, err)
		}
	}
}

func TestNoLimit(t *testing.T) {
	c := limited(t, t.TempDir(), -1)
	ingest(t, c, 1000, 1)
	if err := c.Trim(t.Context()); err != nil {
		t.Error(err)
	}
	if info, err := c.Info(t.Context()); err != nil || info.Blobs != 1 || info.MaxSize != -1 {
		t.Errorf("%+v, %v", info, err)
	}
	if c = open(t, t.TempDir()); c.maxSize() <= 0 || c.maxSize() > defaultMaxSize {
		t.Errorf("the default limit is %d", c.maxSize())
	}
	temp, err := Temp()
	if err != nil {
		t.Fatal(err)
	}
	defer temp.Close()
	temp.limit = 1
	desc := ingest(t, temp, 1000, 1)
	if err := temp.Trim(t.Context()); err != nil {
		t.Error(err)
	}
	wantThere(t, temp, true, desc)
}

func TestExisting(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{dir, filepath.Join(dir, "missing")} {
		if _, err := Open(name, &Options{Existing: true}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) {
			t.Errorf("Open %s: %v", name, err)
		}
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("it made %q", left)
	}
	open(t, dir)
	c, err := Open(dir, &Options{Existing: true})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	good, _ := push(t, c, 1000)
	flipped, _ := push(t, c, 2000)
	cut, _ := push(t, c, 3000)
	put(t, c, "b", "good", "v")
	put(t, c, "b", "bad", "v")
	rewrite(t, c, flipped, func(data []byte) []byte { data[5] ^= 8; return data })
	rewrite(t, c, cut, func(data []byte) []byte { return data[:2999] })
	writeFile(t, filepath.Join(dir, recordName("b", "bad")), "short")
	age(t, c, recordName("b", "good"), 5*time.Hour)

	got, err := open(t, dir).Verify(t.Context())
	want := []string{"", "", recordName("b", "bad")}
	for i, desc := range []content.Descriptor{flipped, cut} {
		want[i], _ = blobName(desc.Digest)
	}
	slices.Sort(want)
	if err != nil || got.Blobs != 1 || got.Records != 1 || got.Bytes != 1000+33 || !slices.Equal(got.Removed, want) {
		t.Errorf("Verify: %+v, %v; want %q removed", got, err, want)
	}
	wantThere(t, c, true, good)
	wantThere(t, c, false, flipped, cut)
	if info, err := c.root.Stat(recordName("b", "good")); err != nil || time.Since(info.ModTime()) < 4*time.Hour {
		t.Errorf("verifying was a use: %v, %v", info.ModTime(), err)
	}
	if got, err := c.Verify(t.Context()); err != nil || len(got.Removed) > 0 {
		t.Errorf("again: %+v, %v", got, err)
	}
}

func TestVerifyMovedRecord(t *testing.T) {
	c := open(t, t.TempDir())
	put(t, c, "b", "k", "v")
	put(t, c, "b", "other", "v")
	if err := c.root.Rename(recordName("b", "k"), recordName("b", "other")); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Verify(t.Context()); err != nil || len(got.Removed) != 1 || got.Records != 0 {
		t.Errorf("%+v, %v; want the record under a wrong name removed", got, err)
	}
}

func BenchmarkTrim(b *testing.B) {
	dir := b.TempDir()
	c, err := Open(dir, &Options{MaxSize: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for i := range 2000 {
		data := contenttest.Bytes(1000 + i)
		if err := c.Push(b.Context(), content.Of(content.OCILayer, data), content.FromBytes(data)); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("nothing written", func(b *testing.B) {
		c.written.Store(0)
		for b.Loop() {
			_ = c.Trim(b.Context())
		}
	})
	b.Run("below the limit", func(b *testing.B) {
		_ = c.setSize(0)
		for b.Loop() {
			c.written.Store(1)
			_ = c.Trim(b.Context())
		}
	})
	b.Run("listing 2000 blobs", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Info(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("a run holds", func(b *testing.B) {
		for b.Loop() {
			c.Hold()()
		}
	})
}
