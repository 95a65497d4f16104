package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// ArchiveOptions says what kind of archive is opened. nil and the zero value are one with an OCI layout that is read and written.
type ArchiveOptions struct {
	// Docker is an archive as docker save writes and docker load reads it. Its images have names such as "app:v1", and Docker Hub's short ones mean the same as the long ones.
	Docker bool
	// ReadOnly makes every write an error that is content.ErrUnsupported.
	ReadOnly bool
	// Staging keeps what is written until the file is, such as a cache; nil keeps it in memory.
	Staging content.Store
	// OpenDir opens the directory of the file, as that of Options does a layout's; nil does so by its path.
	OpenDir func(create bool) (*os.Root, error)
}

// Archive is a tar file with images: an OCI layout that was packed, or what docker save writes. Its methods may be called by many goroutines at once. It holds nothing open, so that
// there is nothing to close.
//
// One that is written begins empty, whatever the file holds. What it is given is staged, and the file is written when an image in it is given its names: with the images so far, in one order,
// so that the same images make the same bytes. What was in its place is replaced then, at once.
type Archive struct {
	file string
	opts ArchiveOptions
	tar  tarFile
	sink func(ctx context.Context, w *archiveWriter) error // takes the archive in place of the file; nil where there is one

	mu       sync.Mutex // guards what follows; not held while the file is written
	turn     chan struct{}
	pushed   map[digest.Digest]content.Descriptor
	images   []namedImage
	imported map[digest.Digest]importedBlob // of docker save's, which are not in files of their digest
	hashes   map[string]digest.Digest       // of layers that had to be read to be known
}

// importedBlob is how a blob is read that has no file of its digest.
type importedBlob struct {
	desc content.Descriptor
	open content.Opener
}

// namedImage is an image of an archive that is written.
type namedImage struct {
	desc  content.Descriptor
	names []string
}

// OpenArchive opens an archive, which may not exist yet; it is looked at when it is used.
func OpenArchive(file string, opts *ArchiveOptions) (*Archive, error) {
	if file == "" {
		return nil, fmt.Errorf("open archive: the path is empty: %w", content.ErrInvalid)
	}
	a := &Archive{file: file, tar: tarFile{name: filepath.Base(file)}, turn: make(chan struct{}, 1), pushed: map[digest.Digest]content.Descriptor{},
		imported: map[digest.Digest]importedBlob{}, hashes: map[string]digest.Digest{}}
	if opts != nil {
		a.opts = *opts
	}
	if a.opts.Staging == nil {
		a.opts.Staging = new(content.Memory)
	}
	if a.opts.OpenDir == nil {
		a.opts.OpenDir = func(create bool) (*os.Root, error) { return openPath(filepath.Dir(file), create) }
	}
	a.tar.openDir = a.opts.OpenDir
	return a, nil
}

// errorf makes an error that names the archive.
func (a *Archive) errorf(format string, args ...any) error {
	kind := "oci archive"
	if a.opts.Docker {
		kind = "docker archive"
	}
	return fmt.Errorf(kind+" %q: "+format, append([]any{a.file}, args...)...)
}

// listed is the index of the images that were given.
func (a *Archive) listed() (*index, error) {
	a.mu.Lock()
	images := slices.Clone(a.images)
	a.mu.Unlock()
	return a.indexOf(images)
}

// given returns what was pushed with a digest.
func (a *Archive) given(d digest.Digest) (content.Descriptor, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	desc, ok := a.pushed[d]
	return desc, ok
}

// Fetch implements content.Fetcher.
func (a *Archive) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	name, err := blobName(desc.Digest)
	if err != nil {
		return nil, err
	}
	if !a.opts.ReadOnly {
		if _, ok := a.given(desc.Digest); !ok {
			return nil, a.errorf("%s: %w", desc.Digest, content.ErrNotFound)
		}
		return a.opts.Staging.Fetch(ctx, desc)
	}
	r, _, err := a.tar.open(ctx, name)
	if errors.Is(err, content.ErrNotFound) && a.opts.Docker {
		r, err = a.fetchDocker(ctx, desc.Digest)
	}
	if err != nil {
		return nil, a.errorf("%w", err)
	}
	return content.Verify(r, desc)
}

// Exists implements content.Store: it tells what a reader finds, and not what the bytes are.
func (a *Archive) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	name, err := blobName(desc.Digest)
	if err != nil {
		return false, err
	}
	if !a.opts.ReadOnly {
		if _, ok := a.given(desc.Digest); !ok {
			return false, context.Cause(ctx)
		}
		return a.opts.Staging.Exists(ctx, desc)
	}
	r, size, err := a.tar.open(ctx, name)
	if errors.Is(err, content.ErrNotFound) && a.opts.Docker {
		r, err = a.fetchDocker(ctx, desc.Digest)
		size = desc.Size
	}
	if errors.Is(err, content.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, a.errorf("%w", err)
	}
	return desc.Size < 0 || size == desc.Size, r.Close()
}

// index lists the images of the archive by the index.json in it, or by the manifest.json of docker save.
func (a *Archive) index(ctx context.Context) (*index, error) {
	if !a.opts.ReadOnly {
		return a.listed()
	}
	if a.opts.Docker {
		return a.dockerIndex(ctx)
	}
	data, err := a.tar.read(ctx, indexFile)
	if errors.Is(err, content.ErrNotFound) {
		if _, missing := a.tar.read(ctx, manifestFile); missing == nil {
			return nil, fmt.Errorf("%w: it is one of docker save; read it as \"docker-archive:\"", content.ErrInvalid)
		}
	}
	if err != nil {
		return nil, err
	}
	return parseIndex(data)
}

