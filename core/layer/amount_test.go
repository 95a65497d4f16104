package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// TestAmount: a layer may have just as much as the limits say, counted once for what several sources give.
func TestAmount(t *testing.T) {
	tree := TreeFS(fstest.MapFS{"a/x": {Data: []byte("123")}, "a/y": {Data: []byte("45")}, "a/d/z": {Data: []byte("6")}, "b/d/w": {Data: nil}})
	files := []File{{Target: "/in", Tree: tree, Local: "a"}, {Target: "/in", Tree: tree, Local: "b"}}
	// in, in/d, in/d/w, in/d/z, in/x, in/y
	for _, c := range []struct {
		files, bytes int64
		want         error
	}{
		{0, 0, nil}, {-1, -1, nil}, {6, 6, nil}, {5, 0, ErrTooManyFiles}, {0, 5, ErrTooLarge}, {1, 1, ErrTooManyFiles},
	} {
		_, err := Prepare(t.Context(), files, &Options{MaxFiles: c.files, MaxBytes: c.bytes})
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("at most %d files and %d bytes: got %v, want %v", c.files, c.bytes, err, c.want)
		}
	}
}

// TestAmountEndsTheWalk: the rest of a tree that has too much already is not walked.
func TestAmountEndsTheWalk(t *testing.T) {
	dir := t.TempDir()
	for i := range 50 {
		sub := filepath.Join(dir, fmt.Sprint(i))
		must(t, os.Mkdir(sub, 0o755))
		for k := range 50 {
			must(t, os.WriteFile(filepath.Join(sub, fmt.Sprint(k)), nil, 0o644))
		}
	}
	tree := openTree(t, dir)
	o, err := prepared(&Options{MaxFiles: 40, Workers: NewWorkers(1)})
	must(t, err)
	s := &scanner{opts: o, rules: newRules(nil), views: map[*Tree]view{}, hasParents: map[string]bool{}}
	defer s.close()
	if err := s.run(t.Context(), []File{{Target: "/in", Tree: tree, Local: "."}}); !errors.Is(err, ErrTooManyFiles) {
		t.Errorf("got %v", err)
	}
	if s.found.files > 1000 {
		t.Errorf("%d of 2,500 files were found before the walk ended", s.found.files)
	}
}

// TestAmountOfTar holds archives that exist to the same limits, compressed ones by what is in them.
func TestAmountOfTar(t *testing.T) {
	var archive bytes.Buffer
	_, err := Build(t.Context(), ingesterFunc(func(write func(io.Writer) error) error { return write(&archive) }), []Entry{
		{Path: "a", Type: TypeFile, Size: 1000, ModTime: epoch(time.Time{}), Data: content.FromBytes(make([]byte, 1000))},
		{Path: "b", Type: TypeDirectory, ModTime: epoch(time.Time{})},
	}, &Options{Compression: Gzip})
	must(t, err)
	for _, c := range []struct {
		files, bytes int64
		want         error
	}{{2, 512 + 1024 + 512 + 1024, nil}, {1, 0, ErrTooManyFiles}, {0, 3071, ErrTooLarge}} {
		_, err := FromTar(t.Context(), &content.Memory{}, content.FromBytes(archive.Bytes()), &TarOptions{MaxFiles: c.files, MaxBytes: c.bytes})
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("at most %d files and %d bytes: got %v, want %v", c.files, c.bytes, err, c.want)
		}
	}
}

// ingesterFunc is an Ingester that keeps nothing of what it is given.
type ingesterFunc func(write func(io.Writer) error) error

func (f ingesterFunc) Ingest(_ context.Context, mediaType string, write func(io.Writer) error) (content.Descriptor, error) {
	return content.Descriptor{MediaType: mediaType}, f(write)
}
