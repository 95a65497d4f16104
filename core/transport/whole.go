package transport

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layout"
)

// Whole keeps open what is written as a whole, archives and Docker daemons, so that all that a run writes to one goes into one. Its zero value is ready to use; Close it.
type Whole struct {
	mu   sync.Mutex
	open map[wholeKey]imageStore
}

// wholeKey tells what is open.
type wholeKey struct {
	name  string // the transport and the path
	write bool
}

// imageStore is what an archive and a daemon have in common.
type imageStore interface {
	content.Repository
	content.NamesPusher
}

// get returns what is open, or opens it.
func (w *Whole) get(key wholeKey, open func() (imageStore, error)) (imageStore, error) {
	if w == nil {
		return open()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if store, ok := w.open[key]; ok {
		return store, nil
	}
	store, err := open()
	if err != nil {
		return nil, err
	}
	if w.open == nil {
		w.open = map[wholeKey]imageStore{}
	}
	w.open[key] = store
	return store, nil
}

// Close removes what was made to read from. Nothing may be read or written any more.
func (w *Whole) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all error
	for _, store := range w.open {
		if c, ok := store.(io.Closer); ok {
			all = errors.Join(all, c.Close())
		}
	}
	w.open = nil
	return all
}

// archive opens the file of a reference.
func (o *Options) archive(ref Reference) (imageStore, error) {
	file, err := o.path(ref)
	if err != nil {
		return nil, err
	}
	return o.Whole.get(wholeKey{ref.Transport + ":" + file, o.Write}, func() (imageStore, error) {
		return layout.OpenArchive(file, &layout.ArchiveOptions{
			Docker: ref.Transport == DockerArchive, ReadOnly: !o.Write, Staging: o.Staging, OpenDir: o.openDir(filepath.Dir(file)),
		})
	})
}

// openImages opens the images of one name in a store of Docker's.
func (o *Options) openImages(ref Reference) (content.Repository, error) {
	var store imageStore
	var err error
	if ref.Transport == DockerArchive {
		store, err = o.archive(ref)
	} else {
		store, err = o.Whole.get(wholeKey{DockerDaemon, o.Write}, func() (imageStore, error) {
			return layout.OpenDaemon(&layout.DaemonOptions{Host: o.Daemon, ReadOnly: !o.Write, Staging: o.Staging})
		})
	}
	if err != nil {
		return nil, err
	}
	return &images{store, ref.Repository}, nil
}

// images are those of one name in a store whose images have names with tags: for who uses it, names are tags. Without a name the only image is read, and one is written that has none.
type images struct {
	imageStore
	repository string
}

// name is what the store calls the image with a tag.
func (i *images) name(tag string) string {
	if _, err := content.ParseDigest(tag); err == nil || tag == "" || i.repository == "" {
		return tag
	}
	return i.repository + ":" + tag
}

// Resolve implements content.Resolver.
func (i *images) Resolve(ctx context.Context, tag string) (content.Descriptor, error) {
	return i.imageStore.Resolve(ctx, i.name(tag))
}

// MadeUp reports whether an image that was resolved had no manifest, so that one was made.
func (i *images) MadeUp(manifest digest.Digest) bool {
	m, ok := i.imageStore.(interface{ MadeUp(digest.Digest) bool })
	return ok && m.MadeUp(manifest)
}

// Tag implements content.Tagger.
func (i *images) Tag(ctx context.Context, desc content.Descriptor, tag string) error {
	return i.imageStore.Tag(ctx, desc, i.name(tag))
}

// PushNamed implements content.NamesPusher.
func (i *images) PushNamed(ctx context.Context, desc content.Descriptor, open content.Opener, tags []string) error {
	var names []string
	for _, tag := range tags {
		names = append(names, i.name(tag))
	}
	return i.imageStore.PushNamed(ctx, desc, open, names)
}

// Tags implements content.TagLister, where the store is one: the tags of its images of this name, or the names of all of them.
func (i *images) Tags(ctx context.Context) ([]string, error) {
	lister, ok := i.imageStore.(content.TagLister)
	if !ok {
		return nil, content.ErrUnsupported
	}
	names, err := lister.Tags(ctx)
	if err != nil || i.repository == "" {
		return names, err
	}
	tags := []string{}
	for _, name := range names {
		if tag, ok := strings.CutPrefix(name, i.repository+":"); ok {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// Referrers implements content.ReferrerLister: what docker save writes has none, but where it is a layout too.
func (i *images) Referrers(ctx context.Context, subject digest.Digest, artifactType string) ([]content.Descriptor, error) {
	if lister, ok := i.imageStore.(content.ReferrerLister); ok {
		return lister.Referrers(ctx, subject, artifactType)
	}
	return []content.Descriptor{}, nil
}
