package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// memoryCache is a Cache of what was built into its store.
type memoryCache struct {
	content.Memory
	mu      sync.Mutex
	records map[string][]byte
	damage  func(blob []byte) []byte // nil leaves blobs as they are
	reads   atomic.Int32             // of parts of blobs
}

func (c *memoryCache) Get(_ context.Context, key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.records[key]
	return value, ok
}

func (c *memoryCache) Put(_ context.Context, key string, value []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.records == nil {
		c.records = map[string][]byte{}
	}
	c.records[key] = slices.Clone(value)
	return nil
}

func (c *memoryCache) Blob(ctx context.Context, d digest.Digest) (Blob, error) {
	r, err := c.Fetch(ctx, content.Descriptor{Digest: d, Size: -1})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if c.damage != nil {
		data = c.damage(data)
	}
	return &memoryBlob{bytes.NewReader(data), &c.reads}, err
}

type memoryBlob struct {
	*bytes.Reader
	reads *atomic.Int32
}

func (b *memoryBlob) ReadAt(p []byte, offset int64) (int, error) {
	b.reads.Add(1)
	return b.Reader.ReadAt(p, offset)
}

func (*memoryBlob) Close() error { return nil }

// prepare makes a plan of the whole of a directory.
func prepare(t testing.TB, dir string, opts *Options) *Plan {
	t.Helper()
	p, err := Prepare(t.Context(), []File{{Target: "/app", Tree: openTree(t, dir), Local: ".", Name: "./"}}, opts)
	must(t, err)
	return p
}

// wantCold builds the directory without a cache and compares.
func wantCold(t *testing.T, dir string, opts Options, got Layer) {
	t.Helper()
	opts.Cache = nil
	cold, err := prepare(t, dir, &opts).Build(t.Context(), &content.Memory{})
	must(t, err)
	if cold.DiffID != got.DiffID || cold.Descriptor.Digest != got.Descriptor.Digest || cold.Descriptor.Size != got.Descriptor.Size {
		t.Fatalf("with the cache %v, without it %v", got, cold)
	}
}

// bigTree has n files of some 10 KB, and one of more than a chunk.
func bigTree(t testing.TB, n int) string {
	dir, random := t.TempDir(), rand.New(rand.NewPCG(9, 9))
	for i := range n {
		name := filepath.Join(dir, fmt.Sprint(i%10), fmt.Sprintf("file-%d", i))
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, randomText(random, random.IntN(20_000)), 0o644))
	}
	must(t, os.WriteFile(filepath.Join(dir, "5", "large"), randomText(random, chunkMax+100_000), 0o644))
	return dir
}

// randomText can be compressed, somewhat.
func randomText(random *rand.Rand, n int) []byte {
	text := make([]byte, n)
	for i := range text {
		text[i] = "abcdefgh"[random.Uint32()%8]
	}
	return text
}

// TestUnchanged reads nothing of a layer that did not change.
func TestUnchanged(t *testing.T) {
	dir, cache := bigTree(t, 500), &memoryCache{}
	for _, opts := range []Options{{}, {Compression: Zstd}, {Compression: None}, {UID: 7}} {
		opts.Cache = cache
		plan := prepare(t, dir, &opts)
		if _, ok := plan.Known(); ok {
			t.Fatal("known before it was built")
		}
		built, err := plan.Build(t.Context(), cache)
		must(t, err)
		wantCold(t, dir, opts, built)
		before := bytesRead(t)
		known, ok := prepare(t, dir, &opts).Known()
		if !ok || known.DiffID != built.DiffID || known.Descriptor.Digest != built.Descriptor.Digest || known.Descriptor.Size != built.Descriptor.Size {
			t.Fatalf("known: %v %v, built %v", ok, known, built)
		}
		if n := bytesRead(t) - before; n > 100_000 {
			t.Errorf("%d bytes were read", n)
		}
		again, err := prepare(t, dir, &opts).Build(t.Context(), cache)
		must(t, err)
		wantCold(t, dir, opts, again)
	}
}

