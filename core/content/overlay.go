package content

import (
	"context"
	"errors"
	"io"
)

// Overlay returns a repository that reads from local first and from r otherwise, and writes to local alone: what a run would change can be
// looked at without changing it. local must not be used for anything else meanwhile.
func Overlay(r Repository, local Repository) Repository {
	return &overlay{below: r, above: local}
}

type overlay struct{ below, above Repository }

// Fetch implements Fetcher.
func (o *overlay) Fetch(ctx context.Context, desc Descriptor) (io.ReadCloser, error) {
	r, err := o.above.Fetch(ctx, desc)
	if errors.Is(err, ErrNotFound) {
		return o.below.Fetch(ctx, desc)
	}
	return r, err
}

// Exists implements Store.
func (o *overlay) Exists(ctx context.Context, desc Descriptor) (bool, error) {
	if there, err := o.above.Exists(ctx, desc); err != nil || there {
		return there, err
	}
	return o.below.Exists(ctx, desc)
}

// Push implements Pusher.
func (o *overlay) Push(ctx context.Context, desc Descriptor, open Opener) error {
	return o.above.Push(ctx, desc, open)
}

// Resolve implements Resolver.
func (o *overlay) Resolve(ctx context.Context, name string) (Descriptor, error) {
	desc, err := o.above.Resolve(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return o.below.Resolve(ctx, name)
	}
	return desc, err
}

// Tag implements Tagger. Content that only the repository below has is named without being copied.
func (o *overlay) Tag(ctx context.Context, desc Descriptor, name string) error {
	err := o.above.Tag(ctx, desc, name)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	data, err := ReadAll(ctx, o.below, desc)
	if err != nil {
		return err
	}
	if err := o.above.Push(ctx, desc, FromBytes(data)); err != nil {
		return err
	}
	return o.above.Tag(ctx, desc, name)
}
