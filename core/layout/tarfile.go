package layout

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// tarFile is a tar archive, compressed or not, of which single files are read. It holds nothing open: a file of a plain archive is read where it lies, one of a compressed
// archive by reading all that is before it.
type tarFile struct {
	name    string
	openDir func(create bool) (*os.Root, error) // of the directory that the archive is in

	mu    sync.Mutex
	state fs.FileInfo // of the archive that files were found in
	files map[string]span
}

// span is where the contents of a file lie in the archive.
type span struct {
	offset, size int64
	link         string // what a link of either kind points to, as a name in the archive; "" for a regular file
}

// The bounds of an archive: what is found in it is held in memory.
const (
	maxTarFiles = 1 << 18
	maxTarLinks = 8 // from one to the next
)

// open opens a regular file of the archive, or what a link in it leads to. The caller closes it. A file or an archive that is not there is content.ErrNotFound.
func (t *tarFile) open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	f, err := t.archive(ctx)
	if err != nil {
		return nil, 0, err
	}
	at, err := t.find(ctx, f, name)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	z, plain, err := decompressed(f)
	if err == nil && !plain {
		_, err = io.CopyN(io.Discard, z, at.offset)
	}
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("%q: %w", name, err)
	}
	if plain {
		return &tarEntry{io.NewSectionReader(f, at.offset, at.size), f, nil}, at.size, nil
	}
	return &tarEntry{io.LimitReader(z, at.size), f, z}, at.size, nil
}

// tarEntry reads one file of an archive.
type tarEntry struct {
	io.Reader
	file *os.File
	z    io.Closer // nil of a plain archive
}

// Close implements io.Closer.
func (e *tarEntry) Close() error {
	if e.z != nil {
		e.z.Close()
	}
	return e.file.Close()
}

// read reads a JSON file of at most content.MaxDocument bytes.
func (t *tarFile) read(ctx context.Context, name string) ([]byte, error) {
	r, size, err := t.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > content.MaxDocument {
		return nil, fmt.Errorf("%q: %w: more than the limit of %d bytes", name, content.ErrInvalid, content.MaxDocument)
	}
	data := make([]byte, size)
	_, err = io.ReadFull(r, data)
	return data, err
}

// archive opens the archive itself. Opening a FIFO must not wait for its writer.
func (t *tarFile) archive(ctx context.Context) (*os.File, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	dir, err := t.openDir(false)
	var f *os.File
	if err == nil {
		f, err = dir.OpenFile(t.name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		dir.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no such file: %w", content.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: not a regular file", content.ErrInvalid)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// find looks a file up, following links within the archive: older docker save writes a layer that two images share once, and links to it.
func (t *tarFile) find(ctx context.Context, f *os.File, name string) (span, error) {
	files, err := t.scanned(ctx, f)
	if err != nil {
		return span{}, err
	}
	for range maxTarLinks {
		at, ok := files[name]
		if !ok {
			return span{}, fmt.Errorf("%q: %w", name, content.ErrNotFound)
		}
		if at.link == "" {
			return at, nil
		}
		name = at.link
	}
	return span{}, fmt.Errorf("%w: %q: too many links", content.ErrInvalid, name)
}

// scanned lists the files of the archive, anew where it is another one than the last time.
func (t *tarFile) scanned(ctx context.Context, f *os.File) (map[string]span, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != nil && os.SameFile(info, t.state) && info.Size() == t.state.Size() && info.ModTime().Equal(t.state.ModTime()) {
		return t.files, nil
	}
	files, err := scanTar(ctx, f)
	if err != nil {
		return nil, err
	}
	t.state, t.files = info, files
	return files, nil
}

// scanTar reads the headers of an archive. Contents of a plain one are skipped by seeking.
func scanTar(ctx context.Context, f *os.File) (map[string]span, error) {
	z, plain, err := decompressed(f)
	if err != nil {
		return nil, err
	}
	var in io.Reader = f
	counted := &countingReader{r: z}
	if !plain {
		defer z.Close()
		in = counted
	}
	position := func() (int64, error) {
		if plain {
			return f.Seek(0, io.SeekCurrent)
		}
		return counted.n, nil
	}
	files := map[string]span{}
	for entries := tar.NewReader(in); ; {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		h, err := entries.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w tar archive: %w", content.ErrInvalid, err)
		}
		if len(files) == maxTarFiles {
			return nil, fmt.Errorf("%w tar archive: more than %d files", content.ErrInvalid, maxTarFiles)
		}
		at, err := position()
		if err != nil {
			return nil, err
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			files[name] = span{offset: at, size: h.Size}
		case tar.TypeSymlink:
			files[name] = span{link: path.Join(path.Dir(name), h.Linkname)}
		case tar.TypeLink:
			files[name] = span{link: path.Clean(h.Linkname)}
		}
	}
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// decompressed reads a file from its start without its compression; plain says that it has none, and then the reader is nil.
func decompressed(f *os.File) (z io.ReadCloser, plain bool, err error) {
	var head [4]byte
	n, err := f.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, false, err
	}
	if layer.CompressionOf(head[:n]) == layer.None {
		return nil, true, nil
	}
	if z, err = layer.Decompress(f); err != nil {
		return nil, false, fmt.Errorf("%w archive: %w", content.ErrInvalid, err)
	}
	return z, false, nil
}
