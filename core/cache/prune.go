package cache

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"
)

// The limit that Options.MaxSize has when it is 0: 10 GB, or a tenth of the disk where that is less.
const (
	defaultMaxSize = 10_000_000_000
	diskShare      = 10
)

// maxSize is the limit in bytes; negative is none.
func (c *Cache) maxSize() int64 {
	if c.limit != 0 {
		return c.limit
	}
	if disk := diskSize(c.Dir()); disk > 0 {
		return min(defaultMaxSize, disk/diskShare)
	}
	return defaultMaxSize
}

// Pruned says what was removed.
type Pruned struct {
	Blobs   int
	Records int
	Bytes   int64 // of both
	Left    int64 // the bytes that are still there
	InUse   int64 // of those, the bytes that were to go but may be in use by a run
}

func (p *Pruned) count(i item) {
	if i.isRecord {
		p.Records++
	} else {
		p.Blobs++
	}
	p.Bytes += i.size
}

// Prune removes blobs and records until no more than maxSize bytes are left, those first that were not used for the longest time. What a run that is under way has
// used, or may have used, stays (see [Cache.Hold]). Where the system lets them, as Unix does, those who read what is removed read on.
func (c *Cache) Prune(ctx context.Context, maxSize int64) (Pruned, error) {
	items, err := c.list(ctx)
	if err != nil {
		return Pruned{}, err
	}
	p, err := c.shrink(ctx, items, size(items), maxSize)
	if err != nil {
		return p, err
	}
	return p, c.setSize(p.Left)
}

// trimTime is how long the listing of a large cache may take at the end of a run, and as long again the removal. What is left undone is done by a later run.
const trimTime = time.Second

// Trim prunes a cache that is larger than its limit, to nine tenths of that, so that it need not be done again soon. It is for the end of a run: mostly it
// costs nothing, or the time for a small file. That it fails is no failure of the run. Temporary caches have no limit.
func (c *Cache) Trim(ctx context.Context) error {
	written := c.written.Swap(0)
	if written == 0 || c.owner != nil {
		return nil
	}
	limit := c.maxSize()
	if limit < 0 {
		return nil
	}
	total, known := c.addSize(written)
	if known && total <= limit {
		return nil
	}
	items, listed, err := c.listFor(ctx, known)
	if err != nil {
		return err
	}
	if listed {
		total = size(items)
	}
	target := limit
	if total > limit {
		target -= limit / 10
	}
	ctx, cancel := context.WithTimeout(ctx, trimTime)
	defer cancel()
	p, err := c.shrink(ctx, items, total, target)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, c.setSize(p.Left))
}

// listFor lists the cache, or as much of it as there is time for when its size is known anyway; all says whether that is everything.
func (c *Cache) listFor(ctx context.Context, sizeKnown bool) (items []item, all bool, err error) {
	if sizeKnown {
		limited, cancel := context.WithTimeout(ctx, trimTime)
		defer cancel()
		ctx = limited
	}
	items, err = c.list(ctx)
	if errors.Is(err, context.DeadlineExceeded) && sizeKnown {
		return items, false, nil
	}
	return items, err == nil, err
}

// shrink removes those of items first that were used least recently, until of total bytes maxSize are left.
func (c *Cache) shrink(ctx context.Context, items []item, total, maxSize int64) (Pruned, error) {
	slices.SortFunc(items, func(a, b item) int { return a.used.Compare(b.used) })
	p := Pruned{Left: total}
	for _, i := range items {
		if p.Left <= maxSize {
			break
		}
		err := context.Cause(ctx)
		if err == nil {
			c.guarded(func() { err = c.evict(i, &p) })
		}
		if errors.Is(err, errInUse) {
			p.InUse = p.Left - maxSize
			break // what comes after it was used later
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

var errInUse = errors.New("in use")

// evict removes one file, unless it was used or written again since it was listed, or may be in use by a run. The caller holds the guard.
func (c *Cache) evict(i item, p *Pruned) error {
	if began, running := c.firstRun(); running && i.used.After(began.Add(-usePrecision)) {
		return errInUse
	}
	info, err := c.root.Lstat(i.name)
	if err == nil && !info.ModTime().Equal(i.used) {
		return nil
	}
	if err == nil {
		err = c.root.Remove(i.name)
	}
	switch {
	case err == nil:
		p.count(i)
	case !errors.Is(err, fs.ErrNotExist): // else another process pruned it
		return c.wrap(err)
	}
	p.Left -= i.size
	return nil
}

// size is what items have in all, in bytes.
func size(items []item) (total int64) {
	for _, i := range items {
		total += i.size
	}
	return total
}
