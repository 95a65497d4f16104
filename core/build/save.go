package build

import (
	"context"
	"errors"
	"fmt"
	"reflect"
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
	now, changed := i.present(), i.changed()
	if !isZero(o.Changes) {
		now, changed = present{&node{parent: now.node, op: &edited{changes: o.Changes}, only: i.only}, i.only}, true
	}
	s := i.saving(now, changed)
	s.ref, s.tags, s.opts = ref, tags, o
	return s.start(at)
}

// saving is a save of an image as it is at some moment.
func (i *Image) saving(now present, changed bool) *save {
	s := &save{run: i.run, base: i.base, access: i.base.access, from: i.Base(), changed: changed, compose: now.compose}
	if !changed {
		s.needs = []*step{i.base.resolve().step}
		return s
	}
	s.parts, s.needs = []present{now}, now.needs()
	return s
}

// start begins the save.
func (s *save) start(at Origin) *Future[Saved] {
	future := async(s.run, at, "save", true, s.needs, s.do)
	s.run.noteTags(s.ref, s.tags, future.step)
	return s.run.noteSave(s.ref.Name(), s.run.locationOf(s.ref), future)
}

func isZero(c image.Changes) bool { return reflect.ValueOf(c).IsZero() }

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
	tags, err := tagsFor(ref, o.Tags)
	return ref, tags, err
}

