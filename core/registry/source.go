package registry

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/imgscript/imgscript/core/content"
)

// wholeReader reads a blob that is to be sent and gives its last bytes away only when all of them are right: a request with a wrong body
// breaks off before the registry could take it for complete.
type wholeReader struct {
	io.ReadCloser // verifies
	left          int64
}

func newWholeReader(r io.ReadCloser, desc content.Descriptor) (io.ReadCloser, error) {
	verified, err := content.Verify(r, desc)
	if err != nil {
		return nil, err
	}
	return &wholeReader{verified, desc.Size}, nil
}

func (w *wholeReader) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if w.left -= int64(n); w.left > 0 {
		return n, err
	}
	if err == nil {
		_, err = io.ReadFull(w.ReadCloser, make([]byte, 1)) // the verifier ends what is too long
	}
	if err != io.EOF {
		return 0, err // what comes with an error is sent before the error is looked at
	}
	return n, io.EOF
}

// cursor reads a blob part by part from one opening of it, and opens it anew only for a part that is not the next one: opening may mean
// to ask another registry, and skipping what was sent before to read it all again.
type cursor struct {
	open content.Opener

	mu   sync.Mutex
	r    io.ReadCloser // nil when closed
	at   int64         // the offset of its next byte
	turn int           // counts parts: only the last one that was opened may read
}

// part opens n bytes from offset. ctx rules the reader beneath, which outlives the one request that this part is for.
func (c *cursor) part(ctx context.Context, offset, n int64) content.Opener {
	return func(context.Context) (io.ReadCloser, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.turn++
		if c.r == nil || c.at != offset {
			if err := c.seek(ctx, offset); err != nil {
				return nil, err
			}
		}
		return &partReader{c, c.turn, n}, nil
	}
}

func (c *cursor) seek(ctx context.Context, offset int64) error {
	c.shut()
	r, err := c.open(ctx)
	if err != nil {
		return err
	}
	c.r = r
	c.at, err = io.CopyN(io.Discard, r, offset)
	if err != nil {
		c.shut()
	}
	return err
}

func (c *cursor) shut() {
	if c.r != nil {
		c.r.Close()
	}
	c.r, c.at = nil, 0
}

// close ends all reading.
func (c *cursor) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	c.shut()
}

// errTurn ends a part that net/http still reads although its request is over.
var errTurn = errors.New("this part of the upload is over")

type partReader struct {
	cursor *cursor
	turn   int
	left   int64
}

// Read implements io.Reader.
func (p *partReader) Read(b []byte) (int, error) {
	c := p.cursor
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.turn != c.turn || c.r == nil {
		return 0, errTurn
	}
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(b[:min(int64(len(b)), p.left)])
	c.at += int64(n)
	p.left -= int64(n)
	if err == io.EOF && p.left == 0 {
		err = nil // said by the next call
	}
	if err != nil {
		c.shut()
	}
	return n, err
}

// Close implements io.Closer. The blob stays open for the next part.
func (p *partReader) Close() error { return nil }
