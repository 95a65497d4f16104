package layer

import (
	"context"
	"io"

	"golang.org/x/sync/errgroup"
)

// Small files are opened and read ahead, since each costs a handful of system calls that would otherwise be waited for one by one.
const (
	aheadSize    = 32 << 10 // files up to this size
	aheadCount   = 64       // of them at once
	aheadReaders = 4
)

// slot holds one small file.
type slot struct {
	entry *Entry
	buf   []byte
	err   error
	done  chan struct{} // gets a value when buf or err is there
}

// ahead reads the small local files of a layer in advance; next returns them in their order.
type ahead struct {
	free, work, order chan *slot
}

func isAhead(e *Entry) bool { return e.local != nil && e.Type == TypeFile && e.Size <= aheadSize }

// readAhead starts reading in goroutines of group, which end when all is read or ctx ends.
func readAhead(ctx context.Context, group *errgroup.Group, views views, entries []Entry) *ahead {
	a := &ahead{make(chan *slot, aheadCount), make(chan *slot, aheadCount), make(chan *slot, aheadCount)}
	for range aheadCount {
		a.free <- &slot{buf: make([]byte, 0, aheadSize), done: make(chan struct{}, 1)}
	}
	start(group, func() error {
		defer close(a.work)
		return a.plan(ctx, entries)
	})
	for range aheadReaders {
		start(group, func() error {
			for s := range a.work {
				s.read(ctx, views)
				s.done <- struct{}{}
			}
			return nil
		})
	}
	return a
}

func (a *ahead) plan(ctx context.Context, entries []Entry) error {
	for i := range entries {
		if !isAhead(&entries[i]) {
			continue
		}
		select {
		case s := <-a.free:
			s.entry = &entries[i]
			a.order <- s
			a.work <- s
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (s *slot) read(ctx context.Context, views views) {
	r, err := s.entry.local.open(ctx, views[s.entry.local.tree])
	if err != nil {
		s.err = err
		return
	}
	defer r.Close()
	s.buf = s.buf[:s.entry.Size]
	if _, s.err = io.ReadFull(r, s.buf); s.err != nil {
		return
	}
	if _, err := r.Read(nil); err != io.EOF {
		s.err = err
	}
}

// next waits for the next small file and hands its bytes to use.
func (a *ahead) next(ctx context.Context, use func([]byte) error) error {
	var s *slot
	select {
	case s = <-a.order:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.err != nil {
		return s.err
	}
	if err := use(s.buf); err != nil {
		return err
	}
	a.free <- s
	return nil
}
