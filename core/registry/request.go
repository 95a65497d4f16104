package registry

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
)

// request is one call of the distribution spec, on its way through the senders. It is never changed once it is sent: a sender that
// needs another one makes a copy.
type request struct {
	op, subject string // for errors: "push", "blob sha256:…"
	host        *host
	repository  string // "host/name"

	method string
	url    *url.URL // without a scheme until the host's is known
	header http.Header
	open   content.Opener // the body, opened for every attempt; nil is none
	size   int64          // of the body; -1 is unknown and is sent in chunks
	scopes []auth.Scope   // what it needs; the first one matters most, since some servers read no other

	foreign  bool // to a URL from a document: without credentials, wherever it leads
	direct   bool // not to a mirror: what one sent was wrong, or the registry itself is what is asked about
	once     bool // not to be tried again by the retrier: its caller knows better what to do
	streamed bool // its answer is a blob, which takes as long as it takes and has a place among the transfers of its host
	slow     bool // the registry works on it (a final PUT hashes a whole blob): its answer may take longer
}

// with returns a copy of the request that goes to u.
func (r *request) with(u *url.URL) *request {
	c := *r
	c.url = u
	c.header = maps.Clone(r.header)
	return &c
}

// withHeader returns a copy of the request with a header set.
func (r *request) withHeader(key, value string) *request {
	c := r.with(r.url)
	if c.header == nil {
		c.header = http.Header{}
	}
	c.header.Set(key, value)
	return c
}

// A sender sends a request, as a http.RoundTripper does: an answer of any status is no error, unless the sender is one that makes
// errors of them. The caller closes the body of the answer, whose Request tells where it came from.
type sender interface {
	send(ctx context.Context, req *request) (*http.Response, error)
}

// sendTo passes a request through everything that stands between a repository and the wire.
func (c *Client) sendTo(ctx context.Context, req *request) (*http.Response, error) {
	return c.shared.chain(func(next sender) sender { return &authorizer{next: next, auth: c.auth, fresh: c.fresh} }).send(ctx, req)
}

// chain puts together what stands between a request and the wire, innermost first; authorize makes the sender that adds credentials.
func (s *shared) chain(authorize func(next sender) sender) sender {
	var chain sender = &wire{routes: s.routes, agent: s.opts.UserAgent, timeouts: s.opts.Timeouts, warn: s.warning, asks: s.asks}
	plain := chain
	chain = &redirector{next: chain}
	chain = &pacer{next: chain, now: s.opts.Now, sleep: s.opts.Sleep}
	chain = authorize(chain)
	chain = &schemer{next: chain, probe: plain}
	chain = &reporter{next: chain, now: s.opts.Now}
	return &retrier{next: chain, shared: s}
}

// schemer completes URLs that have no scheme yet.
type schemer struct{ next, probe sender }

func (s *schemer) send(ctx context.Context, req *request) (*http.Response, error) {
	if req.url.Scheme != "" {
		return s.next.send(ctx, req)
	}
	scheme, err := req.host.scheme(ctx, func(ctx context.Context, scheme string) error { return s.ping(ctx, req.host, scheme) })
	if err != nil {
		return nil, err
	}
	u := *req.url
	u.Scheme = scheme
	return s.next.send(ctx, req.with(&u))
}

// ping asks whether something answers. What it says does not matter, but for the 400 with which TLS servers meet a plain request.
func (s *schemer) ping(ctx context.Context, h *host, scheme string) error {
	resp, err := s.probe.send(ctx, &request{method: http.MethodGet, host: h, url: &url.URL{Scheme: scheme, Host: h.addr, Path: "/v2/"}})
	if err != nil {
		return err
	}
	discard(resp)
	if scheme == "http" && resp.StatusCode == http.StatusBadRequest {
		return errors.New("it answers 400 to plain HTTP")
	}
	return nil
}
