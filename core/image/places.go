package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// places knows which fetchers have which blobs. It is a value: with copies.
type places struct {
	of   map[digest.Digest][]content.Fetcher // the latest last
	rest content.Fetcher                     // the base's source, asked for what nobody placed; nil of scratch
}

func (p places) with(src content.Fetcher, descs ...content.Descriptor) places {
	if src == nil {
		return p
	}
	p = p.clone()
	for _, desc := range descs {
		p.put(src, desc)
	}
	return p
}

// clone returns a copy for put.
func (p places) clone() places {
	of := maps.Clone(p.of)
	if of == nil {
		of = map[digest.Digest][]content.Fetcher{}
	}
	return places{of: of, rest: p.rest}
}

func (p places) put(src content.Fetcher, desc content.Descriptor) {
	p.of[desc.Digest] = append(slices.Clip(p.of[desc.Digest]), src)
}

// Fetch implements content.Fetcher: the image's manifest and config, as they are now, and its layers, from where they were last added. Other content is asked
// of the source that the image was loaded from.
func (img *Image) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	switch {
	case desc.Digest == img.desc.Digest:
		return fetchBytes(ctx, img.manifest, desc)
	case img.config != nil && desc.Digest == img.doc.Config.Digest:
		return fetchBytes(ctx, img.config, desc)
	}
	var missing error
	for _, src := range slices.Backward(img.places.of[desc.Digest]) {
		r, err := src.Fetch(ctx, desc)
		if !errors.Is(err, content.ErrNotFound) {
			return r, err
		}
		missing = err // that of the place that was known first: it may say why
	}
	if missing != nil {
		return nil, missing
	}
	if img.places.rest != nil {
		return img.places.rest.Fetch(ctx, desc)
	}
	return nil, fmt.Errorf("%s: %w: no source of the image has it", desc.Digest, content.ErrNotFound)
}

func fetchBytes(ctx context.Context, data []byte, desc content.Descriptor) (io.ReadCloser, error) {
	r, err := content.FromBytes(data)(ctx)
	if err != nil {
		return nil, err
	}
	return content.Verify(r, desc)
}

// Sources implements content.Locator: every "registry/repository" that is known to have the blob, each once.
func (img *Image) Sources(desc content.Descriptor) []string {
	var all []string
	for _, src := range img.places.of[desc.Digest] {
		if l, ok := src.(content.Locator); ok {
			all = append(all, l.Sources(desc)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
