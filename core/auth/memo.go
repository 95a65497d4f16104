package auth

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// memo keeps values until they expire. A value that is missing is made by one call, for which all who want it wait. Each can leave when its
// context ends; the last to leave ends the call. Nothing runs under the lock.
type memo[K comparable, V any] struct {
	now   func() time.Time
	mu    sync.Mutex
	slots map[K]*slot[V]
}

// slot is one value, or the call that is making it.
type slot[V any] struct {
	done    chan struct{} // closed when value, until and err are there
	value   V
	until   time.Time // zero: until it is dropped
	err     error
	ready   bool // as done; guarded by the memo's lock, like waiters
	waiters int
	cancel  context.CancelFunc
}

func newMemo[K comparable, V any](now func() time.Time) *memo[K, V] {
	if now == nil {
		now = time.Now
	}
	return &memo[K, V]{now: now, slots: map[K]*slot[V]{}}
}

// get returns the value of key, which fill makes if it is missing or expired. The context of fill has the values of ctx and ends when
// nobody waits any more; it returns the value and the time until which it is good. Errors are not kept.
func (m *memo[K, V]) get(ctx context.Context, key K, fill func(context.Context) (V, time.Time, error)) (V, error) {
	var none V
	if err := context.Cause(ctx); err != nil {
		return none, err
	}
	m.mu.Lock()
	s := m.slots[key]
	if s == nil || s.ready && !m.good(s) {
		s = m.start(ctx, key, fill)
	}
	s.waiters++
	m.mu.Unlock()

	select {
	case <-s.done:
		return s.value, s.err
	case <-ctx.Done():
		m.leave(key, s)
		return none, context.Cause(ctx)
	}
}

// start begins a call; the lock is held.
func (m *memo[K, V]) start(ctx context.Context, key K, fill func(context.Context) (V, time.Time, error)) *slot[V] {
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &slot[V]{done: make(chan struct{}), cancel: cancel}
	m.slots[key] = s
	go func() {
		defer cancel()
		s.value, s.until, s.err = guarded(call, fill)
		m.mu.Lock()
		s.ready = true
		m.mu.Unlock()
		close(s.done)
	}()
	return s
}

// guarded makes an error of a panic: there is nobody above this goroutine to catch one.
func guarded[V any](ctx context.Context, fill func(context.Context) (V, time.Time, error)) (v V, until time.Time, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while getting a credential: %v", p)
		}
	}()
	return fill(ctx)
}

// leave gives up waiting. The last to do so ends the call and waits for its end, so that nothing outlives its callers.
func (m *memo[K, V]) leave(key K, s *slot[V]) {
	m.mu.Lock()
	s.waiters--
	last := s.waiters == 0 && !s.ready
	if last && m.slots[key] == s {
		delete(m.slots, key) // who comes now starts anew
	}
	m.mu.Unlock()
	if last {
		s.cancel()
		<-s.done
	}
}

// peek returns the value of key if it is there and good.
func (m *memo[K, V]) peek(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.slots[key]; s != nil && s.ready && m.good(s) {
		return s.value, true
	}
	var none V
	return none, false
}

// drop forgets the value of key if it is stale, not one that came in its place meanwhile.
func (m *memo[K, V]) drop(key K, stale func(V) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.slots[key]; s != nil && s.ready && stale(s.value) {
		delete(m.slots, key)
	}
}

// dropAll forgets all values that are stale, and reports whether there were any.
func (m *memo[K, V]) dropAll(stale func(V) bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	dropped := false
	for key, s := range m.slots {
		if s.ready && s.err == nil && stale(s.value) {
			delete(m.slots, key)
			dropped = true
		}
	}
	return dropped
}

// good reports whether a finished slot still holds; the lock is held.
func (m *memo[K, V]) good(s *slot[V]) bool {
	return s.err == nil && (s.until.IsZero() || m.now().Before(s.until))
}
