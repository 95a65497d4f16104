package build

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/transport"
)

// CopyOptions says what a copy takes along. nil and the zero value: what the source names and all that it needs, an index with all its platforms.
type CopyOptions struct {
	AllTags      bool     // every tag of the source; both references are then written without tag and digest
	Platforms    []string // of indexes only these: the manifest of one, or an index of the entries for several (image.Subset)
	Referrers    bool     // what refers to each copied manifest too: signatures, SBOMs and the like, and what refers to those
	LeaveForeign bool     // foreign layers are not copied
	Auth         auth.Map // credentials for the copy's registries, before all others
}

// Copied is one image, or whatever a manifest stands for, that a copy wrote or found there.
type Copied struct {
	Target        string // the reference without its tag
	Tag           string // "" when it has none and is found by its digest alone
	Digest        digest.Digest
	MediaType     string
	Referrers     int // that went along
	UploadedBytes int64
	Uploaded      int // blobs
	Mounted       int
	Skipped       int // blobs that were there
}

// Reference is "target@digest".
func (c Copied) Reference() string { return c.Target + "@" + c.Digest.String() }

// Copy starts copying what the reference src names to dst, byte for byte: no digest changes, but where layers of a docker archive or a daemon that are not compressed go to a registry, compressed.
// dst without a tag gets the source's; where that is named by digest, the copy has no tag either. A digest in dst is what the copy must have, or nothing is sent.
//
// Blobs and manifests go out at once, those that are there already stay where they are. Tags move when all that they need is there, and,
// as those of Save, when everything before in the program succeeded. Copying all tags moves them in sorted order; the first one that fails ends the
// copy, and those before it stay (Report.Copied has them). Doing it again sends what is missing.
//
// With Referrers, what a registry lists for each copied manifest, or keeps under the tags of the specification's fallback and of cosign
// (sha256-….sig, .att, .sbom), is at the target before the tag moves. Manifests of other types than images' and artifacts' are left out with a warning.
func (r *Run) Copy(at Origin, src, dst string, opts *CopyOptions) *Future[[]Copied] {
	c := &copying{run: r, at: at}
	if opts != nil {
		c.opts = *opts
	}
	if err := c.understand(src, dst); err != nil {
		return failedFuture[[]Copied](r, at, "copy", err)
	}
	c.saves = r.earlierThan(c.from)
	if c.opts.AllTags {
		c.saves = r.earlierTo(r.locationOf(c.from))
	}
	future := async(r, at, "copy", true, c.saves, c.do)
	c.step = future.step
	r.noteCopy(c)
	return future
}

func (r *Run) noteCopy(c *copying) {
	r.noteTags(c.to, c.willTag(), c.step)
	location := r.locationOf(c.to)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.copies = append(r.copies, c)
	r.saves[location] = append(r.saves[location], c.step)
}

// copying is one call of Copy at work.
type copying struct {
	run       *Run
	at        Origin
	step      *step
	opts      CopyOptions
	platforms []image.Platform
	access    *access
	from, to  transport.Reference
	tag       string // at the target; "" is none
	saves     earlier
	src, dst  content.Repository
	written   []Copied // added to by the step alone
}

// understand reads the references and options.
func (c *copying) understand(src, dst string) (err error) {
	if c.from, err = transport.Parse(src); err != nil {
		return err
	}
	if c.to, err = transport.Parse(dst); err != nil {
		return err
	}
	if c.from.Transport == transport.Scratch || c.to.Transport == transport.Scratch {
		return errors.New(`"scratch" is neither a source nor a target of copies`)
	}
	for _, text := range c.opts.Platforms {
		p, err := image.ParsePlatform(text)
		if err != nil {
			return err
		}
		c.platforms = append(c.platforms, p)
	}
	if c.access, err = c.run.accessFor(c.opts.Auth); err != nil {
		return err
	}
	if !c.opts.AllTags {
		return c.chooseTag()
	}
	for _, ref := range []transport.Reference{c.from, c.to} {
		if ref.Tag != "" || ref.Digest != "" {
			return fmt.Errorf("all tags of one repository are copied to another: write %s without a tag or digest", ref)
		}
	}
	return nil
}

// chooseTag finds the tag for the copy of one reference.
func (c *copying) chooseTag() error {
	c.tag = c.to.Tag
	if c.tag != "" || c.to.Digest != "" {
		return nil
	}
	if c.tag = c.from.TagOrLatest(); c.tag == "" && c.from.Digest == "" {
		c.tag = "latest" // of the only image of an archive
	}
	if c.to.TagOrLatest() == "" {
		c.tag = "" // an archive of an image without a name
	}
	if _, err := c.to.WithTag(c.tag); err != nil {
		return fmt.Errorf("%w; the source's tag is none for the target, so name one there", err)
	}
	return nil
}

