package build

import (
	"context"
	"io"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/rootfs"
	"github.com/imgscript/imgscript/core/transport"
)

// LookOptions says more of a Look. nil and the zero value: the engine's credentials.
type LookOptions struct {
	Auth auth.Map // credentials for the reference's registry, before all others
}

// Looked is what a reference names, as it is: a manifest or an index. It is a content.Fetcher of it and of all that it consists of, for as long as the run lasts.
type Looked struct {
	Reference  string             // in full
	Descriptor content.Descriptor // its media type and size known
	Data       []byte             // the bytes of the manifest or index

	run *Run
	src content.Fetcher
}

// Look starts finding out what ref names, for who looks at it and builds nothing on it: what no image can be made of is no error, neither an artifact nor an image for another platform. Nothing but the
// manifest or index is read before it is asked for. op names the call in errors.
func (r *Run) Look(at Origin, op, ref string, opts *LookOptions) *Future[*Looked] {
	var o LookOptions
	if opts != nil {
		o = *opts
	}
	parsed, err := transport.Parse(ref)
	if err != nil {
		return failedFuture[*Looked](r, at, op, err)
	}
	way, err := r.accessFor(o.Auth)
	if err != nil {
		return failedFuture[*Looked](r, at, op, err)
	}
	b := &base{run: r, at: at, ref: parsed, access: way}
	saves, others := r.earlierThan(parsed), r.earlierTo(r.locationOf(parsed))
	var needs []*step
	if parsed.Digest == "" {
		needs = saves
	}
	return async(r, at, op, false, needs, func(ctx context.Context, _ *step) (*Looked, error) {
		from, err := b.note(b.readRoot(ctx, saves, others))
		if err != nil {
			return nil, err
		}
		return &Looked{Reference: parsed.String(), Descriptor: from.desc, Data: from.data, run: r, src: from.src}, nil
	})
}

// Fetch implements content.Fetcher. Layers are told of in the run's events.
func (l *Looked) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if isSmallDocument(desc) {
		return l.src.Fetch(ctx, desc)
	}
	return (&watchedLayers{l.run, l.src}).Fetch(ctx, desc)
}

// Lists are what the engine's cache knows of the files in layers.
func (l *Looked) Lists() rootfs.Lists { return lists{l.run.engine.cache} }
