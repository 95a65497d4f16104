package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// PushPending implements content.Streamer: the blob is sent while it is being written, in one request of unknown length, and named
// by its digest at the end. When the registry refuses that (which is remembered) or anything else goes wrong on the way, the
// finished blob is sent as any other.
func (r *Repository) PushPending(ctx context.Context, mediaType string, p content.Pending) (content.Descriptor, error) {
	ctx, done := withLate(ctx)
	defer done()
	var s *session
	if !r.host.noStream.Load() {
		desc, begun, err := r.stream(ctx, p)
		if err == nil || begun == nil {
			desc.MediaType = mediaType
			return desc, err
		}
		s = begun
	}
	resumable := s != nil && s.unsure
	desc, err := p.Wait(ctx)
	if err != nil {
		if resumable {
			s.cancel(ctx)
		}
		return content.Descriptor{}, err
	}
	if !resumable {
		_, err = r.Mount(ctx, desc, nil, p.Open)
	} else {
		err = r.goOn(ctx, s, desc, p.Open)
	}
	desc.MediaType = mediaType
	return desc, err
}

// goOn sends what a session lacks of a blob.
func (r *Repository) goOn(ctx context.Context, s *session, desc content.Descriptor, open content.Opener) error {
	u, err := r.upload(desc, open)
	if err != nil {
		return err
	}
	s.subject = blobSubject(desc.Digest)
	u.session = s
	return u.send(ctx)
}

// stream is one attempt to send a blob that grows. It returns no session with its error if the registry opens none, which sending the
// blob in another way would not help. A session that broke off is unsure, any other was given back.
func (r *Repository) stream(ctx context.Context, p content.Pending) (desc content.Descriptor, s *session, err error) {
	s, err = r.startUpload(ctx, "blob", nil, r.push())
	if err != nil {
		return desc, nil, err
	}
	desc, err = s.stream(ctx, p)
	if err != nil && !s.unsure {
		s.cancel(ctx)
		if refusesStreams(err) {
			r.host.noStream.Store(true)
		}
	}
	return desc, s, err
}

func (s *session) stream(ctx context.Context, p content.Pending) (content.Descriptor, error) {
	place, err := takeSlot(ctx, s.repo.host.writes)
	if err != nil {
		return content.Descriptor{}, err
	}
	defer place.free()
	var sent *hashReader
	err = s.patch(ctx, place.source(func(ctx context.Context) (io.ReadCloser, error) {
		r, err := p.Open(ctx)
		if err != nil {
			return nil, err
		}
		sent = &hashReader{ReadCloser: r, hash: digest.Canonical.Digester()}
		return sent, nil
	}))
	place.free()
	if err != nil {
		if sent != nil && passing(err) && ctx.Err() == nil {
			s.sent, s.unsure = sent.n.Load(), true
		}
		return content.Descriptor{}, err
	}
	desc, err := sent.wait(ctx, p)
	if err != nil {
		return content.Descriptor{}, err
	}
	s.subject = blobSubject(desc.Digest)
	err = s.finish(ctx, desc.Digest, nil, 0)
	if err != nil && (&upload{repo: s.repo, desc: desc}).there(ctx) {
		err = nil // the answer was lost
	}
	return desc, err
}

// refusesStreams reports whether a registry said that it takes no body of unknown length, or not by PATCH: Google's take none, others want
// a length, or only small ones.
func refusesStreams(err error) bool {
	var e *Error
	return errors.As(err, &e) && !e.Has("NAME_UNKNOWN") && e.is(http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusLengthRequired,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusRequestedRangeNotSatisfiable, http.StatusNotImplemented)
}

// hashReader counts and hashes what is read.
type hashReader struct {
	io.ReadCloser
	hash digest.Digester
	n    atomic.Int64 // net/http may read on for a moment when the request has failed
}

func (h *hashReader) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.n.Add(int64(n))
	h.hash.Hash().Write(p[:n]) // a hash never fails
	return n, err
}

// wait returns the descriptor of the finished blob, which must be what was sent.
func (h *hashReader) wait(ctx context.Context, p content.Pending) (content.Descriptor, error) {
	sent := content.Descriptor{Digest: h.hash.Digest(), Size: h.n.Load()}
	if b, ok := p.(*unknownBlob); ok && b.algorithm() == digest.Canonical {
		return sent, b.check(sent)
	}
	desc, err := p.Wait(ctx)
	if err == nil && (desc.Size != sent.Size || desc.Digest.Algorithm() == digest.Canonical && desc.Digest != sent.Digest) {
		err = fmt.Errorf("push %s: %w: the stream had %d bytes of digest %s",
			blobSubject(desc.Digest), content.ErrVerification, sent.Size, sent.Digest)
	}
	return desc, err
}

// Upload sends a blob: in one request with its length when dgst and size are known, and as a stream otherwise (size -1 and dgst "" mean not
// known; what is known is checked). It doesn't ask whether the blob is there.
func (r *Repository) Upload(ctx context.Context, open content.Opener, size int64, dgst digest.Digest) (content.Descriptor, error) {
	if dgst != "" {
		if _, err := content.ParseDigest(dgst.String()); err != nil {
			return content.Descriptor{}, err
		}
	}
	if dgst == "" || size < 0 {
		return r.PushPending(ctx, content.OctetStream, &unknownBlob{open: open, size: size, digest: dgst, location: r.Location()})
	}
	desc := content.Descriptor{MediaType: content.OctetStream, Digest: dgst, Size: size}
	u, err := r.upload(desc, open)
	if err != nil {
		return content.Descriptor{}, err
	}
	ctx, done := withLate(ctx)
	defer done()
	return desc, u.send(ctx)
}

// unknownBlob is a blob whose digest or size must still be found out, as a Pending that is written already.
type unknownBlob struct {
	open     content.Opener
	size     int64         // -1 when not known
	digest   digest.Digest // "" when not known
	location string
}

// Open implements content.Pending.
func (b *unknownBlob) Open(ctx context.Context) (io.ReadCloser, error) { return b.open(ctx) }

// Wait implements content.Pending, by reading the blob.
func (b *unknownBlob) Wait(ctx context.Context) (content.Descriptor, error) {
	r, err := b.open(ctx)
	if err != nil {
		return content.Descriptor{}, err
	}
	defer r.Close()
	h := &hashReader{ReadCloser: r, hash: b.algorithm().Digester()}
	if _, err := io.Copy(io.Discard, h); err != nil {
		return content.Descriptor{}, err
	}
	desc := content.Descriptor{MediaType: content.OctetStream, Digest: h.hash.Digest(), Size: h.n.Load()}
	return desc, b.check(desc)
}

func (b *unknownBlob) algorithm() digest.Algorithm {
	if b.digest == "" {
		return digest.Canonical
	}
	return b.digest.Algorithm()
}

// check compares what the data are with what was promised of them.
func (b *unknownBlob) check(desc content.Descriptor) error {
	if b.size >= 0 && b.size != desc.Size || b.digest != "" && b.digest != desc.Digest {
		return fmt.Errorf("push %s: %w: the data has %d bytes of digest %s", b.location, content.ErrVerification, desc.Size, desc.Digest)
	}
	return nil
}