// willTag are the tags that the copy is going to move.
func (c *copying) willTag() []string {
	switch {
	case c.opts.AllTags:
		return []string{anyTag}
	case c.tag != "":
		return []string{c.tag}
	}
	return nil
}

func (c *copying) do(ctx context.Context, step *step) ([]Copied, error) {
	var err error
	if c.src, err = c.access.open(ctx, c.from, false); err != nil {
		return nil, err
	}
	if c.dst, err = c.access.open(ctx, c.to, true); err != nil {
		return nil, err
	}
	if c.opts.AllTags {
		if err := c.allTags(ctx, step); err != nil {
			return nil, err
		}
		return c.written, nil
	}
	one, err := c.prepare(ctx, c.from, c.tag)
	if err == nil {
		err = c.finish(ctx, step, one)
	}
	return c.written, err
}

// prepared is a copy of one reference of which only the tag is missing.
type prepared struct {
	from    transport.Reference
	root    root
	target  *target
	tags    []string // one or none
	there   bool     // nothing has to be written
	related *related // nil when nothing refers to it, or nobody asked
}

// prepare brings everything of one reference to the target but its manifest, which goes out with the tag.
func (c *copying) prepare(ctx context.Context, ref transport.Reference, tag string) (*prepared, error) {
	from, err := c.read(ctx, ref)
	if err != nil {
		return nil, named(ref, err)
	}
	if want := c.to.Digest; want != "" && want != from.desc.Digest {
		return nil, fmt.Errorf("%s: %w: it is %s that would be copied", c.to, content.ErrVerification, from.desc.Digest)
	}
	p := &prepared{from: ref, root: from, target: newTarget(c.run, c.dst, c.to)}
	names := []string{from.desc.Digest.String()}
	if tag != "" {
		p.tags, names = []string{tag}, []string{tag}
	}
	// A manifest in a layout may be there without being listed, so it is always pushed.
	if tag != "" || c.to.Transport == transport.Docker {
		p.there = p.target.alreadyTagged(ctx, c.run.locationOf(c.to), names, from.desc)
	}
	if !p.there {
		p.target.lookAround(ctx, from.doc, p.tags)
		if err := c.content(ctx, p.target, from.src, from.desc, true); err != nil {
			return nil, err
		}
	}
	if c.opts.Referrers {
		p.related, err = c.copyRelated(ctx, p)
	}
	return p, err
}

// content brings a manifest and what it needs to the target, once for all references that need it.
func (c *copying) content(ctx context.Context, t *target, src content.Fetcher, root content.Descriptor, withoutRoot bool) error {
	key := flightKey{t.location, brought{c, root.Digest, withoutRoot}}
	_, err := c.run.flights.do(ctx, key, func() error {
		return t.copy(ctx, src, root, &content.CopyOptions{WithoutRoot: withoutRoot, SkipForeign: c.opts.LeaveForeign})
	})
	return err
}

// brought is a manifest that a copy brought to its target, with or without what it consists of itself.
type brought struct {
	by          *copying
	digest      digest.Digest
	withoutRoot bool
}

// read finds out what a reference names, and makes of it what is to be copied.
func (c *copying) read(ctx context.Context, ref transport.Reference) (root, error) {
	ctx, watch := c.run.events.begin(ctx, Event{What: SourceWork, Subject: ref.String(), Total: -1})
	desc, data, err := c.saves.read(ctx, c.src, ref)
	watch.end("found", desc.Digest, err)
	if err != nil {
		return root{}, err
	}
	from, err := c.rootOf(desc, data)
	if err == nil && len(c.platforms) > 0 {
		from, err = c.pick(ctx, from)
	}
	if err != nil {
		return from, err
	}
	return c.run.forTarget(ctx, ref, c.to, from)
}

func (c *copying) rootOf(desc content.Descriptor, data []byte) (root, error) {
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		return root{}, err
	}
	desc.MediaType = doc.MediaType
	src := &source{run: c.run, repo: c.src, root: desc, data: data, direct: true}
	return root{desc: desc, data: data, doc: doc, src: src}, nil
}

// pick leaves of an index what is for the platforms. An image must be for them.
func (c *copying) pick(ctx context.Context, from root) (root, error) {
	if content.IsManifest(from.desc.MediaType) {
		return from, c.checkPlatform(ctx, from)
	}
	if len(c.platforms) > 1 {
		data, err := image.Subset(from.desc.MediaType, from.data, c.platforms)
		if err != nil {
			return root{}, err
		}
		return c.rootOf(content.Of(from.desc.MediaType, data), data)
	}
	desc, err := from.manifestOf(ctx, c.platforms[0])
	if err != nil {
		return root{}, err
	}
	data, err := content.ReadAll(ctx, from.src, desc)
	if err != nil {
		return root{}, err
	}
	return c.rootOf(desc, data)
}

