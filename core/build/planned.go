package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/cache"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layout"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/transport"
)

// planning is what a run with Options.Plan has in the place of effects: for each repository an overlay that all that is opened there reads and writes, and the
// writes so far. Everything in a run that could write opens its repositories here; that nothing else is sent, the registry client sees to, which is one that
// only reads. nil is that of a run that writes.
type planning struct {
	cache   *cache.Cache
	mayRead func(address string) error // a URL that a document names

	mu       sync.Mutex
	overlays map[string]*content.Overlay // by location
	anew     map[string]bool             // locations of what begins empty when it is written, and would be
	writes   []plannedWrite
}

// overlay is that of the repository at a location.
func (p *planning) overlay(location string) *content.Overlay {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.overlays == nil {
		p.overlays = map[string]*content.Overlay{}
	}
	o, ok := p.overlays[location]
	if !ok {
		o = &content.Overlay{}
		p.overlays[location] = o
	}
	return o
}

// registry is the view of a repository of a registry; direct leaves its mirrors out.
func (p *planning) registry(client *registry.Client, host, name string, direct bool) *plannedRepository {
	repo := client.Repository(host, name)
	if direct {
		repo = repo.Direct()
	}
	return &plannedRepository{p.overlay(repo.Location()).Over(repo), p, client, repo}
}

// local is the view of a layout, or the like, that was opened for reading. A layout that is to be written must be one that can be; all else begins empty then.
func (p *planning) local(ctx context.Context, location string, repo content.Repository, write bool) (content.Repository, error) {
	l, isLayout := repo.(*layout.Layout)
	switch {
	case isLayout && write:
		if err := l.Writable(ctx); err != nil {
			return nil, err
		}
	case !isLayout && p.beginsEmpty(location, write):
		repo = new(content.Memory)
	}
	return p.overlay(location).Over(repo), nil
}

// beginsEmpty reports whether something, an archive or a daemon, is written in this plan, so that what it holds now is no more read.
func (p *planning) beginsEmpty(location string, write bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.anew == nil {
		p.anew = map[string]bool{}
	}
	p.anew[location] = p.anew[location] || write
	return p.anew[location]
}

// remote is a repository of a registry, as a client speaks to it: one that is there or, in a plan, one as it would be.
type remote interface {
	content.Fetcher
	content.Locator
	content.Mounter
	content.DigestResolver
	Head(ctx context.Context, ref string) (content.Descriptor, error)
	Manifest(ctx context.Context, ref string) (content.Descriptor, []byte, error)
	Tags(ctx context.Context) ([]string, error)
	Referrers(ctx context.Context, dgst digest.Digest, artifactType string) ([]content.Descriptor, error)
	StatBlob(ctx context.Context, dgst digest.Digest) (content.Descriptor, error)
	PutManifest(ctx context.Context, ref, mediaType string, data []byte) (content.Descriptor, int, error)
	Delete(ctx context.Context, ref string) error
	Upload(ctx context.Context, open content.Opener, size int64, dgst digest.Digest) (content.Descriptor, error)
	MountFrom(ctx context.Context, dgst digest.Digest, from string) (bool, error)
}

var (
	_ remote             = (*registry.Repository)(nil)
	_ remote             = (*plannedRepository)(nil)
	_ content.Repository = (*plannedRepository)(nil)
	_ newcomer           = (*plannedRepository)(nil)
)

// remote is the repository of a registry that a reference names; direct leaves its mirrors out.
func (a *access) remote(ref transport.Reference, direct bool) remote {
	if a.run.plan != nil {
		return a.run.plan.registry(a.client, ref.Host, ref.Repository, direct)
	}
	repo := a.client.Repository(ref.Host, ref.Repository)
	if direct {
		repo = repo.Direct()
	}
	return repo
}

// openPlanned is open for a run that only plans.
func (a *access) openPlanned(ctx context.Context, ref transport.Reference, write bool, opts *transport.Options) (content.Repository, error) {
	if ref.Transport == transport.Docker {
		return a.run.plan.registry(a.client, ref.Host, ref.Repository, write), context.Cause(ctx)
	}
	opts.Write = false
	repo, err := transport.Open(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	planned, err := a.run.plan.local(ctx, a.run.locationOf(ref), repo, write)
	if view, ok := planned.(*content.View); ok && ofDocker(ref) {
		return &plannedImages{view, a.run.plan.overlay(a.run.storeOf(ref)).Over(new(content.Memory)), repo}, err
	}
	return planned, err
}

// plannedImages are the images of one name in a docker archive or a daemon, as they would be: their blobs are those of all images there.
type plannedImages struct {
	*content.View
	all   *content.View
	there content.Repository // what there is now
}

// MadeUp implements madeUp.
func (p *plannedImages) MadeUp(manifest digest.Digest) bool { return isMadeUp(p.there, manifest) }

// Fetch implements content.Fetcher.
func (p *plannedImages) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if _, ok := p.all.Holds(desc.Digest); ok && !content.IsDocument(desc.MediaType) {
		return p.all.Fetch(ctx, desc)
	}
	return p.View.Fetch(ctx, desc)
}

