package layer

import (
	"context"
	"encoding"
	"hash"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// assembly is the way of an archive's chunks: they are handed out in order, worked on in any, and hashed and written in order again.
type assembly struct {
	*archive
	work            chan *chunk
	toHash, toWrite chan *chunk
	hash            hash.Hash
	made            []made // all chunks, when it is wanted how they were made
	joiner          joiner

	mu       sync.Mutex
	inFlight map[*chunk]struct{} // those that hold memory
}

// maxQueue is how many chunks may wait to be hashed or written. What bounds them is their memory.
const maxQueue = 64

// write writes the compressed archive to w and returns its diff ID, and how its chunks were made.
func (a *archive) write(ctx context.Context, w io.Writer) (digest.Digest, []made, error) {
	group, ctx := errgroup.WithContext(ctx)
	s := &assembly{
		archive: a, hash: a.hash(), joiner: joiner{coding: a.coding, w: w}, inFlight: map[*chunk]struct{}{},
		work: make(chan *chunk), toHash: make(chan *chunk, maxQueue), toWrite: make(chan *chunk, maxQueue),
	}
	defer s.release()
	start(group, func() error { return s.handOut(ctx) })
	for range min(a.workers.cores, maxQueue) {
		start(group, func() error {
			for c := range s.work {
				c.err = s.archive.work(ctx, c)
				close(c.done)
			}
			return nil
		})
	}
	start(group, func() error { return s.hashAll(ctx) })
	start(group, func() error { return s.writeAll(ctx) })
	if err := group.Wait(); err != nil {
		return "", nil, err
	}
	return digest.NewDigest(digest.SHA256, s.hash), s.made, nil
}

// handOut hands out the chunks as there is memory for them. What can only be read in order it reads itself, and holds no processor meanwhile.
func (s *assembly) handOut(ctx context.Context) error {
	defer close(s.toHash)
	defer close(s.toWrite)
	defer close(s.work)
	in := &stream{archive: s.archive}
	defer in.close()
	plan := planner{entries: s.entries}
	for index := 0; ; index++ {
		cut, ok := plan.next()
		if !ok {
			return nil
		}
		c := &chunk{cut: cut, index: index, done: make(chan struct{}), users: 2}
		if err := s.hold(ctx, c, in); err != nil {
			return err
		}
		failed := c.err != nil
		if err := s.pass(ctx, c, failed); err != nil || failed {
			return err
		}
	}
}

// pass hands a chunk on to those who work on it. That it failed is found in its turn.
func (s *assembly) pass(ctx context.Context, c *chunk, failed bool) error {
	queues := []chan *chunk{s.toHash, s.toWrite, s.work}
	if failed {
		close(c.done)
		queues = queues[:2]
	}
	for _, queue := range queues {
		select {
		case queue <- c:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// inOrder calls f for the chunks of queue, each when it is done.
func (s *assembly) inOrder(ctx context.Context, queue chan *chunk, f func(*chunk) error) error {
	for c := range queue {
		select {
		case <-c.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if c.err != nil {
			return c.err
		}
		if err := f(c); err != nil {
			return err
		}
		s.drop(c)
	}
	return context.Cause(ctx)
}

func (s *assembly) hashAll(ctx context.Context) error {
	return s.inOrder(ctx, s.toHash, func(c *chunk) error {
		if s.isSame(c) {
			c.state = s.recipe.chunks[c.index].state
		} else if err := s.workers.do(ctx, func() { s.hash.Write(c.raw) }); err != nil {
			return err
		} else if s.keep {
			c.state, _ = s.hash.(encoding.BinaryMarshaler).MarshalBinary()
		}
		if s.keep {
			s.made = append(s.made, c.made)
		}
		return nil
	})
}

func (s *assembly) writeAll(ctx context.Context) error {
	if err := s.joiner.begin(); err != nil {
		return err
	}
	err := s.inOrder(ctx, s.toWrite, func(c *chunk) error { return s.joiner.add(c.bytes, c.crc, c.size) })
	if err != nil {
		return err
	}
	return s.joiner.end()
}

// hold gets memory for a chunk, and fills it when it has a stream in it.
func (s *assembly) hold(ctx context.Context, c *chunk, in *stream) (err error) {
	if s.isSame(c) || !s.hasStream(c) {
		if c.buffer, err = s.workers.buffer(ctx, c.planned); err == nil {
			s.keepTrack(c)
		}
		return err
	}
	c.buffer, c.filled = s.workers.extra(c.planned), true
	s.keepTrack(c)
	if c.err = in.fill(ctx, c); c.err != nil {
		return nil
	}
	return s.workers.count(ctx, c.buffer)
}

func (s *assembly) keepTrack(c *chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight[c] = struct{}{}
}

// drop gives the memory of a chunk back when it was hashed and written.
func (s *assembly) drop(c *chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.users--; c.users == 0 {
		delete(s.inFlight, c)
		s.workers.put(c.buffer)
	}
}

// release gives back all memory of a build that ended early, when none of its goroutines runs any more.
func (s *assembly) release() {
	for c := range s.inFlight {
		s.workers.put(c.buffer)
	}
}
