package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// inTheirOrder builds a layer of entries as they stand.
func inTheirOrder(t *testing.T, dst content.Ingester, entries []Entry, opts *Options) (Layer, error) {
	t.Helper()
	return BuildInOrder(t.Context(), dst, len(entries), func(i int, e *Entry) { *e = entries[i] }, opts)
}

// TestBuildInOrderOfSortedEntries makes what Build makes of them.
func TestBuildInOrderOfSortedEntries(t *testing.T) {
	var entries []Entry
	for i := range 3000 {
		data := strings.Repeat(fmt.Sprint(i, " "), i)
		entries = append(entries, Entry{Path: fmt.Sprintf("f%04d", i), Size: int64(len(data)), Data: content.FromBytes([]byte(data)), ModTime: time.Unix(0, 0)})
	}
	for _, compression := range []string{None, Gzip, Zstd} {
		opts := &Options{Compression: compression}
		var m content.Memory
		want, err := Build(t.Context(), &m, entries, opts)
		must(t, err)
		got, err := inTheirOrder(t, &m, entries, opts)
		must(t, err)
		if got.Descriptor.Digest != want.Descriptor.Digest || got.DiffID != want.DiffID {
			t.Errorf("%s: got %v, want %v", compression, got, want)
		}
	}
}

// TestBuildInOrderReadsOneAfterTheOther: contents are opened in the order of the entries, and each after the one before it was read to its end.
func TestBuildInOrderReadsOneAfterTheOther(t *testing.T) {
	var entries []Entry
	next, open := 0, false
	for i, size := range []int{10, 5 << 20, 0, 1, 9 << 20, 300, 3 << 20, 2} {
		e := Entry{Path: fmt.Sprint("z", 9-i), Size: int64(size), ModTime: time.Unix(0, 0)}
		if size > 0 {
			e.Data = func(context.Context) (io.ReadCloser, error) {
				if open || i < next {
					return nil, fmt.Errorf("file %d is opened, open is %v, next %d", i, open, next)
				}
				open, next = true, i+1
				return &watchedReader{bytes.NewReader(bytes.Repeat([]byte{byte('a' + i)}, size)), &open}, nil
			}
		}
		entries = append(entries, e)
	}
	var m content.Memory
	built, err := inTheirOrder(t, &m, entries, &Options{Compression: None})
	must(t, err)
	data, err := readAll(t, &m, built.Descriptor)
	must(t, err)
	var names []string
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		names = append(names, h.Name)
	}
	if want := []string{"z9", "z8", "z7", "z6", "z5", "z4", "z3", "z2"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// watchedReader says when it is closed.
type watchedReader struct {
	*bytes.Reader
	open *bool
}

// Close implements io.Closer.
func (w *watchedReader) Close() error {
	*w.open = false
	return nil
}

// TestSpecialEntries holds the archive to what archive/tar reads of it.
func TestSpecialEntries(t *testing.T) {
	var m content.Memory
	built, err := inTheirOrder(t, &m, []Entry{
		{Path: ".", Type: TypeDirectory, Mode: 0o700}, {Path: "null", Type: TypeChar, Mode: 0o666, Major: 1, Minor: 3}, {Path: "loop", Type: TypeBlock, Major: 7, Minor: 1<<20 - 1},
		{Path: "pipe", Type: TypeFIFO, Mode: 0o600}, {Path: "again", Type: TypeHardlink, Link: "pipe"},
	}, &Options{Compression: None})
	must(t, err)
	data, err := content.ReadAll(t.Context(), &m, built.Descriptor)
	must(t, err)
	r := tar.NewReader(bytes.NewReader(data))
	for _, want := range []string{"5 ./ 700 0:0", "3 null 666 1:3", "4 loop 0 7:1048575", "6 pipe 600 0:0", "1 again 0 0:0"} {
		h, err := r.Next()
		must(t, err)
		if got := fmt.Sprintf("%c %s %o %d:%d", h.Typeflag, h.Name, h.Mode, h.Devmajor, h.Devminor); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestBuildInOrderRefuses(t *testing.T) {
	bad := map[string]Entry{
		"no path": {}, "a path with ..": {Path: "../a"}, "an absolute path": {Path: "/a"}, "the root as a file": {Path: "."}, "a whiteout": {Path: "a", Type: TypeWhiteout}, "a type": {Path: "a", Type: 200},
		"a negative size": {Path: "a", Size: -1}, "a negative owner": {Path: "a", UID: -1}, "no data": {Path: "a", Size: 1}, "a device": {Path: "a", Type: TypeChar, Major: 1 << 21},
		"a negative device": {Path: "a", Type: TypeBlock, Minor: -1}, "a NUL": {Path: "a", Type: TypeSymlink, Link: "\x00"},
	}
	for name, e := range bad {
		var m content.Memory
		if _, err := inTheirOrder(t, &m, []Entry{{Path: "good"}, e}, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var m content.Memory
	if _, err := Build(t.Context(), &m, []Entry{{Path: ".", Type: TypeDirectory}}, nil); err == nil {
		t.Error("Build took the root, which it does not know")
	}
	two := []Entry{{Path: "a", Size: 2, Data: content.FromBytes([]byte("aa"))}, {Path: "b", Size: 2, Data: content.FromBytes([]byte("bb"))}}
	for _, o := range []Options{{MaxFiles: 1}, {MaxBytes: 3}} {
		if _, err := inTheirOrder(t, &m, two, &o); !errors.Is(err, ErrTooManyFiles) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := inTheirOrder(t, &m, two, &Options{MaxFiles: 2, MaxBytes: 4}); err != nil {
		t.Error(err)
	}
}

// recordCache keeps values alone.
type recordCache map[string][]byte

func (m recordCache) Get(_ context.Context, key string) ([]byte, bool) {
	v, ok := m[key]
	return v, ok
}

func (m recordCache) Put(_ context.Context, key string, value []byte) error {
	m[key] = value
	return nil
}

func (recordCache) Blob(context.Context, digest.Digest) (Blob, error) {
	return nil, content.ErrNotFound
}

// TestRecall finds a layer under its name, and for the same options alone.
func TestRecall(t *testing.T) {
	cache := recordCache{}
	one, two := 1, 2
	built := Layer{Descriptor: content.Of(content.OCILayerGzip, []byte("blob")), DiffID: digest.FromString("tar")}
	Remember(t.Context(), "name", &Options{Cache: cache, Level: &one, MaxFiles: 5}, built)
	for name, c := range map[string]struct {
		name string
		opts Options
		want bool
	}{
		"the same": {"name", Options{Level: &one, MaxFiles: 5}, true}, "the default level": {"name", Options{MaxFiles: 5}, true}, "another name": {"Name", Options{Level: &one, MaxFiles: 5}, false},
		"another level": {"name", Options{Level: &two, MaxFiles: 5}, false}, "another compression": {"name", Options{Compression: Zstd, MaxFiles: 5}, false}, "another limit": {"name", Options{MaxFiles: 4}, false},
	} {
		c.opts.Cache = cache
		got, ok := Recall(t.Context(), c.name, &c.opts)
		if ok != c.want || ok && (got.DiffID != built.DiffID || got.Descriptor.Digest != built.Descriptor.Digest || got.Descriptor.Size != 4) {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	for key := range cache {
		cache[key] = []byte("damaged")
	}
	if _, ok := Recall(t.Context(), "name", &Options{Cache: cache, Level: &one, MaxFiles: 5}); ok {
		t.Error("a damaged record was taken")
	}
	if _, ok := Recall(t.Context(), "name", nil); ok {
		t.Error("there is no cache")
	}
}
