package layer

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"io"
	"time"
)

// chunk is a part of an archive on its way: it is filled and compressed, and then hashed and written when those before it were.
type chunk struct {
	cut
	index int
	*buffer
	filled bool          // its part of the archive is in the buffer
	done   chan struct{} // closed when what follows is there
	err    error

	made         // but for the offset and the state
	bytes []byte // what is written of it
	users int    // the hasher and the writer
}

// archive is a build on its way.
type archive struct {
	entries source
	views   views
	workers *Workers
	coding
	keep bool // whether it is wanted how chunks were made
	*past
}

// source is a list of entries, sorted by path.
type source interface {
	len() int
	// weight returns the hash of an entry's path, and how many bytes of the archive the entry has, as the cuts count them: a header of one
	// block, and the padded contents.
	weight(i int) (path uint64, bytes int64)
	// at sets e to the entry i.
	at(i int, e *Entry)
	// streamed is that of an entry.
	streamed(i int) bool
	// tree is where the entry is read; nil for what is not local.
	tree(i int) *Tree
}

// entryList is a source of entries that are there already.
type entryList []Entry

func (l entryList) len() int           { return len(l) }
func (l entryList) at(i int, e *Entry) { *e = l[i] }

func (l entryList) weight(i int) (uint64, int64) {
	size := l[i].size()
	return mixed(pathHash(fnvOffset, l[i].Path)), blockSize + size + padding(size)
}

func (l entryList) streamed(i int) bool {
	return l[i].streamed()
}

func (l entryList) tree(i int) *Tree {
	if l[i].local == nil {
		return nil
	}
	return l[i].local.tree()
}

// streamed reports whether the contents of the entry can only be read once and in order.
func (e *Entry) streamed() bool {
	if e.local != nil {
		return e.Type == TypeFile && !e.local.tree().parallel()
	}
	return e.Data != nil && e.data == nil
}

// zeros is a source of padding and of the two blocks that end an archive.
var zeros = make([]byte, 2*blockSize)

// hasStream reports whether the chunk has to be filled in its turn.
func (a *archive) hasStream(c *chunk) bool {
	for i := c.from.entry; i < c.end(); i++ {
		if a.entries.streamed(i) {
			return true
		}
	}
	return false
}

// fill puts the chunk's part of the archive into its buffer. read appends the contents of an entry, or a part of them. It is told when the filling began,
// since a file that was young then and no longer is would be read, and its chunk not be trusted.
func (a *archive) fill(ctx context.Context, c *chunk, read func(buf []byte, e *Entry, from, to int64, began time.Time) ([]byte, error)) (err error) {
	var e Entry
	var p printer
	began := time.Now()
	p.begin(c.from, c.to, c.last)
	c.raw = c.raw[:0]
	for i := c.from.entry; i < c.end(); i++ {
		a.entries.at(i, &e)
		if err := p.add(&e); err != nil {
			return err
		}
		from, to := int64(0), e.size()
		if i == c.from.entry {
			from = c.from.offset
		}
		if i == c.to.entry {
			to = c.to.offset
		}
		if from == 0 {
			if c.raw, err = appendHeader(c.raw, &e); err != nil {
				return err
			}
		}
		if e.Type != TypeFile {
			continue
		}
		if c.raw, err = read(c.raw, &e, from, to, began); err != nil {
			return wrapUnlessDone(ctx, &e, err)
		}
		if to == e.Size {
			c.raw = append(c.raw, zeros[:padding(e.Size)]...)
		}
	}
	if c.last {
		c.raw = append(c.raw, zeros...)
	}
	c.print, c.trusted = p.sum(), p.trusted(began)
	return nil
}

// readNow reads contents that many chunks may read at once.
func (a *archive) readNow(buf []byte, e *Entry, from, to int64, began time.Time) ([]byte, error) {
	if e.local == nil {
		return append(buf, e.data...), nil
	}
	return e.local.appendTo(buf, a.views[e.local.tree()], from, to, began)
}