func (c *copying) checkPlatform(ctx context.Context, from root) error {
	img, err := image.Load(ctx, from.src, from.desc)
	if err != nil {
		return err
	}
	for _, p := range c.platforms {
		if !p.Matches(img.Platform()) {
			return fmt.Errorf("platform %s: %w: it is one image, for %s", p, content.ErrNotFound, img.Platform())
		}
	}
	return nil
}

// finish moves the tag.
func (c *copying) finish(ctx context.Context, step *step, p *prepared) error {
	if err := step.gate(ctx); err != nil {
		return err
	}
	if err := c.note(ctx, step, p); err != nil {
		return err
	}
	done := Copied{Target: c.to.Name(), Digest: p.root.desc.Digest, MediaType: p.root.desc.MediaType}
	if p.related != nil {
		if err := p.related.finish(ctx); err != nil {
			return err
		}
		done.Referrers = p.related.count
	}
	if !p.there {
		if err := c.push(ctx, p); err != nil {
			return err
		}
	}
	if len(p.tags) > 0 {
		done.Tag = p.tags[0]
	}
	done.UploadedBytes, done.Uploaded, done.Mounted, done.Skipped = p.target.counts()
	c.written = append(c.written, done)
	return nil
}

// push sends a document whose needs are at the target.
func (c *copying) push(ctx context.Context, p *prepared) error {
	return p.target.publish(ctx, p.root.src, p.root.desc, p.root.data, p.tags, &content.CopyOptions{SkipForeign: c.opts.LeaveForeign})
}

// tagsAhead is how many tags are worked on beside the one whose turn it is to move.
const tagsAhead = 3

// allTags copies every tag, and moves them in sorted order.
func (c *copying) allTags(ctx context.Context, step *step) error {
	tags, err := c.list(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	for one := range c.ahead(ctx, &working, tags) {
		if <-one.done; one.err == nil {
			one.err = c.finish(ctx, step, one.prepared)
		}
		if one.err != nil {
			return fmt.Errorf("tag %s: %w", one.tag, one.err)
		}
	}
	return context.Cause(ctx)
}

// tagAhead is a tag that is being worked on; done is closed when it was prepared, or could not be.
type tagAhead struct {
	tag      string
	prepared *prepared
	err      error
	done     chan struct{}
}

// ahead starts preparing tags, in their order, as they are received. It ends with ctx.
func (c *copying) ahead(ctx context.Context, working *sync.WaitGroup, tags []string) <-chan *tagAhead {
	queue := make(chan *tagAhead, tagsAhead)
	working.Go(func() {
		defer close(queue)
		for _, tag := range tags {
			one := &tagAhead{tag: tag, done: make(chan struct{})}
			select {
			case queue <- one:
			case <-ctx.Done():
				return
			}
			working.Go(func() {
				defer close(one.done)
				one.err = protect(func() (err error) {
					one.prepared, err = c.prepareTag(ctx, one.tag)
					return err
				})
			})
			if c.run.plan != nil {
				<-one.done // as steps do in a plan
			}
		}
	})
	return queue
}

func (c *copying) prepareTag(ctx context.Context, tag string) (*prepared, error) {
	ref, err := c.from.WithTag(tag)
	if err != nil {
		return nil, err
	}
	return c.prepare(ctx, ref, tag)
}

// noTagsError is a repository without tags. It is a content.ErrNotFound, and, in a registry, a failure of the registry's kind, as a repository that is
// not there is: many make no difference.
type noTagsError struct{ ref transport.Reference }

// Error implements error.
func (e *noTagsError) Error() string { return e.ref.Name() + " has no tags" }

// Is implements the promise above.
func (e *noTagsError) Is(target error) bool {
	return target == content.ErrNotFound || target == registry.ErrUnreachable && e.ref.Transport == transport.Docker
}

// list returns the tags of the source, all of which the target must be able to have.
func (c *copying) list(ctx context.Context) ([]string, error) {
	if err := c.saves.wait(ctx); err != nil {
		return nil, err
	}
	lister, ok := c.src.(content.TagLister)
	if !ok {
		return nil, fmt.Errorf("%s: listing tags is %w", c.from, content.ErrUnsupported)
	}
	tags, err := lister.Tags(ctx)
	if err != nil {
		return nil, named(c.from, err)
	}
	if len(tags) == 0 {
		return nil, &noTagsError{c.from}
	}
	var bad []error
	for _, tag := range tags {
		if _, err := c.to.WithTag(tag); err != nil {
			bad = append(bad, err)
		}
	}
	return tags, errors.Join(bad...)
}
