package rootfs

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// ErrNotFound is what an error is that says that an image has no such file; it is content.ErrNotFound too.
var ErrNotFound = fmt.Errorf("no such file in the image: %w", content.ErrNotFound)

// Read reads the archives of layers, the lowest first, which src has. Each is read to its end and verified.
func Read(ctx context.Context, src content.Fetcher, layers []content.Descriptor) (*Tree, error) {
	b := newBuilder()
	for i, desc := range layers {
		b.begin(i)
		err := entries(ctx, src, desc, func(h *tar.Header, _ io.Reader) error { return b.add(h) })
		if err != nil {
			return nil, fmt.Errorf("layer %d, %s: %w", i+1, desc.Digest, err)
		}
	}
	return &Tree{b.root, src, layers}, nil
}

// errStop ends the reading of a layer early.
var errStop = errors.New("enough")

// entries calls visit with each entry of a layer, until it returns an error; errStop is none.
func entries(ctx context.Context, src content.Fetcher, desc content.Descriptor, visit func(h *tar.Header, data io.Reader) error) error {
	blob, err := src.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	defer blob.Close()
	plain, err := layer.Decompress(blob)
	if err != nil {
		return err
	}
	defer plain.Close()
	for archive := tar.NewReader(plain); ; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return archiveError(err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue // a comment, as git archive writes one
		}
		if err := visit(h, archive); errors.Is(err, errStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	// What is behind the archive belongs to the blob, whose digest is known at its end.
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return archiveError(err)
	}
	_, err = io.Copy(io.Discard, blob)
	return err
}

// archiveError tells a malformed archive from what its source says.
func archiveError(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w archive: %w", content.ErrInvalid, err)
	}
	return err
}

// Files lists what is at a path and below it, in the order of the names, each directory before what is in it. A file with several names has its contents at the first of them, and the
// others are hard links to that. Links in the path are followed, but for the last part. A path that is not there gives nothing.
func (t *Tree) Files(at string) iter.Seq[File] {
	first := t.firstNames()
	return func(yield func(File) bool) {
		n, err := t.find(at, false)
		if err == nil {
			t.list(n, first, yield)
		}
	}
}

// firstNames maps each file with several names to the first of them.
func (t *Tree) firstNames() map[*inode]*node {
	count, first := map[*inode]int{}, map[*inode]*node{}
	visitNodes(t.root, func(n *node) {
		if n.children != nil {
			return
		}
		if count[n.inode]++; count[n.inode] == 1 {
			first[n.inode] = n
		}
	})
	for ino, n := range count {
		if n == 1 {
			delete(first, ino)
		}
	}
	return first
}

func visitNodes(n *node, visit func(*node)) {
	visit(n)
	for _, name := range n.names() {
		visitNodes(n.children[name], visit)
	}
}

func (t *Tree) list(n *node, first map[*inode]*node, yield func(File) bool) bool {
	if !yield(n.file(first)) {
		return false
	}
	for _, name := range n.names() {
		if !t.list(n.children[name], first, yield) {
			return false
		}
	}
	return true
}

// file describes a node.
func (n *node) file(first map[*inode]*node) File {
	f := n.inode.meta
	f.Path = n.path()
	if one := first[n.inode]; one != nil && one != n {
		f.Type, f.Link = Hardlink, one.path()
	}
	return f
}

// Lookup describes the file at a path. Links are followed, the last one too if follow says so.
func (t *Tree) Lookup(name string, follow bool) (File, error) {
	n, err := t.find(name, follow)
	if err != nil {
		return File{}, err
	}
	return n.file(nil), nil
}

// find finds a node.
func (t *Tree) find(name string, follow bool) (*node, error) {
	wrap := func(err error) error {
		if errors.Is(err, errMissing) {
			err = ErrNotFound
		}
		return fmt.Errorf("%.300q: %w", name, err)
	}
	at := name
	for links := 0; ; links++ {
		dir, base := path.Split(path.Join("/", at))
		if strings.HasSuffix(at, "/..") || base == "" {
			n, err := walk(t.root, at, nil)
			if err != nil {
				return nil, wrap(err)
			}
			return n, nil
		}
		parent, err := walk(t.root, dir, nil)
		if err != nil {
			return nil, wrap(err)
		}
		n := parent.children[base]
		switch {
		case n == nil:
			return nil, wrap(errMissing)
		case !follow || n.inode.meta.Type != Symlink:
			return n, nil
		case links > maxLinks:
			return nil, wrap(fmt.Errorf("%w: more than %d links, one after the other", content.ErrInvalid, maxLinks))
		}
		at = n.inode.meta.Link
		if !path.IsAbs(at) {
			at = parent.path() + "/" + at
		}
	}
}

// Open reads the contents of the file at a path, following links. The layer is read up to the end of the file, which is so far not verified: its digest is that of the whole layer, which
// Read has verified. The caller closes it.
func (t *Tree) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	n, err := t.find(name, true)
	if err != nil {
		return nil, err
	}
	if n.inode.meta.Type != Regular {
		return nil, fmt.Errorf("%.300q: %w: it is a %s", name, content.ErrInvalid, n.inode.meta.Type)
	}
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		at := 0
		err := entries(ctx, t.src, t.layers[n.inode.meta.Layer], func(_ *tar.Header, data io.Reader) error {
			if at++; at <= n.inode.entry {
				return nil
			}
			if _, err := io.Copy(w, data); err != nil {
				return err
			}
			return errStop
		})
		w.CloseWithError(err)
	}()
	return &pipeReader{r, func() {
		cancel()
		r.Close()
		<-done
	}}, nil
}

// pipeReader ends what fills it when it is closed.
type pipeReader struct {
	*io.PipeReader
	end func()
}

// Close implements io.Closer.
func (p *pipeReader) Close() error {
	p.end()
	return nil
}
