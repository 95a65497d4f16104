package build

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/rootfs"
)

// Flatten makes one layer of all that the image has, which is the tree of files that they make together, and one entry of its history. The rest of its config stays. The layers are read by way of the
// cache, which knows the next time what came of them.
func (i *Image) Flatten(at Origin) {
	d := &derived{run: i.run, at: at, op: "flatten", call: "flatten()", make: func(ctx context.Context, tree *rootfs.Tree, dst content.Ingester, opts *layer.Options) (layer.Layer, error) {
		return tree.Flatten(ctx, dst, opts)
	}}
	i.operate(at, d.op, &flattened{d})
}

// flattened is one layer in the place of all.
type flattened struct{ layer *derived }

func (*flattened) needs() []*step { return nil }

// rewritesLayers implements rewriting.
func (*flattened) rewritesLayers() {}

func (o *flattened) apply(ctx context.Context, img *image.Image, _ image.Platform) (*image.Image, error) {
	if len(img.Layers()) == 0 {
		return img, nil
	}
	one, err := o.layer.on(ctx, img)
	if err == nil {
		img, err = img.Flatten(one)
	}
	return img, failedAt(o.layer.at, o.layer.op, err)
}

// RemoveFilesOptions says more of RemoveFiles. nil and the zero value: each pattern must match something.
type RemoveFilesOptions struct {
	AllowEmpty bool // patterns may match nothing
}

// RemoveFiles puts a layer on the image that removes the files and directories that match at least one of some patterns (see rootfs.Tree.Removal). A malformed pattern is content.ErrInvalid. What matches is found out
// when the layers below are there; that a pattern matches nothing is an error then.
func (i *Image) RemoveFiles(at Origin, patterns []string, opts *RemoveFilesOptions) (*Layer, error) {
	if err := rootfs.CheckPatterns(patterns); err != nil {
		return nil, err
	}
	r := i.run
	var o RemoveFilesOptions
	if opts != nil {
		o = *opts
	}
	patterns = slices.Clone(patterns)
	d := &derived{
		run: r, at: at, op: "remove_files", call: removal(patterns), key: fmt.Sprintf("%q %v", patterns, r.opts.Epoch),
		make: func(ctx context.Context, tree *rootfs.Tree, dst content.Ingester, opts *layer.Options) (layer.Layer, error) {
			found, err := tree.Removal(patterns, r.opts.Epoch)
			if err != nil {
				return layer.Layer{}, err
			}
			if len(found.Idle) > 0 && !o.AllowEmpty {
				return layer.Layer{}, &idlePatternsError{found.Idle}
			}
			return layer.Build(ctx, dst, found.Entries, opts)
		},
	}
	if o.AllowEmpty {
		d.key += " or none"
	}
	l := &Layer{run: r, src: &r.derived, createdBy: d.call, begin: i.deriving(d)}
	l.change = i.operate(at, d.op, &whitedOut{d})
	return l, nil
}

// deriving starts making a layer for the image as it is now, for who asks what it is. Each platform has one of its own.
func (i *Image) deriving(d *derived) func() *Future[layer.Layer] {
	view, below := *i, i.state()
	return func() *Future[layer.Layer] {
		only, err := view.one(d.at, d.op)
		if err != nil {
			return failedFuture[layer.Layer](d.run, d.at, d.op, err)
		}
		return async(d.run, d.at, d.op, false, below.needs(only), func(ctx context.Context, _ *step) (layer.Layer, error) {
			img, err := below.image(ctx, only)
			if err != nil {
				return layer.Layer{}, err
			}
			added, err := d.on(ctx, img)
			return added.Layer, err
		})
	}
}

// removal is the history entry of a call.
func removal(patterns []string) string {
	var list []string
	for _, p := range patterns {
		list = append(list, fmt.Sprintf("%q", p))
	}
	return "remove_files([" + strings.Join(list, ", ") + "])"
}

// whitedOut is a layer of whiteouts on top.
type whitedOut struct{ layer *derived }

func (*whitedOut) needs() []*step { return nil }

func (o *whitedOut) apply(ctx context.Context, img *image.Image, _ image.Platform) (*image.Image, error) {
	added, err := o.layer.on(ctx, img)
	if err == nil {
		img, err = img.Append(nil, added)
	}
	return img, failedAt(o.layer.at, o.layer.op, err)
}

// idlePatternsError says which patterns match nothing in an image.
type idlePatternsError struct{ idle []rootfs.IdlePattern }

