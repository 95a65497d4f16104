package content

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
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

// maxDocuments bounds the bytes of all manifests and indexes of one copy: an index of 4 MiB can name 20,000 manifests of 4 MiB each, which
// are held in memory until what they need is there.
const maxDocuments = 256 << 20

// Copy copies the document or blob root and all that it needs from src to dst: children before parents, a document's biggest
// blobs first, each digest once. When it returns, nothing of it runs any more. An error is that of the first failure, or the cause of
// ctx's end; what was copied stays, so that the next try has less to do.
//
// A target that is a [Mounter] is given the places where src (a [Locator]) has a blob. Manifests that disagree about a blob's size
// are [ErrVerification], and more than 256 MiB of manifests are [ErrInvalid]. A document that dst refuses as [ErrIncomplete] is mended and pushed again, once;
// with WithoutRoot that is the caller's, by [PushMended].
func Copy(ctx context.Context, dst Store, src Fetcher, root Descriptor, opts *CopyOptions) error {
	c := newCopier(dst, src, opts)
	if c.opts.WithoutRoot && !IsDocument(root.MediaType) {
		return context.Cause(ctx)
	}
	// The first failure ends the context of everything else, and is its cause: those that only stopped because of it can say so.
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	c.fail = fail
	err := c.start(ctx, root, IsDocument(root.MediaType), c.opts.WithoutRoot).wait(ctx)
	c.tasks.Wait()
	return err
}

// copier is one call of Copy.
type copier struct {
	dst   Store
	src   Fetcher
	opts  CopyOptions
	slots *semaphore.Weighted // of blobs and documents under way; not held while waiting for children
	fail  context.CancelCauseFunc
	tasks sync.WaitGroup

	documents atomic.Int64 // bytes of those that indexes name

	mu      sync.Mutex
	started map[copyKey]*copied
}

func newCopier(dst Store, src Fetcher, opts *CopyOptions) *copier {
	c := &copier{dst: dst, src: src, started: map[copyKey]*copied{}}
	if opts != nil {
		c.opts = *opts
	}
	if c.opts.Concurrency <= 0 {
		c.opts.Concurrency = 8
	}
	c.slots = semaphore.NewWeighted(c.opts.Concurrency)
	return c
}

// copyKey tells a blob from a document of the same bytes: registries keep them in two places.
type copyKey struct {
	digest   digest.Digest
	document bool
}

// copied is the outcome of copying one digest, ready when done is closed.
type copied struct {
	size int64
	done chan struct{}
	err  error
}

func (one *copied) wait(ctx context.Context) error {
	select {
	case <-one.done:
		if one.err != nil && ctx.Err() != nil {
			return context.Cause(ctx) // the first failure, of which this one may be a consequence
		}
		return one.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start starts copying desc in a goroutine, unless it was started before, and returns what will come of it. For a blob it waits until
// a slot is free, so that blobs start in the order of the calls.
func (c *copier) start(ctx context.Context, desc Descriptor, document, childrenOnly bool) *copied {
	one := &copied{size: desc.Size, done: make(chan struct{})}
	c.mu.Lock()
	if before, ok := c.started[copyKey{desc.Digest, document}]; ok {
		c.mu.Unlock()
		if before.size == desc.Size {
			return before
		}
		return c.finish(one, fmt.Errorf("%s: %w: it has %d bytes here and %d bytes there", desc.Digest, ErrVerification, before.size, desc.Size))
	}
	c.started[copyKey{desc.Digest, document}] = one
	c.mu.Unlock()
	if document {
		c.tasks.Go(func() { c.finish(one, safely(func() error { return c.document(ctx, desc, childrenOnly) })) })
		return one
	}
	if err := c.acquire(ctx); err != nil {
		return c.finish(one, err)
	}
	c.tasks.Go(func() {
		defer c.slots.Release(1)
		c.finish(one, safely(func() error { return c.blob(ctx, desc) }))
	})
	return one
}

func (c *copier) finish(one *copied, err error) *copied {
	if one.err = err; err != nil {
		c.fail(err)
	}
	close(one.done)
	return one
}

func (c *copier) acquire(ctx context.Context) error {
	if err := c.slots.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// safely turns a panic of a store, which would end the program from a goroutine that nobody can guard, into an error.
func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// document copies a manifest or index: its children, then itself.
func (c *copier) document(ctx context.Context, desc Descriptor, childrenOnly bool) error {
	doc, data, err := c.read(ctx, desc)
	if err != nil {
		return err
	}
	if err := c.children(ctx, doc); err != nil || childrenOnly {
		return err
	}
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.slots.Release(1)
	if err := c.push(ctx, doc, desc, data); err != nil {
		return err
	}
	c.tell(desc, Uploaded)
	return nil
}

func (c *copier) read(ctx context.Context, desc Descriptor) (*Document, []byte, error) {
	if err := c.acquire(ctx); err != nil {
		return nil, nil, err
	}
	defer c.slots.Release(1)
	data, err := ReadAll(ctx, c.src, desc)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", desc.Digest, err)
	}
	doc, err := ParseDocument(desc.MediaType, data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", desc.Digest, err)
	}
	return doc, data, nil
}

// children copies what doc needs.
func (c *copier) children(ctx context.Context, doc *Document) error {
	if c.documents.Add(documentBytes(doc)) > maxDocuments {
		return fmt.Errorf("%w index: more than %d MiB of manifests", ErrInvalid, maxDocuments>>20)
	}
	var started []*copied
	for _, child := range c.needs(doc) {
		started = append(started, c.start(ctx, child, doc.pointsToDocument(child), false))
	}
	for _, one := range started {
		if err := one.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// needs lists what is to be copied for doc, the biggest first.
func (c *copier) needs(doc *Document) []Descriptor {
	children := slices.DeleteFunc(doc.Children(), func(child Descriptor) bool { return c.opts.SkipForeign && IsForeign(child) })
	slices.SortStableFunc(children, func(a, b Descriptor) int { return cmp.Compare(b.Size, a.Size) })
	return children
}

// pointsToDocument reports whether a child is one. Only indexes point to documents: a layer is a blob whatever its media type says.
func (d *Document) pointsToDocument(child Descriptor) bool {
	return d.Config == nil && IsDocument(child.MediaType)
}

// documentBytes is what the manifests and indexes that an index names take when they are read.
func documentBytes(index *Document) int64 {
	var n int64
	for _, desc := range index.Manifests {
		if IsDocument(desc.MediaType) {
			n += min(desc.Size, MaxDocument) // more is refused when it is read
		}
	}
	return n
}

// blob copies one blob, in the cheapest way that the target has.
func (c *copier) blob(ctx context.Context, desc Descriptor) error {
	how, err := c.transfer(ctx, desc)
	if err == nil {
		c.tell(desc, how)
	}
	return err
}

func (c *copier) transfer(ctx context.Context, desc Descriptor) (Transfer, error) {
	open := FromFetcher(c.src, desc)
	if c.opts.Always {
		return Uploaded, c.dst.Push(ctx, desc, open)
	}
	var from []string
	if l, ok := c.src.(Locator); ok {
		from = l.Sources(desc)
	}
	return Bring(ctx, c.dst, desc, from, open)
}

func (c *copier) tell(desc Descriptor, how Transfer) {
	if c.opts.Done != nil {
		c.opts.Done(desc, how)
	}
}
