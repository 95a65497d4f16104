package layout

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

var _ interface {
	content.TagLister
	content.ReferrerLister
} = (*Layout)(nil)

// Tags implements content.TagLister: the names that index.json gives to images by org.opencontainers.image.ref.name, sorted, each once. What is no
// layout, or has no index.json, is content.ErrNotFound.
func (l *Layout) Tags(ctx context.Context) ([]string, error) {
	x, err := l.index(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, e := range x.entries {
		if name := refName(e.desc); e.isImage() && name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Referrers implements content.ReferrerLister: of the manifests in index.json those whose subject is subject, and those in the index that stands
// under the tag that clients of registries without referrers use (distribution-spec, "Referrers Tag Schema"), which regctl writes into
// layouts too. What cannot be read refers to nothing.
func (l *Layout) Referrers(ctx context.Context, subject digest.Digest, artifactType string) ([]content.Descriptor, error) {
	if _, err := content.ParseDigest(subject.String()); err != nil {
		return nil, err
	}
	x, err := l.index(ctx)
	if err != nil {
		return nil, err
	}
	return x.referrers(ctx, l, subject, artifactType)
}

// referrers lists what refers to subject, of the images that x lists and src has.
func (x *index) referrers(ctx context.Context, src content.Fetcher, subject digest.Digest, artifactType string) ([]content.Descriptor, error) {
	var candidates []content.Descriptor
	for _, e := range x.entries {
		candidates = append(candidates, e.desc)
		if refName(e.desc) == strings.ReplaceAll(subject.String(), ":", "-") && content.IsIndex(e.desc.MediaType) {
			inside, err := childrenOf(ctx, src, e.desc)
			if err != nil {
				return nil, err
			}
			candidates = append(candidates, inside...)
		}
	}
	list := []content.Descriptor{}
	for _, desc := range candidates {
		same := func(d content.Descriptor) bool { return d.Digest == desc.Digest }
		if !content.IsDocument(desc.MediaType) || slices.ContainsFunc(list, same) {
			continue
		}
		found, ok := referrerOf(ctx, src, desc, subject)
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if ok && (artifactType == "" || found.ArtifactType == artifactType) {
			list = append(list, found)
		}
	}
	return list, nil
}

// referrerOf describes a manifest as a registry lists it (distribution-spec, "Listing Referrers"); false when subject is not its subject.
func referrerOf(ctx context.Context, src content.Fetcher, desc content.Descriptor, subject digest.Digest) (content.Descriptor, bool) {
	data, err := content.ReadAll(ctx, src, content.Descriptor{Digest: desc.Digest, Size: desc.Size})
	if err != nil {
		return content.Descriptor{}, false
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil || doc.Subject == nil || doc.Subject.Digest != subject {
		return content.Descriptor{}, false
	}
	return doc.Referrer(desc), true
}

// index reads index.json.
func (l *Layout) index(ctx context.Context) (*index, error) {
	root, err := l.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	data, err := readFile(root, indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, l.errorf("it has no %s and so no images: %w", indexFile, content.ErrNotFound)
	}
	if err != nil {
		return nil, l.errorf("%w", err)
	}
	x, err := parseIndex(data)
	if err != nil {
		return nil, l.errorf("%w", err)
	}
	return x, nil
}
