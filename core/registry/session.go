package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
)

// session is an upload that the registry has opened (distribution-spec, "Pushing blobs"). It is used by one goroutine.
type session struct {
	repo    *Repository
	subject string
	url     *url.URL // where to go on; every answer may change it

	offset   int64 // bytes that the registry has acknowledged
	sent     int64 // bytes that it may have
	least    int64 // bytes that each part but the last should have (OCI-Chunk-Min-Length); 0 is any
	unsure   bool  // a request broke off: offset must be asked for
	doubtful bool  // it acknowledged parts and did not count them
}

// startUpload opens an upload session. With a mount in the query the answer may be that the blob is there now: then there is no session.
func (r *Repository) startUpload(ctx context.Context, subject string, query url.Values, scopes []auth.Scope) (*session, error) {
	req, err := r.request("push", subject, http.MethodPost, "blobs/uploads/", scopes)
	if err != nil {
		return nil, err
	}
	req.url.RawQuery = query.Encode()
	var s *session
	req.once = true
	err = r.again(ctx, func(int) (bool, error) {
		s = nil
		resp, err := r.client.send(ctx, req)
		if err != nil {
			return false, err
		}
		discard(resp)
		if resp.StatusCode == http.StatusCreated && query.Has("mount") {
			return false, nil
		}
		least, _ := strconv.ParseInt(resp.Header.Get("OCI-Chunk-Min-Length"), 10, 64)
		s = &session{repo: r, subject: subject, least: max(least, 0)}
		return false, s.moved(resp, true)
	})
	return s, err
}

// moved takes the place where the upload goes on from an answer: relative or absolute, and to be kept whole, since its query may hold the
// registry's state. A missing one is a fault when a session starts (ECR was seen to do it), and means no change later.
func (s *session) moved(resp *http.Response, starting bool) error {
	location := resp.Header.Get("Location")
	if location == "" && !starting {
		return nil
	}
	req := &request{op: "push", repository: s.repo.Location(), subject: s.subject, method: resp.Request.Method, url: resp.Request.URL}
	if location == "" {
		return req.failed(&networkError{errors.New("the registry opened an upload and did not say where")})
	}
	to, err := followAnswer(resp, location, "upload")
	if err != nil {
		return req.failed(err)
	}
	s.url = to
	return nil
}

func (s *session) request(method string, u *url.URL) *request {
	return &request{
		op: "push", subject: s.subject, host: s.repo.host, repository: s.repo.Location(), scopes: s.repo.push(),
		method: method, url: u, header: http.Header{}, once: true,
	}
}

// patch sends a body of unknown length in one request.
func (s *session) patch(ctx context.Context, open content.Opener) error {
	req := s.request(http.MethodPatch, s.url)
	req.header.Set("Content-Type", content.OctetStream)
	req.open, req.size = open, -1
	resp, err := s.repo.client.send(ctx, req)
	if err != nil {
		return err
	}
	discard(resp)
	return s.moved(resp, false)
}

// finish ends the session with the digest of the blob. body is the whole blob, or nil when it was sent before.
func (s *session) finish(ctx context.Context, dgst digest.Digest, body content.Opener, size int64) error {
	u := *s.url
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "digest=" + url.QueryEscape(dgst.String())
	req := s.request(http.MethodPut, &u)
	req.header.Set("Content-Type", content.OctetStream)
	req.open, req.size, req.slow = body, size, true
	if body == nil {
		req.open, req.size = content.FromBytes(nil), 0
	}
	resp, err := s.repo.client.send(ctx, req)
	if err != nil {
		return err
	}
	discard(resp)
	return nil
}

// cancelWithin bounds the tidying up that a cancelled run still waits for.
const cancelWithin = 500 * time.Millisecond

// cancel asks the registry to forget the session. It is a courtesy that nothing depends on: some registries don't know it (GHCR answers
// 405), and it is done even when ctx has ended.
func (s *session) cancel(ctx context.Context) {
	if s == nil || s.url == nil {
		return
	}
	late, ok := ctx.Value(lateKey{}).(context.Context)
	if !ok {
		late = context.WithoutCancel(ctx)
	}
	late, stop := context.WithTimeout(late, cancelWithin)
	defer stop()
	if resp, err := s.repo.client.send(late, s.request(http.MethodDelete, s.url)); err == nil {
		discard(resp)
	}
}

// lateKey is the context key of the context for what has to be tidied up after the end of a context.
type lateKey struct{}

// withLate returns a context for one upload: all sessions that it gives back after the end of ctx share cancelWithin.
func withLate(ctx context.Context) (_ context.Context, done func()) {
	if ctx.Value(lateKey{}) != nil {
		return ctx, func() {}
	}
	late, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		select {
		case <-time.After(cancelWithin):
			end()
		case <-late.Done():
		}
	})
	return context.WithValue(ctx, lateKey{}, late), func() {
		end()
		if !stop() {
			<-ended
		}
	}
}
