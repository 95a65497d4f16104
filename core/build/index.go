package build

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/transport"
)

// IndexMember is what an index is made of: an image, or a reference to what is somewhere already.
type IndexMember struct {
	Image     *Image // as it is at the call; or
	Reference string
}

// IndexOptions says more of an index. nil and the zero value: no annotations.
type IndexOptions struct {
	Annotations map[string]string // of the index itself
	// Template makes an index that starts no work until it is saved, and is not lost when it never is.
	Template bool
}

// Index is an index of images that differ by platform. It belongs to the goroutine of its run.
type Index struct {
	run         *Run
	at          Origin
	target      transport.Reference
	access      *access
	parts       []part
	annotations map[string]string
	changes     []*change // that come to something when the index is saved; its own is the first
	made        *Future[*composed]
}

// part is what a member brings.
type part struct {
	name  string  // for errors
	image present // of one that was not changed all that its base's reference names
}

// Index makes an index of images that differ by platform, to be saved as target: Images as they are now, and references to images that were pushed before. An image of several platforms, and a
// reference to an index, bring all of theirs, with the attestations of those that did not change. An image that was not changed is what its reference names.
//
// It is an OCI index, or, when all images are in Docker's format and there are no annotations, a Docker manifest list. Two images for one platform are an error of the step, which names both. An
// index that is never saved is a lost change.
func (r *Run) Index(at Origin, target string, members []IndexMember, opts *IndexOptions) (*Index, error) {
	var o IndexOptions
	if opts != nil {
		o = *opts
	}
	if len(members) == 0 {
		return nil, errors.New("images: an index has at least one")
	}
	ref, err := r.target(target)
	if err != nil {
		return nil, err
	}
	way, err := r.accessFor(nil)
	if err != nil {
		return nil, err
	}
	x := &Index{run: r, at: at, target: ref, access: way, annotations: o.Annotations}
	x.changes = []*change{{at: at, op: "index", used: o.Template}}
	var bad []error
	for k, m := range members {
		if err := x.add(m); err != nil {
			bad = append(bad, fmt.Errorf("images[%d]: %w", k, err))
		}
	}
	if len(bad) > 0 {
		return nil, errors.Join(bad...)
	}
	r.changes = append(r.changes, x.changes[0])
	if !o.Template {
		x.started()
	}
	return x, nil
}

// add takes one member as it is now.
func (x *Index) add(m IndexMember) error {
	img := m.Image
	if img == nil {
		var err error
		if img, err = x.run.Image(x.at, m.Reference, &ImageOptions{Platforms: []string{AllPlatforms}, Template: true}); err != nil {
			return err
		}
	}
	x.changes = append(x.changes, img.done()...)
	p := part{name: "an image of " + img.Base(), image: img.present()}
	if !img.changed() {
		p.name = img.Base()
		p.image = present{&node{base: img.base.everything(), only: everyBranch}, everyBranch}
	}
	x.parts = append(x.parts, p)
	return nil
}

