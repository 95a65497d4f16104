package content

import (
	_ "crypto/sha256" // go-digest panics on an algorithm that is not linked in
	_ "crypto/sha512"
	"fmt"
	"regexp"

	"github.com/opencontainers/go-digest"
)

// Only the registered algorithms, in lower case and of full length (image-spec, descriptor.md): a digest becomes part of paths and URLs,
// and other clients were led out of their directories by lax ones (CVE-2024-3727).
var digestPattern = regexp.MustCompile(`^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$`)

// ParseDigest reads a digest strictly; what is not one is [ErrInvalid].
func ParseDigest(s string) (digest.Digest, error) {
	if !digestPattern.MatchString(s) {
		return "", fmt.Errorf("%w digest %q: want sha256: and 64, or sha512: and 128 lower-case hex digits", ErrInvalid, short(s))
	}
	return digest.Digest(s), nil
}

// CheckPush reports as [ErrInvalid] a descriptor that content can't be pushed by: a malformed digest, or an unknown size.
func CheckPush(desc Descriptor) error {
	if _, err := ParseDigest(desc.Digest.String()); err != nil {
		return err
	}
	if desc.Size < 0 {
		return fmt.Errorf("push %s: %w size %d: only reads may leave it open", desc.Digest, ErrInvalid, desc.Size)
	}
	return nil
}

// Of returns the descriptor of data.
func Of(mediaType string, data []byte) Descriptor {
	return Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// short cuts a text that somebody else supplied to what an error message can bear.
func short(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
