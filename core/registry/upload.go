package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

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
