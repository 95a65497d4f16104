package build

import (
	"cmp"
	"context"
	"sync"

	"github.com/imgscript/imgscript/core/content"
)

// failures chooses among the blobs that could not be sent, so that the error of a save does not depend on which of several transfers ended first: the first of
// them in order. A failure ends the transfers that come after it and lets those before it go on, which may fail too.
type failures struct {
	mu      sync.Mutex
	first   *failure
	running map[*transfer]bool
}

type failure struct {
	desc content.Descriptor
	err  error
}

// transfer is a blob under way.
type transfer struct {
	desc   content.Descriptor
	cancel context.CancelFunc
}

// before is the order: the biggest blob first, as copies start.
func before(a, b content.Descriptor) bool {
	return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Digest, b.Digest)) < 0
}

// try runs the work for a blob. Its failure is kept for error; the result is false when there is one, or when the work was not done because of another's.
// Only the end of ctx is an error here.
func (f *failures) try(ctx context.Context, desc content.Descriptor, work func(context.Context) error) (bool, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	mine := &transfer{desc, cancel}
	f.mu.Lock()
	if f.first != nil && before(f.first.desc, desc) {
		f.mu.Unlock()
		return false, nil
	}
	if f.running == nil {
		f.running = map[*transfer]bool{}
	}
	f.running[mine] = true
	f.mu.Unlock()
	err := work(inner)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.running, mine)
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil:
		return false, err
	case f.first != nil && before(f.first.desc, desc):
		return false, nil // perhaps it only failed because it was ended
	}
	f.first = &failure{desc, err}
	for other := range f.running {
		if before(desc, other.desc) {
			other.cancel()
		}
	}
	return false, nil
}

// error is the failure to report, or nil.
func (f *failures) error() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		return nil
	}
	return f.first.err
}
