package registrytest

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
)

// Leaks returns those of the secrets that are in a text in some form: as they are, in base64 of either alphabet wherever they stand in what was encoded,
// in hex, and escaped for URLs and their queries.
func Leaks(text string, secrets ...string) []string {
	var found []string
	for _, secret := range secrets {
		for _, form := range forms(secret) {
			if strings.Contains(text, form) {
				found = append(found, secret)
				break
			}
		}
	}
	return found
}

func forms(secret string) []string {
	all := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret))}
	for before := range 3 { // bytes that share the first group of four digits
		text := strings.Repeat("x", before) + secret
		first := (before*8 + 5) / 6 // digits that say something of what comes before
		last := len(text) * 8 / 6   // those after it say something of what follows
		all = append(all, base64.RawStdEncoding.EncodeToString([]byte(text))[first:last], base64.RawURLEncoding.EncodeToString([]byte(text))[first:last])
	}
	return all
}
