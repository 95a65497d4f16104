package layer

import (
	"context"
	"sync/atomic"
)

// The bytes of an archive go through a fixed number of chunks of a fixed size: that is the memory of a build, whatever the size of its files.
const (
	chunkSize  = 256 << 10
	chunkCount = 8
)

// chunk is a piece of the archive that every reader gets and the last one frees.
type chunk struct {
	buf   []byte
	users atomic.Int32
}

// pipe carries an archive from the one who writes it to several readers, in order.
type pipe struct {
	free    chan *chunk
	readers []chan *chunk
	cur     *chunk
	err     error // why it ended early; set before the readers' channels are closed
}

func newPipe(readers int) *pipe {
	p := &pipe{free: make(chan *chunk, chunkCount), readers: make([]chan *chunk, readers)}
	for range chunkCount {
		p.free <- &chunk{buf: make([]byte, 0, chunkSize)}
	}
	for i := range p.readers {
		p.readers[i] = make(chan *chunk, chunkCount)
	}
	return p
}

// space returns room for at least one byte, of which advance takes the first n.
func (p *pipe) space(ctx context.Context) ([]byte, error) {
	if p.cur != nil && len(p.cur.buf) == cap(p.cur.buf) {
		p.flush()
	}
	if p.cur == nil {
		select {
		case p.cur = <-p.free:
			p.cur.buf = p.cur.buf[:0]
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return p.cur.buf[len(p.cur.buf):cap(p.cur.buf)], nil
}

func (p *pipe) advance(n int) { p.cur.buf = p.cur.buf[:len(p.cur.buf)+n] }

// flush hands the current chunk to the readers, whose channels have room for all chunks there are.
func (p *pipe) flush() {
	if p.cur == nil {
		return
	}
	p.cur.users.Store(int32(len(p.readers)))
	for _, r := range p.readers {
		r <- p.cur
	}
	p.cur = nil
}

func (p *pipe) write(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		space, err := p.space(ctx)
		if err != nil {
			return err
		}
		n := copy(space, b)
		p.advance(n)
		b = b[n:]
	}
	return nil
}

// close tells the readers that there is no more, because of err when it is not nil.
func (p *pipe) close(err error) {
	p.err = err
	p.flush()
	for _, r := range p.readers {
		close(r)
	}
}

// read hands reader i's chunks to f until the end or an error.
func (p *pipe) read(i int, f func([]byte) error) error {
	for c := range p.readers[i] {
		if err := f(c.buf); err != nil {
			return err
		}
		if c.users.Add(-1) == 0 {
			p.free <- c
		}
	}
	return p.err
}
