package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/transport"
)

// base is where an image starts: what a reference names, read when it is first needed and shared by all forks.
type base struct {
	run      *Run
	at       Origin
	ref      transport.Reference
	access   *access
	unlocked bool // its tag is followed whatever the lock says
	wanted
	format image.Format

	mu    sync.Mutex // the steps are made on the run's goroutine; forks of templates may ask from elsewhere
	root  *Future[root]
	taken *Future[*family]

	others map[image.Platform]*image.Image // that changes of other images took from it; guarded by mu
}

// baseKey tells bases apart that are not the same even with the engine's credentials.
type baseKey struct {
	ref      string
	unlocked bool
	wanted   string
	format   image.Format
}

// sharedBase returns the base that an earlier image of the run began with, if it is the same: a hundred services on one base read it once. Once the run has changed
// what the reference may name, it is another one.
func (r *Run) sharedBase(b *base) *base {
	before := len(r.earlierThan(b.ref))
	r.mu.Lock()
	defer r.mu.Unlock()
	key := baseKey{b.ref.String(), b.unlocked, fmt.Sprint(b.wanted), b.format}
	if known, ok := r.bases[key]; ok && known.before == before {
		return known.base
	}
	r.bases[key] = knownBase{b, before}
	return b
}

// knownBase is a base, and how many steps before it may have changed what it is.
type knownBase struct {
	base   *base
	before int
}

// forgetBases makes later images read their bases anew.
func (r *Run) forgetBases() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.bases)
}

// root is what a reference names: a manifest, or an index of them.
type root struct {
	desc content.Descriptor
	data []byte
	doc  *content.Document
	src  content.Fetcher

	locked  string // the reference as the lock has it; "" where the lock has no say
	lasting bool   // it is the same tomorrow: locked, or given by digest
}

// resolve starts finding out what the reference names.
func (b *base) resolve() *Future[root] {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.resolveLocked()
}

func (b *base) resolveLocked() *Future[root] {
	if b.root == nil {
		saves, others := b.run.earlierThan(b.ref), b.run.earlierTo(b.run.locationOf(b.ref))
		var needs []*step
		if b.ref.Digest == "" {
			needs = saves
		}
		b.root = async(b.run, b.at, "image", false, needs, func(ctx context.Context, _ *step) (root, error) { return b.note(b.readRoot(ctx, saves, others)) })
	}
	return b.root
}

// family starts reading the images of the base's platforms.
func (b *base) family() *Future[*family] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken != nil {
		return b.taken
	}
	if b.ref.Transport == transport.Scratch {
		b.taken = async(b.run, b.at, "image", false, nil, func(context.Context, *step) (*family, error) { return b.scratch(), nil })
		return b.taken
	}
	found := b.resolveLocked()
	b.taken = async(b.run, b.at, "image", false, []*step{found.step}, func(ctx context.Context, _ *step) (*family, error) {
		from, err := found.get(ctx)
		if err != nil {
			return nil, err
		}
		return b.take(ctx, from)
	})
	return b.taken
}

// readRoot resolves the reference, which may be the result of earlier saves. What is not there is looked for again after all others to its repository, so that the error does
// not depend on how far they are.
func (b *base) readRoot(ctx context.Context, saves, others earlier) (root, error) {
	from := root{locked: b.lockName(saves)}
	if err := b.run.lock.mayAsk(from.locked); err != nil {
		return root{}, err
	}
	repo, err := b.access.open(ctx, b.ref, false)
	if err != nil {
		return root{}, err
	}
	ctx, watch := b.run.events.begin(ctx, Event{What: BaseWork, Subject: b.ref.String(), Total: -1})
	from.desc, from.data, err = b.read(ctx, repo, saves, from.locked)
	if len(others) > len(saves) && errors.Is(err, content.ErrNotFound) {
		if err = others.wait(ctx); err == nil {
			from.desc, from.data, err = b.read(ctx, repo, saves, from.locked)
		}
	}
	watch.end("found", from.desc.Digest, err)
	if err != nil {
		return root{}, b.named(withTags(ctx, repo, b.ref, err))
	}
	if from.doc, err = content.ParseDocument(from.desc.MediaType, from.data); err != nil {
		return root{}, fmt.Errorf("%s: %w", b.ref, err)
	}
	from.desc.MediaType = from.doc.MediaType
	from.src = &source{run: b.run, repo: repo, root: from.desc, data: from.data}
	if b.ref.Transport == transport.Docker && b.ref.Digest != "" && len(saves) == 0 {
		from.lasting = true
		return from, b.run.keep(ctx, from)
	}
	if from.locked != "" {
		from.lasting = true
		return from, b.run.lock.refresh(ctx, from)
	}
	return from, nil
}