// Exists implements content.Store.
func (p *plannedImages) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	if _, ok := p.all.Holds(desc.Digest); ok && !content.IsDocument(desc.MediaType) {
		return p.all.Exists(ctx, desc)
	}
	return p.View.Exists(ctx, desc)
}

// Push implements content.Pusher.
func (p *plannedImages) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	if content.IsDocument(desc.MediaType) {
		return p.View.Push(ctx, desc, open)
	}
	return p.all.Push(ctx, desc, open)
}

// plannedRepository is a repository of a registry as it would be. It has the abilities of one, but for streaming: it waits until a layer is finished, and can
// then say whether it is there.
type plannedRepository struct {
	*content.View
	plan   *planning
	client *registry.Client
	repo   *registry.Repository
}

// Location implements content.Mounter.
func (p *plannedRepository) Location() string { return p.repo.Location() }

// Sources implements content.Locator.
func (p *plannedRepository) Sources(desc content.Descriptor) []string { return p.repo.Sources(desc) }

// IsNew implements newcomer.
func (p *plannedRepository) IsNew(ctx context.Context) bool {
	return !p.HasDocuments() && p.repo.IsNew(ctx)
}

// Mount implements content.Mounter. That the registry links a blob from another repository is taken for granted.
func (p *plannedRepository) Mount(ctx context.Context, desc content.Descriptor, from []string, open content.Opener) (content.Transfer, error) {
	if content.IsDocument(desc.MediaType) {
		if there, err := p.Exists(ctx, desc); err == nil && there {
			return content.Present, nil
		}
		return content.Uploaded, p.Push(ctx, desc, open)
	}
	if content.IsForeign(desc) {
		from = p.having(ctx, desc, from)
	}
	if size, ok := p.Holds(desc.Digest); ok && (size == desc.Size || size < 0) && !p.repo.MountsFrom(from) {
		return content.Present, context.Cause(ctx)
	}
	how, err := p.repo.Foresee(ctx, desc, from)
	if err != nil || how == content.Present {
		return how, err
	}
	if content.IsForeign(desc) && len(from) == 0 {
		if err := p.plan.mayReadOne(desc); err != nil {
			return how, err
		}
	}
	return how, p.Push(ctx, desc, open)
}

// having returns the locations that a foreign layer is at for certain: nobody has to copy it to where its manifest is.
func (p *plannedRepository) having(ctx context.Context, desc content.Descriptor, locations []string) []string {
	var have []string
	for _, location := range locations {
		if there, err := p.neighbour(location).Exists(ctx, desc); err == nil && there {
			have = append(have, location)
		}
	}
	return have
}

// mayReadOne asks the policy whether a foreign layer that is in no repository could be read from one of its URLs.
func (p *planning) mayReadOne(desc content.Descriptor) error {
	var refused error
	for _, address := range desc.URLs {
		if refused = p.mayRead(address); refused == nil {
			return nil
		}
	}
	if refused != nil {
		return fmt.Errorf("foreign layer %s: %w", desc.Digest, refused)
	}
	return nil
}

// neighbour is the view of another repository, "host/name".
func (p *plannedRepository) neighbour(location string) *plannedRepository {
	host, name, _ := strings.Cut(location, "/")
	return p.plan.registry(p.client, host, name, false)
}

// Head is what a registry's repository has under that name.
func (p *plannedRepository) Head(ctx context.Context, ref string) (content.Descriptor, error) {
	return p.ResolveBy(ctx, ref, p.repo.Head)
}

// StatBlob is what a registry's repository has under that name.
func (p *plannedRepository) StatBlob(ctx context.Context, dgst digest.Digest) (content.Descriptor, error) {
	if size, ok := p.Holds(dgst); ok {
		return content.Descriptor{MediaType: content.OctetStream, Digest: dgst, Size: size}, context.Cause(ctx)
	}
	return p.repo.StatBlob(ctx, dgst)
}

