package build

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
)

// turns lets calls that would build the same layer do so one after another, over all runs of an engine: the first one builds it, and the others find in the cache how. It
// knows calls that are likely to be the same; whether they are, and nothing has changed meanwhile, each finds out for itself. The zero value is ready.
type turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{} // closed when the turn ends
}

// take takes the turn for key if nobody has it; done gives it back. Otherwise other is closed when that one's turn ends.
func (t *turns) take(key string) (done func(), other <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other, ok := t.taken[key]; ok {
		return nil, other
	}
	if t.taken == nil {
		t.taken = map[string]chan struct{}{}
	}
	mine := make(chan struct{})
	t.taken[key] = mine
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.taken, key)
		close(mine)
	}, nil
}

// wait takes the turn for key, or waits until who has it is done; then done is nil.
func (t *turns) wait(ctx context.Context, key string) (done func(), err error) {
	done, other := t.take(key)
	if done != nil {
		return done, nil
	}
	select {
	case <-other:
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// turn names calls that are likely to make the same layer. ok is false for those that must not wait for others, since what they read may come from a layer that
// waits for them, and for those that are made in memory alone, which is soon done.
func (r *Run) turn(files []File) (key string, ok bool) {
	var b strings.Builder
	for _, f := range files {
		switch {
		case f.Custom == nil:
			ok = true
			fmt.Fprintf(&b, "%q %q\n", f.Target, r.fullPath(f.Local))
		case f.Custom.Data == nil && (f.Data == nil || f.Data.memory != nil):
			fmt.Fprintf(&b, "%q %x\n", f.Target, sha256.Sum256(f.Data.inMemory()))
		default:
			return "", false
		}
	}
	return b.String(), ok
}
