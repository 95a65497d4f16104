package build

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/transport"
)

// Other is the image that a reference names, read with this image's credentials, for Append and Rebase. Reading it starts now.
func (i *Image) Other(at Origin, reference string) (*Image, error) {
	ref, err := transport.Parse(reference)
	if err != nil {
		return nil, err
	}
	return i.other(at, ref), nil
}

func (i *Image) other(at Origin, ref transport.Reference) *Image {
	r := i.run
	b := &base{run: r, at: at, ref: ref, access: i.base.access, wanted: wanted{platform: r.platform}}
	if b.access.client == r.registry { // else it has credentials of its own
		b = r.sharedBase(b)
	}
	other := &Image{run: r, base: b, only: everyBranch, template: i.template, line: &line{head: &node{base: b, only: everyBranch}}}
	if !other.template {
		other.prefetch()
	}
	return other
}

// Append puts all layers of another image, as it is now, on this one, with what its history says of them. Of an image that was not changed and has no platform, those for this image's platform are
// taken; one without an index is taken whatever it is for. Of its config nothing is.
func (i *Image) Append(at Origin, other *Image) {
	i.operate(at, "append", &grafted{at, take(other)})
}

// grafted is another image's layers on top.
type grafted struct {
	at    Origin
	other another
}

func (o *grafted) needs() []*step { return o.other.needs() }

func (o *grafted) apply(ctx context.Context, img *image.Image, p image.Platform) (*image.Image, error) {
	other, err := o.other.compressed(ctx, p)
	if err == nil {
		img, err = img.AppendImage(other)
	}
	return img, failedAt(o.at, "append", err)
}

// Rebase replaces the layers of an old base, with which the image has to start, by those of a new one, and what the config has of the old base by what the new one has (see image.Image.Rebase). An old
// base that is nil is the one that the image's annotations name by its digest; if the new one is nil too, it is what they name by its tag, as it is now. That waits for the image so far. What
// else goes wrong is an error of the change.
func (i *Image) Rebase(at Origin, old, base *Image) error {
	switch {
	case old == nil:
		var err error
		if old, base, err = i.bases(at, base); err != nil {
			return err
		}
	case base == nil:
		return errors.New("the new base is missing")
	}
	i.operate(at, "rebase", &rebased{i.run, at, take(old), take(base)})
	return nil
}

// rebased is an image on another base.
type rebased struct {
	run       *Run
	at        Origin
	old, base another
}

// rewritesLayers implements rewriting.
func (*rebased) rewritesLayers() {}

func (o *rebased) needs() []*step { return slices.Concat(o.old.needs(), o.base.needs()) }

func (o *rebased) apply(ctx context.Context, img *image.Image, p image.Platform) (*image.Image, error) {
	next, err := o.rebase(ctx, img, p)
	return next, failedAt(o.at, "rebase", err)
}

func (o *rebased) rebase(ctx context.Context, img *image.Image, p image.Platform) (*image.Image, error) {
	was, err := o.old.on(ctx, p)
	if err != nil {
		return nil, err
	}
	now, err := o.base.compressed(ctx, p)
	if err != nil {
		return nil, err
	}
	name, dgst, err := o.base.annotation(ctx, now)
	if err != nil {
		return nil, err
	}
	next, err := img.Rebase(&image.Rebasing{
		Old: was, New: now, NewName: name, NewDigest: dgst, CreatedBy: fmt.Sprintf("rebase(%q, %q)", o.old.name(), o.base.name()), Created: o.run.opts.Epoch,
	})
	if errors.Is(err, image.ErrNotBased) {
		err = &notBasedError{o.old.name(), err}
	}
	return next, err
}

// notBasedError says of which image a rebased one is not made.
type notBasedError struct {
	base string
	err  error
}

// Error implements error.
func (e *notBasedError) Error() string { return fmt.Sprintf("%s: %v", e.base, e.err) }

// Unwrap returns the reason.
func (e *notBasedError) Unwrap() error { return e.err }

// Hint says what to do about it.
func (e *notBasedError) Hint() string {
	return "if its tag has moved since, name the old base by the digest that it had when the image was built"
}

// bases are what the annotations of the image say of its base: what it was, and, unless that is given, what its name stands for now.
func (i *Image) bases(at Origin, base *Image) (old, now *Image, err error) {
	img, err := i.now(at, "rebase")
	if err != nil {
		return nil, nil, err
	}
	name, dgst := img.BaseAnnotations()
	if dgst == "" || name == "" {
		return nil, nil, &unnamedBaseError{}
	}
	ref, err := transport.Parse(name)
	if err == nil && (ref.Transport != transport.Docker || ref.Digest != "") {
		err = fmt.Errorf("%q names no tag in a registry", name) // whoever made the image shall not choose a file of this machine
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the image's annotations: %w", err)
	}
	pinned := ref
	if pinned.Digest, err = parseDigest(dgst.String()); err != nil {
		return nil, nil, fmt.Errorf("the image's annotations: %w", err)
	}
	if base == nil {
		base = i.other(at, ref)
	}
	return i.other(at, pinned), base, nil
}

