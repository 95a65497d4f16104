package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Referrers implements content.ReferrerLister: the descriptors of the manifests whose subject is dgst, of one artifact type if it is not ""
// (distribution-spec, "Listing Referrers"). Where the registry does not know the request, they are read from the tag that clients keep in its
// place. None is an empty list, whether or not the subject exists.
func (r *Repository) Referrers(ctx context.Context, dgst digest.Digest, artifactType string) ([]content.Descriptor, error) {
	list, err := r.listReferrers(ctx, dgst, artifactType)
	if errors.Is(err, content.ErrNotFound) {
		var index []byte
		if index, err = r.taggedReferrers(ctx, dgst); err == nil {
			list, err = manifestsOf(index)
		}
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(d content.Descriptor) bool { return artifactType != "" && d.ArtifactType != artifactType }), nil
}

// listReferrers asks the registry for its list; [content.ErrNotFound] says that it keeps none.
func (r *Repository) listReferrers(ctx context.Context, dgst digest.Digest, artifactType string) ([]content.Descriptor, error) {
	if _, err := content.ParseDigest(dgst.String()); err != nil {
		return nil, err
	}
	req, err := r.request("list referrers in", "manifest "+dgst.String(), http.MethodGet, "referrers/"+dgst.String(), r.pull())
	if err != nil {
		return nil, err
	}
	if artifactType != "" {
		req.url.RawQuery = url.Values{"artifactType": {artifactType}}.Encode()
	}
	req.header.Set("Accept", content.OCIIndex)
	list := []content.Descriptor{}
	err = r.pages(ctx, req, func(page []byte) error {
		some, err := manifestsOf(page)
		list = append(list, some...)
		return err
	})
	return list, err
}

func manifestsOf(index []byte) ([]content.Descriptor, error) {
	doc, err := content.ParseDocument(content.OCIIndex, index)
	if err != nil {
		return nil, err
	}
	return doc.Manifests, nil
}

// noReferrers is the index of a subject that nothing refers to.
const noReferrers = `{"schemaVersion":2,"mediaType":"` + content.OCIIndex + `","manifests":[]}`

// taggedReferrers reads the index under the tag that is named after the subject (distribution-spec, "Referrers Tag Schema").
func (r *Repository) taggedReferrers(ctx context.Context, dgst digest.Digest) ([]byte, error) {
	_, data, err := r.Manifest(ctx, ReferrersTag(dgst))
	if errors.Is(err, content.ErrNotFound) {
		return []byte(noReferrers), nil
	}
	return data, err
}

// ReferrersTag is the tag under which clients list what refers to a manifest, where the registry doesn't (distribution-spec, "Referrers Tag Schema").
func ReferrersTag(subject digest.Digest) string {
	tag := strings.ReplaceAll(subject.String(), ":", "-")
	return tag[:min(len(tag), 128)]
}

// KeepReferrers implements content.ReferrerKeeper: it makes sure that Referrers lists manifests that were pushed and have this subject. A registry that
// answers the request for the list keeps it by itself. Elsewhere their descriptors, with artifact types and annotations as Referrers returns them, are
// added to the index under the tag that is named after the subject (distribution-spec, "Pushing Manifests with Subject"). Of two processes
// that add to one index at once one may lose: the specification has nothing against it.
func (r *Repository) KeepReferrers(ctx context.Context, subject digest.Digest, referrers []content.Descriptor) error {
	lists, err := r.ListsReferrers(ctx, subject)
	if lists || err != nil {
		return err
	}
	index, err := r.taggedReferrers(ctx, subject)
	if err != nil {
		return err
	}
	grown, err := GrowReferrers(index, referrers)
	if err != nil {
		return fmt.Errorf("push %s: tag %q: %w", r.Location(), ReferrersTag(subject), err)
	}
	if bytes.Equal(grown, index) {
		return nil
	}
	_, _, err = r.putManifest(ctx, ReferrersTag(subject), content.Of(content.OCIIndex, grown), grown)
	return err
}

// ListsReferrers reports whether the registry itself knows what refers to a manifest. Elsewhere clients keep a list, under a tag.
func (r *Repository) ListsReferrers(ctx context.Context, subject digest.Digest) (bool, error) {
	_, err := r.listReferrers(ctx, subject, "")
	if errors.Is(err, content.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// GrowReferrers adds the referrers that the index under a ReferrersTag lacks; nil is no index yet. What else it says stays, and one that lacks nothing is returned as it
// is.
func GrowReferrers(index []byte, referrers []content.Descriptor) ([]byte, error) {
	if index == nil {
		index = []byte(noReferrers)
	}
	known, err := manifestsOf(index)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	var entries []json.RawMessage
	if err := json.Unmarshal(index, &fields); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(fields["manifests"], &entries); err != nil {
		return nil, err
	}
	before := len(entries)
	for _, desc := range referrers {
		if slices.ContainsFunc(known, func(d content.Descriptor) bool { return d.Digest == desc.Digest }) {
			continue
		}
		entry, err := json.Marshal(desc)
		if err != nil {
			return nil, err
		}
		known, entries = append(known, desc), append(entries, entry)
	}
	if len(entries) == before {
		return index, nil
	}
	if fields["manifests"], err = json.Marshal(entries); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}
