package rootfs

import (
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
)

// Lists keeps what is in layers, without the contents of files, by the digests of their blobs. Its methods may be called by many goroutines at once.
type Lists interface {
	// Get returns what was last put under a digest; what is missing or damaged is false.
	Get(ctx context.Context, digest string) ([]byte, bool)
	// Put keeps a list, or does not, as it can.
	Put(ctx context.Context, digest string, list []byte)
}

// Options changes how a Reader reads. nil and the zero value keep nothing, and read all from the one source.
type Options struct {
	// Lists knows layers that were read before, which are not read again for what is in them; nil knows none.
	Lists Lists
	// Listing is where layers are read that have to be read to their end; nil is the source itself. One that keeps what it reads spares who reads all of the contents then the second way.
	Listing content.Fetcher
}

// Reader reads the files of an image, and no more of its layers than it must. Its methods may be called by many goroutines at once.
type Reader struct {
	src    content.Fetcher
	layers []content.Descriptor
	opts   Options

	mu    sync.Mutex
	lists [][]File // by layer, nil until it is known; what is in them does not change
	tree  *Tree    // nil until somebody wants it
}

// NewReader returns a reader of layers, the lowest first, which src has. It reads nothing yet.
func NewReader(src content.Fetcher, layers []content.Descriptor, opts *Options) *Reader {
	r := &Reader{src: src, layers: layers, lists: make([][]File, len(layers))}
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.Listing == nil {
		r.opts.Listing = src
	}
	return r
}

// Read reads the archives of layers, the lowest first, which src has. Each is read to its end and verified.
func Read(ctx context.Context, src content.Fetcher, layers []content.Descriptor) (*Tree, error) {
	return NewReader(src, layers, nil).Tree(ctx)
}

// layersAtOnce is how many layers are read at the same time: as many as a registry is asked for by default.
const layersAtOnce = 4

// Tree returns all files. Layers that are not known are read to their ends and verified, some at a time, each once for all calls.
func (r *Reader) Tree(ctx context.Context) (*Tree, error) {
	r.mu.Lock()
	tree := r.tree
	r.mu.Unlock()
	if tree != nil {
		return tree, nil
	}
	lists := make([][]File, len(r.layers))
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(layersAtOnce)
	for i := range r.layers {
		group.Go(func() (err error) {
			lists[i], err = r.list(reading, i)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	b := newBuilder()
	for i, list := range lists {
		if err := b.apply(list); err != nil {
			return nil, layerError(r.layers, i, err)
		}
	}
	tree = &Tree{b.root, r.src, r.layers, sync.OnceValue(func() map[*inode]*node { return firstNames(b.root) })}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tree = tree
	return tree, nil
}

// list is what a layer has, entry by entry.
func (r *Reader) list(ctx context.Context, layer int) ([]File, error) {
	if list := r.known(ctx, layer); list != nil {
		return list, nil
	}
	_, list, err := r.scan(ctx, r.opts.Listing, layer, func([]File) bool { return false })
	return list, err
}

// known is what was found out about a layer before; nil is nothing.
func (r *Reader) known(ctx context.Context, layer int) []File {
	r.mu.Lock()
	list := r.lists[layer]
	r.mu.Unlock()
	if list != nil || r.opts.Lists == nil {
		return list
	}
	data, ok := r.opts.Lists.Get(ctx, r.layers[layer].Digest.String())
	if !ok {
		return nil
	}
	if list = decodeList(data); list == nil {
		return nil
	}
	return r.keep(layer, list)
}

// keep makes a list known, unless another came first. Lists of one reader do not change, so that they can be shared.
func (r *Reader) keep(layer int, list []File) []File {
	for i := range list {
		list[i].Layer = layer
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lists[layer] == nil {
		r.lists[layer] = list
	}
	return r.lists[layer]
}

// scan reads the entries of a layer until stop says so of those that were read, and returns the archive at the contents of the last of them, which the caller closes. A layer that is read to
// its end becomes known; then there is no archive.
func (r *Reader) scan(ctx context.Context, src content.Fetcher, layer int, stop func(list []File) bool) (*archive, []File, error) {
	a, err := openArchive(ctx, src, r.layers[layer])
	if err != nil {
		return nil, nil, layerError(r.layers, layer, err)
	}
	list := []File{}
	for {
		f, err := a.next(ctx)
		if err == nil && len(list) == maxFiles {
			err = fmt.Errorf("%w archive: more than %d files", content.ErrInvalid, maxFiles)
		}
		switch {
		case err == io.EOF:
			a.close()
			if r.opts.Lists != nil {
				r.opts.Lists.Put(ctx, r.layers[layer].Digest.String(), encodeList(list))
			}
			return nil, r.keep(layer, list), nil
		case err != nil:
			a.close()
			return nil, nil, layerError(r.layers, layer, err)
		}
		if list = append(list, *f); stop(list) {
			return a, list, nil
		}
	}
}

// Open finds the file at a path, following links, and opens its contents, which the caller closes. Layers are looked through from the topmost down, and none further than to the file:
// where only all layers together tell which file it is, as with links that lead through directories of other layers, all are read. What is read of a layer that is not read to its end is not
// verified. The File is that of the contents; its path may lead through links of layers that were not read.
//
// Of an archive that has one path twice, this is the first, unless all layers are known, and that of a Tree the last.
func (r *Reader) Open(ctx context.Context, name string) (File, io.ReadCloser, error) {
	if !r.allKnown(ctx) {
		f, data, err := r.openFromAbove(ctx, name)
		if err != nil || data != nil {
			return f, data, err
		}
	}
	tree, err := r.Tree(ctx)
	if err != nil {
		return File{}, nil, err
	}
	f, err := tree.Lookup(name, true)
	if err != nil {
		return File{}, nil, err
	}
	data, err := tree.Open(ctx, name)
	return f, data, err
}

// allKnown reports whether a tree takes no reading of layers.
func (r *Reader) allKnown(ctx context.Context) bool {
	for i := range r.layers {
		if r.known(ctx, i) == nil {
			return false
		}
	}
	return true
}