// Resolve implements content.Resolver, by the rules of [Layout.Resolve]. Names of Docker archives are those of docker load.
func (a *Archive) Resolve(ctx context.Context, name string) (content.Descriptor, error) {
	if err := context.Cause(ctx); err != nil {
		return content.Descriptor{}, err
	}
	x, err := a.index(ctx)
	if err != nil {
		return content.Descriptor{}, a.errorf("%w", err)
	}
	if d, err := content.ParseDigest(name); err == nil && !a.opts.ReadOnly {
		desc, ok := a.given(d)
		if !ok || !content.IsDocument(desc.MediaType) {
			return content.Descriptor{}, a.errorf("%s: %w", name, content.ErrNotFound)
		}
		return desc, nil
	}
	desc, err := x.resolve(ctx, a, a.nameOf(name))
	if err != nil {
		return content.Descriptor{}, a.errorf("%w", err)
	}
	desc.Annotations = nil
	return desc, nil
}

// nameOf is a name in the one way to write it.
func (a *Archive) nameOf(name string) string {
	if a.opts.Docker {
		return dockerName(name)
	}
	return name
}

// dockerName is the full form of a name of Docker's, with a tag; what is none stays as it is, digests and the empty name among them.
func dockerName(name string) string {
	if _, err := content.ParseDigest(name); err == nil || name == "" {
		return name
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.TagNameOnly(named).String()
}

// Tags implements content.TagLister.
func (a *Archive) Tags(ctx context.Context) ([]string, error) {
	x, err := a.index(ctx)
	if err != nil {
		return nil, a.errorf("%w", err)
	}
	names := []string{}
	for _, e := range x.entries {
		name := refName(e.desc)
		if full := e.desc.Annotations[imageName]; a.opts.Docker && full != "" {
			name = full
		}
		if e.isImage() && name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Referrers implements content.ReferrerLister.
func (a *Archive) Referrers(ctx context.Context, subject digest.Digest, artifactType string) ([]content.Descriptor, error) {
	if _, err := content.ParseDigest(subject.String()); err != nil {
		return nil, err
	}
	x, err := a.index(ctx)
	if err != nil {
		return nil, a.errorf("%w", err)
	}
	return x.referrers(ctx, a, subject, artifactType)
}

// Push implements content.Pusher. What is pushed is in the file once an image that has it was named.
func (a *Archive) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	if err := a.mayWrite(ctx); err != nil {
		return err
	}
	if err := content.CheckPush(desc); err != nil {
		return err
	}
	there, err := a.opts.Staging.Exists(ctx, desc)
	if err == nil && !there {
		err = a.opts.Staging.Push(ctx, desc, open)
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pushed[desc.Digest] = desc
	return nil
}

func (a *Archive) mayWrite(ctx context.Context) error {
	if a.opts.ReadOnly {
		return a.errorf("it was opened for reading alone: %w", content.ErrUnsupported)
	}
	return context.Cause(ctx)
}

// Tag implements content.Tagger, and writes the file.
func (a *Archive) Tag(ctx context.Context, desc content.Descriptor, name string) error {
	if _, ok := a.given(desc.Digest); !ok {
		return a.errorf("tag %q: %s: %w", name, desc.Digest, content.ErrNotFound)
	}
	return a.PushNamed(ctx, desc, content.FromFetcher(a, desc), []string{name})
}

// PushNamed implements content.NamesPusher: it stores a document under all its names, and writes the file once.
func (a *Archive) PushNamed(ctx context.Context, desc content.Descriptor, open content.Opener, names []string) error {
	var full []string
	for _, name := range names {
		if err := a.checkName(name); err != nil {
			return a.errorf("%w", err)
		}
		full = append(full, a.nameOf(name))
	}
	if !content.IsDocument(desc.MediaType) {
		return a.errorf("%w: %s is of type %q, and only manifests and indexes have names", content.ErrInvalid, desc.Digest, desc.MediaType)
	}
	if err := a.Push(ctx, desc, open); err != nil {
		return err
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	images := a.naming(desc, full)
	if err := a.write(ctx, images); err != nil {
		return a.errorf("%w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.images = images
	return nil
}

func (a *Archive) checkName(name string) error {
	if !a.opts.Docker {
		return CheckName(name)
	}
	named, err := reference.ParseNormalizedNamed(name)
	if _, digested := named.(reference.Digested); err != nil || digested {
		return fmt.Errorf("%w name %q: want one as docker tag takes it, such as app:v1", content.ErrInvalid, name)
	}
	return nil
}

// naming returns the images of the archive when desc is given more names: what had one loses it.
func (a *Archive) naming(desc content.Descriptor, names []string) []namedImage {
	a.mu.Lock()
	defer a.mu.Unlock()
	var images []namedImage
	place := -1
	for _, img := range a.images {
		kept := namedImage{desc: img.desc}
		for _, name := range img.names {
			if !slices.Contains(names, name) {
				kept.names = append(kept.names, name)
			}
		}
		if img.desc.Digest == desc.Digest {
			place = len(images)
			kept.names = append(kept.names, names...)
		} else if len(kept.names) == 0 && len(img.names) > 0 {
			continue
		}
		images = append(images, kept)
	}
	if place < 0 {
		images = append(images, namedImage{desc, names})
	}
	return images
}

var _ interface {
	content.Repository
	content.TagLister
	content.ReferrerLister
	content.NamesPusher
} = (*Archive)(nil)
