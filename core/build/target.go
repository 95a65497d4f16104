package build

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/transport"
)

var errPanicked = errors.New("internal error: a transfer ended without a result")

// target is a repository that one save or sync writes to. It implements content.Store and content.Mounter for content.Copy, so that a blob goes to a repository
// once in a run, and to a registry once if its other repositories can mount it, however many images need it.
type target struct {
	run      *Run
	repo     content.Repository
	name     string // for people
	location string // of the repository, for flights
	registry string // within which blobs can be mounted; the location itself where they can't
	always   bool   // send blobs that are there already
	held     *held  // nil when nobody asks what is there

	failed failures // of blobs: Mount does not return them, which who copies asks in the end

	mu   sync.Mutex
	sent map[digest.Digest]moved
}

// moved is how a blob came to the target.
type moved struct {
	how  content.Transfer
	desc content.Descriptor
}

func newTarget(r *Run, repo content.Repository, ref transport.Reference) *target {
	store := r.storeOf(ref)
	t := &target{run: r, repo: repo, name: ref.Name(), location: store, registry: store, sent: map[digest.Digest]moved{}}
	if m, ok := repo.(content.Mounter); ok {
		t.location = m.Location()
		t.registry, _, _ = strings.Cut(t.location, "/")
	}
	return t
}

// note remembers how a blob came here. Each is asked for several times, perhaps at once, and who only found it here may be the first to say so.
func (t *target) note(desc content.Descriptor, how content.Transfer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.sent[desc.Digest]; !ok || known.how == content.Present {
		t.sent[desc.Digest] = moved{how, desc}
	}
}

// counts says how the blobs came here so far, and how many bytes were sent.
func (t *target) counts() (bytes int64, uploaded, mounted, present int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.sent {
		switch m.how {
		case content.Uploaded:
			uploaded++
			bytes += m.desc.Size
		case content.Mounted:
			mounted++
		default:
			present++
		}
	}
	return bytes, uploaded, mounted, present
}

// Fetch implements content.Fetcher.
func (t *target) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	return t.repo.Fetch(ctx, desc)
}

// Exists implements content.Store.
func (t *target) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	return t.repo.Exists(ctx, desc)
}

// Location implements content.Mounter.
func (t *target) Location() string { return t.location }

// Push implements content.Pusher. Documents are pushed each time: a registry may drop what has no tag. A blob is sent although it was brought here before, which
// content.Copy wants where the registry has lost it.
func (t *target) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	if content.IsDocument(desc.MediaType) {
		if t.failed.error() != nil {
			return nil // without its blobs it is not sent
		}
		return t.repo.Push(ctx, desc, open)
	}
	_, err := t.failed.try(ctx, desc, func(ctx context.Context) error { return t.repo.Push(ctx, desc, open) })
	return err
}

// Mount implements content.Mounter, for repositories that can't too. What fails is found in t.failed: one of several failures is to be chosen, and
// returning the first would end the others.
func (t *target) Mount(ctx context.Context, desc content.Descriptor, from []string, open content.Opener) (how content.Transfer, err error) {
	done, err := t.failed.try(ctx, desc, func(ctx context.Context) (err error) {
		how, err = t.once(ctx, desc, from, open)
		return err
	})
	if done {
		t.note(desc, how)
	}
	return how, err
}

// once brings a blob here, unless this run did so before.
func (t *target) once(ctx context.Context, desc content.Descriptor, from []string, open content.Opener) (content.Transfer, error) {
	how := content.Present
	key := flightKey{t.location, desc.Digest}
	if t.always {
		key.what = resent{t, desc.Digest} // once by each that wants it sent again
	}
	_, err := t.run.flights.do(ctx, key, func() (err error) {
		if t.always {
			how, err = t.send(ctx, desc, from, open)
		} else {
			how, err = t.first(ctx, desc, from, open)
		}
		return err
	})
	return how, err
}

// resent is a blob that one target sends though it may be there.
type resent struct {
	by     *target
	digest digest.Digest
}

