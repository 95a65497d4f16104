package content

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// CopyOptions changes what Copy does. nil and the zero value copy everything that is missing.
type CopyOptions struct {
	// SkipForeign leaves foreign layers (see IsForeign) where they are: the manifest still names them.
	SkipForeign bool
	// Always sends blobs although the target has them: a check of the target, not a thing for every day.
	Always bool
	// WithoutRoot copies all that the root needs and not the root itself, which the caller pushes when its time has come.
	WithoutRoot bool
	// Concurrency is the number of blobs under way at once; 0 means 8. A store may allow fewer.
	Concurrency int64
	// Done is told of each blob and manifest, from many goroutines.
	Done func(desc Descriptor, how Transfer)
}

// Copy copies the document or blob root and all that it needs from src to dst: children before parents, the biggest
// blobs first, each digest once. When it returns, nothing of it runs any more. An error is that of the first failure; what was
// copied stays, so that the next try has less to do.
//
// A target that is a [Mounter] is given the places where src (a [Locator]) has a blob.
func Copy(ctx context.Context, dst Store, src Fetcher, root Descriptor, opts *CopyOptions) error {
	c := &copier{dst: dst, src: src, started: map[digest.Digest]*copied{}}
	if opts != nil {
		c.opts = *opts
	}
	if c.opts.Concurrency <= 0 {
		c.opts.Concurrency = 8
	}
	c.slots = semaphore.NewWeighted(c.opts.Concurrency)
	if !IsDocument(root.MediaType) {
		return c.blob(ctx, root)
	}
	return c.document(ctx, root, c.opts.WithoutRoot)
}

// copier is one call of Copy.
type copier struct {
	dst   Store
	src   Fetcher
	opts  CopyOptions
	slots *semaphore.Weighted

	mu      sync.Mutex
	started map[digest.Digest]*copied
}

// copied is the outcome of copying one digest, ready when done is closed.
type copied struct {
	done chan struct{}
	err  error
}

// once runs f for the first caller with this digest; the others wait for its outcome.
func (c *copier) once(ctx context.Context, desc Descriptor, f func() error) error {
	c.mu.Lock()
	one, ok := c.started[desc.Digest]
	if !ok {
		one = &copied{done: make(chan struct{})}
		c.started[desc.Digest] = one
	}
	c.mu.Unlock()
	if ok {
		select {
		case <-one.done:
			return one.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	defer close(one.done)
	one.err = f()
	return one.err
}

// document copies a manifest or index: its children, then itself.
func (c *copier) document(ctx context.Context, desc Descriptor, childrenOnly bool) error {
	return c.once(ctx, desc, func() error {
		data, err := ReadAll(ctx, c.src, desc)
		if err != nil {
			return fmt.Errorf("read %s: %w", desc.Digest, err)
		}
		doc, err := ParseDocument(desc.MediaType, data)
		if err != nil {
			return fmt.Errorf("%s: %w", desc.Digest, err)
		}
		if err := c.children(ctx, doc); err != nil || childrenOnly {
			return err
		}
		if err := c.dst.Push(ctx, desc, FromBytes(data)); err != nil {
			return err
		}
		c.tell(desc, Uploaded)
		return nil
	})
}

func (c *copier) children(ctx context.Context, doc *Document) error {
	group, ctx := errgroup.WithContext(ctx)
	children := slices.Clone(doc.Children())
	slices.SortStableFunc(children, func(a, b Descriptor) int { return int(min(max(b.Size-a.Size, -1), 1)) })
	for _, child := range children {
		if c.opts.SkipForeign && IsForeign(child) {
			continue
		}
		group.Go(func() error {
			if IsDocument(child.MediaType) {
				return c.document(ctx, child, false)
			}
			return c.blob(ctx, child)
		})
	}
	return group.Wait()
}

// blob copies one blob. The slot is taken inside, so that a digest that another task copies already holds none.
func (c *copier) blob(ctx context.Context, desc Descriptor) error {
	return c.once(ctx, desc, func() error {
		if err := c.slots.Acquire(ctx, 1); err != nil {
			return context.Cause(ctx)
		}
		defer c.slots.Release(1)
		how, err := c.transfer(ctx, desc)
		if err == nil {
			c.tell(desc, how)
		}
		return err
	})
}

func (c *copier) transfer(ctx context.Context, desc Descriptor) (Transfer, error) {
	open := FromFetcher(c.src, desc)
	if c.opts.Always {
		return Uploaded, c.dst.Push(ctx, desc, open)
	}
	if m, ok := c.dst.(Mounter); ok {
		var from []string
		if l, ok := c.src.(Locator); ok {
			from = l.Sources(desc)
		}
		return m.Mount(ctx, desc, from, open)
	}
	there, err := c.dst.Exists(ctx, desc)
	if err != nil || there {
		return Present, err
	}
	return Uploaded, c.dst.Push(ctx, desc, open)
}

func (c *copier) tell(desc Descriptor, how Transfer) {
	if c.opts.Done != nil {
		c.opts.Done(desc, how)
	}
}

// PushTagged stores the document desc in dst and gives it every tag in order: in one step where dst can, and there is one tag.
// Without tags it is only stored. What it needs must be there already.
func PushTagged(ctx context.Context, dst Repository, desc Descriptor, open Opener, tags []string) error {
	if p, ok := dst.(TagPusher); ok && len(tags) == 1 {
		return p.PushTagged(ctx, desc, open, tags[0])
	}
	if err := dst.Push(ctx, desc, open); err != nil {
		return err
	}
	for _, tag := range tags {
		if err := dst.Tag(ctx, desc, tag); err != nil {
			return err
		}
	}
	return nil
}

// ReadDocument resolves name in src and reads the manifest or index behind it, in one step where src can.
func ReadDocument(ctx context.Context, src Repository, name string) (Descriptor, []byte, error) {
	if r, ok := src.(ManifestReader); ok {
		return r.Manifest(ctx, name)
	}
	desc, err := src.Resolve(ctx, name)
	if err != nil {
		return Descriptor{}, nil, err
	}
	data, err := ReadAll(ctx, src, desc)
	return desc, data, err
}
