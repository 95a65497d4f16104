package registry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
)

// TestFetchForeign reads from the first URL that gives the right bytes, and never sends a credential there.
func TestFetchForeign(t *testing.T) {
	var leaked atomic.Bool
	serve := func(answer http.HandlerFunc) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			leaked.Store(leaked.Load() || r.Header.Get("Authorization") != "")
			answer(w, r)
		}))
		t.Cleanup(s.Close)
		return s.URL + "/layer?sig=canary"
	}
	asks := serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Www-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	missing := serve(http.NotFound)
	right := serve(func(w http.ResponseWriter, _ *http.Request) { w.Write(small.data) })
	wrong := serve(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("smell")) })
	away := serve(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, right, http.StatusFound) })
	m := auth.Map{}
	var hosts []string
	for _, u := range []string{asks, missing, right, wrong, away} {
		host, _, _ := strings.Cut(strings.TrimPrefix(u, "http://"), "/")
		m[host] = auth.Entry{Username: "alice", Secret: "canary"}
		hosts = append(hosts, host)
	}
	fetch := func(opts *registry.Options, urls ...string) (string, error) {
		opts.Keychain = keychain(t, m)
		desc := small.desc
		desc.URLs = urls
		r, err := newClient(t, opts).FetchForeign(t.Context(), desc)
		if err != nil {
			return "", err
		}
		defer r.Close()
		data, err := io.ReadAll(r)
		return string(data), err
	}
	for name, urls := range map[string][]string{"first": {right}, "second": {missing, right}, "after a challenge": {asks, right}, "redirected": {away}, "after nonsense": {"::", "ftp://x/", right}} {
		if got, err := fetch(&registry.Options{Insecure: hosts}, urls...); err != nil || got != "small" {
			t.Errorf("%s: got %q, error %v", name, got, err)
		}
	}
	_, err := fetch(&registry.Options{Insecure: hosts}, wrong)
	expectIs(t, err, content.ErrVerification)
	_, err = fetch(&registry.Options{})
	expectIs(t, err, content.ErrNotFound)
	for _, u := range []string{right, strings.Replace(right, "http:", "https:", 1), "https://169.254.169.254/latest/meta-data/", "https://[::1]/", "https://10.0.0.1/", "https://user:canary@reg.example/"} {
		got, err := fetch(&registry.Options{}, u)
		if err == nil || !strings.Contains(err.Error(), "refused ") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %q, error %v, want a refusal", u, got, err)
		}
	}
	if leaked.Load() {
		t.Error("credentials were sent")
	}
}