// first brings a blob to this repository. When another repository of the registry is being given it, that comes first, and the blob is mounted from there.
func (t *target) first(ctx context.Context, desc content.Descriptor, from []string, open content.Opener) (content.Transfer, error) {
	if t.registry == t.location {
		return t.send(ctx, desc, from, open)
	}
	key := flightKey{t.registry, desc.Digest}
	if t.holds(ctx, desc) {
		t.run.addPlace(key, t.location)
		t.run.flights.arrived(key)
		return content.Present, nil
	}
	var how content.Transfer
	mine, err := t.run.flights.do(ctx, key, func() (err error) {
		if how, err = t.send(ctx, desc, from, open); err == nil {
			t.run.addPlace(key, t.location) // before those who wait look for one
		}
		return err
	})
	if err != nil || mine {
		return how, err
	}
	if how, err = t.send(ctx, desc, append(t.run.placesOf(key), from...), open); err == nil {
		t.run.addPlace(key, t.location)
	}
	return how, err
}

// send moves one blob in the cheapest way.
func (t *target) send(ctx context.Context, desc content.Descriptor, from []string, open content.Opener) (content.Transfer, error) {
	if t.run.plan != nil {
		return t.transfer(ctx, desc, from, open) // nothing is under way
	}
	ctx, watch := t.run.events.begin(ctx, Event{What: PushWork, Subject: desc.Digest.String(), Where: t.name, Total: desc.Size})
	how, err := t.transfer(ctx, desc, from, watch.watch(open))
	watch.end(how.String(), desc.Digest, err)
	return how, err
}

func (t *target) transfer(ctx context.Context, desc content.Descriptor, from []string, open content.Opener) (content.Transfer, error) {
	if t.always {
		return content.Uploaded, t.repo.Push(ctx, desc, open)
	}
	return content.Bring(ctx, t.repo, desc, from, open)
}

// copy brings a document and what it needs here, as content.Copy does. Of several blobs that fail, the error is always that of the same one.
func (t *target) copy(ctx context.Context, src content.Fetcher, root content.Descriptor, opts *content.CopyOptions) error {
	err := content.Copy(ctx, t, src, root, opts)
	if failed := t.failed.error(); failed != nil && ctx.Err() == nil {
		return failed
	}
	return err
}

// publish sends a document whose needs are here, under its tags.
func (t *target) publish(ctx context.Context, src content.Fetcher, root content.Descriptor, data []byte, tags []string, opts *content.CopyOptions) error {
	if t.run.plan != nil {
		return content.PushMended(ctx, t.repo, src, root, data, tags, opts) // nothing is under way
	}
	subject := t.name + "@" + short(root.Digest)
	if len(tags) > 0 {
		subject = t.name + ":" + strings.Join(tags, ",")
	}
	ctx, watch := t.run.events.begin(ctx, Event{What: TagWork, Subject: subject, Total: -1})
	err := content.PushMended(ctx, t.repo, src, root, data, tags, opts)
	watch.end("tagged", root.Digest, err)
	return err
}

// newcomer is a repository that can find out that it is empty, and then does not look for each blob.
type newcomer interface {
	IsNew(ctx context.Context) bool
}

// lookAround finds out whether the repository is new, where that saves requests: for more than one blob that would be looked for on its own. A repository without
// tags may have blobs all the same, and what is pushed without one goes to such repositories.
func (t *target) lookAround(ctx context.Context, doc *content.Document, tags []string) {
	repo, ok := t.repo.(newcomer)
	if !ok || t.always || len(tags) == 0 {
		return
	}
	big := 0
	for _, blob := range doc.Children() {
		if !content.IsDocument(blob.MediaType) && blob.Size > streamFrom {
			big++
		}
	}
	if big > 1 {
		repo.IsNew(ctx)
	}
}

