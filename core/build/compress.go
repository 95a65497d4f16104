package build

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/transport"
)

// ofDocker reports whether a reference is of images that Docker unpacked: what docker save writes and a daemon exports has no manifests, and layers that are not compressed, which they were, and which
// registries expect. They are compressed where such an image is the base of another, and on their way to a registry, as Docker's own push, skopeo and crane do.
func ofDocker(ref transport.Reference) bool {
	return ref.Transport == transport.DockerArchive || ref.Transport == transport.DockerDaemon
}

// isMadeUp reports whether a manifest was made for want of one, by a repository that does so.
func isMadeUp(repo content.Repository, manifest digest.Digest) bool {
	m, ok := repo.(interface{ MadeUp(digest.Digest) bool })
	return ok && m.MadeUp(manifest)
}

// forTarget is what a reference names, as it goes to a target: the image itself, but for one of Docker's. In a registry its layers are compressed; in a layout a manifest that was made up is an
// OCI one, since tools find no others there.
func (r *Run) forTarget(ctx context.Context, ref, to transport.Reference, from root) (root, error) {
	src, ok := from.src.(*source)
	if !ok || !ofDocker(ref) || ofDocker(to) || !content.IsManifest(from.desc.MediaType) {
		return from, nil
	}
	img, err := image.Load(ctx, from.src, from.desc)
	if err != nil {
		return root{}, named(ref, err)
	}
	was := img
	if to.Transport == transport.Docker {
		img, err = r.compressLayers(ctx, img, img)
	} else if isMadeUp(src.repo, from.desc.Digest) {
		img, err = img.WithFormat(image.FormatOCI)
	}
	if err != nil || img == was {
		return from, err
	}
	from.desc, from.data, from.src = img.Descriptor(), img.Manifest(), img
	from.doc, err = content.ParseDocument(from.desc.MediaType, from.data)
	return from, err
}

// compressedAtOnce is how many layers of one image are read at once.
const compressedAtOnce = 8

// compressLayers returns the image with those layers of its base compressed that are not.
func (r *Run) compressLayers(ctx context.Context, base, img *image.Image) (*image.Image, error) {
	plain := map[digest.Digest]image.LayerInfo{}
	for _, l := range base.Layers() {
		left := slices.ContainsFunc(img.Layers(), func(other image.LayerInfo) bool { return other.Digest == l.Digest })
		if left && l.DiffID != "" && !content.IsForeign(l.Descriptor) && (l.MediaType == content.OCILayer || l.MediaType == content.DockerLayer) {
			plain[l.Digest] = l
		}
	}
	if len(plain) == 0 {
		return img, nil
	}
	var mu sync.Mutex
	blobs := map[digest.Digest]image.Repacked{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(compressedAtOnce)
	for d, l := range plain {
		group.Go(func() error {
			packed, err := r.compressLayer(ctx, base, l)
			mu.Lock()
			defer mu.Unlock()
			blobs[d] = packed
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return img.Repack(blobs)
}

// compressLayer compresses a layer, once in a run, and once for all runs that share a cache.
func (r *Run) compressLayer(ctx context.Context, src content.Fetcher, l image.LayerInfo) (image.Repacked, error) {
	store, known := r.engine.cache, recipes{r.engine.cache}
	open := content.FromFetcher(src, l.Descriptor)
	compress := func(ctx context.Context, opts layer.CompressOptions) (layer.Layer, error) {
		var watch *task // nil of what was done before
		opts.DiffID, opts.Workers = l.DiffID, r.engine.workers
		made, err := layer.CompressTar(ctx, store, func(ctx context.Context) (io.ReadCloser, error) {
			ctx, watch = r.events.begin(ctx, Event{What: CompressWork, Subject: l.Digest.String(), Total: l.Size})
			return watch.watch(open)(ctx)
		}, &opts)
		if watch != nil {
			watch.end("built", made.Descriptor.Digest, err)
		}
		return made, err
	}
	again := func(ctx context.Context) (layer.Layer, error) { return compress(ctx, layer.CompressOptions{}) }
	first := layer.CompressOptions{Cache: known}
	if r.engine.rebuild {
		first.Cache = nil
	}
	var made layer.Layer
	mine, err := r.flights.do(ctx, flightKey{"compress", l.DiffID}, func() (err error) {
		made, err = compress(ctx, first)
		return err
	})
	if err == nil && !mine {
		made, err = compress(ctx, layer.CompressOptions{Cache: known})
	}
	if err == nil {
		store.Used(made.Descriptor.Digest)
	}
	return image.Repacked{Descriptor: made.Descriptor, Source: &builtBlob{cache: store, again: again}}, err
}
