package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/imgscript/imgscript/core/auth"
)

// Timeouts says when a silent registry is given up and the request tried again. There is none on a whole transfer. Zero fields are the
// defaults.
type Timeouts struct {
	Header time.Duration // from the request, or the last byte of its body, to the head of the answer; 0 means 60 s
	Final  time.Duration // the same where the registry has to check what it was sent; 0 means 5 min
	Body   time.Duration // without a byte of a body moving, in either direction; 0 means 30 s
	Whole  time.Duration // from the head to the end of what is no blob: a document, a list, a token, an error; 0 means 2 min
	Mirror time.Duration // each of these where a mirror is asked: there is somewhere else to go; 0 means 15 s
	Idle   time.Duration // that our own side may take before a transfer lends its place to others; 0 means 2 s
}

func (t Timeouts) withDefaults() Timeouts {
	if t.Header <= 0 {
		t.Header = 60 * time.Second
	}
	if t.Final <= 0 {
		t.Final = max(5*time.Minute, t.Header)
	}
	if t.Body <= 0 {
		t.Body = 30 * time.Second
	}
	if t.Whole <= 0 {
		t.Whole = 2 * time.Minute
	}
	if t.Mirror <= 0 {
		t.Mirror = 15 * time.Second
	}
	if t.Idle <= 0 {
		t.Idle = 2 * time.Second
	}
	return t
}

// wire turns requests into those of net/http. It is the innermost sender: one request, one answer.
type wire struct {
	routes   *routes
	agent    string
	timeouts Timeouts
	warn     *warnings
	asks     *questions
}

func (w *wire) send(ctx context.Context, req *request) (*http.Response, error) {
	done, err := w.asks.ask(ctx, req)
	if err != nil {
		return nil, err
	}
	defer done()
	certificate := &asked{}
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, askedKey{}, certificate))
	dog := &watchdog{cancel: cancel, bark: w.timeouts.within(ctx)}
	if req.slow {
		dog.bark.Header = dog.bark.Final
	}
	dog.waitFor(dog.bark.Header)
	hr, body, err := w.prepare(ctx, req, dog)
	if err != nil {
		dog.end()
		return nil, err
	}
	via, err := w.routes.route(hr, req.host)
	if err != nil {
		body.close(hr)
		dog.end()
		return nil, err
	}
	resp, err := via.RoundTrip(w.routes.watch(hr, req.host))
	if err != nil {
		err = certificate.explain(body.explain(ctx, scrubbed(err, hr)))
		dog.end()
		return nil, err
	}
	resp.Request = hr
	dog.answered(req.streamed && resp.StatusCode < 300)
	resp.Body = &answerBody{body: resp.Body, dog: dog, ctx: ctx}
	w.warn.read(resp)
	return resp, nil
}