// whole is what the reference names, for who takes all of it.
func (b *base) whole(ctx context.Context) (root, error) {
	from, err := b.resolve().get(ctx)
	if err == nil {
		err = b.run.lock.takeWhole(ctx, from)
	}
	return from, err
}

// read reads the document that the reference names: by the lock, if that has a say in it.
func (b *base) read(ctx context.Context, repo content.Repository, saves earlier, locked string) (content.Descriptor, []byte, error) {
	if locked != "" {
		return b.run.lock.read(ctx, b, repo, locked)
	}
	return saves.read(ctx, repo, b.ref)
}

func (b *base) named(err error) error { return named(b.ref, err) }

// named puts the reference in front of an error, unless it is a registry's or one of the lock, which name it themselves.
func named(ref transport.Reference, err error) error {
	var answer *registry.Error
	var lock *LockError
	if errors.As(err, &answer) || errors.As(err, &lock) {
		return err
	}
	return fmt.Errorf("%s: %w", ref, err)
}

// pick finds the manifest of a platform and reads its config.
func (b *base) pick(ctx context.Context, from root, p image.Platform) (*image.Image, error) {
	desc, err := b.manifest(ctx, from, p)
	if err != nil {
		return nil, b.named(err)
	}
	img, err := b.load(ctx, from, desc)
	if err == nil && b.given && desc.Platform == nil && !alike(p, img.Platform()) {
		err = fmt.Errorf("%s is %s and has no other platform; %s was asked for", b.ref, img.Platform(), p)
	}
	return img, err
}

// alike reports whether an image that no index gives a platform may be the one that was asked for. Configs for arm often leave the variant out, so a higher one may be what is meant.
func alike(want, have image.Platform) bool { return want.Matches(have) || have.Matches(want) }

// load reads the config of one of the base's manifests.
func (b *base) load(ctx context.Context, from root, desc content.Descriptor) (*image.Image, error) {
	img, err := image.Load(ctx, from.src, desc)
	if err == nil {
		err = b.run.lock.download(ctx, from, desc)
	}
	if err != nil && from.locked != "" {
		err = b.run.lock.lost(from.locked, from.desc.Digest, err)
	}
	if err != nil {
		return nil, b.named(err)
	}
	b.notePicked(from, img)
	return img, nil
}

// manifest finds the manifest of a platform, by the lock where that rules.
func (b *base) manifest(ctx context.Context, from root, p image.Platform) (content.Descriptor, error) {
	if from.locked != "" {
		return b.run.lock.manifest(ctx, from, p)
	}
	return from.manifestOf(ctx, p)
}

// manifestOf finds the manifest of a platform: the root itself, or an entry of an index.
func (from root) manifestOf(ctx context.Context, p image.Platform) (content.Descriptor, error) {
	return image.Find(ctx, from.src, from.desc, p)
}

// source reads from a base's repository: the documents that were read already from memory, small ones by way of the cache, layers from the cache if it
// has them, foreign ones from their URLs.
type source struct {
	run    *Run
	repo   content.Repository
	root   content.Descriptor
	data   []byte
	direct bool // nothing goes by way of the cache
}