// alreadyTagged reports whether every tag has the digest already, as the run finds it: then there is nothing to send, and a registry with
// immutable tags has nothing to refuse. Other saves of this run to the same location may still move a tag, so then nobody is asked.
func (t *target) alreadyTagged(ctx context.Context, location string, tags []string, desc content.Descriptor) bool {
	if t.run.savesTo(location) > 1 {
		return false
	}
	for _, tag := range tags {
		if there, err := content.ResolveDigest(ctx, t.repo, tag); err != nil || there != desc.Digest {
			return false
		}
	}
	return true
}

func (r *Run) savesTo(location string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.saves[location])
}

// layer brings a layer here, while it is being built if it still is and the repository can take it so.
func (t *target) layer(ctx context.Context, l *Layer, leaveForeign bool) error {
	future := l.started()
	streamer, ok := t.repo.(content.Streamer)
	if ok && l.pending != nil && worthStreaming(ctx, l.pending) {
		if err := t.stream(ctx, streamer, l); err != nil && ctx.Err() != nil {
			return err // else it is sent when it is finished, and that fails for the same reason, if at all
		}
	}
	built, err := future.get(ctx)
	if err != nil || leaveForeign && content.IsForeign(built.Descriptor) {
		return err
	}
	_, err = t.place(ctx, l, built)
	return err
}

// streamFrom is the size in bytes from which a layer that is being built is sent meanwhile. A smaller one is finished before a session is open; finished,
// the registry can be asked for it first, and often has it.
const streamFrom = 1 << 20

// worthStreaming waits until the layer is finished, or has grown so large that it is.
func worthStreaming(ctx context.Context, p content.Pending) bool {
	r, err := p.Open(ctx)
	if err != nil {
		return false // whoever waits for the layer is told why
	}
	defer r.Close()
	_, err = io.CopyN(io.Discard, r, streamFrom)
	return err == nil
}

// place brings a finished layer here.
func (t *target) place(ctx context.Context, l *Layer, built layer.Layer) (content.Transfer, error) {
	var from []string
	switch src := l.src.(type) {
	case *search:
		var err error
		if from, err = src.locate(ctx, built.Descriptor); err != nil {
			return content.Uploaded, err
		}
	case content.Locator:
		from = src.Sources(built.Descriptor)
	}
	return t.Mount(ctx, built.Descriptor, from, content.FromFetcher(l.src, built.Descriptor))
}

// stream sends a layer that is being built. One repository of a registry is enough: the others mount it afterwards.
func (t *target) stream(ctx context.Context, streamer content.Streamer, l *Layer) error {
	_, err := t.run.flights.do(ctx, flightKey{t.registry, l.pending}, func() error {
		ctx, watch := t.run.events.begin(ctx, Event{What: PushWork, Subject: l.paths, Where: t.name, Total: -1})
		watch.total = l.size
		desc, err := streamer.PushPending(ctx, content.OCILayerGzip, &watchedPending{l.pending, watch})
		watch.end(content.Uploaded.String(), desc.Digest, err)
		if err != nil {
			return err
		}
		t.note(desc, content.Uploaded)
		t.run.flights.arrived(flightKey{t.location, desc.Digest})
		if t.registry != t.location {
			key := flightKey{t.registry, desc.Digest}
			t.run.addPlace(key, t.location)
			t.run.flights.arrived(key)
		}
		return nil
	})
	return err
}

// watchedPending counts what is read of a growing blob.
type watchedPending struct {
	content.Pending
	task *task
}

// Open implements content.Pending.
func (w *watchedPending) Open(ctx context.Context) (io.ReadCloser, error) {
	return w.task.watch(w.Pending.Open)(ctx)
}

// placesOf lists the repositories of a registry that were given a blob in this run.
func (r *Run) placesOf(key flightKey) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.places[key]...)
}

func (r *Run) addPlace(key flightKey, location string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.places[key] = append(r.places[key], location)
}

// short is a digest for people.
func short(dgst digest.Digest) string {
	const shown = len("sha256:") + 12
	if len(dgst) > shown {
		return string(dgst[:shown])
	}
	return string(dgst)
}
