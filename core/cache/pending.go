package cache

import (
	"context"
	"errors"
	"hash"
	"io"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/core/content"
)

// ErrAborted is the error of a pending blob whose writer gave up without saying why.
var ErrAborted = errors.New("the writing of this blob was given up")

// Pending is a blob that is about to be written, is being written, or has been. One goroutine calls Ingest, or Abort; any number of others
// Open and Wait, before, meanwhile and after. It holds no resources outside of Ingest and of the readers.
//
// It implements content.Ingester and content.Pending.
type Pending struct {
	cache     *Cache
	mediaType string
	ended     chan struct{} // closed when desc or err is final

	mu      sync.Mutex
	begun   bool          // by Ingest
	name    string        // of the file, below the cache's root; empty until there is one
	size    int64         // bytes that can be read
	changed chan struct{} // closed when there are more, or at the end; nil while nobody waits
	desc    content.Descriptor
	err     error
}

// Begin makes a blob of that media type that its caller is about to write with Ingest. A Pending that nobody will
// ingest into must be aborted, since followers wait for its end.
func (c *Cache) Begin(mediaType string) *Pending {
	return &Pending{cache: c, mediaType: mediaType, ended: make(chan struct{})}
}

// Ingest implements content.Ingester: it stores what write writes and shows it to the followers as it comes. It can be called once. mediaType
// is that of the descriptor; empty means the one of Begin. The writer that write gets fails when ctx ends and after Abort.
//
// When write fails, its error is returned, the followers get it, and nothing is stored.
func (p *Pending) Ingest(ctx context.Context, mediaType string, write func(io.Writer) error) (content.Descriptor, error) {
	if mediaType == "" {
		mediaType = p.mediaType
	}
	if err := p.begin(); err != nil {
		return content.Descriptor{}, err
	}
	desc, err := p.ingest(ctx, mediaType, write)
	if err != nil {
		p.Abort(err)
	}
	return desc, err
}

func (p *Pending) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	if p.begun {
		return errors.New("ingest: this blob has a writer already")
	}
	p.begun = true
	return nil
}

func (p *Pending) ingest(ctx context.Context, mediaType string, write func(io.Writer) error) (desc content.Descriptor, err error) {
	if err := context.Cause(ctx); err != nil {
		return desc, err
	}
	f, err := atomicfile.Create(p.cache.root, tmpDir, 0o600)
	if err != nil {
		return desc, p.cache.wrap(err)
	}
	written := false
	defer func() {
		if !written { // or write panicked, and err is nil
			p.Abort(err) // before the file goes away under the followers
			f.Discard()
		}
	}()
	to := &sink{blob: p, file: f, hash: digest.SHA256.Hash(), cancelled: func() error { return context.Cause(ctx) }}
	if err = write(to); err == nil {
		err = to.check()
	}
	if err != nil {
		return desc, err
	}
	written = true
	return p.commit(f, mediaType, digest.NewDigest(digest.SHA256, to.hash))
}

// sink is what the writer of a blob writes to. Its first error stays: a writer that does not look at it must not end with half a blob.
type sink struct {
	blob      *Pending
	file      *atomicfile.File
	hash      hash.Hash
	cancelled func() error
	err       error
}

// Write implements io.Writer.
func (s *sink) Write(b []byte) (n int, err error) {
	if s.check() != nil {
		return 0, s.err
	}
	n, s.err = s.file.Write(b)
	s.err = fullError(s.blob.cache.Dir(), s.err)
	if aborted := s.blob.grow(s.file.Name(), n); s.err == nil {
		s.err = aborted
	}
	s.hash.Write(b[:n])
	return n, s.err
}

func (s *sink) check() error {
	if s.err == nil {
		s.err = s.cancelled()
	}
	return s.err
}

// grow says that n more bytes can be read from the file name; its error is that of Abort.
func (p *Pending) grow(name string, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name = name
	p.size += int64(n)
	p.wake()
	return p.err
}

// commit gives the blob its final name. Followers open the file by name, so the name changes with the file under the lock.
func (p *Pending) commit(f *atomicfile.File, mediaType string, d digest.Digest) (content.Descriptor, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil { // aborted after the last write
		f.Discard()
		return content.Descriptor{}, p.err
	}
	name, err := p.cache.commit(f, d)
	if err == nil {
		p.name, p.desc = name, content.Descriptor{MediaType: mediaType, Digest: d, Size: p.size}
	}
	p.end(err)
	return p.desc, err
}

// Abort ends a blob that will not be written, or not to its end: err is what the followers and the writer get; nil is [ErrAborted]. A blob
// that has ended stays as it is.
func (p *Pending) Abort(err error) {
	if err == nil {
		err = ErrAborted
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.hasEnded() {
		p.end(err)
	}
}

// end ends the blob. The caller holds mu.
func (p *Pending) end(err error) {
	p.err = err
	p.wake()
	close(p.ended)
}

func (p *Pending) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// wake tells who waits for more bytes to look again. The caller holds mu.
func (p *Pending) wake() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// more returns how many bytes can be read. When that is offset, more is closed as soon as there are more or the blob has ended; the error is
// io.EOF when no more will come.
func (p *Pending) more(offset int64) (size int64, more <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.err != nil:
		return 0, nil, p.err
	case offset < p.size:
		return p.size, nil, nil
	case p.hasEnded():
		return 0, nil, io.EOF
	case p.changed == nil:
		p.changed = make(chan struct{})
	}
	return p.size, p.changed, nil
}

// open opens the file by the name that it has now.
func (p *Pending) open() (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	return p.cache.open(p.name)
}

// Wait implements content.Pending.
func (p *Pending) Wait(ctx context.Context) (content.Descriptor, error) {
	select {
	case <-p.ended:
		return p.desc, p.err // written before ended was closed, and never again
	case <-ctx.Done():
		return content.Descriptor{}, context.Cause(ctx)
	}
}
