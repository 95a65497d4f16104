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
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/transport"
)

// SaveOptions says how an image is saved. nil and the zero value: to the image's target, under its tag or "latest".
type SaveOptions struct {
	Tags          []string      // in place of the target's; nil means that one, empty and not nil none: by digest only
	Changes       image.Changes // of this save alone
	To            string        // a reference in place of the target
	LeaveForeign  bool          // foreign layers are not copied
	IgnorePresent bool          // blobs are sent although they are there
}

// Saved is an image that was saved.
type Saved struct {
	Target        string // the reference without its tag
	Digest        digest.Digest
	Tags          []string
	MediaType     string
	Size          int64    // compressed bytes of the image: configs and layers
	Layers        []*Layer // the lowest first; of an index those of all its images, each once
	Platforms     []string
	UploadedBytes int64
	Uploaded      int // blobs
	Mounted       int
	Skipped       int // blobs that were there
}

// Reference is "target@digest".
func (s Saved) Reference() string { return s.Target + "@" + s.Digest.String() }

// Save starts saving the image as it is now. Blobs go out at once; tags move in program order, and only when all that the
// run did before succeeded.
func (i *Image) Save(at Origin, opts *SaveOptions) *Future[Saved] {
	var o SaveOptions
	if opts != nil {
		o = *opts
	}
	i.use()
	ref, tags, err := i.destination(&o)
	if err != nil {
		return i.run.noteSave("", "", failedFuture[Saved](i.run, at, "save", err))
	}
	s := &save{image: i, head: i.state(), changed: i.changed(), ref: ref, tags: tags, opts: o}
	if !isZero(o.Changes) {
		s.head, s.changed = i.put(s.head, &edited{changes: o.Changes}), true
	}
	future := async(i.run, at, "save", true, s.needs(), s.do)
	i.run.noteTags(ref, tags, future.step)
	return i.run.noteSave(ref.Name(), i.run.locationOf(ref), future)
}

func isZero(c image.Changes) bool {
	return c.Cmd == nil && c.Entrypoint == nil && c.Env == nil && c.WorkingDir == nil && c.User == nil && c.Labels == nil &&
		c.Annotations == nil && c.Shell == nil && c.OnBuild == nil && c.StopSignal == nil && c.Author == nil && c.ExposedPorts == nil &&
		c.Volumes == nil && c.Healthcheck == nil && c.Created == nil
}

