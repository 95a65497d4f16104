package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
)

// Mount implements content.Mounter. Where the blob may be mounted from, that is tried first, and a session that the registry opens
// instead is used. A mount from this very repository asks whether the blob is here and opens a session if not, in one request; where
// mounts are not known to work, only small blobs are asked for so, since a registry without mounts would be sent what it has.
func (r *Repository) Mount(ctx context.Context, desc content.Descriptor, from []string, open content.Opener) (content.Transfer, error) {
	if content.IsDocument(desc.MediaType) {
		there, err := r.Exists(ctx, desc)
		if err == nil && there {
			return content.Present, nil
		}
		return content.Uploaded, r.Push(ctx, desc, open)
	}
	u, err := r.upload(desc, open)
	if err != nil {
		return content.Uploaded, err
	}
	ctx, done := withLate(ctx)
	defer done()
	names, here := r.siblings(from)
	if here {
		names = nil
	}
	if u.mount(ctx, names) {
		return content.Mounted, nil
	}
	if len(names) == 0 && u.cheapToAsk() && u.mount(ctx, []string{r.name}) {
		return content.Present, nil
	}
	if u.worthAsking() && u.there(ctx) {
		u.drop(ctx)
		return content.Present, nil
	}
	return content.Uploaded, u.send(ctx)
}

// cheapToAsk reports whether to ask for the blob by a mount from this repository.
func (u *upload) cheapToAsk() bool {
	h := u.repo.host
	return !h.noSelfMount.Load() && (u.small() || h.mounts.Load())
}

func (u *upload) small() bool { return u.desc.Size <= u.repo.client.shared.small }

// worthAsking reports whether to ask for the blob before it is sent. A registry that opened a session in place of a mount would
// mostly have mounted what it has; so only blobs that are dear to send are asked for then, and only while mounts never worked there. In a repository
// without tags there is nothing to ask for.
func (u *upload) worthAsking() bool {
	if u.repo.isFresh() {
		return false
	}
	return u.session == nil || !u.small() && !u.repo.host.mounts.Load()
}

// there reports whether the repository has the blob for certain. Anything but a clear yes means that it has to be sent.
func (u *upload) there(ctx context.Context) bool {
	yes, err := u.look(ctx, u.small()) // a small one is rather sent in vain than waited for
	return yes && err == nil
}

// look asks for the blob with the rights that sending it needs, perhaps only once.
func (u *upload) look(ctx context.Context, once bool) (bool, error) {
	r := u.repo
	req, err := r.request("push", blobSubject(u.desc.Digest), http.MethodHead, "blobs/"+u.desc.Digest.String(), r.push())
	if err != nil {
		return false, err
	}
	req.header.Set("Accept-Encoding", "identity")
	req.once = once
	resp, err := r.client.send(ctx, req)
	if err != nil {
		return false, err
	}
	discard(resp)
	return resp.StatusCode == http.StatusOK && resp.ContentLength == u.desc.Size, nil
}

// maxMounts is the number of repositories that a mount is tried from.
const maxMounts = 3

// siblings picks the repositories of this registry from locations. here is true when this repository is one of them.
func (r *Repository) siblings(locations []string) (names []string, here bool) {
	for _, location := range locations {
		name, ok := r.sibling(location)
		here = here || ok && name == r.name
		if ok && name != r.name && len(names) < maxMounts {
			names = append(names, name)
		}
	}
	return names, here
}

// mount asks for the blob to be mounted from one of the repositories. A registry that won't has mostly opened a session instead, which is
// kept; whatever else it answers is no reason to fail, since the blob can be sent.
func (u *upload) mount(ctx context.Context, names []string) bool {
	for _, name := range names {
		s, err := u.repo.startMount(ctx, u.desc.Digest, name)
		if err != nil {
			if name == u.repo.name && refusesMount(err) {
				u.repo.host.noSelfMount.Store(true)
			}
			continue
		}
		if s == nil {
			u.drop(ctx)
			u.repo.host.mounts.Store(true)
			return true
		}
		u.drop(ctx)
		u.session = s
	}
	return false
}

// refusesMount reports whether a registry has no mounts, or not where it does not find the blob: neither is worth another request.
func refusesMount(err error) bool {
	var e *Error
	return errors.As(err, &e) && !e.Has("NAME_UNKNOWN") && e.is(http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed)
}

// startMount sends the request of a mount. It returns the session that the registry opened, or nil when the blob is there.
func (r *Repository) startMount(ctx context.Context, dgst digest.Digest, from string) (*session, error) {
	scopes := r.push()
	if from != r.name { // the scope of the target comes first: some token servers read no other (harbor#2411)
		scopes = append(scopes, auth.Scope{Repository: from, Actions: "pull"})
	}
	return r.startUpload(ctx, blobSubject(dgst), url.Values{"mount": {dgst.String()}, "from": {from}}, scopes)
}

// MountFrom asks for a blob to be mounted from the repository from ("name", or "host/name" of this registry) and reports whether it was. A
// registry that opens an upload instead, or does not know the blob there, has not; the upload is cancelled.
func (r *Repository) MountFrom(ctx context.Context, dgst digest.Digest, from string) (bool, error) {
	if _, err := content.ParseDigest(dgst.String()); err != nil {
		return false, err
	}
	if name, ok := r.sibling(from); ok {
		from = name
	}
	if err := validName(from); err != nil {
		return false, fmt.Errorf("mount into %s: %w", r.Location(), err)
	}
	s, err := r.startMount(ctx, dgst, from)
	if err != nil {
		if refusesMount(err) {
			err = nil // ways to say no
		}
		return false, err
	}
	s.cancel(ctx)
	return s == nil, nil
}
