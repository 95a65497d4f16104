package build

import (
	"context"
	"sync"
)

// flightKey names a piece of work by where it is done and on what: a digest, or a pending blob whose digest nobody knows yet.
type flightKey struct {
	place string // a repository, or a registry within which blobs can be mounted
	what  any
}

// flights lets equal pieces of work be done once in a run. The zero value is ready.
type flights struct {
	mu    sync.Mutex
	known map[flightKey]*flight
}

type flight struct {
	done chan struct{}
	err  error
}

// do runs work, or waits for another call that does, and reports whether it was this one. Who waits for work that failed does it
// itself: it may have failed because the other was cancelled.
func (f *flights) do(ctx context.Context, key flightKey, work func() error) (bool, error) {
	for {
		f.mu.Lock()
		if f.known == nil {
			f.known = map[flightKey]*flight{}
		}
		other, ok := f.known[key]
		if !ok {
			mine := &flight{done: make(chan struct{})}
			f.known[key] = mine
			f.mu.Unlock()
			return true, f.land(key, mine, work)
		}
		f.mu.Unlock()
		select {
		case <-other.done:
			if other.err == nil {
				return false, nil
			}
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// land does the work and tells those who wait. What failed is forgotten, so that the next one tries again.
func (f *flights) land(key flightKey, mine *flight, work func() error) error {
	mine.err = errPanicked // unless work returns
	defer func() {
		if mine.err != nil {
			f.mu.Lock()
			delete(f.known, key)
			f.mu.Unlock()
		}
		close(mine.done)
	}()
	mine.err = work()
	return mine.err
}

// arrived says that the work was done by other means.
func (f *flights) arrived(key flightKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil {
		f.known = map[flightKey]*flight{}
	}
	if _, ok := f.known[key]; !ok {
		done := &flight{done: make(chan struct{})}
		close(done.done)
		f.known[key] = done
	}
}