// work makes of a chunk what is hashed and written.
func (a *archive) work(ctx context.Context, c *chunk) error {
	var err error
	if a.isSame(c) {
		had := false
		if err := a.workers.do(ctx, func() { had = a.reuse(c, &a.recipe.chunks[c.index]) }); err != nil || had {
			return err
		}
	}
	for {
		busy := a.workers.do(ctx, func() {
			if !c.filled {
				err = a.fill(ctx, c, a.readNow)
			}
			if err == nil {
				err = a.pack(c)
			}
		})
		if busy != nil {
			return busy
		}
		if !errors.Is(err, errYoung) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// pause waits until a file that was young no longer is.
func pause(ctx context.Context) error {
	select {
	case <-time.After(racy):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pack hashes and compresses a chunk, unless that was done in an earlier build.
func (a *archive) pack(c *chunk) error {
	c.size, c.crc = int64(len(c.raw)), crc32.ChecksumIEEE(c.raw)
	if a.isSame(c) && !c.like(&a.recipe.chunks[c.index]) {
		return ErrChanged
	}
	m := a.lookedLike(c)
	if m != nil {
		c.sum = m.sum
	} else if a.keep {
		c.sum = sha256.Sum256(c.raw)
		m = a.madeOf(c)
	}
	if m != nil && a.reuse(c, m) {
		return nil
	}
	if err := a.compress(c); err != nil {
		return err
	}
	if a.keep {
		c.packed, c.packedSum = int64(len(c.bytes)), sha256.Sum256(c.bytes)
	}
	return nil
}

func (a *archive) compress(c *chunk) error {
	enc, err := a.workers.encoder(a.coding)
	if err != nil {
		return err
	}
	if c.bytes, err = enc.encode(c.spare[:0], c.raw); err != nil {
		return err
	}
	if a.algorithm != None {
		c.spare = c.bytes
	}
	a.workers.putEncoder(a.coding, enc)
	return nil
}

// stream reads the contents that can only be read in order, over as many chunks as they have.
type stream struct {
	*archive
	r io.ReadCloser
}

func (s *stream) close() {
	if s.r != nil {
		s.r.Close()
		s.r = nil
	}
}

// fill fills a chunk, waiting for files that are young.
func (s *stream) fill(ctx context.Context, c *chunk) error {
	return s.archive.fill(ctx, c, func(buf []byte, e *Entry, from, to int64, _ time.Time) ([]byte, error) {
		for {
			buf, err := s.read(ctx, buf, e, from, to)
			if !errors.Is(err, errYoung) {
				return buf, err
			}
			if err := pause(ctx); err != nil {
				return buf, err
			}
		}
	})
}

// read appends the next contents of e, of which the first from bytes were read before.
func (s *stream) read(ctx context.Context, buf []byte, e *Entry, from, to int64) ([]byte, error) {
	if !e.streamed() {
		return s.readNow(buf, e, from, to, time.Now())
	}
	if from == 0 {
		r, err := s.open(ctx, e)
		if err != nil {
			return buf, err
		}
		s.r = r
	}
	buf, err := appendFrom(buf, s.r, to-from)
	if err == nil && to == e.Size {
		err = atEnd(s.r)
		s.close()
	}
	return buf, err
}

func (s *stream) open(ctx context.Context, e *Entry) (io.ReadCloser, error) {
	if e.local == nil {
		return e.openData(ctx)
	}
	return e.local.open(ctx, s.views[e.local.tree()])
}

// appendFrom appends the next n bytes of r to buf.
func appendFrom(buf []byte, r io.Reader, n int64) ([]byte, error) {
	for idle := 0; n > 0; idle++ {
		if idle == 100 {
			return buf, io.ErrNoProgress
		}
		buf = grown(buf, n)
		got, err := r.Read(buf[len(buf):][:n])
		buf, n = buf[:len(buf)+got], n-int64(got)
		if got > 0 {
			idle = 0
		}
		if err != nil && n > 0 {
			return buf, noEOF(err)
		}
		if err != nil && err != io.EOF {
			return buf, err
		}
	}
	return buf, nil
}

// grown makes room for n more bytes.
func grown(buf []byte, n int64) []byte {
	if int64(cap(buf)-len(buf)) >= n {
		return buf
	}
	return append(make([]byte, 0, int64(len(buf))+n), buf...)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// atEnd makes sure that r has no more.
func atEnd(r io.Reader) error {
	var one [1]byte
	for range 100 {
		n, err := r.Read(one[:])
		switch {
		case n > 0:
			return errors.New("has more than it promised")
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}