// tagsFor are the tags that a target is given: those that it names itself where wanted is nil.
func tagsFor(ref transport.Reference, wanted []string) ([]string, error) {
	tags := []string{}
	if wanted == nil {
		if tag := ref.TagOrLatest(); tag != "" { // there is none where a Docker archive names no image
			tags = append(tags, tag)
		}
		return tags, nil
	}
	var bad []error
	for _, tag := range wanted {
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
	return tags, errors.Join(bad...)
}

// storeOf is the name of what a repository is part of and shares its blobs with: of all images of a docker archive, or of a daemon.
func (r *Run) storeOf(ref transport.Reference) string {
	if ofDocker(ref) {
		ref.Repository = ""
	}
	return r.locationOf(ref)
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

// save is one call of Save at work: of an image, or of an index.
type save struct {
	run     *Run
	base    *base // nil of an index
	access  *access
	from    string // what it starts from, for a plan
	needs   []*step
	parts   []present // of which layers can be sent before all is known
	changed bool      // it is something else than what the base's reference names, and what compose makes
	compose func(context.Context) (*composed, error)
	ref     transport.Reference
	tags    []string
	opts    SaveOptions
}

func (s *save) do(ctx context.Context, step *step) (Saved, error) {
	repo, err := s.access.open(ctx, s.ref, true)
	if err != nil {
		return Saved{}, err
	}
	if err := s.checkTarget(ctx); err != nil {
		return Saved{}, err
	}
	t := newTarget(s.run, repo, s.ref)
	t.always = s.opts.IgnorePresent
	if !s.changed {
		return s.unchanged(ctx, step, t)
	}
	return s.built(ctx, step, t)
}

// checkTarget refuses an image of several platforms where the target takes none, before anything is brought there.
func (s *save) checkTarget(ctx context.Context) error {
	switch {
	case !holdsOne(s.ref):
		return nil
	case s.base == nil:
		return &oneImageError{target: s.ref.String()}
	case !s.changed:
		from, err := s.base.resolve().get(ctx)
		if err != nil || !content.IsIndex(from.desc.MediaType) {
			return err
		}
		return &oneImageError{target: s.ref.String(), platforms: platformsOf(from.doc)}
	}
	f, err := s.parts[0].family(ctx)
	if err != nil || f.index == nil || s.parts[0].only != everyBranch {
		return err
	}
	return &oneImageError{s.ref.String(), f.names(), true}
}

// platformsOf lists the platforms that an index names.
func platformsOf(index *content.Document) []string {
	var names []string
	for _, desc := range index.Manifests {
		if p := platformOf(desc); p != "" && !slices.Contains(names, p) {
			names = append(names, p)
		}
	}
	return names
}

// unchanged copies what the base's reference names, byte for byte, but for what forTarget changes.
func (s *save) unchanged(ctx context.Context, step *step, t *target) (Saved, error) {
	from, err := s.whole(ctx)
	if err != nil {
		return Saved{}, err
	}
	if s.maySkip() && s.tagged(ctx, t, from.desc) {
		return s.skip(ctx, step, t, from.src, from.desc)
	}
	t.lookAround(ctx, from.doc, s.tags)
	return s.publish(ctx, step, t, from.src, from.desc, from.data)
}

// whole is what the base's reference names, as the target gets it.
func (s *save) whole(ctx context.Context) (root, error) {
	from, err := s.base.whole(ctx)
	if err != nil {
		return from, err
	}
	return s.run.forTarget(ctx, s.base.ref, s.ref, from)
}

// maySkip reports whether there is nothing to do when the tags have the image already.
func (s *save) maySkip() bool { return !s.opts.IgnorePresent && len(s.tags) > 0 }

// tagged reports whether every tag has the image already.
func (s *save) tagged(ctx context.Context, t *target, desc content.Descriptor) bool {
	return t.alreadyTagged(ctx, s.run.locationOf(s.ref), s.tags, desc)
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
	return saved, t.publish(ctx, src, root, data, s.tags, &content.CopyOptions{SkipForeign: s.opts.LeaveForeign})
}

// built puts the image together while its parts are on their way.
func (s *save) built(ctx context.Context, step *step, t *target) (Saved, error) {
	group, early := errgroup.WithContext(ctx)
	if s.maySkip() && t.location != t.registry {
		t.held = &held{ready: make(chan struct{})}
		group.Go(func() error { return t.hold(early, s.tags[0]) })
	}
	s.sendEarly(early, group, t)
	var made *composed
	group.Go(func() (err error) {
		made, err = s.compose(early)
		return err
	})
	if err := group.Wait(); err != nil {
		return Saved{}, err
	}
	if err := t.failed.error(); err != nil {
		return Saved{}, err
	}
	if t.held != nil && t.held.root == made.desc.Digest && s.tagged(ctx, t, made.desc) {
		return s.skip(ctx, step, t, made.src, made.desc)
	}
	return s.publish(ctx, step, t, made.src, made.desc, made.data)
}

// copy brings everything but the root document to the target.
func (s *save) copy(ctx context.Context, t *target, src content.Fetcher, root content.Descriptor) error {
	return t.copy(ctx, src, root, &content.CopyOptions{WithoutRoot: true, SkipForeign: s.opts.LeaveForeign})
}

// result describes what was saved.
func (s *save) result(ctx context.Context, t *target, src content.Fetcher, desc content.Descriptor) (Saved, error) {
	saved := Saved{Target: s.ref.Name(), Digest: desc.Digest, Tags: s.tags, MediaType: desc.MediaType}
	if err := saved.add(ctx, s.run, src, desc, map[digest.Digest]bool{}); err != nil {
		return Saved{}, err
	}
	saved.UploadedBytes, saved.Uploaded, saved.Mounted, saved.Skipped = t.counts()
	s.run.noteMade(desc.Digest, src)
	return saved, nil
}

// add counts a document and what is below it; each blob once.
func (s *Saved) add(ctx context.Context, r *Run, src content.Fetcher, desc content.Descriptor, seen map[digest.Digest]bool) error {
	doc, _, err := content.FetchDocument(ctx, src, desc)
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

// addLayers lists the layers of one manifest; what is no image, as attestations are none, has none.
func (s *Saved) addLayers(ctx context.Context, r *Run, src content.Fetcher, desc content.Descriptor) error {
	if _, attests := image.Attests(desc); attests {
		return nil
	}
	img, err := image.Load(ctx, src, desc)
	if err != nil || img.Config() == nil {
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
	p, said := image.PlatformOf(desc)
	if !said || p.OS == "unknown" {
		return ""
	}
	return p.String()
}
