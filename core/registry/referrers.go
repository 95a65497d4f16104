package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Referrers returns the descriptors of the manifests whose subject is dgst, of one artifact type if it is not "" (distribution-spec,
// "Listing Referrers"). Where the registry does not know the request, they are read from the tag that clients keep in its place.
// None is an empty list, whether or not the subject exists.
func (r *Repository) Referrers(ctx context.Context, dgst digest.Digest, artifactType string) ([]content.Descriptor, error) {
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
	var list []content.Descriptor
	err = r.pages(ctx, req, func(page []byte) error {
		doc, err := content.ParseDocument(content.OCIIndex, page)
		if err == nil {
			list = append(list, doc.Manifests...)
		}
		return err
	})
	if errors.Is(err, content.ErrNotFound) {
		list, err = r.taggedReferrers(ctx, dgst)
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(d content.Descriptor) bool { return artifactType != "" && d.ArtifactType != artifactType }), nil
}

// taggedReferrers reads the index under the tag that is named after the subject (distribution-spec, "Referrers Tag Schema").
func (r *Repository) taggedReferrers(ctx context.Context, dgst digest.Digest) ([]content.Descriptor, error) {
	tag := strings.ReplaceAll(dgst.String(), ":", "-")
	_, data, err := r.Manifest(ctx, tag[:min(len(tag), 128)])
	if errors.Is(err, content.ErrNotFound) {
		return []content.Descriptor{}, nil
	}
	if err != nil {
		return nil, err
	}
	doc, err := content.ParseDocument("", data)
	if err != nil {
		return nil, err
	}
	return doc.Manifests, nil
}