// bytesRead is how many bytes this process has read of files so far.
func bytesRead(t *testing.T) (n int) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/io")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("this system does not count what is read")
	}
	must(t, err)
	_, err = fmt.Sscanf(string(data), "rchar: %d", &n)
	must(t, err)
	return n
}

// TestOneFileChanged compresses what is around the file, and takes all else from the earlier blob.
func TestOneFileChanged(t *testing.T) {
	dir, cache := bigTree(t, 1000), &memoryCache{}
	opts := Options{Cache: cache}
	_, err := prepare(t, dir, &opts).Build(t.Context(), cache)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "7", "file-17"), []byte("changed"), 0o644))
	plan := prepare(t, dir, &opts)
	if _, ok := plan.Known(); ok {
		t.Fatal("known though it changed")
	}
	same, chunks := plan.old.samePrefix(plan.prints), len(plan.old.chunks)
	built, err := plan.Build(t.Context(), cache)
	must(t, err)
	wantCold(t, dir, opts, built)
	if reused := int(cache.reads.Load()); same < chunks/2 || reused < chunks-2 {
		t.Errorf("of %d chunks the first %d were not read, %d taken over", chunks, same, reused)
	}
	if known, ok := prepare(t, dir, &opts).Known(); !ok || known.DiffID != built.DiffID {
		t.Errorf("then known: %v %v", ok, known)
	}
}

// TestOtherCheckout has the same files in another directory: all is read, and nothing is compressed.
func TestOtherCheckout(t *testing.T) {
	dir, cache, workers := bigTree(t, 300), &memoryCache{}, NewWorkers(2)
	first, err := prepare(t, dir, &Options{Cache: cache}).Build(t.Context(), cache)
	must(t, err)
	other := t.TempDir()
	must(t, os.CopyFS(other, os.DirFS(dir)))
	opts := Options{Cache: cache, Workers: workers}
	plan := prepare(t, other, &opts)
	if _, ok := plan.Known(); ok {
		t.Error("known without a look at the files")
	}
	built, err := plan.Build(t.Context(), cache)
	must(t, err)
	if built.Descriptor.Digest != first.Descriptor.Digest || len(workers.encoders) != 0 {
		t.Errorf("%v, want %v; encoders: %v", built, first, workers.encoders)
	}
	for _, d := range []string{dir, other} {
		if _, ok := prepare(t, d, &opts).Known(); !ok {
			t.Error("one of the directories is not known any more")
		}
	}
}

// TestDamagedBlob finds the earlier blob in every bad state.
func TestDamagedBlob(t *testing.T) {
	dir, cache := bigTree(t, 300), &memoryCache{}
	opts := Options{Cache: cache}
	_, err := prepare(t, dir, &opts).Build(t.Context(), cache)
	must(t, err)
	for name, damage := range map[string]func([]byte) []byte{
		"empty":     func([]byte) []byte { return nil },
		"cut":       func(b []byte) []byte { return b[:len(b)/2] },
		"flipped":   func(b []byte) []byte { b = slices.Clone(b); b[len(b)/3] ^= 1; b[2*len(b)/3] ^= 128; return b },
		"zeros":     func(b []byte) []byte { return make([]byte, len(b)) },
		"lengthens": func(b []byte) []byte { return append([]byte{1}, b...) },
	} {
		t.Run(name, func(t *testing.T) {
			cache.damage = damage
			must(t, os.WriteFile(filepath.Join(dir, "5", "file-5"), []byte(name), 0o644))
			built, err := prepare(t, dir, &opts).Build(t.Context(), cache)
			must(t, err)
			wantCold(t, dir, opts, built)
			built, err = prepare(t, dir, &opts).Build(t.Context(), cache) // nothing changed, and all is built anew
			must(t, err)
			wantCold(t, dir, opts, built)
		})
	}
	cache.Memory = content.Memory{}
	built, err := prepare(t, dir, &opts).Build(t.Context(), cache)
	must(t, err)
	wantCold(t, dir, opts, built)
}

