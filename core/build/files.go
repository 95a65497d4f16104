package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/cache"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/nearest"
	"github.com/imgscript/imgscript/core/rootfs"
)

// Tree waits for the layers so far and returns the files that they make together. Layers are read to their ends, but for those of which the cache knows what is in them. op names the call in
// errors.
func (i *Image) Tree(at Origin, op string) (*rootfs.Tree, error) {
	return lookInto(i, at, op, false, func(ctx context.Context, l *look) (*rootfs.Tree, error) { return l.files.Tree(ctx) })
}

// ReadFile waits for the layers so far and returns the content of the file at a path, of at most limit bytes; a larger one is a [*LimitError], and a path that is not there
// [rootfs.ErrNotFound]. Links are followed. Layers are read as far as to the file.
func (i *Image) ReadFile(at Origin, name string, limit int64) ([]byte, error) {
	return lookInto(i, at, "read", false, func(ctx context.Context, l *look) ([]byte, error) {
		f, data, err := l.open(ctx, name)
		if err != nil {
			return nil, err
		}
		defer data.Close()
		if f.Size > limit {
			return nil, &LimitError{fmt.Sprintf("%.300q has more than %s", name, Bytes(limit)), "--max-blob-bytes"}
		}
		return io.ReadAll(data)
	})
}

// WriteFile is ReadFile for a file of any size, whose content is written to w. When it fails, a part of it may have been. op names the call in errors.
func (i *Image) WriteFile(at Origin, op, name string, w io.Writer) error {
	_, err := lookInto(i, at, op, false, func(ctx context.Context, l *look) (none struct{}, err error) {
		_, data, err := l.open(ctx, name)
		if err != nil {
			return none, err
		}
		defer data.Close()
		_, err = io.Copy(w, data)
		return none, err
	})
	return err
}

// Export waits for the layers so far and writes the files that they make together to w, as one archive without whiteouts (see [rootfs.Tree.WriteTar]). Layers in registries that have to be
// listed first come by way of the cache, so that each is asked for once. When it fails, as it does where a layer is not what it should be, a part of the archive may have been written.
func (i *Image) Export(at Origin, w io.Writer) error {
	_, err := lookInto(i, at, "export", true, func(ctx context.Context, l *look) (none struct{}, err error) {
		tree, err := l.files.Tree(ctx)
		if err != nil {
			return none, err
		}
		out := bufio.NewWriterSize(w, exportBuffer)
		if err := tree.WriteTar(ctx, out); err != nil {
			return none, err
		}
		return none, out.Flush()
	})
	return err
}

// exportBuffer is how many bytes are written at once: headers are small.
const exportBuffer = 64 << 10

// look is a look into an image as it is at some moment.
type look struct {
	of    digest.Digest // the image's manifest
	files *rootfs.Reader
}

// lookInto does something with the files of the image as it is now, in a step of its own. all says that the contents of all of them will be read.
func lookInto[T any](i *Image, at Origin, op string, all bool, do func(ctx context.Context, l *look) (T, error)) (T, error) {
	var none T
	img, err := i.now(at, op)
	if err != nil {
		return none, err
	}
	step := async(i.run, at, op, false, nil, func(ctx context.Context, _ *step) (T, error) {
		if img.Config() == nil {
			return none, fmt.Errorf("%s: %w: it is a %q", i.base.ref, image.ErrArtifact, img.ConfigDescriptor().MediaType)
		}
		return do(ctx, i.run.lookAt(img, all))
	})
	result, err := step.Wait()
	if err != nil {
		return none, err
	}
	i.use()
	return result, nil
}

// lookAt returns a look at an image: the last one, if that was at the same, so that a script which reads many files of one image finds out once what is in it.
func (r *Run) lookAt(img *image.Image, all bool) *look {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := img.Descriptor().Digest
	if r.looked != nil && r.looked.of == of && !all {
		return r.looked
	}
	var layers []content.Descriptor
	for _, l := range img.Layers() {
		layers = append(layers, l.Descriptor)
	}
	watched := &watchedLayers{r, img}
	opts := &rootfs.Options{Lists: lists{r.engine.cache}}
	if all {
		opts.Listing = &throughCache{r.engine.cache, img, watched}
	}
	r.looked = &look{of, rootfs.NewReader(watched, layers, opts)}
	return r.looked
}