// everything is the base as all that its reference names.
func (b *base) everything() *base {
	if b.all {
		return b
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return &base{run: b.run, at: b.at, ref: b.ref, access: b.access, unlocked: b.unlocked, wanted: wanted{all: true}, root: b.root}
}

// Target returns the reference that Save saves to.
func (x *Index) Target() string { return x.target.String() }

// Look waits until the index is put together, and returns its digest and its platforms.
func (x *Index) Look(at Origin, op string) (digest.Digest, []string, error) {
	x.use()
	made, err := x.started().NeededBy(at, op).Wait()
	if err != nil {
		return "", nil, err
	}
	doc, err := content.ParseDocument(made.desc.MediaType, made.data)
	if err != nil {
		return "", nil, err
	}
	return made.desc.Digest, platformsOf(doc), nil
}

// use says that something came of the index, and of all that was done to its images.
func (x *Index) use() {
	for _, c := range x.changes {
		c.used = true
	}
}

// started is the index, whose work starts now if it was put off.
func (x *Index) started() *Future[*composed] {
	if x.made == nil {
		var needs []*step
		for _, p := range x.parts {
			needs = append(needs, p.image.needs()...)
		}
		x.made = async(x.run, x.at, "index", false, needs, func(ctx context.Context, _ *step) (*composed, error) { return x.compose(ctx) })
	}
	return x.made
}

// compose puts the index together.
func (x *Index) compose(ctx context.Context) (*composed, error) {
	l := &listing{by: map[image.Platform]string{}, gathered: newGathered(nil)}
	for k, p := range x.parts {
		if err := l.add(ctx, fmt.Sprintf("images[%d] (%s)", k, p.name), p.image); err != nil {
			return nil, err
		}
	}
	index, err := image.NewIndex(l.format(x.annotations)).Of(l.entries, l.images)
	if err != nil {
		return nil, err
	}
	l.gathered.index, err = index.WithAnnotations(x.annotations)
	return l.gathered.composed(), err
}

// listing is an index while it is put together.
type listing struct {
	entries  []image.Entry
	images   []*image.Image
	by       map[image.Platform]string // who brought a platform
	gathered *gathered
}

// add lists what a member brings.
func (l *listing) add(ctx context.Context, name string, p present) error {
	f, images, err := p.images(ctx)
	if err != nil {
		return err
	}
	var entries []image.Entry
	if f.index != nil && p.only == everyBranch {
		index, err := f.rewritten(images)
		if err != nil {
			return err
		}
		if err := l.gathered.addIndex(ctx, index, f.src, images); err != nil {
			return err
		}
		entries = index.Entries()
	} else {
		entry, err := images[0].entryNow()
		if err != nil {
			return err
		}
		if err := l.gathered.document(ctx, images[0].after, entry.Descriptor); err != nil {
			return err
		}
		entries = append(entries, entry)
	}
	for _, e := range entries {
		if err := l.list(name, e, images); err != nil {
			return err
		}
	}
	return nil
}

// list adds an entry, which says its platform if it is one of images.
func (l *listing) list(name string, e image.Entry, images []became) error {
	for _, m := range images {
		if m.after.Descriptor().Digest != e.Digest {
			continue
		}
		var err error
		if e, err = e.WithPlatform(m.after); err != nil {
			return err
		}
		p, _ := e.Platform()
		if other, ok := l.by[p]; ok {
			return &samePlatformError{p, other, name}
		}
		l.by[p] = name
		l.images = append(l.images, m.after)
		break
	}
	l.entries = append(l.entries, e)
	return nil
}

// format is Docker's when that can say all there is to say.
func (l *listing) format(annotations map[string]string) image.Format {
	for _, e := range l.entries {
		if e.MediaType != content.DockerManifest || len(e.Annotations) > 0 {
			return image.FormatOCI
		}
	}
	for _, img := range l.images {
		if _, needs := img.NeedsIndex(); needs {
			return image.FormatOCI
		}
	}
	if len(annotations) > 0 {
		return image.FormatOCI
	}
	return image.FormatDocker
}

// samePlatformError is a platform for which an index would have two images.
type samePlatformError struct {
	platform   image.Platform
	one, other string
}

// Error implements error.
func (e *samePlatformError) Error() string {
	if e.one == e.other {
		return fmt.Sprintf("%s has two images for %s", e.one, e.platform)
	}
	return fmt.Sprintf("%s and %s are both for %s", e.one, e.other, e.platform)
}

// Hint says what to do.
func (e *samePlatformError) Hint() string {
	return "an index has one image for each platform: image(…, platform = …) or img.on(…) is one of an image of several"
}

// IndexSaveOptions says how an index is saved. nil and the zero value: under the target's tag, or "latest".
type IndexSaveOptions struct {
	Tags []string // in place of the target's; nil means that one, empty and not nil none: by digest only
}

// Save starts saving the index, and all that it lists. Tags move as those of an image's Save do.
func (x *Index) Save(at Origin, opts *IndexSaveOptions) *Future[Saved] {
	var o IndexSaveOptions
	if opts != nil {
		o = *opts
	}
	x.use()
	tags, err := tagsFor(x.target, o.Tags)
	if err != nil {
		return x.run.noteSave("", "", failedFuture[Saved](x.run, at, "save", err))
	}
	made := x.started()
	s := &save{run: x.run, access: x.access, from: x.from(), changed: true, needs: []*step{made.step}, compose: made.get, ref: x.target, tags: tags}
	for _, p := range x.parts {
		s.parts = append(s.parts, p.image)
	}
	return s.start(at)
}

// from is what the index starts from, for a plan: each base once.
func (x *Index) from() string {
	text, seen := "", map[string]bool{}
	for _, p := range x.parts {
		name := p.image.base().ref.String()
		if seen[name] {
			continue
		}
		if seen[name] = true; text != "" {
			text += ", "
		}
		text += name
	}
	return text
}
