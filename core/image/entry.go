package image

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// PlatformOf returns what an entry of an index says its image is for; false when it says nothing.
func PlatformOf(entry content.Descriptor) (Platform, bool) { return platformOf(entry.Platform) }

// Attests reports whether an entry of an index is no image but an attestation as BuildKit makes them, provenance and SBOMs, and of which manifest; "" when it does not say.
func Attests(entry content.Descriptor) (digest.Digest, bool) {
	if !isAttestation(entry) {
		return "", false
	}
	return digest.Digest(entry.Annotations[attested]), true
}

// MaxIndexDepth bounds indexes within indexes; BuildKit makes two levels.
const MaxIndexDepth = 4

// Find returns the manifest for p of what desc names in src: desc itself if it is a manifest, whatever its platform, else the entry of the index, or of an index within it, that [Select] returns.
func Find(ctx context.Context, src content.Fetcher, desc content.Descriptor, p Platform) (content.Descriptor, error) {
	for depth := 0; content.IsIndex(desc.MediaType); depth++ {
		if depth > MaxIndexDepth {
			return content.Descriptor{}, fmt.Errorf("%w: indexes within indexes, more than %d deep", content.ErrInvalid, MaxIndexDepth)
		}
		doc, _, err := content.FetchDocument(ctx, src, desc)
		if err != nil {
			return content.Descriptor{}, err
		}
		if desc, err = Select(doc, p); err != nil {
			return content.Descriptor{}, err
		}
	}
	return desc, nil
}
