package build

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry"
)

// held is what a repository has by its own word: an image under the tag that is about to be saved, mostly that of the run before, and so all
// that this image consists of. One request for it spares one for each layer that did not change. Should the registry have lost a blob,
// it says so when the manifest comes.
type held struct {
	ready chan struct{} // closed when the rest is known
	root  digest.Digest // "" is none
	sizes map[digest.Digest]int64
}

// hold asks what is under a tag, while the image is put together. It is no failure if that can't be told, but that of a registry which can't be reached.
func (t *target) hold(ctx context.Context, tag string) error {
	defer close(t.held.ready)
	repo, ok := t.repo.(content.ManifestReader)
	if !ok {
		return nil
	}
	desc, data, err := repo.Manifest(ctx, tag)
	if err != nil {
		if errors.Is(err, registry.ErrUnreachable) || ctx.Err() != nil {
			return err
		}
		return nil
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		return nil
	}
	documents := []*content.Document{doc}
	if content.IsIndex(doc.MediaType) {
		documents = manifestsOf(ctx, repo, doc)
	}
	t.held.root, t.held.sizes = desc.Digest, map[digest.Digest]int64{}
	for _, doc := range documents {
		for _, child := range doc.Children() {
			if !content.IsForeign(child) && !content.IsDocument(child.MediaType) {
				t.held.sizes[child.Digest] = child.Size
			}
		}
	}
	return nil
}

// maxHeld is how many manifests of an index are read to find out what a repository has.
const maxHeld = 16

// manifestsOf reads the manifests of the images in an index, as far as that can be done.
func manifestsOf(ctx context.Context, repo content.ManifestReader, index *content.Document) []*content.Document {
	if len(index.Manifests) > maxHeld {
		return nil
	}
	documents, _ := inParallel(ctx, index.Manifests, func(ctx context.Context, desc content.Descriptor) (*content.Document, error) {
		if _, attests := image.Attests(desc); attests || !content.IsManifest(desc.MediaType) {
			return &content.Document{}, nil
		}
		read, data, err := repo.Manifest(ctx, desc.Digest.String())
		if err != nil {
			return &content.Document{}, nil // what is not known to be there is asked for
		}
		doc, err := content.ParseDocument(read.MediaType, data)
		if err != nil {
			return &content.Document{}, nil
		}
		return doc, nil
	})
	return documents
}

// holds reports whether a blob is here for certain without asking for it.
func (t *target) holds(ctx context.Context, desc content.Descriptor) bool {
	if t.held == nil {
		return false
	}
	select {
	case <-t.held.ready:
	case <-ctx.Done():
		return false
	}
	size, ok := t.held.sizes[desc.Digest]
	return ok && size == desc.Size
}
