package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
)

// related copies what refers to the manifests of one copy: referrers, what refers to those, and the tags by which cosign signs. Their manifests and
// blobs go to the target at once; what lists and names them there changes in finish.
type related struct {
	c      *copying
	of     *prepared
	target *target

	mu    sync.Mutex
	seen  map[digest.Digest]bool // subjects and referrers
	lists []referrers
	named []*prepared // by cosign's tags
	count int
}

// referrers is what refers to one manifest.
type referrers struct {
	subject digest.Digest
	list    []content.Descriptor
}

const (
	// maxReferrers bounds what one copy takes along: a registry could list new ones for ever.
	maxReferrers = 1000
	// subjectsAtOnce is the number of manifests whose referrers are asked for at the same time.
	subjectsAtOnce = 4
)

// copyRelated copies what refers to the manifest of p and to those below it.
func (c *copying) copyRelated(ctx context.Context, p *prepared) (*related, error) {
	r := &related{c: c, of: p, target: p.target, seen: map[digest.Digest]bool{}}
	subjects, err := below(ctx, p.root.src, p.root.desc)
	if err != nil {
		return nil, err
	}
	return r, r.follow(ctx, subjects)
}

// pushRoot pushes the manifest that is copied by its digest, the first time that it is needed: some registries refuse what refers to nothing.
func (r *related) pushRoot(ctx context.Context) error {
	if r.of.there {
		return nil
	}
	key := flightKey{r.target.location, brought{r.c, r.of.root.desc.Digest, false}}
	_, err := r.c.run.flights.do(ctx, key, func() error {
		return r.target.Push(ctx, r.of.root.desc, content.FromBytes(r.of.root.data))
	})
	return err
}

// below lists a manifest or index and the manifests in it, each once.
func below(ctx context.Context, src content.Fetcher, root content.Descriptor) ([]content.Descriptor, error) {
	list, seen := []content.Descriptor{root}, map[digest.Digest]bool{root.Digest: true}
	for i := 0; i < len(list); i++ {
		if !content.IsIndex(list[i].MediaType) {
			continue
		}
		data, err := content.ReadAll(ctx, src, list[i])
		if err != nil {
			return nil, err
		}
		doc, err := content.ParseDocument(list[i].MediaType, data)
		if err != nil {
			return nil, err
		}
		for _, child := range doc.Manifests {
			if content.IsDocument(child.MediaType) && !seen[child.Digest] {
				seen[child.Digest] = true
				list = append(list, child)
			}
		}
	}
	return list, nil
}

// follow copies the referrers of some manifests, and theirs in turn.
func (r *related) follow(ctx context.Context, subjects []content.Descriptor) error {
	for len(subjects) > 0 {
		var mu sync.Mutex
		var next []content.Descriptor
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(subjectsAtOnce)
		for _, subject := range subjects {
			if !r.isNew(subject.Digest) {
				continue
			}
			group.Go(func() error {
				found, err := r.subject(ctx, subject)
				mu.Lock()
				defer mu.Unlock()
				next = append(next, found...)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		subjects = next
	}
	return nil
}

func (r *related) isNew(dgst digest.Digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[dgst] {
		return false
	}
	r.seen[dgst] = true
	return true
}

// subject copies what refers to one manifest, and returns it.
func (r *related) subject(ctx context.Context, subject content.Descriptor) ([]content.Descriptor, error) {
	if err := r.signatures(ctx, subject); err != nil {
		return nil, err
	}
	lister, ok := r.c.src.(content.ReferrerLister)
	if !ok {
		return nil, nil
	}
	list, err := lister.Referrers(ctx, subject.Digest, "")
	if err != nil {
		return nil, err
	}
	copied := referrers{subject: subject.Digest}
	for _, desc := range list {
		err := r.referrer(ctx, desc, subject)
		if errors.Is(err, errNoReferrer) {
			r.c.run.Warn(r.c.at, fmt.Sprintf("%s: referrer %s of %s is left out: %v", r.c.from, desc.Digest, subject.Digest, err))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("referrer %s: %w", desc.Digest, err)
		}
		copied.list = append(copied.list, desc)
	}
	return copied.list, r.note(copied)
}

func (r *related) note(copied referrers) error {
	if len(copied.list) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists = append(r.lists, copied)
	if r.count += len(copied.list); r.count > maxReferrers {
		return fmt.Errorf("%s: more than %d referrers", r.c.from, maxReferrers)
	}
	return nil
}

// errNoReferrer says that an entry of a list cannot be taken along. The list under a tag is kept by clients, and may be stale.
var errNoReferrer = errors.New("what is listed is no referrer")

// referrer copies one manifest that refers to subject, unless the target has it.
func (r *related) referrer(ctx context.Context, desc, subject content.Descriptor) error {
	if !content.IsDocument(desc.MediaType) {
		return fmt.Errorf("%w: it is of type %q, and only manifests and indexes are copied", errNoReferrer, desc.MediaType)
	}
	if there, err := r.target.Exists(ctx, desc); err == nil && there {
		return nil
	}
	data, err := content.ReadAll(ctx, r.c.src, desc)
	if errors.Is(err, content.ErrNotFound) {
		return fmt.Errorf("%w: %w", errNoReferrer, err)
	}
	if err != nil {
		return err
	}
	from, err := r.c.rootOf(desc, data)
	if err != nil {
		return err
	}
	if from.doc.Subject == nil || from.doc.Subject.Digest != subject.Digest {
		return fmt.Errorf("%w: it has another subject", errNoReferrer)
	}
	if err := r.pushRoot(ctx); err != nil {
		return err
	}
	return r.c.content(ctx, r.target, from.src, from.desc, false)
}

// signatures copies what cosign keeps for a manifest under tags that are made of its digest. All tags have these among them.
func (r *related) signatures(ctx context.Context, subject content.Descriptor) error {
	if r.c.opts.AllTags {
		return nil
	}
	for _, kind := range []string{".sig", ".att", ".sbom"} {
		tag := strings.ReplaceAll(subject.Digest.String(), ":", "-") + kind
		err := r.signature(ctx, tag)
		if err != nil && !errors.Is(err, content.ErrNotFound) {
			return fmt.Errorf("tag %s: %w", tag, err)
		}
	}
	return nil
}

func (r *related) signature(ctx context.Context, tag string) error {
	desc, data, err := content.ReadDocument(ctx, r.c.src, tag)
	if err != nil {
		return err
	}
	from, err := r.c.rootOf(desc, data)
	if err != nil {
		return err
	}
	p := &prepared{root: from, target: r.target, tags: []string{tag}}
	if p.there = r.target.alreadyTagged(ctx, r.c.run.locationOf(r.c.to), p.tags, desc); !p.there {
		if err := r.c.content(ctx, r.target, from.src, from.desc, true); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.named = append(r.named, p)
	r.count++
	return nil
}

// finish lists and names what was copied, before the tag of what it refers to moves.
func (r *related) finish(ctx context.Context) error {
	if keeper, ok := r.c.dst.(content.ReferrerKeeper); ok {
		for _, one := range r.lists {
			if err := keeper.KeepReferrers(ctx, one.subject, one.list); err != nil {
				return err
			}
		}
	}
	for _, p := range r.named {
		if p.there {
			continue
		}
		if err := r.c.push(ctx, p); err != nil {
			return err
		}
	}
	return nil
}
