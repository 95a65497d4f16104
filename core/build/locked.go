package build

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/lock"
	"github.com/imgscript/imgscript/core/transport"
)

// LockOptions says what a run does about tags, which may stand for something else tomorrow, and about the network. nil and the zero value lock nothing.
//
// The lock rules the bases of images that are in registries and given by tag. It does not rule those given by digest, ImageOptions.Unlocked, references that the run itself
// saved before, which are what was saved, and layouts and archives, which are local files as others are. Copies follow tags as ever.
type LockOptions struct {
	// File says what tags stand for. Without it nothing is locked, unless Mode is lock.Locked, which takes nil for a file without entries.
	File *lock.File
	// Mode says what becomes of a base that File does not have. With lock.Locked, it is an error that is ErrLocked, and so are a client's reads by tag, of tags and of referrers,
	// but in repositories that the run writes to. So are bases in a Docker daemon.
	Mode lock.Mode
	// Refresh tells the references, in full, that are resolved anew although File has them, for all platforms that it has; nil is none.
	Refresh func(reference string) bool
	// Offline opens no connection to a registry or a web server: what is read comes from the cache. What can't is an error that is ErrOffline.
	Offline bool
	// Download brings the bases that are locked or given by digest into the cache in full, so that later runs can be offline.
	Download bool
	// Script is the script as it is to be named to the program, for hints; "" is FILE.star.
	Script string
}

// LockReport is what became of the lock in a run, each list sorted. After a run that succeeded, File.Add(Added...) is the lock that has all that the run needs.
type LockReport struct {
	Used   []lock.Entry // what the run started from, whether or not it was in the file
	Added  []lock.Entry // what it found out itself: entries that the file lacks, and all those of references that were refreshed
	Unused []lock.Entry // of the file; with its old value where that was refreshed
	Gone   []lock.Entry // of the file: the index that their refreshed reference names now has no such platform
}

// locking is the lock in a run: what the file says, and what the run found beside it.
type locking struct {
	run  *Run
	opts LockOptions

	mu     sync.Mutex
	found  map[string]content.Descriptor // what references name, where the file does not say it
	seen   map[string]bool               // references that were resolved
	whole  map[string]bool               // those of which all is taken
	picked map[string]lock.Entry         // by name; used for one platform
	added  map[string]lock.Entry         // by name
	gone   map[string]lock.Entry         // by name
}

func newLocking(r *Run) *locking {
	l := &locking{
		run: r, found: map[string]content.Descriptor{}, seen: map[string]bool{}, whole: map[string]bool{},
		picked: map[string]lock.Entry{}, added: map[string]lock.Entry{}, gone: map[string]lock.Entry{},
	}
	if r.opts.Lock != nil {
		l.opts = *r.opts.Lock
	}
	return l
}

// rules reports whether tags are locked at all.
func (l *locking) rules() bool { return l.opts.File != nil || l.strict() }

func (l *locking) strict() bool { return l.opts.Mode == lock.Locked }

func (l *locking) refreshes(reference string) bool {
	return l.opts.Refresh != nil && l.opts.Refresh(reference)
}

// lockName is the base's reference as the lock has it; "" where the lock has no say.
func (b *base) lockName(saves earlier) string {
	full := inFull(b.ref)
	if !b.run.lock.rules() || b.unlocked || b.ref.Transport != transport.Docker || b.ref.Digest != "" || len(saves) > 0 || b.run.writesTo(full) {
		return ""
	}
	return full
}

// inFull is a reference as the lock has it: with its tag.
func inFull(ref transport.Reference) string {
	ref.Tag = ref.TagOrLatest()
	return ref.String()
}

// LockName is how the lock names what somebody writes as a reference to a tag in a registry: "docker.io/library/node:latest" for "node". Other references are content.ErrInvalid.
func LockName(reference string) (string, error) {
	ref, err := transport.Parse(reference)
	if err != nil {
		return "", err
	}
	if ref.Transport != transport.Docker || ref.Digest != "" {
		return "", fmt.Errorf("%w reference %q: only tags in registries are locked", content.ErrInvalid, reference)
	}
	return inFull(ref), nil
}

// mayAsk refuses a reference that the lock does not have, in a run that may not find out what it names.
func (l *locking) mayAsk(reference string) error {
	if reference == "" || !l.strict() && !l.opts.Offline {
		return nil
	}
	if _, ok := l.known(reference); !ok {
		return l.missing(reference, "")
	}
	return nil
}

