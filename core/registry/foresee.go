package registry

import (
	"context"
	"errors"

	"github.com/imgscript/imgscript/core/content"
)

// Foresee says how Mount would bring a blob here, for a plan: it changes nothing, and asks for nothing but whether the blob is here. Whether a mount works only
// a mount can tell, so it is taken to. Rights to read are enough; what the registry then does not tell for certain has to be sent, as to Mount. A registry that
// cannot be reached, or lets us neither read nor write here, is an error.
func (r *Repository) Foresee(ctx context.Context, desc content.Descriptor, from []string) (content.Transfer, error) {
	u, err := r.upload(desc, nil)
	if err != nil {
		return content.Uploaded, err
	}
	if r.MountsFrom(from) {
		return content.Mounted, nil
	}
	if r.isFresh() && !u.small() {
		return content.Uploaded, nil
	}
	there, err := u.look(ctx, false)
	if errors.Is(err, ErrDenied) { // perhaps not to who only reads, by a server that gives no token for less than all that is asked for
		found, refused := r.Exists(ctx, content.Descriptor{MediaType: content.OctetStream, Digest: desc.Digest, Size: desc.Size})
		if !errors.Is(refused, ErrDenied) {
			there, err = found, refused
		}
	}
	switch {
	case err == nil && there:
		return content.Present, nil
	case errors.Is(err, ErrDenied), errors.Is(err, ErrUnreachable), ctx.Err() != nil:
		return content.Uploaded, err
	}
	return content.Uploaded, nil
}

// MountsFrom reports whether Mount would begin with a mount from one of these locations: they are other repositories of the registry.
func (r *Repository) MountsFrom(locations []string) bool {
	names, here := r.siblings(locations)
	return len(names) > 0 && !here
}
