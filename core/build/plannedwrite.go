package build

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry"
)

// moves lists tags that are about to be set to a digest, "" for deleted, with what they are now. A tag that a registry does not tell of counts as none, as it
// does for a save; a registry that can't be reached is an error.
func moves(ctx context.Context, repo content.DigestResolver, tags []string, to digest.Digest) ([]PlannedTag, error) {
	var list []PlannedTag
	for _, tag := range tags {
		old, err := repo.ResolveDigest(ctx, tag)
		if errors.Is(err, registry.ErrUnreachable) || ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			old = ""
		}
		list = append(list, PlannedTag{Name: tag, Old: old, New: to})
	}
	return list, nil
}

// moves lists tags that are about to be set at the target.
func (t *target) moves(ctx context.Context, tags []string, to digest.Digest) ([]PlannedTag, error) {
	repo, ok := t.repo.(content.DigestResolver)
	if !ok {
		return nil, nil
	}
	return moves(ctx, repo, tags, to)
}

// action is how a blob came to the target. What nobody brought is there.
func (t *target) action(dgst digest.Digest) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return actionOf(t.sent[dgst].how)
}

// actionOf is what a plan calls a transfer.
func actionOf(how content.Transfer) string {
	switch how {
	case content.Present:
		return ActionSkip
	case content.Mounted:
		return ActionMount
	}
	return ActionUpload
}

// planned lists the blobs that a document needs at the target: of each manifest the layers, then the config. Foreign layers may be left where they are.
func (t *target) planned(ctx context.Context, src content.Fetcher, root content.Descriptor, leaveForeign bool) ([]PlannedBlob, error) {
	documents, err := below(ctx, src, root)
	if err != nil {
		return nil, err
	}
	var list []PlannedBlob
	places := map[digest.Digest]int{}
	platform := ""
	add := func(kind string, desc content.Descriptor) {
		if i, seen := places[desc.Digest]; seen {
			if list[i].Platform != platform {
				list[i].Platform = "" // it is of several
			}
			return
		}
		if leaveForeign && content.IsForeign(desc) {
			return
		}
		places[desc.Digest] = len(list)
		list = append(list, PlannedBlob{
			Action: t.action(desc.Digest), Kind: kind, Digest: desc.Digest, Size: desc.Size, MediaType: desc.MediaType, Platform: platform,
		})
	}
	for _, desc := range documents {
		platform = platformOf(desc)
		doc, _, err := content.FetchDocument(ctx, src, desc)
		if err != nil {
			return nil, err
		}
		for _, layer := range doc.Layers {
			add("layer", layer)
		}
		if doc.Config != nil {
			add("config", *doc.Config)
		}
	}
	return list, nil
}

// others lists the blobs that came to the target and are not in a list: those of what refers to an image.
func (t *target) others(list []PlannedBlob) []PlannedBlob {
	t.mu.Lock()
	var descs []content.Descriptor
	for _, m := range t.sent {
		if !slices.ContainsFunc(list, func(b PlannedBlob) bool { return b.Digest == m.desc.Digest }) {
			descs = append(descs, m.desc)
		}
	}
	t.mu.Unlock()
	slices.SortFunc(descs, func(a, b content.Descriptor) int {
		if before(a, b) {
			return -1
		}
		return 1
	})
	var others []PlannedBlob
	for _, desc := range descs {
		others = append(others, PlannedBlob{Action: t.action(desc.Digest), Kind: "blob", Digest: desc.Digest, Size: desc.Size, MediaType: desc.MediaType})
	}
	return others
}

// note adds the save to the plan, before its tags move.
func (s *save) note(ctx context.Context, step *step, t *target, saved *Saved, src content.Fetcher, root content.Descriptor, unchanged bool) error {
	plan := s.run.plan
	if plan == nil {
		return nil
	}
	w := Write{
		Op: "save", Target: saved.Target, From: s.from, Digest: root.Digest, MediaType: root.MediaType, Size: saved.Size,
		Platforms: saved.Platforms, Unchanged: unchanged,
	}
	var err error
	if w.Tags, err = t.moves(ctx, s.tags, root.Digest); err != nil {
		return err
	}
	if w.Blobs, err = t.planned(ctx, src, root, s.opts.LeaveForeign); err != nil {
		return err
	}
	if err := s.describe(ctx, w.Blobs, saved.Layers); err != nil {
		return err
	}
	plan.note(step, w)
	return nil
}

