package content

import (
	"context"

	"github.com/opencontainers/go-digest"
)

// PushTagged stores the document desc in dst and gives it every tag in order: in one step where dst can.
// Without tags it is only stored. What it needs must be there already.
func PushTagged(ctx context.Context, dst Repository, desc Descriptor, open Opener, tags []string) error {
	if p, ok := dst.(NamesPusher); ok {
		return p.PushNamed(ctx, desc, open, tags)
	}
	if p, ok := dst.(TagPusher); ok && len(tags) == 1 {
		return p.PushTagged(ctx, desc, open, tags[0])
	}
	if err := dst.Push(ctx, desc, open); err != nil {
		return err
	}
	for _, tag := range tags {
		if err := dst.Tag(ctx, desc, tag); err != nil {
			return err
		}
	}
	return nil
}

// ReadDocument resolves name in src and reads the manifest or index behind it, in one step where src can.
func ReadDocument(ctx context.Context, src Repository, name string) (Descriptor, []byte, error) {
	if r, ok := src.(ManifestReader); ok {
		return r.Manifest(ctx, name)
	}
	desc, err := src.Resolve(ctx, name)
	if err != nil {
		return Descriptor{}, nil, err
	}
	data, err := ReadAll(ctx, src, desc)
	return desc, data, err
}

// ResolveDigest finds the digest behind a name, as a [DigestResolver] does where r is one.
func ResolveDigest(ctx context.Context, r Resolver, name string) (digest.Digest, error) {
	if quick, ok := r.(DigestResolver); ok {
		return quick.ResolveDigest(ctx, name)
	}
	desc, err := r.Resolve(ctx, name)
	return desc.Digest, err
}
