package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/transport"
)

// composed is a document that is about to be saved, and where all that it needs is read.
type composed struct {
	src  content.Fetcher
	desc content.Descriptor
	data []byte
}

// compose puts together what an image is saved as: the manifest of one, or an index of those of its platforms.
func (p present) compose(ctx context.Context) (*composed, error) {
	f, images, err := p.images(ctx)
	if err != nil {
		return nil, err
	}
	if f.index != nil && p.only == everyBranch {
		return f.compose(ctx, images)
	}
	img := images[0].after
	if attribute, needs := img.NeedsIndex(); needs {
		return nil, fmt.Errorf("%s: the image is of one platform and in no index, which alone could hold them", attribute)
	}
	return &composed{img, img.Descriptor(), img.Manifest()}, nil
}

// compose makes the index of a base with its images as they became.
func (f *family) compose(ctx context.Context, images []became) (*composed, error) {
	index, err := f.rewritten(images)
	if err != nil {
		return nil, err
	}
	g := newGathered(index)
	return g.composed(), g.addIndex(ctx, index, f.src, images)
}

// rewritten is the index of a base, or of an empty one, with images as they became.
func (f *family) rewritten(images []became) (*image.Index, error) {
	var members []image.Member
	for _, m := range images {
		if m.entry != nil {
			members = append(members, image.Member{Entry: *m.entry, Before: m.image, After: m.after})
		}
	}
	if len(members) > 0 {
		return f.index.Rewrite(members, f.all)
	}
	var entries []image.Entry
	var after []*image.Image
	for _, m := range images {
		entry, err := m.entryNow()
		if err != nil {
			return nil, err
		}
		entries, after = append(entries, entry), append(after, m.after)
	}
	return f.index.Of(entries, after)
}

// entryNow is the entry of an image as it became, in whatever index.
func (m *became) entryNow() (image.Entry, error) {
	if m.entry != nil {
		return m.entry.For(m.image, m.after)
	}
	return image.NewEntry(m.after)
}

// places tells from where content is read: from each of several sources that has it.
type places map[digest.Digest][]content.Fetcher

func (p places) add(src content.Fetcher, desc content.Descriptor) {
	if known := p[desc.Digest]; !slices.Contains(known, src) {
		p[desc.Digest] = append(known, src)
	}
}

// Fetch implements content.Fetcher.
func (p places) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	for _, src := range p[desc.Digest] {
		if r, err := src.Fetch(ctx, desc); !errors.Is(err, content.ErrNotFound) {
			return r, err
		}
	}
	return nil, fmt.Errorf("%s: %w: no image has it", desc.Digest, content.ErrNotFound)
}

// Sources implements content.Locator.
func (p places) Sources(desc content.Descriptor) []string {
	var all []string
	for _, src := range p[desc.Digest] {
		if l, ok := src.(content.Locator); ok {
			all = append(all, l.Sources(desc)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// gathered is what is read of an index that was put together: the index itself, and all that it needs from the image or the repository that has it.
type gathered struct {
	places
	index *image.Index
}

func newGathered(index *image.Index) *gathered { return &gathered{places{}, index} }

func (g *gathered) composed() *composed { return &composed{g, g.index.Descriptor(), g.index.Bytes()} }

// Fetch implements content.Fetcher.
func (g *gathered) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if desc.Digest == g.index.Descriptor().Digest {
		return content.Verify(readCloser(g.index.Bytes()), desc)
	}
	return g.places.Fetch(ctx, desc)
}

// addIndex gathers what the entries of an index need: from the images, and from src for what is beside them.
func (g *gathered) addIndex(ctx context.Context, index *image.Index, src content.Fetcher, images []became) error {
	for _, m := range images {
		if err := g.document(ctx, m.after, m.after.Descriptor()); err != nil {
			return err
		}
	}
	for _, e := range index.Entries() {
		if len(g.places[e.Digest]) > 0 {
			continue
		}
		if err := g.document(ctx, src, e.Descriptor); err != nil {
			return err
		}
	}
	return nil
}

// document has a document and all that it needs read from src.
func (g *gathered) document(ctx context.Context, src content.Fetcher, desc content.Descriptor) error {
	documents := []content.Descriptor{desc}
	if content.IsDocument(desc.MediaType) {
		var err error
		if documents, err = below(ctx, src, desc); err != nil {
			return err
		}
	}
	for _, d := range documents {
		g.add(src, d)
		if !content.IsDocument(d.MediaType) {
			continue
		}
		doc, _, err := content.FetchDocument(ctx, src, d)
		if err != nil {
			return err
		}
		for _, child := range doc.Children() {
			g.add(src, child)
		}
	}
	return nil
}

// holdsOne reports whether a target takes images of one platform alone.
func holdsOne(ref transport.Reference) bool {
	return ref.Transport == transport.DockerArchive || ref.Transport == transport.DockerDaemon
}

// oneImageError is an image of several platforms for a target that takes no such.
type oneImageError struct {
	target    string
	platforms []string // nil when nobody knows yet
	several   bool     // the image is of several, and has views of each
}

// Error implements error.
func (e *oneImageError) Error() string {
	text := e.target + " takes images of one platform, and this is an index"
	if len(e.platforms) > 0 {
		text += " of " + strings.Join(e.platforms, ", ")
	}
	return text
}

// Is implements content.ErrUnsupported.
func (e *oneImageError) Is(target error) bool { return target == content.ErrUnsupported }

// Hint says how to save one of them.
func (e *oneImageError) Hint() string {
	switch {
	case len(e.platforms) == 0:
		return "save one of its images there"
	case e.several:
		return fmt.Sprintf("save one of them: img.on(%q).save(…)", e.platforms[0])
	}
	return fmt.Sprintf("choose one of them: image(…, platform = %q)", e.platforms[0])
}
