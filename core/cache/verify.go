package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Checked says what Verify found.
type Checked struct {
	Blobs   int // that are there
	Records int // that are there
	Bytes   int64
	Removed []string // the files that were damaged, relative to the cache's directory, sorted
}

// Verify reads every blob and every record, and removes those whose bytes are not what they were when they were written, or cannot be read: they are made or fetched
// again when they are needed. It is an error when one cannot be opened or removed. The times of last use stay as they are.
func (c *Cache) Verify(ctx context.Context) (Checked, error) {
	items, err := c.list(ctx)
	if err != nil {
		return Checked{}, err
	}
	var mu sync.Mutex
	var found Checked
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range items {
		group.Go(func() error {
			removed, err := c.verify(ctx, i)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // pruned meanwhile
			}
			mu.Lock()
			defer mu.Unlock()
			found.count(i, removed)
			return err
		})
	}
	err = group.Wait()
	slices.Sort(found.Removed)
	return found, err
}

func (k *Checked) count(i item, removed bool) {
	switch {
	case removed:
		k.Removed = append(k.Removed, i.name)
		return
	case i.isRecord:
		k.Records++
	default:
		k.Blobs++
	}
	k.Bytes += i.size
}

// verify reads one file, and removes it if it is damaged and still the one that was read.
func (c *Cache) verify(ctx context.Context, i item) (removed bool, err error) {
	before, err := c.root.Lstat(i.name)
	if err != nil {
		return false, c.wrap(err)
	}
	if good, err := c.isWhole(ctx, i); good || err != nil {
		return false, err
	}
	now, err := c.root.Lstat(i.name)
	if err == nil && !os.SameFile(before, now) {
		return c.verify(ctx, i) // what another process put in its place
	}
	if err == nil {
		err = c.root.Remove(i.name)
	}
	if err != nil {
		return false, c.wrap(err)
	}
	return true, nil
}

// isWhole reports whether a file can be read and its bytes are what they were when it was written. It is an error when it cannot be opened.
func (c *Cache) isWhole(ctx context.Context, i item) (bool, error) {
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	if i.isRecord {
		f, _, err := c.readRecord(i.name)
		switch {
		case errors.Is(err, errDamaged):
			return false, nil
		case err != nil:
			return false, c.wrap(err)
		}
		f.Close()
		return true, nil
	}
	f, err := c.root.Open(i.name)
	if err != nil {
		return false, c.wrap(err)
	}
	defer f.Close()
	good, err := hashes(ctx, f, i.digest)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return good && err == nil, nil
}
