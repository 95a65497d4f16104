package layer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"syscall"
	"time"
)

// local is a file that was found in a Tree, as it was then.
type local struct {
	*node // which says where it stands
	stat  stat
}

// racy is the time within which a file may change twice without a change of its times, which come from a clock that some kernels
// move forward only every 10 ms.
const racy = 20 * time.Millisecond

// open opens the file as it was found; the reader ends with ErrChanged in place of io.EOF when it did not stay so.
func (l *local) open(ctx context.Context, v view) (*localReader, error) {
	f, err := l.openSame(v)
	if err != nil {
		return nil, err
	}
	r := &localReader{ctx: ctx, view: v, local: l, file: f, onClose: func() {}}
	if l.stat.young(time.Now()) {
		r.hash = sha256.New()
	}
	return r, nil
}

// errYoung says that a file is so young that it cannot be read but twice.
var errYoung = errors.New("modified a moment ago")

// appendTo appends the contents of the file from an offset up to another one to buf, which the file has in one moment: between two looks at it that show
// no change, of which the first comes so late that a later change shows in its times. When that is yet to come, the error is errYoung.
func (l *local) appendTo(buf []byte, v view, from, to int64, now time.Time) ([]byte, error) {
	if l.stat.young(now) {
		return buf, errYoung
	}
	f, err := l.openSame(v)
	if err != nil {
		return buf, err
	}
	defer f.Close()
	more := int64(0)
	if to == l.stat.size {
		more = 1 // to see that there is no more
	}
	start := len(buf)
	buf = grown(buf, to-from+more)
	for want := start + int(to-from+more); len(buf) < want; {
		n, err := f.readAt(buf[len(buf):want], from+int64(len(buf)-start))
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return buf, err
		}
		if int64(len(buf)-start) == to-from {
			break // a regular file gives less than is asked for only at its end
		}
	}
	switch got := int64(len(buf) - start); {
	case got > to-from:
		return buf, l.longer()
	case got < to-from:
		return buf, l.shorter()
	}
	return buf, l.check(f)
}

func (l *local) shorter() error {
	return fmt.Errorf("%w: it is shorter than its %d bytes", ErrChanged, l.stat.size)
}

func (l *local) longer() error {
	return fmt.Errorf("%w: it is longer than its %d bytes", ErrChanged, l.stat.size)
}

// openSame opens the file and makes sure that it is the one that was found, unchanged.
func (l *local) openSame(v view) (file, error) {
	f, err := v.open(l.dirAndBase())
	if err != nil {
		return nil, changed(err)
	}
	if err := l.check(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// changed makes ErrChanged of an error that says that something else, or nothing, is in the place of a file that was there before.
func changed(err error) error {
	for _, gone := range []error{fs.ErrNotExist, syscall.ELOOP, syscall.ENOTDIR, syscall.ENXIO} {
		if errors.Is(err, gone) {
			return fmt.Errorf("%w: %w", ErrChanged, err)
		}
	}
	return err
}

func (l *local) check(f file) error {
	now, err := f.stat()
	if err != nil {
		return err
	}
	if !now.same(l.stat) {
		return ErrChanged
	}
	return nil
}

// young reports whether the file was modified so shortly before now that a further change may not show in its times.
func (s stat) young(now time.Time) bool {
	last := s.ctime
	if last == 0 {
		last = s.mtime
	}
	age := now.Sub(time.Unix(0, last))
	return -racy < age && age < racy
}

// localReader reads a local file once, or twice when it is young, and makes sure that the bytes are those of one moment.
type localReader struct {
	ctx     context.Context // of the call that opened it; a reader lives no longer
	view    view
	local   *local
	file    file
	n       int64
	hash    hash.Hash // of a young file
	err     error
	onClose func()
}

// Read implements io.Reader.
func (r *localReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	left := r.local.stat.size - r.n
	if left == 0 {
		r.err = r.end()
		return 0, r.err
	}
	n, err := r.file.Read(p[:min(int64(len(p)), left)])
	r.n += int64(n)
	if r.hash != nil {
		r.hash.Write(p[:n])
	}
	if err == io.EOF && r.n < r.local.stat.size {
		err = r.local.shorter()
	} else if err == io.EOF {
		err = nil
	}
	r.err = err
	return n, err
}

// end is the error with which the reader ends: io.EOF when nothing happened to the file.
func (r *localReader) end() error {
	if n, _ := r.file.Read(make([]byte, 1)); n > 0 {
		return r.local.longer()
	}
	if err := r.local.check(r.file); err != nil {
		return err
	}
	if r.hash != nil {
		return r.again()
	}
	return io.EOF
}

// again waits until a change would show in the file's times and compares its bytes with those that were read.
func (r *localReader) again() error {
	select {
	case <-time.After(racy):
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
	f, err := r.local.openSame(r.view)
	if err != nil {
		return err
	}
	defer f.Close()
	second := sha256.New()
	if _, err := io.Copy(second, io.LimitReader(contextReader{r.ctx, f}, r.local.stat.size+1)); err != nil {
		return err
	}
	if !bytes.Equal(second.Sum(nil), r.hash.Sum(nil)) {
		return ErrChanged
	}
	if err := r.local.check(f); err != nil {
		return err
	}
	return io.EOF
}

// Close implements io.Closer.
func (r *localReader) Close() error {
	err := r.file.Close()
	r.onClose()
	return err
}

// contextReader ends when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// openData opens the contents of a file that is not local; the reader fails when they are not Size bytes.
func (e *Entry) openData(ctx context.Context) (io.ReadCloser, error) {
	r := io.NopCloser(io.Reader(bytes.NewReader(nil)))
	if e.Data != nil {
		var err error
		if r, err = e.Data(ctx); err != nil {
			return nil, e.wrap(err)
		}
	}
	return &sizedReader{r: r, entry: e, left: e.Size}, nil
}

// sizedReader ends well only after exactly the promised number of bytes.
type sizedReader struct {
	r     io.ReadCloser
	entry *Entry
	left  int64
}

// Read implements io.Reader.
func (s *sizedReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.left -= int64(n)
	switch {
	case s.left < 0:
		return 0, s.entry.wrap(fmt.Errorf("has more than the promised %d bytes", s.entry.Size))
	case err == io.EOF && s.left > 0:
		return n, s.entry.wrap(fmt.Errorf("ends after %d of the promised %d bytes", s.entry.Size-s.left, s.entry.Size))
	case err != nil && err != io.EOF:
		return n, s.entry.wrap(err)
	}
	return n, err
}

// Close implements io.Closer.
func (s *sizedReader) Close() error { return s.r.Close() }
