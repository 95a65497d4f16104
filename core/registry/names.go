package registry

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

var namePattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// ValidTag reports what is wrong with a tag as [content.ErrInvalid], so that nothing is sent under a tag that the registry would refuse
// (distribution-spec, "Pulling manifests"; ECR answers a HEAD of a bad one with a bare 400).
func ValidTag(tag string) error {
	if !isTag(tag) {
		return fmt.Errorf("%w tag %s: want a letter, digit or _, then at most 127 of these, . or -", content.ErrInvalid, quote(tag))
	}
	return nil
}

// isTag is ^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$, for lists of a million.
func isTag(s string) bool {
	for i := range len(s) {
		c := s[i]
		word := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
		if !word && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 128
}

func validName(name string) error {
	if len(name) > 255 || !namePattern.MatchString(name) {
		return fmt.Errorf("%w repository name %s", content.ErrInvalid, quote(name))
	}
	return nil
}

// validRef checks a tag or a digest.
func validRef(ref string) error {
	if isDigest(ref) {
		_, err := content.ParseDigest(ref)
		return err
	}
	return ValidTag(ref)
}

func isDigest(ref string) bool { return strings.Contains(ref, ":") }