// destination is where a save goes, checked before anything is sent.
func (i *Image) destination(o *SaveOptions) (transport.Reference, []string, error) {
	ref := i.target
	if o.To != "" {
		var err error
		if ref, err = i.run.target(o.To); err != nil {
			return ref, nil, fmt.Errorf("to: %w", err)
		}
	}
	if ref.Transport == "" {
		return ref, nil, fmt.Errorf(`the image has no target: name one, as in image(%q, "registry/repository") or save(to = "registry/repository")`, i.Base())
	}
	tags := []string{}
	if o.Tags == nil {
		if tag := ref.TagOrLatest(); tag != "" { // there is none where a Docker archive names no image
			tags = append(tags, tag)
		}
		return ref, tags, nil
	}
	var bad []error
	for _, tag := range o.Tags {
		err := registry.ValidTag(tag)
		if err == nil {
			_, err = ref.WithTag(tag)
		}
		if err != nil {
			bad = append(bad, err)
		} else if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return ref, tags, errors.Join(bad...)
}

// locationOf is the name under which a run knows a repository, however the script writes it.
func (r *Run) locationOf(ref transport.Reference) string {
	if ref.IsLocal() {
		ref.Path = r.fullPath(ref.Path)
	}
	return ref.Name()
}

// savedAs is a save and where it goes, for the report.
type savedAs struct {
	target string
	future *Future[Saved]
}

func (r *Run) noteSave(target, location string, f *Future[Saved]) *Future[Saved] {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saved = append(r.saved, savedAs{target, f})
	if location != "" {
		r.saves[location] = append(r.saves[location], f.step)
	}
	return f
}

// save is one call of Save at work.
type save struct {
	image   *Image // not to be looked at for what may change
	head    *node
	changed bool
	ref     transport.Reference
	tags    []string
	opts    SaveOptions
}

func (s *save) needs() []*step {
	if s.changed {
		return s.head.needs()
	}
	return []*step{s.image.base.resolve().step}
}

func (s *save) do(ctx context.Context, step *step) (Saved, error) {
	repo, err := s.image.base.access.open(ctx, s.ref, true)
	if err != nil {
		return Saved{}, err
	}
	t := newTarget(s.image.run, repo, s.ref.Name())
	t.always = s.opts.IgnorePresent
	if !s.changed {
		return s.unchanged(ctx, step, t)
	}
	return s.built(ctx, step, t)
}

// unchanged copies what the base's reference names, byte for byte.
func (s *save) unchanged(ctx context.Context, step *step, t *target) (Saved, error) {
	from, err := s.image.base.whole(ctx)
	if err != nil {
		return Saved{}, err
	}
	if s.maySkip() && s.tagged(ctx, t, from.desc) {
		return s.skip(ctx, step, t, from.src, from.desc)
	}
	t.lookAround(ctx, from.doc, s.tags)
	return s.publish(ctx, step, t, from.src, from.desc, from.data)
}

// maySkip reports whether there is nothing to do when the tags have the image already.
func (s *save) maySkip() bool { return !s.opts.IgnorePresent && len(s.tags) > 0 }

// tagged reports whether every tag has the image already.
func (s *save) tagged(ctx context.Context, t *target, desc content.Descriptor) bool {
	return t.alreadyTagged(ctx, s.image.run.locationOf(s.ref), s.tags, desc)
}

// skip saves what is there.
func (s *save) skip(ctx context.Context, step *step, t *target, src content.Fetcher, root content.Descriptor) (Saved, error) {
	saved, err := s.result(ctx, t, src, root)
	if err != nil {
		return Saved{}, err
	}
	if err := step.gate(ctx); err != nil {
		return Saved{}, err
	}
	return saved, s.note(ctx, step, t, &saved, src, root, true)
}

// publish sends what is not there yet, and when everything before in the program succeeded, the document itself with its tags.
func (s *save) publish(ctx context.Context, step *step, t *target, src content.Fetcher, root content.Descriptor, data []byte) (Saved, error) {
	if err := s.copy(ctx, t, src, root); err != nil {
		return Saved{}, err
	}
	saved, err := s.result(ctx, t, src, root)
	if err != nil {
		return Saved{}, err
	}
	if err := step.gate(ctx); err != nil {
		return Saved{}, err
	}
	if err := s.note(ctx, step, t, &saved, src, root, false); err != nil {
		return Saved{}, err
	}
	return saved, content.PushMended(ctx, t.repo, src, root, data, s.tags, &content.CopyOptions{SkipForeign: s.opts.LeaveForeign})
}

// built puts the image together while its parts are on their way.
func (s *save) built(ctx context.Context, step *step, t *target) (Saved, error) {
	group, early := errgroup.WithContext(ctx)
	if s.maySkip() && t.location != t.registry {
		t.held = &held{ready: make(chan struct{})}
		group.Go(func() error { return t.hold(early, s.tags[0]) })
	}
	s.sendEarly(early, group, t)
	var img *image.Image
	group.Go(func() (err error) {
		img, err = s.head.image(early)
		return err
	})
	if err := group.Wait(); err != nil {
		return Saved{}, err
	}
	if err := t.failed.error(); err != nil {
		return Saved{}, err
	}
	if t.held != nil && t.held.root == img.Descriptor().Digest && s.tagged(ctx, t, img.Descriptor()) {
		return s.skip(ctx, step, t, img, img.Descriptor())
	}
	return s.publish(ctx, step, t, img, img.Descriptor(), img.Manifest())
}

// copy brings everything but the root document to the target.
func (s *save) copy(ctx context.Context, t *target, src content.Fetcher, root content.Descriptor) error {
	return t.copy(ctx, src, root, &content.CopyOptions{WithoutRoot: true, SkipForeign: s.opts.LeaveForeign})
}

// sendEarly starts sending the layers that the image will surely have, before it is known in full: each as soon as there is something of it. Removed ones are
// left out.
func (s *save) sendEarly(ctx context.Context, group *errgroup.Group, t *target) {
	gone := map[digest.Digest]bool{}
	n := s.head
	for ; n.parent != nil && n.worked() == nil; n = n.parent {
		switch o := n.op.(type) {
		case *removed:
			gone[o.digest] = true
		case *appended:
			if !removesUnknown(gone) {
				group.Go(func() error { return t.layer(ctx, o.layer, s.opts.LeaveForeign) })
			}
		case *replaced:
			return // its manifest says which layers are left
		}
	}
	below := n
	group.Go(func() error {
		img, err := below.image(ctx)
		if err != nil {
			return err
		}
		return s.sendLayers(ctx, t, img, gone)
	})
}

// removesUnknown reports whether some layer above is removed: which one of those being built it is, nobody knows yet.
func removesUnknown(gone map[digest.Digest]bool) bool { return len(gone) > 0 }

// sendLayers sends the layers of an image, the biggest first, but for those in gone.
func (s *save) sendLayers(ctx context.Context, t *target, img *image.Image, gone map[digest.Digest]bool) error {
	layers := img.Layers()
	slices.SortStableFunc(layers, func(a, b image.LayerInfo) int { return int(min(max(b.Size-a.Size, -1), 1)) })
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range layers {
		if gone[l.Digest] || s.opts.LeaveForeign && content.IsForeign(l.Descriptor) {
			continue
		}
		group.Go(func() error {
			_, err := t.Mount(ctx, l.Descriptor, img.Sources(l.Descriptor), content.FromFetcher(img, l.Descriptor))
			return err
		})
	}
	return group.Wait()
}

// result describes what was saved.
func (s *save) result(ctx context.Context, t *target, src content.Fetcher, desc content.Descriptor) (Saved, error) {
	saved := Saved{Target: s.ref.Name(), Digest: desc.Digest, Tags: s.tags, MediaType: desc.MediaType}
	if err := saved.add(ctx, s.image.run, src, desc, map[digest.Digest]bool{}); err != nil {
		return Saved{}, err
	}
	saved.UploadedBytes, saved.Uploaded, saved.Mounted, saved.Skipped = t.counts()
	s.image.run.noteMade(desc.Digest, src)
	return saved, nil
}

// add counts a document and what is below it; each blob once.
func (s *Saved) add(ctx context.Context, r *Run, src content.Fetcher, desc content.Descriptor, seen map[digest.Digest]bool) error {
	data, err := content.ReadAll(ctx, src, desc)
	if err != nil {
		return err
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		return err
	}
	for _, child := range doc.Children() {
		if content.IsDocument(child.MediaType) {
			if err := s.add(ctx, r, src, child, seen); err != nil {
				return err
			}
		} else if !seen[child.Digest] {
			seen[child.Digest] = true
			s.Size += child.Size
		}
	}
	if !content.IsManifest(desc.MediaType) {
		return nil
	}
	return s.addLayers(ctx, r, src, desc)
}

// addLayers lists the layers of one manifest; what is no image has none.
func (s *Saved) addLayers(ctx context.Context, r *Run, src content.Fetcher, desc content.Descriptor) error {
	img, err := image.Load(ctx, src, desc)
	if errors.Is(err, image.ErrArtifact) {
		return nil
	}
	if err != nil {
		return err
	}
	known := map[digest.Digest]bool{} // from other images of an index
	for _, l := range s.Layers {
		known[l.future.value.Descriptor.Digest] = true
	}
	for _, info := range img.Layers() {
		if !known[info.Digest] {
			s.Layers = append(s.Layers, r.knownLayer(info, img))
		}
	}
	p := platformOf(desc)
	if p == "" {
		p = img.Platform().String()
	}
	if !slices.Contains(s.Platforms, p) {
		s.Platforms = append(s.Platforms, p)
	}
	return nil
}

// platformOf names the platform that an index gives to an entry; "" where it says none.
func platformOf(desc content.Descriptor) string {
	if desc.Platform == nil || desc.Platform.OS == "unknown" {
		return ""
	}
	p := image.Platform{OS: desc.Platform.OS, Architecture: desc.Platform.Architecture, Variant: desc.Platform.Variant, OSVersion: desc.Platform.OSVersion}
	return p.String()
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
	s := &save{image: i, head: &node{base: i.base}, changed: i.changed(), ref: i.target, opts: SaveOptions{LeaveForeign: o.LeaveForeign, IgnorePresent: o.IgnorePresent}}
	if i.target.Transport == "" {
		return failedFuture[struct{}](i.run, at, "sync", fmt.Errorf("the image has no target: name one, as in image(%q, \"registry/repository\")", i.Base()))
	}
	return async(i.run, at, "sync", true, s.needs(), func(ctx context.Context, step *step) (struct{}, error) {
		return struct{}{}, s.sync(ctx, step)
	})
}

func (s *save) sync(ctx context.Context, step *step) error {
	repo, err := s.image.base.access.open(ctx, s.ref, true)
	if err != nil {
		return err
	}
	t := newTarget(s.image.run, repo, s.ref.Name())
	t.always = s.opts.IgnorePresent
	if s.changed {
		img, err := s.head.image(ctx)
		if err != nil {
			return err
		}
		if err := s.sendLayers(ctx, t, img, nil); err != nil {
			return err
		}
		if err := t.failed.error(); err != nil {
			return err
		}
		return s.noteSync(ctx, step, t, img, img.Descriptor())
	}
	from, err := s.image.base.whole(ctx)
	if err != nil {
		return err
	}
	if err := s.copy(ctx, t, from.src, from.desc); err != nil {
		return err
	}
	return s.noteSync(ctx, step, t, from.src, from.desc)
}
