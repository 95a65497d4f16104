package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Overlay keeps what would be written to a repository, for reads to see and nobody to send: that is a plan. Its zero value is empty and ready; it is not to be
// copied. Documents are kept in memory, of blobs only how they are opened.
type Overlay struct {
	mu        sync.RWMutex
	blobs     map[digest.Digest]overlaidBlob
	documents map[digest.Digest]overlaidDocument
	order     []digest.Digest          // of the documents, as they came
	names     map[string]digest.Digest // "" stands for a name that was deleted
	deleted   map[digest.Digest]bool   // documents that were deleted, perhaps before they came again: their names in the repository are gone
	kept      map[digest.Digest][]Descriptor
}

type overlaidBlob struct {
	size int64
	open Opener
}

type overlaidDocument struct {
	desc Descriptor
	data []byte
	read *Document // nil for what is no document that we can read
}

// View is a repository as it would be with what an Overlay keeps: what it has not, comes from the repository. All views of one overlay see the same, in
// whichever way their repositories were opened.
//
// It keeps the promises of stores but for one: Push does not read a blob. That its bytes are not those of the descriptor is found by who reads them.
type View struct {
	below Repository
	*Overlay
}

var _ interface {
	Repository
	TagPusher
	ManifestReader
	DigestResolver
	TagLister
	ReferrerLister
	ReferrerKeeper
} = (*View)(nil)

// opening is the context key of a blob that is being opened: who opens it may look for it in several places, of which this very one can be one.
type opening struct {
	overlay *Overlay
	digest  digest.Digest
}

// Over returns a view of r, which it only reads.
func (o *Overlay) Over(r Repository) *View { return &View{below: r, Overlay: o} }

// Holds reports whether the overlay itself has a blob, and its size in bytes, negative where nobody knows it.
func (o *Overlay) Holds(dgst digest.Digest) (size int64, ok bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	blob, ok := o.blobs[dgst]
	return blob.size, ok
}

// HasDocuments reports whether a document was pushed to the overlay.
func (o *Overlay) HasDocuments() bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return len(o.documents) > 0
}

// Fetch implements Fetcher.
func (v *View) Fetch(ctx context.Context, desc Descriptor) (io.ReadCloser, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if !IsDocument(desc.MediaType) {
		v.mu.RLock()
		blob, ok := v.blobs[desc.Digest]
		v.mu.RUnlock()
		if within := (opening{v.Overlay, desc.Digest}); ok && ctx.Value(within) == nil {
			return blob.open.Verified(context.WithValue(ctx, within, true), desc)
		}
		return v.below.Fetch(ctx, desc)
	}
	doc, known, err := v.find(desc.Digest.String())
	switch {
	case err != nil:
		return nil, err
	case known:
		return Verify(io.NopCloser(bytes.NewReader(doc.data)), desc)
	}
	return v.below.Fetch(ctx, desc)
}

// Exists implements Store.
func (v *View) Exists(ctx context.Context, desc Descriptor) (bool, error) {
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	size, known := v.Holds(desc.Digest)
	if IsDocument(desc.MediaType) {
		doc, here, err := v.find(desc.Digest.String())
		if err != nil {
			return false, nil // it was deleted
		}
		size, known = doc.desc.Size, here
	}
	if known {
		return desc.Size < 0 || size < 0 || desc.Size == size, nil
	}
	return v.below.Exists(ctx, desc)
}

// Push implements Pusher. A blob is not read but remembered by open, which is called when somebody reads it, and must work as long as the overlay is used.
func (v *View) Push(ctx context.Context, desc Descriptor, open Opener) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := CheckPush(desc); err != nil {
		return err
	}
	if IsDocument(desc.MediaType) {
		data, err := ReadOpener(ctx, open, desc)
		if err != nil {
			return err
		}
		v.Put(desc, data)
		return nil
	}
	v.Keep(desc, open)
	return nil
}

// Keep keeps a blob, of which the size may not be known.
func (o *Overlay) Keep(desc Descriptor, open Opener) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.blobs == nil {
		o.blobs = map[digest.Digest]overlaidBlob{}
	}
	if _, ok := o.blobs[desc.Digest]; !ok {
		o.blobs[desc.Digest] = overlaidBlob{desc.Size, open}
	}
}

// Put keeps a document whose bytes are known to be those of desc. It may be one that ParseDocument does not read.
func (o *Overlay) Put(desc Descriptor, data []byte) {
	read, err := ParseDocument(desc.MediaType, data)
	if err != nil {
		read = nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.documents == nil {
		o.documents = map[digest.Digest]overlaidDocument{}
	}
	if _, ok := o.documents[desc.Digest]; !ok {
		o.order = append(o.order, desc.Digest)
	}
	kept := Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size} // the rest of a descriptor is about one place where it stands
	o.documents[desc.Digest] = overlaidDocument{kept, bytes.Clone(data), read}
}

