package cache

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// item is a blob or a record as it lies in the directory.
type item struct {
	name     string // below the root
	isRecord bool
	digest   digest.Digest // of a blob
	size     int64
	used     time.Time // last, to usePrecision
}

var recordPattern = regexp.MustCompile(`^records/[a-z0-9][a-z0-9-]{0,63}/([0-9a-f]{2})/([0-9a-f]{64})$`)

// parse tells a blob or a record by its name. What is neither is not ours to count or to remove.
func parse(name string) (found item, ok bool) {
	if m := recordPattern.FindStringSubmatch(name); m != nil {
		return item{name: name, isRecord: true}, strings.HasPrefix(m[2], m[1])
	}
	parts := strings.Split(name, "/")
	if len(parts) != 4 {
		return item{}, false
	}
	d := digest.Digest(parts[1] + ":" + parts[3])
	want, err := blobName(d)
	return item{name: name, digest: d}, err == nil && want == name
}

// list returns all blobs and records, without those that others remove meanwhile. When ctx ends, some folders are missing, others each time.
func (c *Cache) list(ctx context.Context) ([]item, error) {
	folders, err := c.folders()
	rand.Shuffle(len(folders), func(i, j int) { folders[i], folders[j] = folders[j], folders[i] })
	var items []item
	for _, dir := range folders {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return items, err
		}
		items, err = c.listFolder(dir, items)
	}
	return items, err
}

// folders are the directories that blobs and records are in.
func (c *Cache) folders() ([]string, error) {
	dirs := []string{"blobs", "records"}
	for range 2 { // algorithms or buckets, and then parts of names
		var below []string
		for _, dir := range dirs {
			entries, err := c.readDir(dir)
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				if e.IsDir() {
					below = append(below, path.Join(dir, e.Name()))
				}
			}
		}
		dirs = below
	}
	return dirs, nil
}

func (c *Cache) listFolder(dir string, items []item) ([]item, error) {
	entries, err := c.readDir(dir)
	if err != nil {
		return items, err
	}
	for _, e := range entries {
		found, ok := parse(path.Join(dir, e.Name()))
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return items, c.wrap(err)
		}
		found.size, found.used = info.Size(), info.ModTime()
		items = append(items, found)
	}
	return items, nil
}

// readDir reads a directory, which need not exist.
func (c *Cache) readDir(dir string) ([]fs.DirEntry, error) {
	d, err := c.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, c.wrap(err)
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, c.wrap(err)
	}
	return entries, nil
}

// Info is what a cache consists of.
type Info struct {
	Dir     string
	Blobs   int
	Records int
	Bytes   int64     // of both
	MaxSize int64     // the limit, in bytes; negative is none
	Oldest  time.Time // when that was used which has not been used for the longest time, to the hour; zero when there is nothing
}

// Info looks at every file of the cache and reads none.
func (c *Cache) Info(ctx context.Context) (Info, error) {
	info := Info{Dir: c.Dir(), MaxSize: c.maxSize()}
	items, err := c.list(ctx)
	for _, i := range items {
		if i.isRecord {
			info.Records++
		} else {
			info.Blobs++
		}
		info.Bytes += i.size
		if info.Oldest.IsZero() || i.used.Before(info.Oldest) {
			info.Oldest = i.used
		}
	}
	return info, err
}