func (w *wire) prepare(ctx context.Context, req *request, dog *watchdog) (*http.Request, *bodies, error) {
	hr, err := http.NewRequestWithContext(ctx, req.method, req.url.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	if req.header != nil {
		hr.Header = req.header.Clone()
	}
	hr.Header.Set("User-Agent", w.agent)
	sent := &bodies{}
	if req.open == nil || req.size == 0 {
		if req.open != nil {
			hr.Body = http.NoBody
		}
		return hr, sent, nil
	}
	hr.ContentLength = req.size
	hr.GetBody = func() (io.ReadCloser, error) {
		dog.sending(false)
		r, err := req.open(ctx)
		dog.waitFor(dog.bark.Header)
		if err != nil {
			sent.failed(err)
			return nil, err
		}
		return &sentBody{ReadCloser: r, dog: dog, all: sent}, nil
	}
	if hr.Body, err = hr.GetBody(); err != nil {
		return nil, nil, &sourceError{err, true}
	}
	return hr, sent, nil
}

// scrubbed hides the credential of a request in an error of net/http, which quotes what the server sent where that is no HTTP.
func scrubbed(err error, hr *http.Request) error {
	text := err.Error()
	if clean := auth.Scrub(text, secretsOf(hr.Header)...); clean != text {
		return errors.New(clean)
	}
	return err
}

// networkError is what went wrong between us and a registry, and may go right the next time.
type networkError struct{ err error }

func (e *networkError) Error() string { return e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// sourceError says that what was to be sent could not be read, which is not the registry's fault.
type sourceError struct {
	err      error
	unopened bool // it could not even be opened: whoever opens tries again itself
}

func (e *sourceError) Error() string { return "read what is to be sent: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// bodies remembers why the body of a request could not be read: net/http hides it or mixes it with its own errors.
type bodies struct {
	mu  sync.Mutex
	err error
}

func (b *bodies) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// close closes a body that is not sent.
func (b *bodies) close(hr *http.Request) {
	if hr.Body != nil {
		hr.Body.Close()
	}
}

// explain returns the reason of a failed request: ctx, the body, or the network.
func (b *bodies) explain(ctx context.Context, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	cause := context.Cause(ctx)
	switch {
	case errors.As(cause, new(*stalledError)):
		return &networkError{cause}
	case cause != nil:
		return cause
	case b.err != nil:
		return &sourceError{b.err, false}
	}
	return &networkError{err}
}

// sentBody is a request's body as net/http reads it. While it is being read, it is us who keep the registry waiting.
type sentBody struct {
	io.ReadCloser
	dog *watchdog
	all *bodies
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.dog.sending(false)
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF:
		b.dog.sent()
	case err != nil:
		b.all.failed(err)
	default:
		b.dog.sending(true)
	}
	return n, err
}

// answerBody is an answer's body. It wakes the watchdog while it is being read, and ends it when it is closed.
type answerBody struct {
	body io.ReadCloser
	dog  *watchdog
	ctx  context.Context // of this one exchange: it tells why a read failed
}

func (b *answerBody) Read(p []byte) (int, error) {
	b.dog.reading(true)
	n, err := b.body.Read(p)
	b.dog.reading(false)
	if err != nil && err != io.EOF {
		err = (&bodies{}).explain(b.ctx, err)
	}
	return n, err
}

func (b *answerBody) Close() error {
	defer b.dog.end() // only now: ending it first would cost a connection that could be used again
	return b.body.Close()
}

// stalledError is the cause with which a watchdog cancels.
type stalledError struct {
	after time.Duration
	slow  bool // something came, and never the end
}

func (e *stalledError) Error() string {
	if e.slow {
		return fmt.Sprintf("its answer had no end after %s", e.after)
	}
	return fmt.Sprintf("no answer and no byte for %s", e.after)
}

// watchdog cancels an exchange in which nothing moves. Time in which the registry waits for us does not count.
type watchdog struct {
	cancel context.CancelCauseFunc
	bark   Timeouts

	mu    sync.Mutex
	timer *time.Timer
	whole *time.Timer // of an answer that must come within some time
	head  bool        // the head of the answer is here: the body sent no longer matters
	ended bool
}

// waitFor starts the time anew; 0 stops it.
func (w *watchdog) waitFor(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(d)
}

func (w *watchdog) set(d time.Duration) {
	if w.timer != nil {
		w.timer.Stop()
	}
	if d > 0 && !w.ended {
		w.timer = time.AfterFunc(d, func() { w.cancel(&stalledError{d, false}) })
	}
}

func (w *watchdog) sending(theirTurn bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.head:
	case theirTurn:
		w.set(w.bark.Body)
	default:
		w.set(0)
	}
}

func (w *watchdog) sent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.head {
		w.set(w.bark.Header)
	}
}

// answered says that the head is here. What is streamed may take as long as it moves; anything else comes byte by byte only to keep us waiting.
func (w *watchdog) answered(streamed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.head = true
	w.set(0)
	if !streamed {
		d := w.bark.Whole
		w.whole = time.AfterFunc(d, func() { w.cancel(&stalledError{d, true}) })
	}
}

func (w *watchdog) reading(on bool) {
	if on {
		w.waitFor(w.bark.Body)
		return
	}
	w.waitFor(0)
}

func (w *watchdog) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.set(0)
	if w.whole != nil {
		w.whole.Stop()
	}
	w.cancel(nil)
}
