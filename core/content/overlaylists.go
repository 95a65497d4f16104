package content

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
)

// Delete takes away a name, or, by its digest, a document with all names that it has. What is not there is ErrNotFound. It returns the document's digest.
func (v *View) Delete(ctx context.Context, ref string) (digest.Digest, error) {
	dgst, err := v.ResolveDigest(ctx, ref)
	if err != nil {
		return "", err
	}
	if ref != dgst.String() {
		v.Name(ref, "")
		return dgst, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.deleted == nil {
		v.deleted = map[digest.Digest]bool{}
	}
	v.deleted[dgst] = true
	delete(v.documents, dgst)
	v.order = slices.DeleteFunc(v.order, func(d digest.Digest) bool { return d == dgst })
	for name, named := range v.names {
		if named == dgst {
			v.names[name] = ""
		}
	}
	return dgst, nil
}

// Tags implements TagLister, where the repository below does.
func (v *View) Tags(ctx context.Context) ([]string, error) {
	lister, ok := v.below.(TagLister)
	if !ok {
		return nil, fmt.Errorf("listing tags is %w", ErrUnsupported)
	}
	there, err := lister.Tags(ctx)
	if err != nil && (!errors.Is(err, ErrNotFound) || !v.HasDocuments()) {
		return nil, err
	}
	v.mu.RLock()
	names, someDeleted := maps.Clone(v.names), len(v.deleted) > 0
	v.mu.RUnlock()
	tags := []string{}
	for _, tag := range there {
		if _, ok := names[tag]; ok {
			continue
		}
		if someDeleted {
			if _, err := v.ResolveDigest(ctx, tag); errors.Is(err, ErrNotFound) {
				continue
			} else if err != nil {
				return nil, err
			}
		}
		tags = append(tags, tag)
	}
	for name, dgst := range names {
		if dgst != "" {
			tags = append(tags, name)
		}
	}
	slices.Sort(tags)
	return tags, nil
}

// Referrers implements ReferrerLister, where the repository below does: what that lists, then what was pushed, in the order of the pushes.
func (v *View) Referrers(ctx context.Context, subject digest.Digest, artifactType string) ([]Descriptor, error) {
	lister, ok := v.below.(ReferrerLister)
	if !ok {
		return nil, fmt.Errorf("listing referrers is %w", ErrUnsupported)
	}
	there, err := lister.Referrers(ctx, subject, artifactType)
	if err != nil && (!errors.Is(err, ErrNotFound) || !v.HasDocuments()) {
		return nil, err
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	all := slices.Concat(there, v.kept[subject])
	for _, dgst := range v.order {
		if doc := v.documents[dgst]; doc.read != nil && doc.read.Subject != nil && doc.read.Subject.Digest == subject {
			all = append(all, doc.read.Referrer(doc.desc))
		}
	}
	list := []Descriptor{}
	for _, desc := range all {
		_, pushed := v.documents[desc.Digest]
		gone := v.deleted[desc.Digest] && !pushed
		known := slices.ContainsFunc(list, func(d Descriptor) bool { return d.Digest == desc.Digest })
		if !gone && !known && (artifactType == "" || desc.ArtifactType == artifactType) {
			list = append(list, desc)
		}
	}
	return list, nil
}

// KeepReferrers implements ReferrerKeeper.
func (v *View) KeepReferrers(ctx context.Context, subject digest.Digest, referrers []Descriptor) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.kept == nil {
		v.kept = map[digest.Digest][]Descriptor{}
	}
	v.kept[subject] = append(v.kept[subject], referrers...)
	return nil
}
