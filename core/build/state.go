package build

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/image"
)

// node is one state of an image: its base, or a change of another state. Forks share nodes, so that a state is worked out once.
type node struct {
	parent *node
	base   *base // of the first node
	op     op

	mu    sync.Mutex
	known *image.Image
}

// op is a change of an image.
type op interface {
	// needs starts what the change waits for, if that was put off, and names its steps.
	needs() []*step
	apply(ctx context.Context, img *image.Image) (*image.Image, error)
}

// needs lists the steps that a state waits for.
func (n *node) needs() []*step {
	var all []*step
	for ; n.parent != nil; n = n.parent {
		all = append(all, n.op.needs()...)
	}
	return append(all, n.base.image().step)
}

// image works the state out, waiting for what it needs.
func (n *node) image(ctx context.Context) (*image.Image, error) {
	var todo []*node
	img := n.worked()
	for at := n; img == nil && at.parent != nil; at = at.parent {
		todo = append(todo, at)
		img = at.parent.worked()
	}
	if img == nil {
		first := n
		if len(todo) > 0 {
			first = todo[len(todo)-1].parent
		}
		var err error
		if img, err = first.base.image().get(ctx); err != nil {
			return nil, err
		}
	}
	slices.Reverse(todo)
	for len(todo) > 0 {
		next, n, err := applyFirst(ctx, img, todo)
		if err != nil {
			return nil, err
		}
		todo[n-1].keep(next)
		img, todo = next, todo[n:]
	}
	return img, nil
}

// applyFirst applies the first change, and those after it that are of its kind and can be done with it: layers are put on an image together, since each change costs as
// much as the image has layers.
func applyFirst(ctx context.Context, img *image.Image, todo []*node) (next *image.Image, n int, err error) {
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
	next, err = todo[0].op.apply(ctx, img)
	return next, 1, err
}

func (n *node) worked() *image.Image {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known
}

func (n *node) keep(img *image.Image) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known = img
}

// edited is a change of the config.
type edited struct {
	at      Origin
	name    string // for errors
	changes image.Changes
}

func (*edited) needs() []*step { return nil }

func (e *edited) apply(_ context.Context, img *image.Image) (*image.Image, error) {
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

func (o *removed) apply(_ context.Context, img *image.Image) (*image.Image, error) {
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

func (o *replaced) apply(_ context.Context, img *image.Image) (*image.Image, error) {
	next, err := img.WithJSON(o.manifest, o.config)
	if err != nil {
		return nil, &configError{o.at, o.name, err}
	}
	return next, nil
}