// unnamedBaseError says that nobody knows what an image is built on.
type unnamedBaseError struct{}

// Error implements error.
func (*unnamedBaseError) Error() string {
	return "the image does not say what it is built on: its manifest lacks the annotation org.opencontainers.image.base.name or the one that ends in base.digest"
}

// Hint says what to do about it.
func (*unnamedBaseError) Hint() string { return "name both bases: rebase(old_base, new_base)" }

// operate makes a change that takes work, which starts now.
func (i *Image) operate(at Origin, op string, o op) *change {
	c := i.noteChange(at, op)
	i.push(o)
	if i.template {
		return c
	}
	now := present{i.line.head, i.only}
	async(i.run, at, op, false, now.needs(), func(ctx context.Context, _ *step) (struct{}, error) {
		_, _, err := now.images(ctx)
		return struct{}{}, err
	})
	return c
}

// failedAt is the error of a change, at the place that asked for it.
func failedAt(at Origin, op string, err error) error {
	if set := (*configError)(nil); err == nil || errors.As(err, &set) || errors.As(err, new(*supersededError)) {
		return err
	}
	return &configError{at, op, err}
}

// taking is an op that takes layers from another image.
type taking interface {
	op
	from() another
}

func (o *grafted) from() another { return o.other }

func (o *rebased) from() another { return o.base }

// another is an image that is taken from, as it was at the call.
type another struct {
	image *Image
	present
	whole bool // nothing was done to it: it is what its reference names, for each platform
}

// take takes an image as it is now. What was done to it came to something.
func take(other *Image) another {
	other.use()
	return another{other, other.present(), !other.changed()}
}

func (a another) needs() []*step {
	if a.whole {
		return []*step{a.image.base.resolve().step}
	}
	return a.present.needs()
}

// compressed is the image for a platform as its layers go into others: those that Docker unpacked are compressed.
func (a another) compressed(ctx context.Context, p image.Platform) (*image.Image, error) {
	img, err := a.on(ctx, p)
	if err != nil || !ofDocker(a.image.base.ref) {
		return img, err
	}
	base, err := a.image.base.on(ctx, p)
	if err != nil {
		return nil, err
	}
	return a.image.run.compressLayers(ctx, base, img)
}

// on is the image for a platform; zero for the one that it is made for.
func (a another) on(ctx context.Context, p image.Platform) (*image.Image, error) {
	if a.whole {
		return a.image.base.on(ctx, p)
	}
	return a.present.on(ctx, p)
}

// isScratch reports whether it is the empty image.
func (a another) isScratch() bool {
	return a.node.parent == nil && a.image.base.ref.Transport == transport.Scratch
}

// name is what a history calls it: the reference, without paths of this machine.
func (a another) name() string {
	switch {
	case a.whole || a.isScratch():
		return a.image.run.recorded(a.image.base.ref)
	case a.image.target.Transport != "":
		return a.image.run.recorded(a.image.target)
	}
	return "an image from " + a.image.run.recorded(a.image.base.ref)
}

// annotation is what the annotations of an image say that is built on img, which it is for some platform. A name is one in a registry.
func (a another) annotation(ctx context.Context, img *image.Image) (name string, dgst digest.Digest, err error) {
	if a.isScratch() {
		return "", "", nil
	}
	ref, dgst := a.image.target, img.Descriptor().Digest
	if a.whole {
		from, err := a.image.base.resolve().get(ctx)
		if err != nil {
			return "", "", err
		}
		ref, dgst = a.image.base.ref, from.desc.Digest
	}
	if ref.Transport == transport.Docker {
		name = ref.String()
	}
	return name, dgst, nil
}

// on is what the base's reference names for a platform; zero for the base's own.
func (b *base) on(ctx context.Context, p image.Platform) (*image.Image, error) {
	from, err := b.resolve().get(ctx)
	if err != nil {
		return nil, err
	}
	if p == (image.Platform{}) {
		p = b.platform
	}
	_, err = b.run.flights.do(ctx, flightKey{b.ref.String(), picking{b, p}}, func() error {
		img, err := b.pick(ctx, from, p)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.others == nil {
			b.others = map[image.Platform]*image.Image{}
		}
		b.others[p] = img
		return err
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.others[p], err
}

// picking is the reading of a base's image for some platform.
type picking struct {
	base     *base
	platform image.Platform
}

// recorded is a reference as images keep it: a local path is written from the root, and of one outside of it only the last name.
func (r *Run) recorded(ref transport.Reference) string {
	if ref.IsLocal() {
		name, outside, err := r.named(ref.Path)
		switch {
		case err == nil && outside == "":
			ref.Path = show(name)
		default:
			ref.Path = path.Base(ref.Path)
		}
	}
	return ref.String()
}
