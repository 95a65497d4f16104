package auth

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzTokenAnswer: no answer makes a panic, an error that repeats it, a token that cannot be sent, or one that is used for ever or not at all.
func FuzzTokenAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"token":"abc","expires_in":300,"issued_at":"2026-03-01T12:00:00Z"}`,
		`{"access_token":"abc","expires_in":"300"}`,
		`{"token":"","access_token":"abc","refresh_token":"def"}`,
		`{"token":"` + canary + ` x"}`,
		`{"token":["` + canary + `"]}`,
		`{"token":"abc","expires_in":-1e999,"issued_at":"0000-01-01T00:00:00Z"}`,
		`{"token":"abc","expires_in":1e308,"issued_at":"9999-12-31T23:59:59Z"}`,
		`{"Token":"abc","TOKEN":"def"}`,
		`<html>` + canary, ``, `null`, `[]`, "\xef\xbb\xbf{}",
	} {
		f.Add(seed)
	}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		answer, err := readTokenAnswer(strings.NewReader(text))
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("a secret in %v", err)
			}
			return
		}
		if !headerSafe(answer.token) {
			t.Errorf("the token %q cannot be sent", answer.token)
		}
		if life := answer.until(start).Sub(start); life < minTokenLife/2 || life > maxTokenLife {
			t.Errorf("it is used for %v", life)
		}
	})
}

// FuzzRealm: what is accepted as a realm is an absolute URL without a user, never on http for a registry on https; and it stays what it is.
func FuzzRealm(f *testing.F) {
	for _, seed := range []string{
		"https://auth.docker.io/token", "https://reg.example:5002:5002/v2/token", "null://reg.example/token", "http://reg.example/token",
		"https://[::1]:5000:5000/token?x=y#z", "//evil.test/token", "https://user@evil.test/", "https://reg.example:99999/", "null://null://x", "https://a:1:1:1/",
	} {
		f.Add(seed)
	}
	origin := Origin{Scheme: "https", Host: "reg.example"}
	f.Fuzz(func(t *testing.T, realm string) {
		u, err := parseRealm(origin, realm)
		if err != nil {
			return
		}
		if u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			t.Errorf("%q became %q", realm, u)
		}
		again, err := parseRealm(origin, u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("%q became %q, then %v, %v", realm, u, again, err)
		}
		if _, err := url.Parse(u.String()); err != nil {
			t.Errorf("%q became %q: %v", realm, u, err)
		}
	})
}
