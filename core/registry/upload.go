package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"

	"github.com/imgscript/imgscript/core/content"
)

// upload brings one blob of known digest and size into a repository. Its states are: no session, a session of which the offset is known,
// one of which it must be asked for, done. A PATCH that breaks off leads to the third; every other failure leads back to no session, by
// way of a look whether the blob is there after all: the answer may be all that was lost.
type upload struct {
	repo    *Repository
	desc    content.Descriptor
	open    content.Opener
	session *session // nil when there is none

	patch  bool  // a PUT with a body was refused: try a PATCH
	crumb  bool  // next to nothing was called too big, which is believed only if it is said again
	resets int   // PUTs that broke off
	best   int64 // the highest offset that was ever acknowledged
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

// send brings the blob there. Tries are counted anew when there was progress.
func (u *upload) send(ctx context.Context) error {
	for try, best := 1, u.best; ; try++ {
		final, err := u.attempt(ctx, try)
		if err == nil || final {
			return err
		}
		if u.best > best {
			try, best = 1, u.best
		}
		if err := u.repo.client.shared.again(ctx, u.repo.host, try, err); err != nil {
			u.drop(ctx)
			return err
		}
	}
}

// attempt goes as far as it can. final means that its error was retried below already.
func (u *upload) attempt(ctx context.Context, try int) (final bool, err error) {
	if u.session != nil && u.session.unsure && !u.session.resume(ctx) {
		u.drop(ctx)
	}
	if try > 1 && u.session == nil && u.there(ctx) {
		return true, nil
	}
	if u.session == nil {
		u.session, err = u.repo.startUpload(ctx, blobSubject(u.desc.Digest), nil, u.repo.push())
		if err != nil {
			return true, err
		}
	}
	return false, u.transfer(ctx)
}

// transfer sends the blob, or what the session lacks of it. Only this takes a place among the host's transfers: questions and answers
// without bodies would waste it, on a far registry for most of the time.
func (u *upload) transfer(ctx context.Context) error {
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
	whole := place.source(func(ctx context.Context) (io.ReadCloser, error) {
		r, err := u.open(ctx)
		if err != nil {
			return nil, err
		}
		return newWholeReader(r, u.desc)
	})
	if way := u.way(); way != wayPut {
		return u.sendParts(ctx, whole, way)
	}
	return u.put(ctx, whole)
}

// way says how to send the blob, by what is known of the host and what was seen during this upload.
func (u *upload) way() way {
	way := u.repo.host.intake.way(u.desc.Size)
	switch {
	case way != wayPut || u.repo.host.intake.whole:
		return way
	case u.resets > 1 && u.desc.Size > firstChunk:
		return wayChunks // of which not all is lost when the next one breaks off
	case u.patch || u.session.offset > 0:
		return wayPatch
	}
	return wayPut
}

// put sends the whole blob in the request that ends the session.
func (u *upload) put(ctx context.Context, whole content.Opener) error {
	err := u.session.finish(ctx, u.desc.Digest, whole, u.desc.Size)
	switch {
	case err == nil:
		return nil
	case saysTooBig(err):
		if u.tooBig(u.desc.Size) {
			err = &curable{err}
		}
		u.drop(ctx)
		return err
	case refusesPut(err) && !u.repo.host.intake.whole:
		u.patch = true
		u.drop(ctx)
		return &curable{err}
	case isNetwork(err):
		u.resets++
	}
	return u.lose(ctx, err)
}

// tooBig notes that a body of n bytes was refused for its size, and reports whether to try again.
func (u *upload) tooBig(n int64) bool {
	if n <= leastChunk && !u.crumb {
		u.crumb = true
		return true
	}
	return u.repo.host.intake.tooBig(n)
}

// lose gives the session up after an error.
func (u *upload) lose(ctx context.Context, err error) error {
	if sessionLost(err) {
		u.session = nil
		return &curable{err}
	}
	u.drop(ctx)
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

// refusesPut reports whether a registry said that it takes no body with a PUT. Artifactory answered 404 BLOB_UNKNOWN where PATCH worked
// (docker/buildx#196); a 404 that names the session is another matter.
func refusesPut(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Has("NAME_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN") {
		return false
	}
	return e.is(http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusLengthRequired, http.StatusNotImplemented)
}

var sizeWords = regexp.MustCompile(`(?i)too (large|big|long)|exceed|maximum|limit`)

// saysTooBig reports whether a body was refused for its size: proxies say 413, some with HTML, and GHCR 416 with a text about it.
func saysTooBig(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.is(http.StatusRequestEntityTooLarge) ||
		e.is(http.StatusRequestedRangeNotSatisfiable) && sizeWords.MatchString(e.reason()))
}

// curable marks an error that a new session, or another way to send the blob, may cure.
type curable struct{ err error }

func (e *curable) Error() string { return e.err.Error() }
func (e *curable) Unwrap() error { return e.err }
