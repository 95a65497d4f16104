package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/atomicfile"
)

// Options changes how a cache is opened. nil and the zero value are the default.
type Options struct {
	// Abandoned is how long ago a temporary file whose writer is gone must have been written to for Open to remove it; 0 means
	// a minute.
	Abandoned time.Duration
	// MaxSize is what Trim prunes the cache to, in bytes; 0 means 10 GB, or a tenth of the disk where that is less, and a negative number no limit.
	MaxSize int64
	// Existing makes Open fail, with an error that is fs.ErrNotExist, where there is no cache yet, instead of making one. A directory of something else
	// is none.
	Existing bool
}

// Cache is a directory of blobs and records. Its methods may be called by many goroutines at once.
type Cache struct {
	root  *os.Root
	owner *atomicfile.File // of a temporary directory, which goes with Close; else nil
	limit int64            // Options.MaxSize

	written atomic.Int64 // bytes, since the last Trim

	guard sync.Mutex // before the lock of that name, for the goroutines of this process

	mu       sync.Mutex
	verified map[digest.Digest]fs.FileInfo // the files that this process wrote or hashed
}

// cacheTag marks the directory for backup programs as one that can be left out (bford.info/cachedir).
const cacheTag = "Signature: 8a477f597d28d172789f06886806bc55\n# This directory holds what imgscript can make or fetch again.\n"

const tagFile = "CACHEDIR.TAG"

// Open opens the cache in the directory dir, which is made if it is missing, and removes what dead processes left half-written.
// The caller closes it.
func Open(dir string, opts *Options) (*Cache, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Abandoned <= 0 {
		o.Abandoned = time.Minute
	}
	if !o.Existing {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, openError(dir, err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, openError(dir, err)
	}
	if err := tag(root, o.Existing); err != nil {
		root.Close()
		return nil, openError(dir, err)
	}
	atomicfile.Sweep(root, tmpDir, o.Abandoned)
	atomicfile.Sweep(root, runsDir, o.Abandoned)
	return &Cache{root: root, limit: o.MaxSize, verified: map[digest.Digest]fs.FileInfo{}}, nil
}

func openError(dir string, err error) error { return fmt.Errorf("open cache: %w", fullError(dir, err)) }

// tag makes sure that the directory is marked as a cache.
func tag(root *os.Root, existing bool) error {
	_, err := root.Lstat(tagFile)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return nil
	case existing:
		return fmt.Errorf("%q holds no cache of imgscript: %w", root.Name(), err)
	}
	return atomicfile.WriteFile(root, tmpDir, tagFile, []byte(cacheTag), 0o600)
}

// Dir is the cache's directory.
func (c *Cache) Dir() string { return c.root.Name() }

// Close ends the use of the cache. Readers that are open stay usable; everything else fails from now on.
func (c *Cache) Close() error {
	if c.owner != nil {
		c.owner.Discard()
	}
	err := c.root.Close()
	if c.owner != nil {
		err = errors.Join(err, os.RemoveAll(c.root.Name()))
	}
	return err
}
