package build

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
)

// sendEarly starts sending the layers that an image will surely have, before it is known in full: each as soon as there is something of it, those of several platforms once.
// Removed ones are left out.
func (s *save) sendEarly(ctx context.Context, group *errgroup.Group, t *target, p present) {
	gone := map[branch][]digest.Digest{}
	n := p.node
	for ; n.parent != nil && (p.only == everyBranch || n.worked(p.only) == nil); n = n.parent {
		if !n.concerns(p.only) {
			continue
		}
		switch o := n.op.(type) {
		case *removed:
			gone[n.only] = append(gone[n.only], o.digest)
		case *appended:
			if len(gone) == 0 { // else it may be one of those that are removed
				group.Go(func() error { return t.layer(ctx, o.layer, s.opts.LeaveForeign) })
			}
		case rewriting:
			return
		}
	}
	below := present{n, p.only}
	group.Go(func() error { return s.sendImages(ctx, t, below, gone) })
}

// sendImages sends the layers of an image on its platforms, but for those that are gone.
func (s *save) sendImages(ctx context.Context, t *target, p present, gone map[branch][]digest.Digest) error {
	_, images, err := p.images(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range images {
		without := slices.Concat(gone[everyBranch], gone[m.branch])
		group.Go(func() error { return s.sendLayers(ctx, t, m.after, without) })
	}
	return group.Wait()
}

// sendLayers sends the layers of an image, the biggest first, but for those in gone.
func (s *save) sendLayers(ctx context.Context, t *target, img *image.Image, gone []digest.Digest) error {
	layers := img.Layers()
	slices.SortStableFunc(layers, func(a, b image.LayerInfo) int { return int(min(max(b.Size-a.Size, -1), 1)) })
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range layers {
		if slices.Contains(gone, l.Digest) || s.opts.LeaveForeign && content.IsForeign(l.Descriptor) {
			continue
		}
		group.Go(func() error {
			_, err := t.Mount(ctx, l.Descriptor, img.Sources(l.Descriptor), content.FromFetcher(img, l.Descriptor))
			return err
		})
	}
	return group.Wait()
}

// SyncOptions says how Sync copies. nil copies what is missing, foreign layers included.
type SyncOptions struct {
	LeaveForeign  bool // foreign layers are not copied
	IgnorePresent bool // blobs are sent although they are there
}

// Sync starts copying the base's blobs to the target, before anything is saved; Save does not do it again.
func (i *Image) Sync(at Origin, opts *SyncOptions) *Future[struct{}] {
	var o SyncOptions
	if opts != nil {
		o = *opts
	}
	s := i.saving(present{&node{base: i.base, only: everyBranch}, i.only}, i.changed())
	s.ref, s.opts = i.target, SaveOptions{LeaveForeign: o.LeaveForeign, IgnorePresent: o.IgnorePresent}
	if i.target.Transport == "" {
		return failedFuture[struct{}](i.run, at, "sync", fmt.Errorf("the image has no target: name one, as in image(%q, \"registry/repository\")", i.Base()))
	}
	return async(i.run, at, "sync", true, s.needs, func(ctx context.Context, step *step) (struct{}, error) {
		return struct{}{}, s.sync(ctx, step)
	})
}

func (s *save) sync(ctx context.Context, step *step) error {
	repo, err := s.base.access.open(ctx, s.ref, true)
	if err != nil {
		return err
	}
	t := newTarget(s.run, repo, s.ref.Name())
	t.always = s.opts.IgnorePresent
	if s.changed {
		if err := s.sendImages(ctx, t, s.parts[0], nil); err != nil {
			return err
		}
		if err := t.failed.error(); err != nil {
			return err
		}
		made, err := s.compose(ctx)
		if err != nil {
			return err
		}
		return s.noteSync(ctx, step, t, made.src, made.desc)
	}
	from, err := s.base.whole(ctx)
	if err != nil {
		return err
	}
	if err := s.copy(ctx, t, from.src, from.desc); err != nil {
		return err
	}
	return s.noteSync(ctx, step, t, from.src, from.desc)
}
