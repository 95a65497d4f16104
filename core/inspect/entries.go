package inspect

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
)

// entry is an image, an attestation or an artifact, read or not.
type entry struct {
	desc     content.Descriptor
	kind     Kind
	platform string  // of an attestation, that of its image
	object   *Object // nil until it is read
}

func (e *entry) blob() *Blob {
	if e == nil {
		return nil
	}
	return blobOf(&e.desc)
}

// read reads an entry if nobody has.
func (e *entry) read(ctx context.Context, src content.Fetcher) error {
	if e.object != nil {
		return nil
	}
	var err error
	e.object, err = (&reader{src: src}).object(ctx, e.desc, 1)
	return err
}

// list is what there is to compare of what a reference names.
type list struct {
	entries     []*entry
	annotations map[string]string // of the index
	read        int               // entries so far, indexes among them
}

// list reads an index, and those within it, or the manifest that is no entry of one.
func (c *comparison) list(ctx context.Context, n Named) (*list, error) {
	if !content.IsIndex(n.Descriptor.MediaType) {
		o, err := Read(ctx, n.Source, n.Descriptor, &Options{Platform: c.opts.Platform})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Reference, err)
		}
		return &list{entries: []*entry{{desc: n.Descriptor, kind: o.Kind, platform: o.Platform, object: o}}}, nil
	}
	l := &list{}
	if err := l.index(ctx, n.Source, n.Descriptor, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", n.Reference, err)
	}
	l.attest()
	return l, nil
}

func (l *list) index(ctx context.Context, src content.Fetcher, desc content.Descriptor, depth int) error {
	if depth > image.MaxIndexDepth {
		return fmt.Errorf("%w: indexes within indexes, more than %d deep", content.ErrInvalid, image.MaxIndexDepth)
	}
	doc, _, err := content.FetchDocument(ctx, src, desc)
	if err != nil {
		return err
	}
	if depth == 0 {
		l.annotations = doc.Annotations
	}
	for _, child := range doc.Manifests {
		if l.read++; l.read > maxObjects {
			return errTooMany
		}
		if content.IsIndex(child.MediaType) {
			if err := l.index(ctx, src, child, depth+1); err != nil {
				return err
			}
			continue
		}
		e := &entry{desc: child, kind: Image}
		if p, ok := image.PlatformOf(child); ok {
			e.platform = p.String()
		}
		if _, ok := image.Attests(child); ok {
			e.kind = Attestation
		}
		l.entries = append(l.entries, e)
	}
	return nil
}

// attest gives attestations the platforms of their images.
func (l *list) attest() {
	platforms := map[digest.Digest]string{}
	for _, e := range l.entries {
		if e.kind == Image {
			platforms[e.desc.Digest] = e.platform
		}
	}
	for _, e := range l.entries {
		if of, ok := image.Attests(e.desc); ok {
			e.platform = platforms[of]
		}
	}
}

// pair is what is compared; one of them may be missing.
type pair struct{ old, new *entry }

// pairUp finds the entries that belong together: of the same kind and platform, in their order where there are several. Two that are alone belong together anyway.
func pairUp(old, new []*entry) []pair {
	if len(old) == 1 && len(new) == 1 {
		return []pair{{old[0], new[0]}}
	}
	type key struct {
		kind     Kind
		platform string
	}
	waiting := map[key][]*entry{}
	for _, e := range new {
		k := key{e.kind, e.platform}
		waiting[k] = append(waiting[k], e)
	}
	var pairs []pair
	taken := map[*entry]bool{}
	for _, e := range old {
		p, k := pair{old: e}, key{e.kind, e.platform}
		if rest := waiting[k]; len(rest) > 0 {
			p.new, waiting[k] = rest[0], rest[1:]
			taken[p.new] = true
		}
		pairs = append(pairs, p)
	}
	for _, e := range new {
		if !taken[e] {
			pairs = append(pairs, pair{new: e})
		}
	}
	return pairs
}