// read reads what a reference names, by its digest if the lock has it. Without that, the tag is asked once a run, so that all images start from the same.
func (l *locking) read(ctx context.Context, b *base, repo content.Repository, reference string) (content.Descriptor, []byte, error) {
	l.mu.Lock()
	l.seen[reference] = true
	l.mu.Unlock()
	desc, ok := l.known(reference)
	if !ok {
		_, err := l.run.flights.do(ctx, flightKey{"lock", reference}, func() error { return l.ask(ctx, b, repo, reference) })
		if err != nil {
			return content.Descriptor{}, nil, err
		}
		desc, _ = l.known(reference)
	}
	return l.byDigest(ctx, repo, reference, desc)
}

// known is what a reference names, by the file or because the run asked before. Its size is not known.
func (l *locking) known(reference string) (content.Descriptor, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if desc, ok := l.found[reference]; ok {
		return desc, true
	}
	if of := l.inForce(reference); len(of) > 0 {
		return content.Descriptor{MediaType: of[0].MediaType, Digest: of[0].Root(), Size: -1}, true
	}
	return content.Descriptor{}, false
}

// inForce are the file's entries of a reference that count.
func (l *locking) inForce(reference string) []lock.Entry {
	if l.refreshes(reference) {
		return nil
	}
	return l.opts.File.Of(reference)
}

// ask resolves a tag. The document goes into the cache, where all that start from it find it.
func (l *locking) ask(ctx context.Context, b *base, repo content.Repository, reference string) error {
	desc, data, err := content.ReadDocument(ctx, repo, b.ref.Identifier())
	if err != nil {
		return err
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		return err
	}
	desc.MediaType = doc.MediaType
	if err := l.run.engine.cache.Push(ctx, desc, content.FromBytes(data)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found[reference] = content.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: -1}
	return nil
}

// byDigest reads a document from the cache, or from its repository into the cache.
func (l *locking) byDigest(ctx context.Context, repo content.Repository, reference string, desc content.Descriptor) (content.Descriptor, []byte, error) {
	store := l.run.engine.cache
	data, err := content.ReadAll(ctx, store, desc)
	if err != nil && context.Cause(ctx) == nil {
		if _, data, err = content.ReadDocument(ctx, repo, desc.Digest.String()); err == nil {
			desc.Size = int64(len(data))
			err = store.Push(ctx, desc, content.FromBytes(data))
		}
	}
	desc.Size = int64(len(data))
	return desc, data, l.lost(reference, desc.Digest, err)
}

// manifest finds the manifest of a platform in what a locked reference names: the one that the file says, or else the one that suits best.
func (l *locking) manifest(ctx context.Context, from root, p image.Platform) (content.Descriptor, error) {
	reference, platform := from.locked, p.String()
	for _, e := range l.inForce(reference) {
		if e.Platform == platform {
			l.mu.Lock()
			l.picked[e.Name()] = e
			l.mu.Unlock()
			return l.entryOf(ctx, from, e)
		}
	}
	if l.strict() {
		return content.Descriptor{}, l.missing(reference, " for "+platform)
	}
	desc, err := from.manifestOf(ctx, p)
	if err != nil {
		return content.Descriptor{}, l.noPlatform(reference, from.desc.Digest, err)
	}
	e := newEntry(reference, platform, from.desc, desc.Digest)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.picked[e.Name()], l.added[e.Name()] = e, e
	return desc, nil
}

// newEntry is the entry for a platform of what a reference names.
func newEntry(reference, platform string, root content.Descriptor, manifest digest.Digest) lock.Entry {
	e := lock.Entry{Reference: reference, Platform: platform, Manifest: manifest, MediaType: root.MediaType}
	if content.IsIndex(root.MediaType) {
		e.Index = root.Digest
	}
	return e
}

// wholeEntry is the entry for all of what a reference names.
func wholeEntry(reference string, root content.Descriptor) lock.Entry {
	if content.IsIndex(root.MediaType) {
		return newEntry(reference, lock.All, root, "")
	}
	return newEntry(reference, lock.All, root, root.Digest)
}

// entryOf finds the descriptor of an entry's manifest in its index.
func (l *locking) entryOf(ctx context.Context, from root, e lock.Entry) (content.Descriptor, error) {
	if e.Index == "" {
		return from.desc, nil
	}
	desc, ok, err := from.find(ctx, from.doc, e.Manifest, 0)
	if err == nil && !ok {
		err = l.strangeManifest(e)
	}
	return desc, l.lost(e.Reference, e.Index, err)
}

