package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
)

// Repository is one repository of a registry. It is a [content.Repository] and has every optional ability of that package but Ingester.
// Each is safe for concurrent use.
type Repository struct {
	client *Client
	host   *host
	name   string
	direct bool // mirrors are left out
}

var _ interface {
	content.Repository
	content.Mounter
	content.Locator
	content.Streamer
	content.TagPusher
	content.ManifestReader
	content.TagLister
	content.ReferrerLister
	content.ReferrerKeeper
} = (*Repository)(nil)

// Location names the repository as "host/name".
func (r *Repository) Location() string { return r.host.name + "/" + r.name }

// Direct returns the repository without its mirrors. Whoever writes reads from it: that a mirror has something does not mean that the registry has it. A
// client that has pushed or deleted a manifest of a repository leaves its mirrors out by itself from then on.
func (r *Repository) Direct() *Repository {
	d := *r
	d.direct = true
	return &d
}

// Sources implements content.Locator: whatever is read from here can be mounted from here.
func (r *Repository) Sources(content.Descriptor) []string { return []string{r.Location()} }

// Fetch implements content.Fetcher: the document or blob desc, verified. A blob that is cut off is read on from where it was; a small
// one is read, checked and if need be read again before Fetch returns. ctx rules the reader too.
func (r *Repository) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if _, err := content.ParseDigest(desc.Digest.String()); err != nil {
		return nil, err
	}
	if !content.IsDocument(desc.MediaType) {
		return r.fetchBlob(ctx, desc)
	}
	data, ok := r.client.docs.get(r.Location(), desc.Digest)
	if !ok {
		got, read, err := r.getManifest(ctx, desc.Digest.String(), desc.Size)
		if err != nil {
			return nil, err
		}
		r.client.docs.put(r.Location(), got, read)
		data = read
	}
	return content.Verify(io.NopCloser(bytes.NewReader(data)), desc)
}

// Exists implements content.Store. An answer that does not say whether the content is there is an error.
func (r *Repository) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	if _, err := content.ParseDigest(desc.Digest.String()); err != nil {
		return false, err
	}
	stat := func() (content.Descriptor, error) { return r.StatBlob(ctx, desc.Digest) }
	if content.IsDocument(desc.MediaType) {
		stat = func() (content.Descriptor, error) { return r.Head(ctx, desc.Digest.String()) }
	}
	got, err := stat()
	if errors.Is(err, content.ErrNotFound) {
		return false, nil
	}
	return err == nil && (desc.Size < 0 || got.Size == desc.Size), err
}

// Push implements content.Pusher: a document becomes a manifest, anything else a blob, which is sent even if it is there (Mount
// asks first).
func (r *Repository) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	if content.IsDocument(desc.MediaType) {
		return r.pushDocument(ctx, desc, open, desc.Digest.String())
	}
	u, err := r.upload(desc, open)
	if err != nil {
		return err
	}
	ctx, done := withLate(ctx)
	defer done()
	return u.send(ctx)
}

// Resolve implements content.Resolver. It reads the document, which whoever resolves reads next, and which is then at hand: the size that an answer to HEAD has is
// not always true (Harbor), and what is copied is held to its size.
func (r *Repository) Resolve(ctx context.Context, name string) (content.Descriptor, error) {
	desc, _, err := r.Manifest(ctx, name)
	return desc, err
}

// ResolveDigest implements content.DigestResolver, by a HEAD.
func (r *Repository) ResolveDigest(ctx context.Context, name string) (digest.Digest, error) {
	desc, err := r.Head(ctx, name)
	return desc.Digest, err
}

// Tag implements content.Tagger. The bytes of what it names are those that this client read or pushed a moment ago, or are read now:
// registries can't copy a manifest to a tag themselves.
func (r *Repository) Tag(ctx context.Context, desc content.Descriptor, name string) error {
	if err := ValidTag(name); err != nil {
		return err
	}
	data, ok := r.client.docs.get(r.Location(), desc.Digest)
	if !ok {
		got, read, err := r.getManifest(ctx, desc.Digest.String(), desc.Size)
		if err != nil {
			return err
		}
		data, desc.MediaType = read, got.MediaType
	}
	_, _, err := r.putManifest(ctx, name, desc, data)
	return err
}

// PushTagged implements content.TagPusher: one request stores the document and names it.
func (r *Repository) PushTagged(ctx context.Context, desc content.Descriptor, open content.Opener, tag string) error {
	if err := ValidTag(tag); err != nil {
		return err
	}
	return r.pushDocument(ctx, desc, open, tag)
}

// pull and push are the scopes of reading and of writing. Asking whether something is there before writing it is part of writing: one
// token does for both.
func (r *Repository) pull() []auth.Scope { return r.scopes("pull") }
func (r *Repository) push() []auth.Scope { return r.scopes("pull,push") }

func (r *Repository) scopes(actions string) []auth.Scope {
	return []auth.Scope{{Repository: r.name, Actions: actions}}
}

// request returns a request for a path below /v2/NAME/.
func (r *Repository) request(op, subject, method, path string, scopes []auth.Scope) (*request, error) {
	if err := validName(r.name); err != nil {
		return nil, fmt.Errorf("%s %s: %w", op, printable(r.Location()), err)
	}
	return &request{
		op: op, subject: subject, host: r.host, repository: r.Location(), scopes: scopes, direct: r.direct,
		method: method, url: &url.URL{Host: r.host.addr, Path: "/v2/" + r.name + "/" + path}, header: http.Header{},
	}, nil
}

// sibling returns the name of a repository of this registry given as "host/name", or false for one of another registry.
func (r *Repository) sibling(location string) (string, bool) {
	host, name, ok := strings.Cut(location, "/")
	return name, ok && canonicalHost(host) == r.host.name && validName(name) == nil
}

// blobSubject is how errors name a blob.
func blobSubject(dgst digest.Digest) string { return "blob " + dgst.String() }
