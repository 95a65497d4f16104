package build

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/lock"
)

// AllPlatforms as the only one of ImageOptions.Platforms stands for all that the base has.
const AllPlatforms = lock.All

// wanted says which of a base's images are wanted: one, that of a platform; those of a list of platforms; or all.
type wanted struct {
	platform image.Platform   // of one
	given    bool             // it was asked for, so a base without an index must have it; of a list always
	list     []image.Platform // nil is one, or all
	all      bool
}

// wantedBy reads what the options say of platforms.
func (r *Run) wantedBy(o *ImageOptions) (w wanted, err error) {
	switch {
	case o.Platform != "" && o.Platforms != nil:
		return w, errors.New("platform and platforms: an image is for one platform or for several")
	case o.Platform != "":
		w.given = true
		w.platform, err = image.ParsePlatform(o.Platform)
	case o.Platforms == nil:
		w.platform = r.platform
	case len(o.Platforms) == 1 && o.Platforms[0] == AllPlatforms:
		w.all = true
	default:
		w.given = true
		w.list, err = parsePlatforms(o.Platforms)
	}
	return w, err
}

// parsePlatforms reads a list in which each platform is once.
func parsePlatforms(texts []string) ([]image.Platform, error) {
	if len(texts) == 0 {
		return nil, errors.New("platforms: the list is empty")
	}
	var list []image.Platform
	var bad []error
	for i, text := range texts {
		p, err := image.ParsePlatform(text)
		if text == AllPlatforms {
			err = fmt.Errorf("platforms: %q stands for all of them, and not in a list", AllPlatforms)
		}
		for k, other := range list {
			if err == nil && other == p {
				err = fmt.Errorf("platforms: %q and %q are one platform", texts[k], texts[i])
			}
		}
		if err != nil {
			bad = append(bad, err)
		}
		list = append(list, p)
	}
	return list, errors.Join(bad...)
}

// several reports whether there may be more than one image.
func (w *wanted) several() bool { return w.all || len(w.list) > 0 }

// branch is one of the images that a base stands for, by its place in its family.
type branch int

// everyBranch stands for all of them.
const everyBranch branch = -1

// family are the images that a base stands for.
type family struct {
	members []member
	index   *image.Index    // of which they are; nil of a base that is one image, and of one of which one image is wanted
	all     bool            // the index keeps what is beside them
	src     content.Fetcher // of what is in the index
}

// member is an image of a base.
type member struct {
	platform image.Platform // as it was asked for, or as the base says
	entry    *image.Entry   // in the base's index; nil where there is none
	image    *image.Image
}

// names lists platforms as people write them.
func (f *family) names() []string {
	var names []string
	for _, m := range f.members {
		names = append(names, m.platform.String())
	}
	return names
}

// scratch is the family of an empty base.
func (b *base) scratch() *family {
	empty := func(p image.Platform) member {
		return member{platform: p, image: image.Scratch(p, b.format, b.run.opts.Epoch)}
	}
	f := &family{}
	if !b.several() {
		f.members = []member{empty(b.platform)}
		return f
	}
	f.index = image.NewIndex(b.format)
	for _, p := range b.list {
		f.members = append(f.members, empty(p))
	}
	return f
}

// take reads those of the base's images that are wanted.
func (b *base) take(ctx context.Context, from root) (*family, error) {
	if !b.several() {
		return b.takeOne(ctx, from)
	}
	f := &family{all: b.all, src: from.src}
	var entries []image.Entry
	if content.IsIndex(from.desc.MediaType) {
		var err error
		if f.index, err = b.flat(ctx, from); err != nil {
			return nil, b.named(err)
		}
		entries = f.index.Entries()
	}
	if !b.all {
		return f, b.takeList(ctx, from, f, entries)
	}
	if err := b.run.lock.takeWhole(ctx, from); err != nil {
		return nil, b.named(err)
	}
	if f.index == nil {
		return f, b.takeManifest(ctx, from, f)
	}
	return f, b.takeAll(ctx, from, f, entries)
}

// takeOne takes the image of one platform.
func (b *base) takeOne(ctx context.Context, from root) (*family, error) {
	img, err := b.pick(ctx, from, b.platform)
	if err != nil {
		return nil, err
	}
	p := b.platform
	if !b.given {
		p = img.Platform()
	}
	var entries []image.Entry
	if content.IsIndex(from.desc.MediaType) {
		index, err := image.ParseIndex(from.desc.MediaType, from.data)
		if err != nil {
			return nil, b.named(err)
		}
		entries = index.Entries()
	}
	m, err := b.member(img, p, entryOf(entries, img, b.platform))
	return &family{members: []member{m}}, err
}

// takeManifest takes the only image of a base without an index.
func (b *base) takeManifest(ctx context.Context, from root, f *family) error {
	img, err := b.load(ctx, from, from.desc)
	if err != nil {
		return err
	}
	m, err := b.member(img, img.Platform(), nil)
	f.members = []member{m}
	return err
}

// member is an image of the base in the format that is wanted.
func (b *base) member(img *image.Image, p image.Platform, entry *image.Entry) (member, error) {
	m := member{platform: p, entry: entry, image: img}
	if b.format == "" || b.format == img.Format() {
		return m, nil
	}
	var err error
	m.image, err = img.WithFormat(b.format)
	return m, err
}

