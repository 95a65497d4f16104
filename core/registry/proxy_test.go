package registry

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

const proxyPassword = "pr0xy-s3cret"

// proxiedClient is a client with the transport that it makes itself, which reaches everything through a proxy.
func proxiedClient(t *testing.T, proxy *registrytest.Proxy, password string, opts Options) *Client {
	t.Helper()
	c := New(&opts)
	t.Cleanup(c.Close)
	c.shared.routes.base.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy.Host, User: url.UserPassword("alice", password)})
	return c
}

// behindProxy is a registry, served as reg.example, with an image under app:v1, and a proxy that leads there.
func behindProxy(t *testing.T, faults ...registrytest.Fault) (*registrytest.Server, *registrytest.Proxy, Options) {
	t.Helper()
	corp := registrytest.NewAuthority(t, "corp")
	reg := registrytest.New(t, &registrytest.Options{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{corp.Issue("reg.example", "cdn.example")}},
		Quirks:    registrytest.Quirks{RelativeLocation: true}, Faults: faults,
	})
	reg.PushImage("app", "v1", registrytest.Image{})
	proxy := registrytest.NewProxy(t, "alice", proxyPassword, map[string]string{
		"reg.example:443": reg.Host, "cdn.example:443": reg.Host, "down.example:443": "127.0.0.1:1",
	})
	return reg, proxy, Options{Hosts: map[string]HostOptions{AnyHost: {CA: corp.Pool()}}, Backoff: Backoff{Tries: 2, First: 1}}
}

// TestProxy reaches a registry by a proxy, whose password goes to the proxy alone.
func TestProxy(t *testing.T) {
	reg, proxy, opts := behindProxy(t)
	repo := proxiedClient(t, proxy, proxyPassword, opts).Repository("reg.example", "app")
	desc, _, err := repo.Manifest(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Push(t.Context(), content.Of(content.OctetStream, []byte("x")), content.FromBytes([]byte("x"))); err != nil {
		t.Error(err)
	}
	if desc.Size == 0 || !slices.Equal(proxy.Asked(), []string{"CONNECT reg.example:443"}) {
		t.Errorf("the proxy was asked %q", proxy.Asked())
	}
	for _, r := range reg.Requests() {
		if text := fmt.Sprint(r.Header); r.Header.Get("Proxy-Authorization") != "" || strings.Contains(text, proxyPassword) {
			t.Errorf("the registry got %s", text)
		}
	}
}

// TestProxyRefuses: the error names the proxy and its answer, and no password, and is no reason to try again.
func TestProxyRefuses(t *testing.T) {
	_, proxy, opts := behindProxy(t)
	_, err := proxiedClient(t, proxy, "wr0ng-s3cret", opts).Repository("reg.example", "app").Resolve(t.Context(), "v1")
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "the proxy "+proxy.Host+" answers 407 proxy authentication required") {
		t.Errorf("got error %v", err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, err), "s3cret") {
		t.Errorf("%v has the password", err)
	}
	if n := len(proxy.Asked()); n != 1 {
		t.Errorf("the proxy was asked %d times", n)
	}
	_, err = proxiedClient(t, proxy, proxyPassword, opts).Repository("down.example", "app").Resolve(t.Context(), "v1")
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "answers 502 bad gateway") || !strings.Contains(err.Error(), "2 tries") {
		t.Errorf("got error %v", err)
	}
}

// TestProxyIsDown says no password either.
func TestProxyIsDown(t *testing.T) {
	_, _, opts := behindProxy(t)
	_, err := proxiedClient(t, &registrytest.Proxy{Host: "127.0.0.1:1"}, proxyPassword, opts).Repository("reg.example", "app").Resolve(t.Context(), "v1")
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got error %v", err)
	}
}

// TestProxyURL: one that makes no sense has no way around it, and net/http would print all of it.
func TestProxyURL(t *testing.T) {
	reg, _, opts := behindProxy(t)
	c := New(&opts)
	t.Cleanup(c.Close)
	c.shared.routes.base.Proxy = func(*http.Request) (*url.URL, error) {
		return nil, fmt.Errorf("invalid proxy address %q", "http://alice:"+proxyPassword+"%@proxy")
	}
	_, err := c.Repository(reg.Host, "app").Resolve(t.Context(), "v1")
	if !errors.Is(err, errProxy) || !errors.Is(err, ErrUnreachable) || strings.Contains(err.Error(), "s3cret") || len(reg.Requests()) > 0 {
		t.Errorf("got error %v after %v", err, reg.Lines())
	}
}

// TestProxyEgress: what a server names as an address of a private network is not asked of the proxy either; what it names otherwise is the proxy's
// to judge.
func TestProxyEgress(t *testing.T) {
	for to, allowed := range map[string]bool{
		"https://169.254.169.254/latest": false, "https://10.0.0.1/": false, "https://127.0.0.1:1/": false, "https://localhost/": false, "https://[::1]/": false,
		"https://cdn.example/v2/app/manifests/v1": true,
	} {
		_, proxy, opts := behindProxy(t, registrytest.Fault{Class: registrytest.ClassManifest, Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {to}}})
		_, err := proxiedClient(t, proxy, proxyPassword, opts).Repository("reg.example", "app").Resolve(t.Context(), "v1")
		asked := []string{"CONNECT reg.example:443"}
		if allowed {
			asked = append(asked, "CONNECT cdn.example:443")
		}
		if (err == nil) != allowed || !allowed && !errors.As(err, new(*egressError)) || !slices.Equal(proxy.Asked(), asked) {
			t.Errorf("%s: error %v; the proxy was asked %q", to, err, proxy.Asked())
		}
	}
}

// TestUsableProxy refuses addresses that net/http would silently leave out.
func TestUsableProxy(t *testing.T) {
	for address, usable := range map[string]bool{
		"": true, "http://alice:s3cret@proxy.example:3128": true, "proxy.example:3128": true, "proxy.example": true, "[::1]:3128": true,
		"http://alice:%s3cret@proxy.example": false, "http://": false, ":3128": false, "a b": false,
	} {
		for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
			getenv := func(asked string) string {
				if asked == name {
					return address
				}
				return ""
			}
			if usableProxy("https", getenv) != usable || !usableProxy("http", getenv) {
				t.Errorf("%s=%s: usable for https %t, for http %t", name, address, usableProxy("https", getenv), usableProxy("http", getenv))
			}
		}
	}
}