// PutManifest is what a registry's repository has under that name.
func (p *plannedRepository) PutManifest(ctx context.Context, ref, mediaType string, data []byte) (content.Descriptor, int, error) {
	desc := content.Of(mediaType, data)
	_, notDigest := content.ParseDigest(ref)
	switch {
	case len(data) > content.MaxDocument:
		return content.Descriptor{}, 0, fmt.Errorf("push %s: %w manifest: %d bytes are more than the limit of %d", p.Location(), content.ErrInvalid,
			len(data), content.MaxDocument)
	case ref != "" && notDigest == nil:
		desc.Digest = digest.Digest(ref)
		if err := content.CheckBytes(desc, data); err != nil {
			return content.Descriptor{}, 0, err
		}
	case ref != "":
		if err := registry.ValidTag(ref); err != nil {
			return content.Descriptor{}, 0, fmt.Errorf("push %s: %w", p.Location(), err)
		}
	}
	p.Put(desc, data)
	if ref != "" && notDigest != nil {
		p.Name(ref, desc.Digest)
	}
	return desc, http.StatusCreated, context.Cause(ctx)
}

// Delete is what a registry's repository has under that name.
func (p *plannedRepository) Delete(ctx context.Context, ref string) error {
	_, err := p.View.Delete(ctx, ref)
	return err
}

// Upload is what a registry's repository has under that name. What is not known of a blob is found out on its way into the cache; of one that is known nothing is
// read.
func (p *plannedRepository) Upload(ctx context.Context, open content.Opener, size int64, dgst digest.Digest) (content.Descriptor, error) {
	desc := content.Descriptor{MediaType: content.OctetStream, Digest: dgst, Size: size}
	if dgst != "" && size >= 0 {
		return desc, p.Push(ctx, desc, open)
	}
	stored, err := p.ingest(ctx, open, desc)
	if err != nil {
		return content.Descriptor{}, err
	}
	desc.Size = stored.Size
	if dgst == "" {
		desc.Digest = stored.Digest
	}
	return desc, p.Push(ctx, desc, content.FromFetcher(p.plan.cache, stored))
}

// ingest brings a blob of which something is not known into the cache, and holds it to what is.
func (p *plannedRepository) ingest(ctx context.Context, open content.Opener, want content.Descriptor) (content.Descriptor, error) {
	stored, err := p.plan.cache.Ingest(ctx, want.MediaType, func(w io.Writer) error {
		r, err := open(ctx)
		if err == nil && want.Digest != "" {
			r, err = content.Verify(r, want)
		}
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
	if err == nil && want.Size >= 0 && stored.Size != want.Size {
		err = fmt.Errorf("%w: the data has %d bytes of digest %s", content.ErrVerification, stored.Size, stored.Digest)
	}
	if err != nil {
		return content.Descriptor{}, fmt.Errorf("push %s: %w", p.Location(), err)
	}
	return stored, nil
}

// KeepReferrers implements content.ReferrerKeeper. Where the registry doesn't list them, it is a tag that would move.
func (p *plannedRepository) KeepReferrers(ctx context.Context, subject digest.Digest, referrers []content.Descriptor) error {
	tag, index, err := p.referrersIndex(ctx, subject, referrers)
	if err != nil {
		return err
	}
	if tag != "" {
		desc := content.Of(content.OCIIndex, index)
		p.Put(desc, index)
		p.Name(tag, desc.Digest)
	}
	return p.View.KeepReferrers(ctx, subject, referrers)
}

// referrersIndex is the index that a client would write because the registry does not list the referrers of a manifest, and its tag; "" when there is none to
// write.
func (p *plannedRepository) referrersIndex(ctx context.Context, subject digest.Digest, referrers []content.Descriptor) (tag string, index []byte, err error) {
	if lists, err := p.repo.ListsReferrers(ctx, subject); lists || err != nil {
		return "", nil, err
	}
	tag = registry.ReferrersTag(subject)
	_, known, err := p.Manifest(ctx, tag)
	if err != nil && !errors.Is(err, content.ErrNotFound) {
		return "", nil, err
	}
	if index, err = registry.GrowReferrers(known, referrers); err != nil || bytes.Equal(index, known) {
		return "", nil, err
	}
	return tag, index, nil
}

// MountFrom is what a registry's repository has under that name. It is taken for granted, unless the blob is surely not there.
func (p *plannedRepository) MountFrom(ctx context.Context, dgst digest.Digest, from string) (bool, error) {
	host, _, _ := strings.Cut(p.Location(), "/")
	if !strings.HasPrefix(from, host+"/") {
		from = host + "/" + from
	}
	source := p.neighbour(from)
	desc, err := source.StatBlob(ctx, dgst)
	switch {
	case errors.Is(err, content.ErrNotFound):
		return false, nil
	case errors.Is(err, registry.ErrUnreachable), errors.Is(err, content.ErrInvalid), ctx.Err() != nil:
		return false, err
	}
	if err != nil {
		desc = content.Descriptor{MediaType: content.OctetStream, Digest: dgst, Size: -1}
	}
	p.Keep(desc, content.FromFetcher(source, desc))
	return true, nil
}
