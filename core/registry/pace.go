package registry

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// pace keeps the requests to one host apart: by what the configuration says, and by what the host says when it has had too many. A 429
// holds all of them back and not the one that it answered: the others would only collect more of them.
type pace struct {
	gap time.Duration // between two requests, by configuration; 0 is none

	mu    sync.Mutex
	slow  time.Duration // between two requests, since the last 429; it shrinks with each success
	next  time.Time     // when the next request may go
	until time.Time     // before which none may
	why   string        // it is so
}

// The bounds of pace.slow.
const (
	leastSlow = 20 * time.Millisecond
	mostSlow  = time.Second
)

// mostGap bounds what a configuration can ask for: a day between two requests is as good as for ever.
const mostGap = 24 * time.Hour

func newPace(perSecond float64) *pace {
	if !(perSecond > 0) { // NaN is none
		return &pace{}
	}
	return &pace{gap: time.Duration(min(float64(time.Second)/perSecond, float64(mostGap)))}
}

// turn reserves the next turn and returns how long to wait for it, and why if the host wants it so. Those who were held back don't all go at the same moment.
func (p *pace) turn(now time.Time) (wait time.Duration, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	start := now
	if p.until.After(now) {
		why = p.why
		wait := p.until.Sub(now)
		start = now.Add(wait + rand.N(min(wait/8, time.Second)+1))
	}
	if gap := max(p.gap, p.slow); gap > 0 {
		if p.next.After(start) {
			start = p.next
		}
		p.next = start.Add(gap)
	}
	return start.Sub(now), why
}

// hold keeps all requests back until then, and apart from each other after it.
func (p *pace) hold(until time.Time, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(p.until) {
		p.until, p.why = until, why
	}
	p.slow = min(max(2*p.slow, leastSlow), mostSlow)
}

// ease notes a success.
func (p *pace) ease() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slow -= p.slow / 8; p.slow < leastSlow/4 {
		p.slow = 0
	}
}

// pacer lets requests wait for their turn. It stands inside the authorizer, since each try with another token is a request too.
type pacer struct {
	next  sender
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

func (p *pacer) send(ctx context.Context, req *request) (*http.Response, error) {
	if wait, why := req.host.pace.turn(p.now()); wait > 0 {
		if why != "" {
			tellWaiting(ctx, Waiting{Host: req.host.name, Reason: why, Delay: wait})
		}
		if err := p.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
	resp, err := p.next.send(ctx, req)
	if err == nil && resp.StatusCode < 300 {
		req.host.pace.ease()
	}
	return resp, err
}

// budget bounds how much all that a client does may be tried again: each retry takes from it, each success gives back. When a registry is down,
// a hundred transfers don't each find that out five times.
type budget struct {
	mu         sync.Mutex
	left, most int
}

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}

func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = min(b.left+1, b.most)
}

// tooMany reports whether a host said that it has had too many requests.
func tooMany(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusTooManyRequests
}