// Error implements error.
func (e *idlePatternsError) Error() string {
	var list []string
	for _, p := range e.idle {
		list = append(list, fmt.Sprintf("%q", p.Pattern))
	}
	return "no file of the image matches " + strings.Join(list, ", ")
}

// Hint says what may be meant, or how to do without.
func (e *idlePatternsError) Hint() string {
	for _, p := range e.idle {
		if p.Instead != "" {
			return fmt.Sprintf("links are not followed: write %q", p.Instead)
		}
	}
	return "if that is fine, write allow_empty = True"
}

// derived is a layer that is made of the files that an image has.
type derived struct {
	run  *Run
	at   Origin
	op   string // for errors
	call string // for the history
	key  string // what the layer depends on beside the layers of the image
	make func(ctx context.Context, tree *rootfs.Tree, dst content.Ingester, opts *layer.Options) (layer.Layer, error)
}

// derivations are the layers that a run made of the files of images, each once. The zero value is ready. It is where their blobs are read.
type derivations struct {
	flights flights
	mu      sync.Mutex
	layers  map[string]layer.Layer // by what they are made of
	blobs   map[digest.Digest]*builtBlob
}

// Fetch implements content.Fetcher.
func (d *derivations) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	d.mu.Lock()
	blob := d.blobs[desc.Digest]
	d.mu.Unlock()
	if blob == nil {
		return nil, fmt.Errorf("layer %s: %w", desc.Digest, content.ErrNotFound)
	}
	return blob.Fetch(ctx, desc)
}

func (d *derivations) known(name string) (layer.Layer, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l, ok := d.layers[name]
	return l, ok
}

func (d *derivations) note(name string, l layer.Layer, blob *builtBlob) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.layers == nil {
		d.layers, d.blobs = map[string]layer.Layer{}, map[digest.Digest]*builtBlob{}
	}
	d.layers[name], d.blobs[l.Descriptor.Digest] = l, blob
}

// on is the layer for an image.
func (d *derived) on(ctx context.Context, img *image.Image) (image.Added, error) {
	name := d.name(img)
	all := &d.run.derived
	_, err := all.flights.do(ctx, flightKey{"derived", name}, func() error {
		built, err := d.once(ctx, img, name)
		if err == nil {
			all.note(name, built, &builtBlob{cache: d.run.engine.cache, again: func(ctx context.Context) (layer.Layer, error) {
				return d.build(ctx, img, d.run.engine.cache)
			}})
		}
		return d.run.opts.Limits.explain(err)
	})
	built, _ := all.known(name)
	return image.Added{Layer: built, CreatedBy: d.call, Created: d.run.opts.Epoch, Source: all}, err
}

// derivedVersion grows when other bytes come of the same layers.
const derivedVersion = 1

// name says all that the layer depends on. The layers below are named by the digests of their blobs, which are verified when they are read; what a config says of their diff IDs may be wrong.
func (d *derived) name(img *image.Image) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s\n", d.op, derivedVersion, d.key)
	for _, l := range img.Layers() {
		fmt.Fprintln(&b, l.Digest)
	}
	return b.String()
}

// once makes the layer, unless an earlier run did.
func (d *derived) once(ctx context.Context, img *image.Image, name string) (layer.Layer, error) {
	r := d.run
	ctx, watch := r.events.begin(ctx, Event{What: LayerWork, Subject: d.call, Total: -1})
	if known, ok := layer.Recall(ctx, name, d.options()); ok {
		r.engine.cache.Used(known.Descriptor.Digest)
		watch.end("unchanged", known.Descriptor.Digest, nil)
		return known, nil
	}
	built, err := d.build(ctx, img, &watchedIngester{r.engine.cache, watch})
	watch.end("built", built.Descriptor.Digest, err)
	if err == nil {
		layer.Remember(ctx, name, d.options(), built)
	}
	return built, err
}

func (d *derived) build(ctx context.Context, img *image.Image, dst content.Ingester) (layer.Layer, error) {
	tree, err := d.run.lookAt(img, true).files.Tree(ctx)
	if err != nil {
		return layer.Layer{}, err
	}
	return d.make(ctx, tree, dst, d.options())
}

func (d *derived) options() *layer.Options {
	r := d.run
	o := &layer.Options{Workers: r.engine.workers, MaxFiles: r.opts.Limits.LayerFiles, MaxBytes: r.opts.Limits.LayerBytes}
	if !r.engine.rebuild {
		o.Cache = recipes{r.engine.cache}
	}
	return o
}
