package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// mirror is a place where the repositories of a host can be read too.
type mirror struct {
	host   *host
	prefix string // of their names there: "hub/", or ""
}

// mirror returns the mirror that a configuration calls "host[:port][/prefix]".
func (s *shared) mirror(place string) mirror {
	name, prefix, _ := strings.Cut(place, "/")
	if prefix != "" {
		prefix += "/"
	}
	return mirror{s.host(name), prefix}
}

// send sends a request to the mirrors of its host, if it may, and then to the host. What the mirrors said against it is a part of the error.
func (c *Client) send(ctx context.Context, req *request) (*http.Response, error) {
	if c.readOnly && req.method != http.MethodGet && req.method != http.MethodHead {
		return nil, req.failed(fmt.Errorf("%w: this client only reads", content.ErrUnsupported))
	}
	if !req.mirrored() || c.shared.wrote.has(req.repository) {
		return c.sendTo(ctx, req)
	}
	var failures []error
	for _, place := range req.host.opts.Mirrors {
		resp, err := c.ask(ctx, req, c.shared.mirror(place))
		if err == nil {
			return resp, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		failures = append(failures, err)
	}
	resp, err := c.sendTo(ctx, req)
	var e *Error
	if errors.As(err, &e) {
		e.Mirrors = failures
	}
	return resp, err
}

// mirrored reports whether a mirror may answer: what is read can be checked, or is what the registry's tags were a moment ago.
func (r *request) mirrored() bool {
	return r.op == "read" && !r.direct && !r.foreign && r.url.Scheme == "" && len(r.host.opts.Mirrors) > 0
}

// ask sends a request to a mirror, once and with little patience. One that fails on the way, and not by saying no, is left alone for a while, so
// that not every request of a run waits for it.
func (c *Client) ask(ctx context.Context, req *request, m mirror) (*http.Response, error) {
	s := c.shared
	if err := m.host.rest.reason(s.opts.Now()); err != nil {
		return nil, err
	}
	var place *slot
	if req.streamed {
		var err error
		if place, err = takeSlot(ctx, m.host.reads); err != nil {
			return nil, err
		}
	}
	resp, err := c.sendTo(withPatience(ctx, s.opts.Timeouts.Mirror), req.to(m))
	if err != nil {
		place.free()
		var e *Error
		said := errors.As(err, &e) && e.Status != 0 && !passingStatus(e.Status) || errors.Is(err, ErrDenied)
		if !said && ctx.Err() == nil {
			m.host.rest.begin(s.opts.Now(), err)
		}
		return nil, err
	}
	if place != nil {
		place.wait() // for the caller, who may never read it
	}
	resp.Body = &mirrorBody{resp.Body, m.host, s.opts.Now, place, ctx}
	return resp, nil
}

// to returns a copy of the request for a mirror. The next one, or the registry itself, is the next try.
func (r *request) to(m mirror) *request {
	u := *r.url
	u.Host = m.host.addr
	u.Path = "/v2/" + m.prefix + strings.TrimPrefix(u.Path, "/v2/")
	c := r.with(&u)
	c.host, c.once = m.host, true
	_, name, _ := strings.Cut(r.repository, "/")
	c.repository = m.host.name + "/" + m.prefix + name
	c.scopes = slices.Clone(r.scopes)
	for i := range c.scopes {
		c.scopes[i].Repository = m.prefix + c.scopes[i].Repository
	}
	return c
}

// mirrorBody is the body of an answer that a mirror gave.
type mirrorBody struct {
	io.ReadCloser
	mirror *host
	now    func() time.Time
	place  *slot           // among the transfers of the mirror; nil for what is none
	ctx    context.Context // of the request
}

// Read implements io.Reader. The place at the mirror comes after the one at the registry and is lent like that.
func (b *mirrorBody) Read(p []byte) (int, error) {
	if b.place == nil {
		return b.ReadCloser.Read(p)
	}
	if err := b.place.move(b.ctx); err != nil {
		return 0, err
	}
	defer b.place.wait()
	return b.ReadCloser.Read(p)
}

// Close implements io.Closer.
func (b *mirrorBody) Close() error {
	b.place.free()
	return b.ReadCloser.Close()
}

// distrust notes that an answer with this body broke off or is wrong. It reports whether a mirror gave it: then the registry itself may do better.
func distrust(body io.ReadCloser, err error) bool {
	b, ok := body.(*mirrorBody)
	if ok {
		b.mirror.rest.begin(b.now(), err)
	}
	return ok
}

// mirrorRest is how long a mirror that failed is left alone.
const mirrorRest = time.Minute

// rest is the time in which a mirror is left alone, and why.
type rest struct {
	mu    sync.Mutex
	until time.Time
	err   error
}

func (r *rest) begin(now time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until, r.err = now.Add(mirrorRest), err
}

// reason returns the error of the failure for which the mirror is left alone now, or nil.
func (r *rest) reason(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.until) {
		return r.err
	}
	return nil
}

// locations remembers repositories, as "host/name".
type locations struct {
	mu  sync.Mutex
	all map[string]bool
}

func (l *locations) add(location string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[string]bool{}
	}
	l.all[location] = true
}

func (l *locations) has(location string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[location]
}

// patienceKey is the context key of how long a server may be silent, where that is less than usual.
type patienceKey struct{}

func withPatience(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, d)
}

// within returns the time limits as the patience of ctx shortens them.
func (t Timeouts) within(ctx context.Context) Timeouts {
	if d, ok := ctx.Value(patienceKey{}).(time.Duration); ok {
		t.Header, t.Final, t.Body = min(t.Header, d), min(t.Final, d), min(t.Body, d)
	}
	return t
}

// mirrorFailed reports whether err says that the registry itself should be asked for what a mirror gave.
func mirrorFailed(err error) bool { return errors.As(err, new(*mirrorError)) }

// mirrorError is wrong content that came from a mirror.
type mirrorError struct{ err error }

func (e *mirrorError) Error() string { return e.err.Error() }
func (e *mirrorError) Unwrap() error { return e.err }

// worthShowing returns those of the errors of mirrors that tell more than that they don't have what was asked for.
func worthShowing(failures []error) []error {
	return slices.DeleteFunc(slices.Clone(failures), func(err error) bool { return errors.Is(err, content.ErrNotFound) })
}
