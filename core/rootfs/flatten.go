package rootfs

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// Flatten writes the tree to dst as one layer, without whiteouts: first all directories, then what has no contents, then the files in the order of the layers that have them, each with its hard
// links behind it. Layers of which nothing is left are not read; the others are read to their ends, and verified. The archive is a function of the layers alone, and stays the same in all releases.
//
// Of opts only what layer.BuildInOrder knows matters.
func (t *Tree) Flatten(ctx context.Context, dst content.Ingester, opts *layer.Options) (layer.Layer, error) {
	names := t.inOrder()
	files := &fileReader{tree: t}
	defer files.close()
	open := func(file *inode) (io.ReadCloser, error) { return files.open(ctx, file) } // a layer is open for longer than a file
	built, err := layer.BuildInOrder(ctx, dst, len(names), func(i int, e *layer.Entry) { names[i].set(e, open) }, opts)
	if err != nil {
		return layer.Layer{}, err
	}
	return built, files.end(ctx)
}

// placed is a name in the order of an archive.
type placed struct {
	*node
	first *node // the name before it that the file stands at, to which this one is a hard link; or nil
}

// inOrder lists the names of a tree as an archive has them.
func (t *Tree) inOrder() []placed {
	var all []placed
	visitNodes(t.root, func(n *node) {
		if n != t.root || n.inode.meta.Layer >= 0 {
			all = append(all, placed{node: n})
		}
	})
	slices.SortStableFunc(all, func(a, b placed) int {
		layer1, entry1 := a.turn()
		layer2, entry2 := b.turn()
		return cmp.Or(cmp.Compare(layer1, layer2), cmp.Compare(entry1, entry2))
	})
	first := map[*inode]*node{}
	for i, p := range all {
		switch one := first[p.inode]; {
		case p.children != nil:
		case one != nil:
			all[i].first = one
		default:
			first[p.inode] = p.node
		}
	}
	return all
}

// turn is when the archive has a name: directories come first, files with contents last, as their layers have them.
func (n *node) turn() (layer, entry int) {
	switch {
	case n.children != nil:
		return -2, 0
	case n.inode.meta.Type != Regular:
		return -1, 0
	}
	return n.inode.meta.Layer, n.inode.entry
}

// entryTypes are the types as package layer knows them.
var entryTypes = map[Type]layer.Type{
	Regular: layer.TypeFile, Directory: layer.TypeDirectory, Symlink: layer.TypeSymlink, Char: layer.TypeChar, Block: layer.TypeBlock, FIFO: layer.TypeFIFO,
}

// relative is the path of a node as layers have it; "." is the root.
func (n *node) relative() string {
	if n.parent == n {
		return "."
	}
	return n.path()[1:]
}

// set makes e the entry of a name, whose contents open reads.
func (p placed) set(e *layer.Entry, open func(*inode) (io.ReadCloser, error)) {
	p.describe(e)
	switch {
	case p.first != nil:
		e.Type, e.Link, e.Size, e.Xattrs = layer.TypeHardlink, p.first.relative(), 0, nil
	case e.Type == layer.TypeFile && e.Size > 0:
		e.Data = func(context.Context) (io.ReadCloser, error) { return open(p.inode) }
	}
}

// describe makes e an entry of a node, without its contents.
func (n *node) describe(e *layer.Entry) {
	meta := n.inode.meta
	*e = layer.Entry{
		Path: n.relative(), Type: entryTypes[meta.Type], Mode: meta.Mode, UID: meta.UID, GID: meta.GID, Uname: meta.Uname, Gname: meta.Gname, ModTime: meta.ModTime,
		Link: meta.Link, Size: meta.Size, Major: meta.Major, Minor: meta.Minor, Xattrs: meta.Xattrs,
	}
}

// fileReader reads the files of a tree one after the other, in the order in which the layers have them.
type fileReader struct {
	tree    *Tree
	layer   int // the one that is open
	entry   int // its next one
	archive *archive
}

// open reads the file behind the last one. What it returns ends with the file, and is good until the next call.
func (r *fileReader) open(ctx context.Context, file *inode) (io.ReadCloser, error) {
	if r.archive == nil || r.layer != file.meta.Layer {
		if err := r.end(ctx); err != nil {
			return nil, err
		}
		a, err := openArchive(ctx, r.tree.src, r.tree.layers[file.meta.Layer])
		if err != nil {
			return nil, layerError(r.tree.layers, file.meta.Layer, err)
		}
		r.archive, r.layer, r.entry = a, file.meta.Layer, 0
	}
	if err := r.archive.skip(ctx, file.entry-r.entry); err != nil {
		return nil, layerError(r.tree.layers, r.layer, err)
	}
	r.entry = file.entry + 1
	return io.NopCloser(r.archive.contents(ctx)), nil
}

// end reads the rest of the layer that is open, at whose end it is verified, and closes it.
func (r *fileReader) end(ctx context.Context) error {
	if r.archive == nil {
		return nil
	}
	defer r.close()
	for {
		if _, err := r.archive.next(ctx); err == io.EOF {
			return nil
		} else if err != nil {
			return layerError(r.tree.layers, r.layer, err)
		}
	}
}

// close closes the layer that is open.
func (r *fileReader) close() {
	if r.archive != nil {
		r.archive.close()
		r.archive = nil
	}
}
