package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

// ErrNotFound is what an error is that says that an image has no such file; it is content.ErrNotFound too.
var ErrNotFound error = notFoundError{}

type notFoundError struct{}

// Error implements error.
func (notFoundError) Error() string { return "no such file in the image" }

// Is implements the promise above.
func (notFoundError) Is(target error) bool { return target == content.ErrNotFound }

// Files lists what is at a path and below it, in the order of the names, each directory before what is in it. A file with several names has its contents at the first of them, and the
// others are hard links to that. Links in the path are followed, but for the last part. A path that is not there gives nothing.
func (t *Tree) Files(at string) iter.Seq[File] {
	return func(yield func(File) bool) {
		n, err := t.find(at, false)
		if err == nil {
			t.list(n, t.first(), yield)
		}
	}
}

// ReadDir lists what is in a directory, in the order of the names, as Files shows it. Links in the path are followed, the last one too. What is no directory is an error.
func (t *Tree) ReadDir(name string) ([]File, error) {
	n, err := t.find(name, true)
	if err != nil {
		return nil, err
	}
	if n.children == nil {
		return nil, fmt.Errorf("%.300q: %w: it is a %s, not a directory", name, content.ErrInvalid, n.inode.meta.Type)
	}
	var files []File
	for _, child := range n.names() {
		files = append(files, n.children[child].file(t.first()))
	}
	return files, nil
}

// firstNames maps each file with several names to the first of them.
func firstNames(root *node) map[*inode]*node {
	count, first := map[*inode]int{}, map[*inode]*node{}
	visitNodes(root, func(n *node) {
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
	f := *n.inode.meta
	f.Path = n.path()
	if one := first[n.inode]; one != nil && one != n {
		f.Type, f.Link = Hardlink, one.path()
	}
	return f
}

// Layer is the layer that a File names.
func (t *Tree) Layer(i int) content.Descriptor { return t.layers[i] }

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
// whoever listed it has verified. The caller closes it.
func (t *Tree) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	n, err := t.find(name, true)
	if err != nil {
		return nil, err
	}
	meta := n.inode.meta
	if meta.Type != Regular {
		return nil, notRegular(name, meta.Type)
	}
	return openEntry(ctx, t.src, t.layers, meta.Layer, n.inode.entry)
}

func notRegular(name string, is Type) error {
	return fmt.Errorf("%.300q: %w: it is a %s", name, content.ErrInvalid, is)
}

// openEntry reads the contents of an entry of a layer.
func openEntry(ctx context.Context, src content.Fetcher, layers []content.Descriptor, layer, entry int) (io.ReadCloser, error) {
	a, err := openArchive(ctx, src, layers[layer])
	if err != nil {
		return nil, layerError(layers, layer, err)
	}
	if err := a.skip(ctx, entry); err != nil {
		a.close()
		return nil, layerError(layers, layer, err)
	}
	return a.contents(ctx), nil
}

// layerError says of an error in which layer it is.
func layerError(layers []content.Descriptor, layer int, err error) error {
	return fmt.Errorf("layer %d, %s: %w", layer+1, layers[layer].Digest, err)
}