// find looks for a manifest in an index and the indexes in it.
func (from root) find(ctx context.Context, doc *content.Document, want digest.Digest, depth int) (content.Descriptor, bool, error) {
	for _, child := range doc.Manifests {
		if child.Digest == want {
			return child, true, nil
		}
	}
	for _, child := range doc.Manifests {
		if !content.IsIndex(child.MediaType) || depth == image.MaxIndexDepth {
			continue
		}
		data, err := content.ReadAll(ctx, from.src, child)
		if err != nil {
			return content.Descriptor{}, false, err
		}
		inner, err := content.ParseDocument(child.MediaType, data)
		if err != nil {
			return content.Descriptor{}, false, err
		}
		if desc, ok, err := from.find(ctx, inner, want, depth+1); ok || err != nil {
			return desc, ok, err
		}
	}
	return content.Descriptor{}, false, nil
}

// refresh finds out what the entries of a refreshed reference are now, also those for platforms that the run does not need: a tag stands for one thing.
func (l *locking) refresh(ctx context.Context, from root) error {
	if !l.refreshes(from.locked) {
		return nil
	}
	for _, old := range l.opts.File.Of(from.locked) {
		e, err := l.renewed(ctx, from, old)
		switch {
		case errors.Is(err, content.ErrNotFound):
			l.mu.Lock()
			l.gone[old.Name()] = old
			l.mu.Unlock()
		case err != nil:
			return err
		default:
			l.mu.Lock()
			l.added[e.Name()] = e
			l.mu.Unlock()
		}
	}
	return nil
}

func (l *locking) renewed(ctx context.Context, from root, old lock.Entry) (lock.Entry, error) {
	if old.Platform == lock.All {
		return wholeEntry(old.Reference, from.desc), nil
	}
	p, err := image.ParsePlatform(old.Platform)
	if err != nil {
		return lock.Entry{}, err
	}
	desc, err := from.manifestOf(ctx, p)
	return newEntry(old.Reference, old.Platform, from.desc, desc.Digest), err
}

// takeWhole notes that all of what a reference names is used, and brings it into the cache where that is wanted.
func (l *locking) takeWhole(ctx context.Context, from root) error {
	if from.locked != "" {
		l.mu.Lock()
		l.whole[from.locked] = true
		l.mu.Unlock()
	}
	return l.download(ctx, from, from.desc)
}

// download brings a document of a base and what it needs into the cache, if the run is to do that.
func (l *locking) download(ctx context.Context, from root, desc content.Descriptor) error {
	if !l.opts.Download || !from.lasting {
		return nil
	}
	return content.Copy(ctx, &downloads{l.run.engine.cache, l.run}, from.src, desc, nil)
}

// downloads is the cache, of which is told what comes into it.
type downloads struct {
	content.Store
	run *Run
}

// Push implements content.Pusher.
func (d *downloads) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	ctx, watch := d.run.events.begin(ctx, Event{What: DownloadWork, Subject: desc.Digest.String(), Total: desc.Size})
	err := d.Store.Push(ctx, desc, watch.watch(open))
	watch.end("downloaded", desc.Digest, err)
	return err
}

// report is what became of the lock; nil without one. All steps have ended.
func (l *locking) report() *LockReport {
	if !l.rules() {
		return nil
	}
	used := maps.Clone(l.picked)
	for reference := range l.seen {
		l.useWhole(reference, used)
	}
	r := &LockReport{Used: sorted(used), Added: sorted(l.added), Gone: sorted(l.gone)}
	for _, e := range l.opts.File.Entries() {
		if _, ok := used[e.Name()]; !ok {
			r.Unused = append(r.Unused, e)
		}
	}
	return r
}

// useWhole takes all entries of a reference as used that is used whole, or was not used further; the first time an entry is made for it.
func (l *locking) useWhole(reference string, used map[string]lock.Entry) {
	desc, known := l.known(reference)
	of := func(e lock.Entry) bool { return e.Reference == reference }
	if !known || !l.whole[reference] && slices.ContainsFunc(slices.Collect(maps.Values(l.picked)), of) {
		return
	}
	all := slices.Concat(l.inForce(reference), slices.DeleteFunc(slices.Collect(maps.Values(l.added)), func(e lock.Entry) bool { return !of(e) }))
	if len(all) == 0 {
		e := wholeEntry(reference, desc)
		l.added[e.Name()] = e
		all = []lock.Entry{e}
	}
	for _, e := range all {
		used[e.Name()] = e
	}
}

func sorted(entries map[string]lock.Entry) []lock.Entry {
	return slices.SortedFunc(maps.Values(entries), func(a, b lock.Entry) int { return strings.Compare(a.Name(), b.Name()) })
}
