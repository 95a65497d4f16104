package build

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
)

// beneath is what an image is beneath the changes that are not worked out yet.
type beneath struct {
	present
	gone map[branch][]digest.Digest // layers that are removed above
}

// sendEarly starts sending the layers that will surely be needed, before all is known of what is saved: each as soon as there is something of it, and once, however many images need it. Removed ones
// are left out.
func (s *save) sendEarly(ctx context.Context, group *errgroup.Group, t *target) {
	var rest []beneath
	for _, part := range s.parts {
		if b, known := s.sendAdded(ctx, group, t, part); known {
			rest = append(rest, b)
		}
	}
	group.Go(func() error { return s.sendBelow(ctx, t, rest) })
}

// sendAdded starts sending the layers that are put on an image. Which of those below are left is not always known.
func (s *save) sendAdded(ctx context.Context, group *errgroup.Group, t *target, p present) (rest beneath, known bool) {
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
			return beneath{}, false
		}
	}
	return beneath{present{n, p.only}, gone}, true
}

// sendBelow sends the layers of images, the biggest first. One that several have comes from the place that is best for all of them.
func (s *save) sendBelow(ctx context.Context, t *target, images []beneath) error {
	all, err := inParallel(ctx, images, func(ctx context.Context, b beneath) ([]became, error) {
		_, list, err := b.images(ctx)
		return list, err
	})
	if err != nil {
		return err
	}
	var layers []content.Descriptor
	from := places{}
	for k, list := range all {
		for _, m := range list {
			gone := slices.Concat(images[k].gone[everyBranch], images[k].gone[m.branch])
			for _, l := range m.after.Layers() {
				if slices.Contains(gone, l.Digest) || s.opts.LeaveForeign && content.IsForeign(l.Descriptor) {
					continue
				}
				if len(from[l.Digest]) == 0 {
					layers = append(layers, l.Descriptor)
				}
				from.add(m.after, l.Descriptor)
			}
		}
	}
	slices.SortStableFunc(layers, func(a, b content.Descriptor) int { return cmp.Compare(b.Size, a.Size) })
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range layers {
		group.Go(func() error {
			_, err := t.Mount(ctx, l, from.Sources(l), content.FromFetcher(from, l))
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
	t := newTarget(s.run, repo, s.ref)
	t.always = s.opts.IgnorePresent
	if s.changed {
		if err := s.sendBelow(ctx, t, []beneath{{present: s.parts[0]}}); err != nil {
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
	from, err := s.whole(ctx)
	if err != nil {
		return err
	}
	if err := s.copy(ctx, t, from.src, from.desc); err != nil {
		return err
	}
	return s.noteSync(ctx, step, t, from.src, from.desc)
}
