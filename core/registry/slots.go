package registry

import (
	"context"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/imgscript/imgscript/core/content"
)

// places are the transfers that one host allows at once in one direction.
type places struct {
	*semaphore.Weighted
	idle time.Duration // after which a transfer that waits for our own side lends its place
}

// slot is the place of one transfer among those that a host allows at once. A transfer that stands still because our own side has
// nothing to send, or does not read, lends its place to others: a layer whose writer waits for a processor, or ten readers of which
// the caller reads one after the other, would otherwise wait for each other for ever. Reads and writes have places of their own,
// and a copy takes that of its write first, for the same reason.
type slot struct {
	places *places

	mu    sync.Mutex
	held  bool
	still bool // our own side is waited for
	freed bool
	timer *time.Timer
}

// takeSlot waits for a place. The caller frees it.
func takeSlot(ctx context.Context, places *places) (*slot, error) {
	if err := places.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	return &slot{places: places, held: true}, nil
}

// wait says that the transfer now waits for our own side.
func (s *slot) wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.still = true
	if s.freed {
		return
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(s.places.idle, s.lend)
		return
	}
	s.timer.Reset(s.places.idle)
}

func (s *slot) lend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.still {
		s.release()
	}
}

// move says that the transfer goes on; if its place was lent, it waits for one.
func (s *slot) move(ctx context.Context) error {
	s.mu.Lock()
	s.still = false
	if s.timer != nil {
		s.timer.Stop()
	}
	ready := s.held || s.freed // net/http may read on when the answer is there already
	s.mu.Unlock()
	if ready {
		return nil
	}
	if err := s.places.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
	if s.freed {
		s.release()
	}
	return nil
}

// free gives the place back. It may be called more than once, and does nothing for nil.
func (s *slot) free() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.still, s.freed = false, true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.release()
}

func (s *slot) release() {
	if s.held {
		s.held = false
		s.places.Release(1)
	}
}

// source is open for a transfer with this place: while the body is opened and read, our own side is waited for.
func (s *slot) source(open content.Opener) content.Opener {
	return func(ctx context.Context) (io.ReadCloser, error) {
		s.wait()
		r, err := open(ctx)
		if err != nil {
			return nil, err
		}
		if err := s.move(ctx); err != nil {
			r.Close()
			return nil, err
		}
		return &slotSource{r, s, func() error { return s.move(ctx) }}, nil
	}
}

type slotSource struct {
	io.ReadCloser
	slot *slot
	move func() error
}

func (r *slotSource) Read(p []byte) (int, error) {
	r.slot.wait()
	n, err := r.ReadCloser.Read(p)
	if moveErr := r.move(); moveErr != nil && err == nil {
		err = moveErr
	}
	return n, err
}
