package cache

import (
	"context"
	"io"
	"io/fs"
	"os"
	"sync"
)

// Open implements content.Pending: the reader gives bytes as soon as they are written, waits for more, and ends with the blob. It
// fails with the writer's error as soon as there is one, and when ctx ends. It needs no memory beyond the caller's buffer. The caller
// closes it, also while a Read waits.
//
// What it reads was hashed as it was written and is not hashed again; who sends it compares with the digest that Wait returns.
func (p *Pending) Open(ctx context.Context) (io.ReadCloser, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return &follower{
		blob:   p,
		done:   ctx.Done(),
		cause:  func() error { return context.Cause(ctx) },
		closed: make(chan struct{}),
	}, nil
}

// follower reads a blob that grows.
type follower struct {
	blob   *Pending
	done   <-chan struct{}
	cause  func() error
	closed chan struct{}
	offset int64 // of Read alone

	mu   sync.Mutex
	file *os.File // opened with the first bytes
}

// Read implements io.Reader.
func (r *follower) Read(b []byte) (int, error) {
	for {
		if err := r.over(); err != nil {
			return 0, err
		}
		size, more, err := r.blob.more(r.offset)
		if err != nil {
			return 0, err
		}
		if more == nil {
			return r.read(b[:min(int64(len(b)), size-r.offset)])
		}
		select {
		case <-more:
		case <-r.closed:
		case <-r.done:
		}
	}
}

// over is why no more can be read, if so.
func (r *follower) over() error {
	select {
	case <-r.closed:
		return fs.ErrClosed
	case <-r.done:
		return r.cause()
	default:
		return nil
	}
}

// read reads what is in the file already.
func (r *follower) read(b []byte) (int, error) {
	f, err := r.open()
	if err != nil {
		return 0, err
	}
	n, err := f.ReadAt(b, r.offset)
	r.offset += int64(n)
	return n, err
}

func (r *follower) open() (*os.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.over(); err != nil {
		return nil, err
	}
	if r.file == nil {
		f, err := r.blob.open()
		if err != nil {
			return nil, err
		}
		r.file = f
	}
	return r.file, nil
}

// Close implements io.Closer.
func (r *follower) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.closed:
		return nil
	default:
		close(r.closed)
	}
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