// open opens a file. Of what is not there it says what may have been meant.
func (l *look) open(ctx context.Context, name string) (rootfs.File, io.ReadCloser, error) {
	f, data, err := l.files.Open(ctx, name)
	if !errors.Is(err, rootfs.ErrNotFound) {
		return f, data, err
	}
	if tree, failed := l.files.Tree(ctx); failed == nil { // nothing is read: who did not find it has read all
		err = NearFile(tree, name, err)
	}
	return rootfs.File{}, nil, err
}

// NearFile gives err, which is about a path of a tree, the path that may have been meant as its Hint, if it is [rootfs.ErrNotFound] and there is such a path. nil stays nil.
func NearFile(tree *rootfs.Tree, name string, err error) error {
	if near := nearFile(tree, name); near != "" && errors.Is(err, rootfs.ErrNotFound) {
		return &noFileError{err, near}
	}
	return err
}

// noFileError is the error for a path that is not there, with one that is.
type noFileError struct {
	error
	near string
}

// Hint says what may have been meant.
func (e *noFileError) Hint() string { return fmt.Sprintf("did you mean %q?", e.near) }

// Unwrap returns the error itself.
func (e *noFileError) Unwrap() error { return e.error }

// nearFile is the path that is the most like one that is not there: in the deepest directory of it that is.
func nearFile(tree *rootfs.Tree, name string) string {
	dir, missing := path.Split(path.Join("/", name))
	for dir != "/" {
		if _, err := tree.ReadDir(dir); err == nil {
			break
		}
		dir, missing = path.Split(path.Clean(dir))
	}
	files, err := tree.ReadDir(dir)
	if err != nil {
		return ""
	}
	var names []string
	for _, f := range files {
		names = append(names, path.Base(f.Path))
	}
	near := nearest.File(missing, names)
	if near == "" {
		return ""
	}
	rest := strings.TrimPrefix(path.Join("/", name), path.Join(dir, missing))
	if whole := path.Join(dir, near, rest); rest != "" {
		if _, err := tree.Lookup(whole, false); err == nil {
			return whole
		}
	}
	return path.Join(dir, near)
}

// listBucket has what is in layers, by the digests of their blobs. Another form of it is another bucket.
const listBucket = "layer-lists-1"

// lists are those of the cache.
type lists struct{ cache *cache.Cache }

// Get implements rootfs.Lists.
func (l lists) Get(ctx context.Context, digest string) ([]byte, bool) {
	return l.cache.Get(ctx, listBucket, digest)
}

// Put implements rootfs.Lists. What is too large or finds no room is found out again.
func (l lists) Put(ctx context.Context, digest string, list []byte) {
	_ = l.cache.Put(ctx, listBucket, digest, list)
}

// watchedLayers reads the layers of an image, where the cache has them from there, and tells the run's events.
type watchedLayers struct {
	run *Run
	src content.Fetcher
}

// Fetch implements content.Fetcher.
func (w *watchedLayers) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if r, err := w.run.engine.cache.Fetch(ctx, desc); err == nil {
		return r, nil
	}
	ctx, watch := w.run.events.begin(ctx, Event{What: ReadWork, Subject: desc.Digest.String(), Total: desc.Size})
	open := func(ctx context.Context) (io.ReadCloser, error) { return w.src.Fetch(ctx, desc) }
	r, err := watch.watch(open)(ctx)
	if err != nil {
		watch.end("", "", err)
		return nil, err
	}
	return &watchedToEnd{r, watch, desc.Digest}, nil
}

// watchedToEnd ends its task when it is closed: who read enough does not read on.
type watchedToEnd struct {
	io.ReadCloser
	task   *task
	digest digest.Digest
}

// Verifies implements content.Verifying.
func (w *watchedToEnd) Verifies() content.Descriptor { return content.Verifies(w.ReadCloser) }

// Close implements io.Closer.
func (w *watchedToEnd) Close() error {
	w.task.end("read", w.digest, nil)
	return w.ReadCloser.Close()
}

// throughCache reads layers that are in registries by way of the cache, so that who reads them twice asks for them once.
type throughCache struct {
	cache *cache.Cache
	img   *image.Image
	src   content.Fetcher
}

// Fetch implements content.Fetcher.
func (t *throughCache) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if len(t.img.Sources(desc)) > 0 {
		if err := t.cache.Push(ctx, desc, content.FromFetcher(t.src, desc)); err != nil {
			return nil, err
		}
	}
	return t.src.Fetch(ctx, desc)
}
