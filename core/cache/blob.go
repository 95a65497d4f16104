package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/core/content"
)

const tmpDir = "tmp"

// blobName is where the blob lies. Folders of one byte of the digest keep directories short on file systems that search them line by line.
func blobName(d digest.Digest) (string, error) {
	if _, err := content.ParseDigest(d.String()); err != nil {
		return "", err
	}
	hex := d.Encoded()
	return "blobs/" + d.Algorithm().String() + "/" + hex[:2] + "/" + hex, nil
}

// Fetch implements content.Fetcher. The file is hashed before the first byte is handed out, once a process, so that a
// damaged blob is [content.ErrNotFound] and the caller makes or fetches it anew.
func (c *Cache) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	f, err := c.openChecked(ctx, desc.Digest)
	if err != nil {
		return nil, err
	}
	r, err := content.Verify(f, desc)
	if err != nil {
		return nil, err
	}
	return &reader{ReadCloser: r, damaged: func() { c.forget(desc.Digest) }}, nil
}

// Open opens the blob d for reading parts of it, as it lies there: the caller verifies what it reads, and closes the file. A blob that is not there
// is content.ErrNotFound.
func (c *Cache) Open(d digest.Digest) (*os.File, error) {
	name, err := blobName(d)
	if err != nil {
		return nil, err
	}
	f, err := c.open(name)
	if err != nil {
		return nil, err
	}
	if err := c.useBlob(f, name, d); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openChecked opens the blob d, whose bytes are right.
func (c *Cache) openChecked(ctx context.Context, d digest.Digest) (*os.File, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	name, err := blobName(d)
	if err != nil {
		return nil, err
	}
	f, err := c.open(name)
	if err != nil {
		return nil, err
	}
	if err = c.check(ctx, f, d); err == nil {
		err = c.useBlob(f, name, d)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// open opens the blob's file name.
func (c *Cache) open(name string) (*os.File, error) {
	f, err := c.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound(name)
	}
	if err != nil {
		return nil, c.wrap(err)
	}
	return f, nil
}

func notFound(name string) error {
	return fmt.Errorf("cached blob %s: %w", path.Base(name), content.ErrNotFound)
}

// check hashes f unless this process has done so, and removes it when it is not d.
func (c *Cache) check(ctx context.Context, f *os.File, d digest.Digest) error {
	info, err := f.Stat()
	if err != nil {
		return c.wrap(err)
	}
	if c.isVerified(d, info) {
		return nil
	}
	good, err := hashes(ctx, f, d)
	if err != nil && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	if err != nil || !good { // a bad sector is damage too
		c.discard(d, info)
		return fmt.Errorf("%s: %w: the cached blob was damaged", d, content.ErrNotFound)
	}
	c.setVerified(d, info)
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// hashes reads f to its end and reports whether its digest is d.
func hashes(ctx context.Context, f io.Reader, d digest.Digest) (bool, error) {
	hash := d.Algorithm().Hash()
	buf := make([]byte, 128<<10)
	for {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		n, err := f.Read(buf)
		hash.Write(buf[:n])
		if err == io.EOF {
			return digest.NewDigest(d.Algorithm(), hash) == d, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// discard removes the damaged blob d if it is still the file info, and not what another process put in its place.
func (c *Cache) discard(d digest.Digest, info fs.FileInfo) {
	name, err := blobName(d)
	if err != nil {
		return
	}
	if now, err := c.root.Lstat(name); err == nil && os.SameFile(info, now) {
		c.root.Remove(name)
	}
}

func (c *Cache) isVerified(d digest.Digest, info fs.FileInfo) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.verified[d]
	return ok && os.SameFile(known, info) && known.Size() == info.Size() && known.ModTime().Equal(info.ModTime())
}

func (c *Cache) setVerified(d digest.Digest, info fs.FileInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verified[d] = info
}

func (c *Cache) forget(d digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.verified, d)
}

// reader tells of bytes that were damaged after they were first verified.
type reader struct {
	io.ReadCloser
	damaged func()
}

// Verifies implements content.Verifying.
func (r *reader) Verifies() content.Descriptor { return content.Verifies(r.ReadCloser) }

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		r.damaged()
	}
	return n, err
}

// Exists implements content.Store. A blob exists when Fetch would hand it out: it is hashed as Fetch does it, and a damaged one is removed.
func (c *Cache) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	f, err := c.openChecked(ctx, desc.Digest)
	if errors.Is(err, content.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, c.wrap(err)
	}
	return desc.Size < 0 || info.Size() == desc.Size, nil
}

// Push implements content.Pusher.
func (c *Cache) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	if err := content.CheckPush(desc); err != nil {
		return err
	}
	if there, err := c.Exists(ctx, desc); err != nil || there {
		return err
	}
	r, err := open.Verified(ctx, desc)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := atomicfile.Create(c.root, tmpDir, 0o600)
	if err != nil {
		return c.wrap(err)
	}
	if err := f.Fill(ctx, r); err != nil {
		f.Discard()
		return fmt.Errorf("cache %s: %w", desc.Digest, fullError(c.Dir(), err))
	}
	_, err = c.commit(f, desc.Digest)
	return err
}

// commit gives the finished file f its name. Its bytes are known to be those of d.
func (c *Cache) commit(f *atomicfile.File, d digest.Digest) (name string, err error) {
	name, err = blobName(d)
	if err != nil {
		f.Discard()
		return "", err
	}
	info, statErr := f.Stat()
	commit := func() { err = f.Commit(name) }
	if _, missing := c.root.Lstat(name); errors.Is(missing, fs.ErrNotExist) {
		commit() // nobody is about to remove what is not there
	} else {
		c.guarded(commit)
	}
	if err != nil {
		return "", c.wrap(err)
	}
	if statErr == nil {
		c.setVerified(d, info)
		c.written.Add(info.Size())
	}
	return name, nil
}

// Ingest implements content.Ingester. write is given a writer that fails when ctx ends; it should write in pieces of some KiB or more.
func (c *Cache) Ingest(ctx context.Context, mediaType string, write func(io.Writer) error) (content.Descriptor, error) {
	return c.Begin(mediaType).Ingest(ctx, mediaType, write)
}