// takeList takes the images of a list of platforms.
func (b *base) takeList(ctx context.Context, from root, f *family, entries []image.Entry) error {
	images, err := inParallel(ctx, b.list, func(ctx context.Context, p image.Platform) (*image.Image, error) { return b.pick(ctx, from, p) })
	if err != nil {
		return err
	}
	for k, img := range images {
		entry := entryOf(entries, img, b.list[k])
		for j := range k {
			if images[j].Descriptor().Digest == img.Descriptor().Digest && f.members[j].entry == entry {
				return fmt.Errorf("%s has one image for %s and %s: that for %s", b.ref, b.list[j], b.list[k], img.Platform())
			}
		}
		m, err := b.member(img, b.list[k], entry)
		if err != nil {
			return err
		}
		f.members = append(f.members, m)
	}
	return b.downloadAttestations(ctx, from, entries, images)
}

// downloadAttestations brings what attests to images into the cache, if the run is to do that: it goes along with those that nobody changes.
func (b *base) downloadAttestations(ctx context.Context, from root, entries []image.Entry, images []*image.Image) error {
	for _, e := range entries {
		of, attests := image.Attests(e.Descriptor)
		about := func(img *image.Image) bool { return img.Descriptor().Digest == of }
		if !attests || !slices.ContainsFunc(images, about) {
			continue
		}
		if err := b.run.lock.download(ctx, from, e.Descriptor); err != nil {
			return b.named(err)
		}
	}
	return nil
}

// takeAll takes all images of an index. What is none, attestations and artifacts, is none of them.
func (b *base) takeAll(ctx context.Context, from root, f *family, entries []image.Entry) error {
	if len(entries) > maxEntries {
		return fmt.Errorf("%s: %w index: it has %d entries, more than %d", b.ref, content.ErrInvalid, len(entries), maxEntries)
	}
	images, err := inParallel(ctx, entries, func(ctx context.Context, e image.Entry) (*image.Image, error) {
		if _, attests := image.Attests(e.Descriptor); attests || !content.IsManifest(e.MediaType) {
			return nil, nil
		}
		return b.load(ctx, from, e.Descriptor)
	})
	if err != nil {
		return err
	}
	for k, img := range images {
		if img == nil || img.Config() == nil {
			continue
		}
		p, said := entries[k].Platform()
		if !said {
			p = img.Platform()
		}
		m, err := b.member(img, p, &entries[k])
		if err != nil {
			return err
		}
		f.members = append(f.members, m)
	}
	if len(f.members) == 0 {
		return fmt.Errorf("%s is an index without images", b.ref)
	}
	return nil
}

// entryOf finds the entry of an image that was picked for a platform: that of its manifest, or, where that is there for several platforms, the one of just this.
func entryOf(entries []image.Entry, img *image.Image, p image.Platform) *image.Entry {
	var found *image.Entry
	for k := range entries {
		if entries[k].Digest != img.Descriptor().Digest {
			continue
		}
		have, said := entries[k].Platform()
		if found == nil || said && p.Names(have) {
			found = &entries[k]
		}
	}
	return found
}

// flat is the index that the reference names, in the format that is wanted, and with the entries of the indexes in it in their place.
func (b *base) flat(ctx context.Context, from root) (*image.Index, error) {
	index, err := image.ParseIndex(from.desc.MediaType, from.data)
	if err != nil {
		return nil, err
	}
	entries, err := from.flatEntries(ctx, index, map[digest.Digest]bool{}, 0)
	if err != nil {
		return nil, err
	}
	if index, err = index.With(entries); err != nil || b.format == "" {
		return index, err
	}
	return index.WithFormat(b.format)
}

// maxEntries bounds how many manifests of an index are read: an image of so many platforms nobody has.
const maxEntries = 1000

// flatEntries lists the entries of an index and of those in it, each of which counts once: one that lists another a thousand times would have no end.
func (from root) flatEntries(ctx context.Context, index *image.Index, seen map[digest.Digest]bool, depth int) ([]image.Entry, error) {
	if depth > image.MaxIndexDepth {
		return nil, fmt.Errorf("%w: indexes within indexes, more than %d deep", content.ErrInvalid, image.MaxIndexDepth)
	}
	var all []image.Entry
	for _, e := range index.Entries() {
		if !content.IsIndex(e.MediaType) {
			all = append(all, e)
			continue
		}
		if seen[e.Digest] {
			continue
		}
		if seen[e.Digest] = true; len(seen) > maxEntries {
			return nil, fmt.Errorf("%w: more than %d indexes within it", content.ErrInvalid, maxEntries)
		}
		data, err := content.ReadAll(ctx, from.src, e.Descriptor)
		if err != nil {
			return nil, err
		}
		inner, err := image.ParseIndex(e.MediaType, data)
		if err != nil {
			return nil, err
		}
		entries, err := from.flatEntries(ctx, inner, seen, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

// atOnce is how many manifests of an index are read at the same time.
const atOnce = 8

// inParallel calls f for each of a list. Of several errors it is that of the first in the list, whatever came first.
func inParallel[T, R any](ctx context.Context, list []T, f func(context.Context, T) (R, error)) ([]R, error) {
	results, errs := make([]R, len(list)), make([]error, len(list))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for k, one := range list {
		group.Go(func() error {
			results[k], errs[k] = f(ctx, one)
			return nil
		})
	}
	_ = group.Wait() // it has no errors of its own
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}
