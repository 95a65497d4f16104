package registrytest_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestInternet reaches hosts by name, by the transport and by the proxy, and records what they are sent.
func TestInternet(t *testing.T) {
	n := registrytest.NewInternet(t)
	n.Handle("reg.example", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "secure") })
	n.Handle("reg.example:5000", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "plain") })
	n.Resolve("reg.example", "10.0.0.1", "192.168.0.1")
	direct := n.Transport()
	proxied := n.Transport()
	proxied.DialContext = nil
	proxied.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(n.Proxy()) }
	for _, transport := range []*http.Transport{direct, proxied} {
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport}
		for address, want := range map[string]string{"https://reg.example/x?y": "secure", "http://reg.example:5000/": "plain", "https://other.example/": "404 page not found\n"} {
			resp, err := client.Get(address)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(got) != want || err != nil {
				t.Errorf("%s: got %q, %v, want %q", address, got, err, want)
			}
		}
	}
	if n := len(n.Requests()); n != 6 {
		t.Errorf("%d requests were recorded, want 6", n)
	}
	if n := len(n.Dialled()); n != 3 {
		t.Errorf("%d connections were recorded, want 3", n)
	}
}

// TestLeaks finds a secret in every form and wherever it stands.
func TestLeaks(t *testing.T) {
	const secret = "s3cr3t+/ü"
	for _, before := range []string{"", "a", "ab", "abc", "user:"} {
		for _, after := range []string{"", "a", "ab", "abc"} {
			for name, text := range map[string]string{
				"raw": secret, "base64": base64.StdEncoding.EncodeToString([]byte(before + secret + after)),
				"base64 for URLs": base64.RawURLEncoding.EncodeToString([]byte(before + secret + after)),
				"query":           url.QueryEscape(before + secret), "path": url.PathEscape(secret + after),
			} {
				if got := registrytest.Leaks("before "+text+" after", "other", secret); len(got) != 1 || got[0] != secret {
					t.Errorf("%s of %q: found %q in %q", name, before+secret+after, got, text)
				}
			}
		}
	}
	if got := registrytest.Leaks("nothing", secret); got != nil {
		t.Errorf("found %q", got)
	}
}