// TestUnseenChanges has sources whose change no look at their metadata shows: they are read each time.
func TestUnseenChanges(t *testing.T) {
	cache, dir := &memoryCache{}, t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "later"), []byte("x"), 0o644))
	later := time.Now().Add(time.Hour)
	must(t, os.Chtimes(filepath.Join(dir, "later"), later, later))
	for name, file := range map[string]func(text byte) File{
		"a large file made in memory": func(text byte) File {
			return File{Target: "/a", Custom: &Custom{Size: smallData + 1, Data: content.FromBytes(bytes.Repeat([]byte{text}, smallData+1))}}
		},
		"a small file made in memory": func(text byte) File {
			return File{Target: "/b", Custom: &Custom{Size: 1, Data: content.FromBytes([]byte{text})}}
		},
		"a file of an fs.FS": func(text byte) File { return File{Target: "/c", Tree: TreeFS(oneFile(text)), Local: "file"} },
	} {
		t.Run(name, func(t *testing.T) {
			var ids []digest.Digest
			for _, text := range []byte{'1', '2', '1'} {
				plan, err := Prepare(t.Context(), []File{file(text)}, &Options{Cache: cache})
				must(t, err)
				if _, ok := plan.Known(); ok {
					t.Error("known")
				}
				l, err := plan.Build(t.Context(), cache)
				must(t, err)
				ids = append(ids, l.DiffID)
			}
			if ids[0] == ids[1] || ids[0] != ids[2] {
				t.Error(ids)
			}
		})
	}
	for range 2 {
		plan := prepare(t, dir, &Options{Cache: cache})
		if _, ok := plan.Known(); ok {
			t.Error("a file with a time in the future is known")
		}
		_, err := plan.Build(t.Context(), cache)
		must(t, err)
	}
}

func oneFile(text byte) fs.FS { return &changingFS{text} }

// changingFS has one file, whose metadata are always the same.
type changingFS struct{ text byte }

func (f *changingFS) Open(name string) (fs.File, error) {
	if name == "." {
		return nil, fs.ErrInvalid
	}
	return changingFile{bytes.NewReader([]byte{f.text})}, nil
}

func (f *changingFS) Stat(string) (fs.FileInfo, error) { return changingInfo{}, nil }

type changingFile struct{ *bytes.Reader }

func (changingFile) Stat() (fs.FileInfo, error) { return changingInfo{}, nil }
func (changingFile) Close() error               { return nil }

type changingInfo struct{}

func (changingInfo) Name() string       { return "file" }
func (changingInfo) Size() int64        { return 1 }
func (changingInfo) Mode() fs.FileMode  { return 0o644 }
func (changingInfo) ModTime() time.Time { return time.Unix(1, 0) }
func (changingInfo) IsDir() bool        { return false }
func (changingInfo) Sys() any           { return nil }

// TestSmallDataIsKnown has a small file made in memory in a layer that is known by what is in it.
func TestSmallDataIsKnown(t *testing.T) {
	cache := &memoryCache{}
	for i, want := range []bool{false, true, true} {
		plan, err := Prepare(t.Context(), []File{{Target: "/b", Custom: customFile(3, strings.NewReader("abc"))}}, &Options{Cache: cache})
		must(t, err)
		if _, ok := plan.Known(); ok != want {
			t.Errorf("%d: known %v", i, ok)
		}
		_, err = plan.Build(t.Context(), cache)
		must(t, err)
	}
	_, err := Prepare(t.Context(), []File{{Target: "/b", Custom: customFile(3, strings.NewReader("ab"))}}, &Options{Cache: cache})
	if err == nil || err.Error() != "custom_file: /b: ends after 2 of the promised 3 bytes" {
		t.Error(err)
	}
}

