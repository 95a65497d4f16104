package build

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/image"
)

// node is one state of an image: its base, or a change of another state. It is worked out for each platform of its own. Forks share nodes, so that a state is worked
// out once.
type node struct {
	parent *node
	base   *base // of the first node
	op     op
	only   branch // for which op is

	mu    sync.Mutex
	known map[branch]*image.Image
}

// op is a change of an image.
type op interface {
	// needs starts what the change waits for, if that was put off, and names its steps.
	needs() []*step
	// apply makes the change. It is called once for each platform, as the base's index names it: a config may say less of it.
	apply(ctx context.Context, img *image.Image, p image.Platform) (*image.Image, error)
}

// rewriting is an op after which nobody knows which of the layers below are left, until it was applied.
type rewriting interface {
	op
	rewritesLayers()
}

// concerns reports whether the node's change is one of a platform; that of every platform is one of some.
func (n *node) concerns(b branch) bool {
	return b == everyBranch || n.only == everyBranch || n.only == b
}

// needs lists the steps that a state waits for, on one platform or on every one.
func (n *node) needs(b branch) []*step {
	var all []*step
	for ; n.parent != nil; n = n.parent {
		if n.concerns(b) {
			all = append(all, n.op.needs()...)
		}
	}
	return append(all, n.base.family().step)
}

// image works the state out for one platform, waiting for what it needs.
func (n *node) image(ctx context.Context, b branch) (*image.Image, error) {
	var todo []*node
	at := n
	for ; at.parent != nil && at.worked(b) == nil; at = at.parent {
		if at.concerns(b) {
			todo = append(todo, at)
		}
	}
	f, err := present{n, b}.family(ctx)
	if err != nil {
		return nil, err
	}
	img, changed := at.worked(b), at.changes(b)
	if img == nil {
		img = f.members[b].image
	}
	slices.Reverse(todo)
	for len(todo) > 0 {
		if !changed && ofImage(todo[0].op) {
			var err error
			if img, err = img.With(n.created()); err != nil {
				return nil, err
			}
			changed = true
		}
		next, n, err := applyFirst(ctx, img, f.members[b].platform, todo)
		if err != nil {
			return nil, err
		}
		todo[n-1].keep(b, next)
		img, todo = next, todo[n:]
	}
	return img, nil
}

// changes reports whether something is done to the image of a platform in this state or before.
func (n *node) changes(b branch) bool {
	for ; n.parent != nil; n = n.parent {
		if n.concerns(b) && ofImage(n.op) {
			return true
		}
	}
	return false
}

// ofImage reports whether a change is one of the image itself.
func ofImage(o op) bool {
	e, ok := o.(*edited)
	return !ok || e.changes.OfImage()
}

// created is what the first change of an image brings with it: that it was made at the epoch, which later ones may set otherwise.
func (n *node) created() *image.Changes {
	for n.parent != nil {
		n = n.parent
	}
	epoch := n.base.run.opts.Epoch
	return &image.Changes{Created: &epoch}
}

// applyFirst applies the first change, and those after it that are of its kind and can be done with it: layers are put on an image together, since each change costs as
// much as the image has layers.
func applyFirst(ctx context.Context, img *image.Image, p image.Platform, todo []*node) (next *image.Image, n int, err error) {
	var layers []*appended
	for _, at := range todo {
		o, ok := at.op.(*appended)
		if !ok {
			break
		}
		layers = append(layers, o)
	}
	if len(layers) > 0 {
		next, err = appendAll(ctx, img, layers)
		return next, len(layers), err
	}
	next, err = todo[0].op.apply(ctx, img, p)
	return next, 1, err
}

func (n *node) worked(b branch) *image.Image {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known[b]
}

func (n *node) keep(b branch, img *image.Image) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[branch]*image.Image{}
	}
	n.known[b] = img
}

// edited is a change of the config.
type edited struct {
	at      Origin
	name    string // for errors
	changes image.Changes
}

func (*edited) needs() []*step { return nil }

func (e *edited) apply(_ context.Context, img *image.Image, _ image.Platform) (*image.Image, error) {
	next, err := img.With(&e.changes)
	if err != nil && e.at != nil {
		return nil, &configError{e.at, e.name, err}
	}
	return next, err
}

// configError is a bad value in a config, found when the image was put together. It becomes the error of the place that set it (see step.failure).
type configError struct {
	at   Origin
	name string
	err  error
}

// Error implements error.
func (e *configError) Error() string { return fmt.Sprintf("%s: %v", e.name, e.err) }

// Unwrap returns the reason.
func (e *configError) Unwrap() error { return e.err }

// removed is a layer taken away.
type removed struct{ digest digest.Digest }

func (*removed) needs() []*step { return nil }

func (o *removed) apply(_ context.Context, img *image.Image, _ image.Platform) (*image.Image, error) {
	next, _, err := img.RemoveLayer(o.digest)
	return next, err
}

// replaced is a manifest and a config edited by hand.
type replaced struct {
	at               Origin
	name             string
	manifest, config []byte
}

func (*replaced) needs() []*step { return nil }

// rewritesLayers implements rewriting: the manifest says which layers are left.
func (*replaced) rewritesLayers() {}

func (o *replaced) apply(_ context.Context, img *image.Image, _ image.Platform) (*image.Image, error) {
	next, err := img.WithJSON(o.manifest, o.config)
	if err != nil {
		return nil, &configError{o.at, o.name, err}
	}
	return next, nil
}
