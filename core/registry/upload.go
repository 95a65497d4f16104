package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
)

// upload brings one blob of known digest and size into a repository. Its states are: no session, a session, done. Every failure leads
// back to no session, by way of a look whether the blob is there after all: the answer may be all that was lost.
type upload struct {
	repo    *Repository
	desc    content.Descriptor
	open    content.Opener
	session *session // nil when there is none
}

func (r *Repository) upload(desc content.Descriptor, open content.Opener) (*upload, error) {
	if _, err := content.ParseDigest(desc.Digest.String()); err != nil {
		return nil, err
	}
	if desc.Size < 0 {
		return nil, fmt.Errorf("push %s: %s: %w size %d", r.Location(), blobSubject(desc.Digest), content.ErrInvalid, desc.Size)
	}
	return &upload{repo: r, desc: desc, open: open}, nil
}

// Mount implements content.Mounter. Where the blob may be mounted from, that is tried first, and a session that the registry opens
// instead is used; elsewhere the registry is asked whether it has the blob.
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
	names, here := r.siblings(from)
	if !here && u.mount(ctx, names) {
		return content.Mounted, nil
	}
	if u.worthAsking(len(names) > 0 && !here) && u.there(ctx) {
		u.drop(ctx)
		return content.Present, nil
	}
	return content.Uploaded, u.send(ctx)
}

// worthAsking reports whether to ask for the blob before it is sent. A registry that opened a session in place of a mount would
// mostly have mounted what it has; so only blobs that are dear to send are asked for then, and only while mounts never worked there.
func (u *upload) worthAsking(triedMount bool) bool {
	return !triedMount || u.desc.Size > smallBlob && !u.repo.host.mounts.Load()
}

// there reports whether the repository has the blob for certain. Anything but a clear yes means that it has to be sent.
func (u *upload) there(ctx context.Context) bool {
	r := u.repo
	req, err := r.request("push", blobSubject(u.desc.Digest), http.MethodHead, "blobs/"+u.desc.Digest.String(), r.push())
	if err != nil {
		return false
	}
	req.header.Set("Accept-Encoding", "identity")
	req.once = u.desc.Size <= smallBlob // rather sent in vain than waited for
	resp, err := r.client.send(ctx, req)
	if err != nil {
		return false
	}
	discard(resp)
	return resp.StatusCode == http.StatusOK && resp.ContentLength == u.desc.Size
}

// send brings the blob there.
func (u *upload) send(ctx context.Context) error {
	return u.repo.client.again(ctx, func(try int) (_ bool, err error) {
		if try > 1 && u.there(ctx) {
			return true, nil
		}
		if u.session == nil {
			u.session, err = u.repo.startUpload(ctx, blobSubject(u.desc.Digest), nil, u.repo.push())
			if err != nil {
				return true, err
			}
		}
		err = u.put(ctx)
		if errors.As(err, new(*lostSession)) {
			u.session = nil
		} else if err != nil {
			u.drop(ctx)
		}
		return false, err
	})
}

// put sends the whole blob in the request that ends the session. Only this takes a place among the host's transfers: questions and
// answers without bodies would waste it, on a far registry for most of the time.
func (u *upload) put(ctx context.Context) error {
	place, err := takeSlot(ctx, u.repo.host.writes)
	if err != nil {
		return err
	}
	defer place.free()
	if u.desc.Size == 0 { // an empty body is not read by anybody
		if _, err := content.ReadOpener(ctx, u.open, u.desc); err != nil {
			return err
		}
	}
	whole := func(ctx context.Context) (io.ReadCloser, error) {
		r, err := u.open(ctx)
		if err != nil {
			return nil, err
		}
		return newWholeReader(r, u.desc)
	}
	err = u.session.finish(ctx, u.desc.Digest, place.source(whole), u.desc.Size)
	if sessionLost(err) {
		return &lostSession{err}
	}
	return err
}

// drop forgets the session, here and there.
func (u *upload) drop(ctx context.Context) {
	u.session.cancel(ctx)
	u.session = nil
}

// sessionLost reports whether an answer to a PUT speaks of the session and not of the blob: ACR can't go on after a reset (404
// BLOB_UPLOAD_INVALID), distribution answers 416 to a second PUT, several nodes behind one name forget. Bytes that were changed on
// their way are worth another try too, since ours are checked as they leave.
func sessionLost(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Has("NAME_UNKNOWN") {
		return false
	}
	return e.is(http.StatusNotFound, http.StatusRequestedRangeNotSatisfiable) ||
		e.is(http.StatusBadRequest) && e.Has("BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "SIZE_INVALID")
}

// lostSession marks an error that a new session may cure.
type lostSession struct{ err error }

func (e *lostSession) Error() string { return e.err.Error() }
func (e *lostSession) Unwrap() error { return e.err }

// wholeReader reads a blob that is to be sent and gives its last bytes away only when all of them are right: a request with a wrong body
// breaks off before the registry could take it for complete.
type wholeReader struct {
	io.ReadCloser // verifies
	left          int64
}

func newWholeReader(r io.ReadCloser, desc content.Descriptor) (io.ReadCloser, error) {
	verified, err := content.Verify(r, desc)
	if err != nil {
		return nil, err
	}
	return &wholeReader{verified, desc.Size}, nil
}

func (w *wholeReader) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if w.left -= int64(n); w.left > 0 || err != nil {
		return n, err
	}
	if _, err = io.ReadFull(w.ReadCloser, make([]byte, 1)); err == nil {
		err = content.ErrVerification // not reached: the verifier ends what is too long
	}
	if err != io.EOF {
		return 0, err
	}
	return n, io.EOF
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

// startMount sends the request of a mount. It returns the session that the registry opened, or nil when the blob is there.
func (r *Repository) startMount(ctx context.Context, dgst digest.Digest, from string) (*session, error) {
	// The scope of the target comes first: some token servers read no other (harbor#2411).
	scopes := append(r.push(), auth.Scope{Repository: from, Actions: "pull"})
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
	var e *Error
	switch {
	case errors.As(err, &e) && !e.Has("NAME_UNKNOWN") && e.is(http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed):
		return false, nil // ways to say no
	case err != nil:
		return false, err
	}
	s.cancel(ctx)
	return s == nil, nil
}
