package build

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// FuzzHost: what is compared of a host is what is dialled: the whole of what net/url takes for the host of a URL, which has one spelling.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"reg.example.com", "Reg.Example.com.:443", "localhost:5000", "127.0.0.1:80", "[::1]:5000", "::1", "[fe80::1%25eth0]", "[::ffff:127.0.0.1]", "docker.io", "index.docker.io", "a@b", "a%2eb", "a:", "a..", "[a]", "a_b", "a b", "\u212a", "a/b", "a\\b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHost(s)
		if err != nil {
			return
		}
		if again, err := parseHost(h.String()); err != nil || again != h {
			t.Errorf("%q is %+v, and its spelling %q is %+v, %v", s, h, h, again, err)
		}
		pattern, err := parseHostPattern(s)
		if err != nil || !pattern.matches(h) {
			t.Errorf("%q as a pattern: %v, or no match", s, err)
		}
		if !strings.Contains(s, "[") && strings.Count(s, ":") > 1 || strings.Contains(s, "%") {
			return // URLs write an address with its zone otherwise
		}
		u, err := url.Parse("https://" + s + "/path")
		if err != nil {
			return // no request goes there
		}
		name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		if addr, err := netip.ParseAddr(name); err == nil {
			name = addr.Unmap().String()
		}
		if name == "index.docker.io" || name == "registry-1.docker.io" {
			return
		}
		if u.Host != s || h.name != name || u.User != nil {
			t.Errorf("%q is %+v, but a URL with it leads to %q", s, h, u.Host)
		}
	})
}