// TestRandomEdits changes a tree in every way, again and again: what is built with the cache is what is built without it.
func TestRandomEdits(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 77))
			dir, cache := bigTree(t, 100), &memoryCache{}
			for i := range 8 {
				opts := Options{Cache: cache, Compression: []string{Gzip, Zstd, None}[seed%3], PreserveMode: true, Workers: NewWorkers(1 + random.IntN(4))}
				plan := prepare(t, dir, &opts)
				built, ok := plan.Known()
				if !ok || random.IntN(2) == 0 {
					var err error
					built, err = plan.Build(t.Context(), cache)
					must(t, err)
				}
				wantCold(t, dir, opts, built)
				for range random.IntN(4) {
					t.Log(i, edit(t, random, dir))
				}
			}
		})
	}
}

// edit changes one thing in a directory.
func edit(t *testing.T, random *rand.Rand, dir string) string {
	var names []string
	must(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	}))
	name := names[random.IntN(len(names))]
	edits := map[string]func() error{
		"add": func() error {
			return os.WriteFile(name+fmt.Sprint(random.Uint32()), randomText(random, random.IntN(1<<20)), 0o644)
		},
		"remove": func() error { return os.Remove(name) },
		"change": func() error { return os.WriteFile(name, randomText(random, random.IntN(50_000)), 0o644) },
		"change a byte": func() error {
			info, err := os.Stat(name)
			if err != nil || info.Size() == 0 {
				return err
			}
			return errors.Join(writeAt(name, random.Int64N(info.Size()), "X"), os.Chtimes(name, info.ModTime(), info.ModTime()))
		},
		"rename": func() error {
			return os.Rename(name, filepath.Join(filepath.Dir(name), fmt.Sprint("renamed", random.Uint32())))
		},
		"touch": func() error { now := time.Now(); return os.Chtimes(name, now, now) },
		"chmod": func() error { return os.Chmod(name, fs.FileMode(0o600+random.IntN(0o100))) },
		"grow":  func() error { return os.Truncate(name, chunkMax+random.Int64N(chunkMax)) },
		"link":  func() error { return os.Symlink(filepath.Base(name), name+fmt.Sprint("-link", random.Uint32())) },
		"mkdir": func() error { return os.Mkdir(name+fmt.Sprint("-dir", random.Uint32()), 0o755) },
	}
	kinds := slices.Sorted(maps.Keys(edits))
	kind := kinds[random.IntN(len(kinds))]
	must(t, edits[kind]())
	return kind + " " + name
}

// TestRecipeRoundTrip has each field written and read.
func TestRecipeRoundTrip(t *testing.T) {
	dir, cache := bigTree(t, 20), &memoryCache{}
	_, err := prepare(t, dir, &Options{Cache: cache}).Build(t.Context(), cache)
	must(t, err)
	for _, data := range cache.records {
		r, err := decodeRecipe(data)
		must(t, err)
		if !bytes.Equal(r.encode(), data) || len(r.chunks) < 3 {
			t.Errorf("%d chunks", len(r.chunks))
		}
		last := r.chunks[len(r.chunks)-1]
		if tail := int64(len([]byte{3, 0}) + 8); last.offset+last.packed+tail != r.layer.Descriptor.Size {
			t.Errorf("the chunks end at %d of %d", last.offset+last.packed, r.layer.Descriptor.Size)
		}
		for n := range len(data) {
			if n%97 == 0 { // some of them are whole recipes with fewer chunks
				_, _ = decodeRecipe(data[:n])
			}
		}
	}
}

// FuzzRecipe reads whatever a cache may hold.
func FuzzRecipe(f *testing.F) {
	r := recipe{layer: Layer{DiffID: "sha256:1"}, chunks: []made{{size: 1, packed: 2, state: []byte("state")}, {trusted: true}}}
	f.Add(r.encode())
	f.Fuzz(func(_ *testing.T, data []byte) {
		if r, err := decodeRecipe(data); err == nil {
			r.encode()
		}
	})
}
