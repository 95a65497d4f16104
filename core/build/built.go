package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/cache"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// recipes lets layers be made of what the cache has of earlier ones.
type recipes struct{ cache *cache.Cache }

const recipeBucket = "layers"

// Get implements layer.Cache.
func (r recipes) Get(ctx context.Context, key string) ([]byte, bool) {
	return r.cache.Get(ctx, recipeBucket, key)
}

// Put implements layer.Cache.
func (r recipes) Put(ctx context.Context, key string, value []byte) error {
	return r.cache.Put(ctx, recipeBucket, key, value)
}

// Blob implements layer.Cache.
func (r recipes) Blob(_ context.Context, d digest.Digest) (layer.Blob, error) { return r.cache.Open(d) }

// builtBlob is where the blob of a built layer is read. It may be gone from the cache, or damaged, above all that of a layer that did not change since an earlier run; it is
// built again only if somebody reads it, which nobody does when the target has it.
type builtBlob struct {
	cache *cache.Cache
	again func(ctx context.Context) (layer.Layer, error) // set before the layer is known

	mu sync.Mutex
}

// Fetch implements content.Fetcher.
func (b *builtBlob) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	r, err := b.cache.Fetch(ctx, desc)
	if !errors.Is(err, content.ErrNotFound) {
		return r, err
	}
	if err := b.rebuild(ctx, desc); err != nil {
		return nil, err
	}
	return b.cache.Fetch(ctx, desc)
}

// rebuild builds the blob anew; once, however many wait for it.
func (b *builtBlob) rebuild(ctx context.Context, desc content.Descriptor) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if there, err := b.cache.Exists(ctx, desc); err != nil || there {
		return err
	}
	built, err := b.again(ctx)
	if err == nil && built.Descriptor.Digest != desc.Digest {
		err = fmt.Errorf("the files of a layer that is to be sent: %w", layer.ErrChanged)
	}
	return err
}
