package image_test

import (
	"testing"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
)

// TestEntries reads what an index says of its entries.
func TestEntries(t *testing.T) {
	of := digest.FromString("image")
	for name, c := range map[string]struct {
		entry    content.Descriptor
		platform string // "" is none
		attests  bool
		of       digest.Digest
	}{
		"an image":           {content.Descriptor{Platform: &specs.Platform{OS: "linux", Architecture: "aarch64"}}, "linux/arm64", false, ""},
		"without a platform": {content.Descriptor{}, "", false, ""},
		"an attestation": {content.Descriptor{
			Platform:    &specs.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": of.String()},
		}, "unknown/unknown", true, of},
		"an unknown platform": {content.Descriptor{Platform: &specs.Platform{OS: "unknown", Architecture: "unknown"}}, "unknown/unknown", true, ""},
	} {
		p, ok := image.PlatformOf(c.entry)
		if ok != (c.platform != "") || ok && p.String() != c.platform {
			t.Errorf("%s: platform %s, %t", name, p, ok)
		}
		if got, attests := image.Attests(c.entry); got != c.of || attests != c.attests {
			t.Errorf("%s: attests %s, %t", name, got, attests)
		}
	}
}
