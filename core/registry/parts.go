package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

// sendParts sends what the session lacks of the blob by PATCH, in one part or in several, and ends the session.
func (u *upload) sendParts(ctx context.Context, whole content.Opener, way way) error {
	source := &cursor{open: whole}
	defer source.close()
	s := u.session
	for s.offset < u.desc.Size {
		n := u.desc.Size - s.offset
		if way == wayChunks {
			n = min(n, u.repo.host.intake.chunk(s.least))
		}
		if err := s.part(ctx, source.part(ctx, s.offset, n), n, u.desc.Size); err != nil {
			return u.partFailed(ctx, err, n)
		}
		if way == wayChunks {
			u.repo.host.intake.took(n)
		}
		u.best = max(u.best, s.offset)
	}
	err := s.finish(ctx, u.desc.Digest, nil, 0)
	if err == nil {
		if u.patch {
			u.repo.host.intake.patched()
		}
		return nil
	}
	if s.doubtful && sessionLost(err) {
		u.repo.host.intake.lostParts()
	}
	if saysTooBig(err) && u.tooBig(0) {
		err = &curable{err}
	}
	return u.lose(ctx, err)
}

// partFailed decides what becomes of the session after a PATCH of n bytes: it is asked for its offset where it may go on.
func (u *upload) partFailed(ctx context.Context, err error, n int64) error {
	switch {
	case saysTooBig(err) && u.tooBig(n):
		u.session.unsure = true
		return &curable{err}
	case u.patch && refusesStreams(err):
		u.patch = false
		u.drop(ctx)
		return &curable{err}
	case passing(err):
		u.session.unsure = true
		return err
	}
	return u.lose(ctx, err)
}

// part sends the next n bytes of a blob of size bytes.
func (s *session) part(ctx context.Context, open content.Opener, n, size int64) error {
	req := s.request(http.MethodPatch, s.url)
	req.header.Set("Content-Type", content.OctetStream)
	if n < size {
		req.header.Set("Content-Range", fmt.Sprintf("%d-%d", s.offset, s.offset+n-1))
	}
	req.open, req.size = open, n
	s.sent = max(s.sent, s.offset+n)
	resp, err := s.repo.client.send(ctx, req)
	if err != nil {
		return err
	}
	discard(resp)
	if err := s.moved(resp, false); err != nil {
		return err
	}
	return s.advance(ctx, s.offset+n, resp.Header.Get("Range"))
}

// advance takes the offset up to which the registry has the blob from an answer; ours says up to where we sent it. A Range that is missing or
// off by one (zot) is no news. Where it is something else the registry is asked; one that stands still although the part was
// acknowledged (ECR, aws/containers-roadmap#2831) is not believed, and the digest decides in the end.
func (s *session) advance(ctx context.Context, ours int64, header string) error {
	before := s.offset
	s.offset = ours
	theirs, ok := parseRange(header)
	if !ok || near(theirs, ours) {
		return nil
	}
	theirs, ok = s.status(ctx)
	switch {
	case !ok:
		return &curable{s.request(http.MethodPatch, s.url).failed(errors.New("the registry does not say how much it has"))}
	case near(theirs, ours):
	case before < theirs && theirs < ours:
		s.offset = theirs
	default:
		s.doubtful = true
	}
	return nil
}

func near(a, b int64) bool { return b-1 <= a && a <= b+1 }

// status asks for the offset of the session (distribution-spec, "Pushing a blob in chunks"). Only a 204 is an answer.
func (s *session) status(ctx context.Context) (int64, bool) {
	resp, err := s.repo.client.send(ctx, s.request(http.MethodGet, s.url))
	if err != nil {
		return 0, false
	}
	discard(resp)
	if resp.StatusCode != http.StatusNoContent || s.moved(resp, false) != nil {
		return 0, false
	}
	return parseRange(resp.Header.Get("Range"))
}

// resume finds out where to go on after a request broke off. It is false when the session can't: several registries have lost it
// (docker-registry 2.8 answers 404, ACR too).
func (s *session) resume(ctx context.Context) bool {
	offset, ok := s.status(ctx)
	if !ok || offset > s.sent {
		return false
	}
	if !near(offset, s.offset) { // what was acknowledged is surer than a Range that is off by one
		s.offset = offset
	}
	s.unsure = false
	return true
}

// parseRange returns how many bytes a Range header of an upload speaks of: "0-1023" are 1024. "0-0" is what registries say of none, and can't be told
// from one byte; olareg says "0--1".
func parseRange(header string) (int64, bool) {
	header = strings.TrimPrefix(strings.TrimSpace(header), "bytes=")
	first, last, ok := strings.Cut(header, "-")
	end, err := strconv.ParseInt(last, 10, 64)
	if !ok || first != "0" || err != nil || end < -1 || end >= 1<<62 {
		return 0, false
	}
	if end <= 0 {
		return 0, true
	}
	return end + 1, true
}
