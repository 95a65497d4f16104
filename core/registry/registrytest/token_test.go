package registrytest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestTokens asks for tokens in each way that there is.
func TestTokens(t *testing.T) {
	s := registrytest.New(t, &registrytest.Options{
		Auth: registrytest.AuthBearer, Users: map[string]string{"ann": "secret"}, Identities: map[string]string{"identity": "ann"},
	})
	form := func(pairs ...string) string {
		values := url.Values{"service": {"registrytest"}, "scope": {"repository:a:pull repository:b:pull"}}
		for i := 0; i < len(pairs); i += 2 {
			values.Set(pairs[i], pairs[i+1])
		}
		return values.Encode()
	}
	refresh := form("grant_type", "refresh_token", "refresh_token", "identity")
	for _, test := range []struct {
		name         string
		quirks       registrytest.Quirks
		method, body string
		want         int
		has          string // of the answer
	}{
		{"password", registrytest.Quirks{}, "POST", form("grant_type", "password", "username", "ann", "password", "secret"), 200, `"token"`},
		{"wrong password", registrytest.Quirks{}, "POST", form("grant_type", "password", "username", "ann", "password", "x"), 401, "UNAUTHORIZED"},
		{"refresh token", registrytest.Quirks{}, "POST", refresh, 200, `"expires_in"`},
		{"wrong refresh token", registrytest.Quirks{}, "POST", form("grant_type", "refresh_token", "refresh_token", "x"), 401, "UNAUTHORIZED"},
		{"unknown grant", registrytest.Quirks{}, "POST", form("grant_type", "x"), 401, "UNAUTHORIZED"},
		{"POST refused", registrytest.Quirks{TokenPost: 404}, "POST", refresh, 404, "UNSUPPORTED"},
		{"access_token", registrytest.Quirks{AccessToken: true}, "POST", refresh, 200, `"access_token"`},
		{"delete", registrytest.Quirks{RefuseDeleteScope: true}, "POST", refresh + "&scope=repository:a:delete", 400, "scope"},
	} {
		s.SetQuirks(test.quirks)
		resp, body := do(t, s, test.method, "/token", test.body, "Content-Type", "application/x-www-form-urlencoded")
		if resp.StatusCode != test.want || !strings.Contains(body, test.has) {
			t.Errorf("%s: %d %s, want %d with %s", test.name, resp.StatusCode, body, test.want, test.has)
		}
	}
	s.SetQuirks(registrytest.Quirks{NoExpiry: true})
	if _, body := do(t, s, "POST", "/token", refresh, "Content-Type", "application/x-www-form-urlencoded"); strings.Contains(body, "expires_in") {
		t.Errorf("the answer %s says how long the token lives", body)
	}
	for first, want := range map[bool]int{false: 201, true: 401} {
		s.SetQuirks(registrytest.Quirks{FirstScope: first})
		token := tokenFor(t, s, "scope=repository:a:push&scope=repository:b:pull")
		desc := s.PushBlob("b", []byte("x"))
		if resp, _ := do(t, s, "POST", "/v2/a/blobs/uploads/?from=b&mount="+desc.Digest.String(), "", "Authorization", "Bearer "+token); resp.StatusCode != want {
			t.Errorf("the first scope alone %t: %d, want %d", first, resp.StatusCode, want)
		}
	}
}

// tokenFor is the token of the user ann for a query.
func tokenFor(t *testing.T, s *registrytest.Server, query string) string {
	t.Helper()
	_, body := do(t, s, "GET", "/token?"+query, "", "Authorization", "Basic YW5uOnNlY3JldA==")
	_, token, _ := strings.Cut(body, `token":"`)
	token, _, _ = strings.Cut(token, `"`)
	return token
}

// TestChallenges are in the way of the quirks.
func TestChallenges(t *testing.T) {
	s := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer, Users: map[string]string{"ann": "secret"}})
	ask := func(path, token string) (int, []string) {
		var header []string
		if token != "" {
			header = []string{"Authorization", "Bearer " + token}
		}
		resp, _ := do(t, s, "GET", path, "", header...)
		return resp.StatusCode, resp.Header.Values("WWW-Authenticate")
	}
	s.SetQuirks(registrytest.Quirks{Challenges: []string{"Negotiate"}})
	if _, got := ask("/v2/a/tags/list", ""); len(got) != 2 || got[0] != "Negotiate" || !strings.HasPrefix(got[1], "Bearer ") {
		t.Errorf("challenges %q", got)
	}
	s.SetQuirks(registrytest.Quirks{NoChallenge: true})
	if status, got := ask("/v2/a/tags/list", ""); status != 401 || len(got) > 0 {
		t.Errorf("%d with challenges %q", status, got)
	}
	if status, got := ask("/v2/", ""); status != 401 || len(got) != 1 {
		t.Errorf("/v2/: %d with challenges %q", status, got)
	}
	s.SetQuirks(registrytest.Quirks{HideMissing: true})
	if status, _ := ask("/v2/a/manifests/v1", tokenFor(t, s, "scope=repository:a:pull")); status != http.StatusUnauthorized {
		t.Errorf("a reader of what is missing: %d", status)
	}
	if status, _ := ask("/v2/a/manifests/v1", tokenFor(t, s, "scope=repository:a:pull,push")); status != http.StatusNotFound {
		t.Errorf("a writer of what is missing: %d", status)
	}
	s.PushImage("a", "v1", registrytest.Image{})
	if status, _ := ask("/v2/a/manifests/v1", tokenFor(t, s, "scope=repository:a:pull")); status != http.StatusOK {
		t.Errorf("a reader of what is there: %d", status)
	}
}