// find finds a document by its name or its digest. It is not known when only the repository below can tell; a deleted one is ErrNotFound.
func (o *Overlay) find(name string) (doc overlaidDocument, known bool, err error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	dgst, named := o.names[name]
	if !named {
		dgst = digest.Digest(name)
	}
	if doc, ok := o.documents[dgst]; ok {
		return doc, true, nil
	}
	if named || o.deleted[dgst] {
		return doc, false, fmt.Errorf("%q: %w: it was deleted", short(name), ErrNotFound)
	}
	return doc, false, nil
}

// still is the error for what the repository below says that a name stands for: that may have been deleted, and its names with it.
func (o *Overlay) still(name string, dgst digest.Digest) error {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.deleted[dgst] {
		return fmt.Errorf("%q: %w: %s was deleted", short(name), ErrNotFound, dgst)
	}
	return nil
}

// ResolveBy is Resolve, but for how the repository below is asked.
func (v *View) ResolveBy(ctx context.Context, name string, ask func(ctx context.Context, name string) (Descriptor, error)) (Descriptor, error) {
	if err := context.Cause(ctx); err != nil {
		return Descriptor{}, err
	}
	if name == "" {
		return v.only(ctx, ask)
	}
	doc, known, err := v.find(name)
	if known || err != nil {
		return doc.desc, err
	}
	desc, err := ask(ctx, name)
	if err == nil {
		err = v.still(name, desc.Digest)
	}
	if err != nil {
		return Descriptor{}, err
	}
	return desc, nil
}

// only resolves the empty name, which layouts have for their only image; where there would be several, that is "latest".
func (v *View) only(ctx context.Context, ask func(ctx context.Context, name string) (Descriptor, error)) (Descriptor, error) {
	v.mu.RLock()
	var named []digest.Digest
	for _, dgst := range v.names {
		if dgst != "" && !slices.Contains(named, dgst) {
			named = append(named, dgst)
		}
	}
	v.mu.RUnlock()
	desc, err := ask(ctx, "")
	switch {
	case len(named) == 0:
		return desc, err
	case len(named) == 1 && (desc.Digest == named[0] || errors.Is(err, ErrNotFound) || v.allRenamed(ctx)):
		return v.ResolveBy(ctx, named[0].String(), ask)
	}
	return v.ResolveBy(ctx, "latest", ask)
}

// allRenamed reports whether every name that the repository below has stands for something else now.
func (v *View) allRenamed(ctx context.Context) bool {
	lister, ok := v.below.(TagLister)
	if !ok {
		return false
	}
	tags, err := lister.Tags(ctx)
	v.mu.RLock()
	defer v.mu.RUnlock()
	return err == nil && len(tags) > 0 && !slices.ContainsFunc(tags, func(tag string) bool {
		_, renamed := v.names[tag]
		return !renamed
	})
}

// Resolve implements Resolver.
func (v *View) Resolve(ctx context.Context, name string) (Descriptor, error) {
	return v.ResolveBy(ctx, name, v.below.Resolve)
}

// ResolveDigest implements DigestResolver.
func (v *View) ResolveDigest(ctx context.Context, name string) (digest.Digest, error) {
	desc, err := v.ResolveBy(ctx, name, func(ctx context.Context, name string) (Descriptor, error) {
		dgst, err := ResolveDigest(ctx, v.below, name)
		return Descriptor{Digest: dgst}, err
	})
	return desc.Digest, err
}

// Manifest implements ManifestReader.
func (v *View) Manifest(ctx context.Context, name string) (Descriptor, []byte, error) {
	var read []byte
	desc, err := v.ResolveBy(ctx, name, func(ctx context.Context, name string) (desc Descriptor, err error) {
		desc, read, err = ReadDocument(ctx, v.below, name)
		return desc, err
	})
	if err != nil {
		return Descriptor{}, nil, err
	}
	if doc, known, _ := v.find(desc.Digest.String()); known {
		return doc.desc, bytes.Clone(doc.data), nil
	}
	return desc, read, nil
}

// Tag implements Tagger. What only the repository below has is read, to be named without being copied.
func (v *View) Tag(ctx context.Context, desc Descriptor, name string) error {
	if _, known, err := v.find(desc.Digest.String()); err != nil || !known {
		if err != nil {
			return err
		}
		data, err := ReadAll(ctx, v.below, desc)
		if err != nil {
			return err
		}
		v.Put(desc, data)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	v.Name(name, desc.Digest)
	return nil
}

// Name gives a document that was pushed a name.
func (o *Overlay) Name(name string, dgst digest.Digest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.names == nil {
		o.names = map[string]digest.Digest{}
	}
	o.names[name] = dgst
}

// PushTagged implements TagPusher.
func (v *View) PushTagged(ctx context.Context, desc Descriptor, open Opener, tag string) error {
	if err := v.Push(ctx, desc, open); err != nil {
		return err
	}
	v.Name(tag, desc.Digest)
	return nil
}