// describe says of layers what their manifests don't: their diff IDs and where they are from.
func (s *save) describe(ctx context.Context, blobs []PlannedBlob, layers []*Layer) error {
	known := map[digest.Digest]*Layer{}
	for _, l := range layers {
		known[l.future.value.Descriptor.Digest] = l
	}
	based := map[digest.Digest]string{}
	for _, p := range s.parts {
		if err := p.based(ctx, based); err != nil {
			return err
		}
	}
	for i := range blobs {
		l := known[blobs[i].Digest]
		if l == nil {
			continue
		}
		blobs[i].DiffID, blobs[i].Source = l.future.value.DiffID, l.createdBy
		if !s.changed {
			blobs[i].Source = s.from
		} else if base, ok := based[blobs[i].DiffID]; ok {
			blobs[i].Source = base
		}
	}
	return nil
}

// based notes which layers come from the image's base, by their diff IDs, as they may be compressed, and what that is.
func (p present) based(ctx context.Context, into map[digest.Digest]string) error {
	f, err := p.family(ctx)
	if err != nil {
		return err
	}
	for _, b := range p.branches(f) {
		for _, l := range f.members[b].image.Layers() {
			into[l.DiffID] = p.base().ref.String()
		}
		for n := p.node; n.parent != nil; n = n.parent {
			o, ok := n.op.(taking)
			if !ok || !n.concerns(b) {
				continue
			}
			if err := o.from().based(ctx, f.members[b].platform, into); err != nil {
				return err
			}
		}
	}
	return nil
}

// based notes which layers of an image that is taken from are those of its base, and what that is.
func (a another) based(ctx context.Context, p image.Platform, into map[digest.Digest]string) error {
	if !a.whole {
		return a.present.based(ctx, into)
	}
	img, err := a.on(ctx, p)
	if err != nil {
		return err
	}
	for _, l := range img.Layers() {
		into[l.DiffID] = a.image.base.ref.String()
	}
	return nil
}

// noteSync adds a sync to the plan.
func (s *save) noteSync(ctx context.Context, step *step, t *target, src content.Fetcher, root content.Descriptor) error {
	plan := s.run.plan
	if plan == nil {
		return nil
	}
	w := Write{Op: "sync", Target: s.ref.Name(), From: s.from}
	blobs, err := t.planned(ctx, src, root, s.opts.LeaveForeign)
	if err != nil {
		return err
	}
	for _, blob := range blobs {
		if !s.changed || blob.Kind == "layer" { // the config of an image that changes is none of its
			w.Blobs = append(w.Blobs, blob)
		}
	}
	plan.note(step, w)
	return nil
}

// note adds one image of a copy to the plan, before its tag moves.
func (c *copying) note(ctx context.Context, step *step, p *prepared) error {
	if c.run.plan == nil {
		return nil
	}
	w := Write{
		Op: "copy", Target: c.to.Name(), From: p.from.String(), Digest: p.root.desc.Digest, MediaType: p.root.desc.MediaType, Unchanged: p.there,
	}
	var err error
	if w.Blobs, err = p.target.planned(ctx, p.root.src, p.root.desc, c.opts.LeaveForeign); err != nil {
		return err
	}
	for _, blob := range w.Blobs {
		w.Size += blob.Size
	}
	w.Blobs = append(w.Blobs, p.target.others(w.Blobs)...)
	named := []*prepared{p}
	if p.related != nil {
		w.Referrers = p.related.count
		named = append(named, p.related.inOrder()...)
		w.Unchanged = w.Unchanged && w.Referrers == 0
	}
	for _, one := range named {
		tags, err := p.target.moves(ctx, one.tags, one.root.desc.Digest)
		if err != nil {
			return err
		}
		w.Tags = append(w.Tags, tags...)
	}
	lists, err := p.related.moves(ctx)
	w.Tags = append(w.Tags, lists...)
	c.run.plan.note(step, w)
	return err
}

// moves are the tags under which lists of referrers would be kept.
func (r *related) moves(ctx context.Context) ([]PlannedTag, error) {
	if r == nil {
		return nil, nil
	}
	repo, ok := r.c.dst.(*plannedRepository)
	if !ok {
		return nil, nil
	}
	lists := slices.Clone(r.lists)
	slices.SortFunc(lists, func(a, b referrers) int { return strings.Compare(a.subject.String(), b.subject.String()) })
	var tags []PlannedTag
	for _, one := range lists {
		tag, index, err := repo.referrersIndex(ctx, one.subject, one.list)
		if err != nil {
			return nil, err
		}
		if tag != "" {
			moved, err := moves(ctx, repo, []string{tag}, digest.FromBytes(index))
			if err != nil {
				return nil, err
			}
			tags = append(tags, moved...)
		}
	}
	return tags, nil
}

// inOrder lists what has tags of its own, by them.
func (r *related) inOrder() []*prepared {
	named := slices.Clone(r.named)
	slices.SortFunc(named, func(a, b *prepared) int { return slices.Compare(a.tags, b.tags) })
	return named
}
