package layer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/imgscript/imgscript/core/content"
)

// TestReadError has a file system that dies while a file is read (EIO), and a store that is full (ENOSPC).
func TestReadError(t *testing.T) {
	for _, size := range []int{100, 1 << 20} {
		tree := TreeFS(dyingFS{fstest.MapFS{"a": {Data: make([]byte, size)}}})
		_, _, err := scanBuild(t, []File{{Target: "/", Tree: tree, Local: ".", Name: "./"}}, nil)
		if !errors.Is(err, syscall.EIO) || err.Error() != `./a: input/output error` {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestFileLongerThanItSays reads a file like those of /proc, whose size is 0 whatever is in them.
func TestFileLongerThanItSays(t *testing.T) {
	tree := TreeFS(shortFS{fstest.MapFS{"a": {Data: []byte("more")}}})
	_, _, err := scanBuild(t, []File{{Target: "/a", Tree: tree, Local: "a"}}, nil)
	if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "longer than its 0 bytes") {
		t.Errorf("got %v", err)
	}
}

// shortFS says of each file that it is empty.
type shortFS struct{ fsys fstest.MapFS }

func (s shortFS) Open(name string) (fs.File, error) {
	f, err := s.fsys.Open(name)
	return shortFile{f}, err
}

func (s shortFS) Stat(name string) (fs.FileInfo, error) {
	info, err := s.fsys.Stat(name)
	return shortInfo{info}, err
}

type shortFile struct{ fs.File }

func (s shortFile) Stat() (fs.FileInfo, error) {
	info, err := s.File.Stat()
	return shortInfo{info}, err
}

type shortInfo struct{ fs.FileInfo }

func (shortInfo) Size() int64 { return 0 }

type dyingFS struct{ fstest.MapFS }

func (d dyingFS) Open(name string) (fs.File, error) {
	f, err := d.MapFS.Open(name)
	return dyingFile{f}, err
}

type dyingFile struct{ fs.File }

func (dyingFile) Read([]byte) (int, error) { return 0, syscall.EIO }

type fullStore struct{ after int }

func (s *fullStore) Ingest(_ context.Context, _ string, write func(io.Writer) error) (content.Descriptor, error) {
	return content.Descriptor{}, write(s)
}

func (s *fullStore) Write(p []byte) (int, error) {
	if s.after -= len(p); s.after < 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

func TestStoreError(t *testing.T) {
	for _, compression := range []string{Gzip, Zstd, None} {
		entries := []Entry{{Path: "x", Size: 64 << 20, Data: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.LimitReader(endless(1), 64<<20)), nil
		}}}
		for _, after := range []int{0, 10_000} {
			if _, err := Build(t.Context(), &fullStore{after}, entries, &Options{Compression: compression}); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%s: %v", compression, err)
			}
		}
	}
}

// TestPanics has a file system, a stream and a store that panic in goroutines of this package.
func TestPanics(t *testing.T) {
	small, large := fstest.MapFS{"a": {Data: make([]byte, 10)}}, fstest.MapFS{"a": {Data: make([]byte, 1<<20)}}
	for _, fsys := range []fs.FS{panickingFS{small, ""}, panickingFS{small, "a"}, panickingFS{large, "a"}} {
		_, _, err := scanBuild(t, []File{{Target: "/", Tree: TreeFS(fsys), Local: "."}}, nil)
		if err == nil || !strings.Contains(err.Error(), "panic: bad file system") {
			t.Errorf("file system: %v", err)
		}
	}
	stream := &Custom{Size: 1, Data: func(context.Context) (io.ReadCloser, error) { panic("bad stream") }}
	if _, _, err := scanBuild(t, []File{{Target: "/a", Custom: stream}}, nil); err == nil || !strings.Contains(err.Error(), "panic: bad stream") {
		t.Errorf("stream: %v", err)
	}
	entries := []Entry{{Path: "a", Size: 64 << 20, Data: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(endless(0)), nil
	}}}
	if _, err := Build(t.Context(), panickingStore{}, entries, nil); err == nil || !strings.Contains(err.Error(), "panic: bad store") {
		t.Errorf("store: %v", err)
	}
}

// panickingFS panics when the file bad is opened, or when a directory is read.
type panickingFS struct {
	fstest.MapFS
	bad string
}

func (p panickingFS) Open(name string) (fs.File, error) {
	if name == p.bad {
		panic("bad file system")
	}
	return p.MapFS.Open(name)
}

func (p panickingFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if p.bad == "" {
		panic("bad file system")
	}
	return p.MapFS.ReadDir(name)
}

type panickingStore struct{}

func (s panickingStore) Ingest(_ context.Context, _ string, write func(io.Writer) error) (content.Descriptor, error) {
	return content.Descriptor{}, write(s)
}

func (panickingStore) Write([]byte) (int, error) { panic("bad store") }
