package auth

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Origin is a registry: where it is and how users call it.
type Origin struct {
	// Scheme is "https" or "http"; Host is as dialled, with a port if it is not the scheme's: "registry-1.docker.io".
	Scheme, Host string
	// Name is the host as users write it, which keychains know: "docker.io". "" is Host.
	Name string
}

// name is what keychains and users know the registry by.
func (o Origin) name() string {
	if o.Name != "" {
		return o.Name
	}
	return o.Host
}

// hostname is Host without the port.
func (o Origin) hostname() string { return (&url.URL{Host: o.Host}).Hostname() }

// parseRealm reads the URL of a token server, mended if need be. One that would be asked over http for an https registry is no URL to ask anything
// of, with credentials or without.
func parseRealm(origin Origin, realm string) (*url.URL, error) {
	u, err := url.Parse(mendRealm(origin, realm))
	if err != nil || u.Hostname() == "" || u.User != nil || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%w: the realm %q is not a URL that can be asked for a token", ErrChallenge, quotable(realm))
	}
	if u.Scheme == "http" && origin.Scheme != "http" {
		return nil, fmt.Errorf("%w: the registry is on https and its token server on http, %q; who runs the registry has to give it its https address "+
			"(Nexus: the base URL, or X-Forwarded-Proto in the proxy)", ErrRealm, redactURL(u))
	}
	u.Fragment = ""
	return u, nil
}

// mendRealm puts right what Nexus behind a proxy is known to get wrong: a port that stands twice (sonatype/nexus-public#611, #651), and the scheme
// "null" (#565), for which the registry's own is taken.
func mendRealm(origin Origin, realm string) string {
	scheme, rest, ok := strings.Cut(realm, "://")
	if !ok {
		return realm
	}
	if scheme == "null" {
		scheme = origin.Scheme
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := rest[:end]
	if i := strings.LastIndexByte(host, ':'); i >= 0 && isPort(host[i+1:]) && strings.HasSuffix(host[:i], host[i:]) {
		host = host[:i]
	}
	return scheme + "://" + host + rest[end:]
}

// isPort reports whether a text is a number.
func isPort(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// vetRealm says whether a credential for origin may go to a realm (see the package's "Where credentials go").
func vetRealm(origin Origin, realm *url.URL, allow func(Origin, *url.URL) bool) error {
	if realm.Scheme == origin.Scheme && strings.EqualFold(realm.Host, origin.Host) {
		return nil // as safe as Basic
	}
	registry, host := origin.hostname(), realm.Hostname()
	if isLoopback(registry) && isLoopback(host) {
		return nil
	}
	if realm.Scheme != "https" {
		return fmt.Errorf("%w: %q is on http and not on loopback", ErrRealm, redactURL(realm))
	}
	if strings.EqualFold(registry, host) || sameDomain(registry, host) || knownRealm(registry, host) {
		return nil
	}
	if allow != nil && allow(origin, realm) {
		return nil
	}
	return fmt.Errorf("%w: the registry %s names the token server %q, which is of another domain; it has to be allowed for the registry (auth_realms)",
		ErrRealm, origin.name(), realm.Host)
}

// isLoopback reports whether a host is this machine by its name alone: localhost, or an address.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// sameDomain reports whether two hosts are of one registrable domain by the public suffix list: a registrar gave it to one owner.
func sameDomain(a, b string) bool {
	if _, err := netip.ParseAddr(a); err == nil {
		return false
	}
	da, erra := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(a))
	db, errb := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(b))
	return erra == nil && errb == nil && da == db
}

// knownRealm are the registries whose token server is of another domain and of the same owner. Most need no row: auth.docker.io is of docker.io.
func knownRealm(registry, realm string) bool {
	switch strings.ToLower(registry) {
	case "registry.hub.docker.com":
		return strings.EqualFold(realm, "auth.docker.io")
	}
	return false
}

// withoutRedirects is a copy of client that returns redirects as they are, and keeps no cookies.
func withoutRedirects(client *http.Client) *http.Client {
	c := http.Client{}
	if client != nil {
		c = *client
	}
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// sameHostRedirects is a copy of client that follows redirects on the same host, up to five.
func sameHostRedirects(client *http.Client) *http.Client {
	c := withoutRedirects(client)
	c.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		first := via[0].URL
		if len(via) > 5 || r.URL.Scheme != first.Scheme || r.URL.Host != first.Host {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return c
}