// Fetch implements content.Fetcher.
func (s *source) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	store := s.run.engine.cache
	if desc.Digest == s.root.Digest {
		return content.Verify(readCloser(s.data), desc)
	}
	if !s.direct && !isSmallDocument(desc) {
		if r, err := store.Fetch(ctx, desc); err == nil {
			return r, nil
		}
	}
	switch {
	case len(desc.URLs) > 0:
		return s.fetchForeign(ctx, desc)
	case s.direct || !isSmallDocument(desc):
		return s.repo.Fetch(ctx, desc)
	}
	if there, err := store.Exists(ctx, desc); err != nil || !there {
		if err := store.Push(ctx, desc, content.FromFetcher(s.repo, desc)); err != nil {
			return nil, err
		}
	}
	return store.Fetch(ctx, desc)
}

// isSmallDocument reports whether content is read whole anyway, and often again by the next run.
func isSmallDocument(desc content.Descriptor) bool {
	small := content.IsDocument(desc.MediaType) || desc.MediaType == content.OCIConfig || desc.MediaType == content.DockerConfig
	return small && desc.Size >= 0 && desc.Size <= content.MaxDocument
}

// Sources implements content.Locator. A foreign layer may be in the repository like all others: somebody copied it there.
func (s *source) Sources(desc content.Descriptor) []string {
	if l, ok := s.repo.(content.Locator); ok {
		return l.Sources(desc)
	}
	return nil
}

// fetchForeign reads a layer from the repository, which is a place that the script named, or else from the first of its URLs that gives it: Docker looks
// in the same order, and so nobody else is asked for what is at hand.
func (s *source) fetchForeign(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	r, missing := s.repo.Fetch(ctx, desc)
	if missing == nil || ctx.Err() != nil {
		return r, missing
	}
	failure := missing
	allowed := desc
	allowed.URLs = nil
	for _, address := range desc.URLs {
		if err := s.run.mayFollow(address); err != nil {
			failure = fmt.Errorf("%w; %w", failure, err)
		} else {
			allowed.URLs = append(allowed.URLs, address)
		}
	}
	if len(allowed.URLs) == 0 {
		return nil, fmt.Errorf("foreign layer %s: %w", desc.Digest, failure)
	}
	r, err := s.run.registry.FetchForeign(ctx, allowed)
	if err == nil || ctx.Err() != nil {
		return r, err
	}
	return nil, fmt.Errorf("%w; %w", failure, err)
}

// access is the way to repositories for one image: the engine's registry client, with the credentials that the image was given.
type access struct {
	run    *Run
	client *registry.Client
}

// open opens what a reference names, if the policy allows.
func (a *access) open(ctx context.Context, ref transport.Reference, write bool) (content.Repository, error) {
	if ref.Transport == transport.Docker || ref.Transport == transport.DockerDaemon {
		if err := a.run.mayUse(ref, write); err != nil {
			return nil, err
		}
	}
	switch {
	case ref.Transport == transport.Docker && a.run.lock.opts.Offline:
		return a.run.openOffline(ref, write)
	case ref.Transport == transport.DockerDaemon:
		if err := a.run.mayUseDaemon(ref, write); err != nil {
			return nil, err
		}
	}
	may := a.run.mayReadPath
	if write {
		may = a.run.mayWritePath
	}
	opts := &transport.Options{
		Registry: a.client,
		Write:    write,
		Path:     func(p string) (string, error) { return a.run.outPath(p, may) },
		Dir:      a.run.layoutDir(may),
		Staging:  a.run.engine.cache,
		Daemon:   a.run.engine.daemon,
		Whole:    &a.run.whole,
	}
	if a.run.plan != nil {
		return a.openPlanned(ctx, ref, write, opts)
	}
	return transport.Open(ctx, ref, opts)
}
