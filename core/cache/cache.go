package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/atomicfile"
)

// Options changes how a cache is opened. nil and the zero value are the default.
type Options struct {
	// Abandoned is how long ago a temporary file whose writer is gone must have been written to for Open to remove it; 0 means
	// a minute.
	Abandoned time.Duration
}

// Cache is a directory of blobs and records. Its methods may be called by many goroutines at once.
type Cache struct {
	root  *os.Root
	owner *atomicfile.File // of a temporary directory, which goes with Close; else nil

	mu       sync.Mutex
	verified map[digest.Digest]fs.FileInfo // the files that this process wrote or hashed
}

// cacheTag marks the directory for backup programs as one that can be left out (bford.info/cachedir).
const cacheTag = "Signature: 8a477f597d28d172789f06886806bc55\n# This directory holds what imgscript can make or fetch again.\n"

// Open opens the cache in the directory dir, which is made if it is missing, and removes what dead processes left half-written.
// The caller closes it.
func Open(dir string, opts *Options) (*Cache, error) {
	age := time.Minute
	if opts != nil && opts.Abandoned > 0 {
		age = opts.Abandoned
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	if _, err := root.Lstat("CACHEDIR.TAG"); errors.Is(err, fs.ErrNotExist) {
		err = atomicfile.WriteFile(root, tmpDir, "CACHEDIR.TAG", []byte(cacheTag), 0o600)
		if err != nil {
			root.Close()
			return nil, fmt.Errorf("open cache: %w", err)
		}
	}
	atomicfile.Sweep(root, tmpDir, age)
	return &Cache{root: root, verified: map[digest.Digest]fs.FileInfo{}}, nil
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
