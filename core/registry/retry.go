package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
)

// Backoff says how requests that failed for a passing reason are tried again: after a random wait of up to First, then twice as
// much, and so on ("full jitter"), or as long as the registry asks. Zero fields are the defaults.
type Backoff struct {
	Tries      int           // in all; 0 means 5
	First      time.Duration // 0 means 250 ms
	Most       time.Duration // 0 means 30 s
	RetryAfter time.Duration // the longest wait that a registry may ask for, more is an error; 0 means 120 s
	Budget     int           // retries of all that a client does, of which each success gives one back; 0 means 100
}

func (b Backoff) withDefaults() Backoff {
	if b.Tries <= 0 {
		b.Tries = 5
	}
	if b.First <= 0 {
		b.First = 250 * time.Millisecond
	}
	if b.Most <= 0 {
		b.Most = 30 * time.Second
	}
	if b.RetryAfter <= 0 {
		b.RetryAfter = 120 * time.Second
	}
	if b.Budget <= 0 {
		b.Budget = 100
	}
	return b
}

// wait returns how long to wait before the try after number try (from 1), which ended with err. It is false when there must be none.
func (b Backoff) wait(try int, err error) (time.Duration, bool) {
	if try >= b.Tries || !passing(err) {
		return 0, false
	}
	var e *Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return e.RetryAfter, e.RetryAfter <= b.RetryAfter
	}
	most := b.Most
	if shift := try - 1; shift < 20 {
		most = min(most, b.First<<shift)
	}
	return rand.N(most + 1), true
}

// passing reports whether an error may be gone at the next try.
func passing(err error) bool {
	var e *Error
	var token *auth.ServerError
	var dns *net.DNSError
	var source *sourceError
	var proxy *proxyError
	switch {
	case errors.As(err, &source) && source.unopened, errors.As(err, new(*egressError)), errors.Is(err, errProxy):
		return false
	case errors.As(err, new(*curable)), errors.Is(err, content.ErrVerification):
		return true
	case errors.As(err, &e) && e.Status != 0:
		return passingStatus(e.Status)
	case errors.As(err, &token):
		return passingStatus(token.Status)
	case errors.As(err, &proxy):
		return passingStatus(proxy.status)
	case source != nil, isCertificate(err), refusesCertificate(err), isPlain(err):
		return false
	case errors.As(err, &dns) && dns.IsNotFound:
		return false
	}
	return isNetwork(err)
}

func passingStatus(status int) bool {
	return slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, status)
}

// isNetwork reports whether an error comes from the wire.
func isNetwork(err error) bool { return errors.As(err, new(*networkError)) }

// retrier sends a request again while its errors are passing ones. It stands before a reporter, which makes errors of statuses.
type retrier struct {
	next   sender
	shared *shared
}

func (r *retrier) send(ctx context.Context, req *request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := r.next.send(ctx, req)
		if err == nil {
			r.shared.budget.earn()
			return resp, nil
		}
		if req.once {
			return nil, err
		}
		if err := r.shared.again(ctx, req.host, try, err); err != nil {
			return nil, err
		}
	}
}

// again waits for the try after number try, which ended with err. It returns an error when there must be none. After a 429 it is the host
// that waits, with all requests that it gets.
func (s *shared) again(ctx context.Context, h *host, try int, err error) error {
	wait, again := s.opts.Backoff.wait(try, err)
	if !again || ctx.Err() != nil {
		return tried(err, try)
	}
	if !s.budget.spend() {
		return fmt.Errorf("%w; not tried again, since too much has failed", tried(err, try))
	}
	if tooMany(err) {
		h.pace.hold(s.opts.Now().Add(wait), brief(err))
		return nil
	}
	tellWaiting(ctx, Waiting{h.name, brief(err), wait, try})
	return s.opts.Sleep(ctx, wait)
}

// again is the loop of operations that consist of several requests: it calls f until it succeeds, says that its error is final (one
// that was retried below already), or fails for a reason that won't pass.
func (r *Repository) again(ctx context.Context, f func(try int) (final bool, err error)) error {
	for try := 1; ; try++ {
		final, err := f(try)
		if err == nil || final {
			return err
		}
		if err := r.client.shared.again(ctx, r.host, try, err); err != nil {
			return err
		}
	}
}

// tried notes in an error how often it was tried.
func tried(err error, tries int) error {
	var e *Error
	if tries > 1 && errors.As(err, &e) {
		e.Tries = max(e.Tries, tries)
	}
	return err
}

// sleep is the real clock.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// parseRetryAfter reads a Retry-After header (RFC 9110, 10.2.3): seconds or a date. What is neither, or over, is 0. Any whole number of
// seconds is taken, bounded to a year so that it can't overflow.
func parseRetryAfter(header string, now time.Time) time.Duration {
	const year = 365 * 24 * time.Hour
	header = strings.TrimSpace(header)
	if n, err := strconv.ParseInt(header, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(year/time.Second))) * time.Second
	}
	date, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), year)
}
