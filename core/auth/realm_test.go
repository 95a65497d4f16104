package auth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestVetRealm(t *testing.T) {
	https := func(host string) Origin { return Origin{Scheme: "https", Host: host} }
	http := func(host string) Origin { return Origin{Scheme: "http", Host: host} }
	cases := []struct {
		origin Origin
		realm  string
		ok     bool
	}{
		{https("registry-1.docker.io"), "https://auth.docker.io/token", true},
		{https("registry.hub.docker.com"), "https://auth.docker.io/token", true},
		{https("registry.gitlab.com"), "https://gitlab.com/jwt/auth", true},
		{https("reg.example.com"), "https://reg.example.com/token", true},
		{https("reg.example.com"), "https://reg.example.com:8443/token", true},
		{https("reg.example.com:5000"), "https://auth.example.com/token", true},
		{https("REG.example.com"), "https://AUTH.EXAMPLE.com/token", true},
		{https("reg.example.co.uk"), "https://auth.example.co.uk/token", true},
		{https("a.co.uk"), "https://b.co.uk/token", false},
		{https("a.github.io"), "https://b.github.io/token", false},
		{https("reg.example.com"), "https://reg.example.com.evil.test/token", false},
		{https("reg.example.com"), "https://evilexample.com/token", false},
		{https("reg.example.com"), "https://evil.test/token", false},
		{https("com"), "https://evil.com/token", false},
		{https("reg.lan"), "https://auth.lan/token", false},
		{https("registry"), "https://auth/token", false},
		{https("10.0.0.1"), "https://10.0.0.2/token", false},
		{https("10.0.0.1"), "https://192.168.0.1/token", false}, // no domain, although both end in 0.1
		{https("10.0.0.1:5000"), "https://10.0.0.1/token", true},
		{https("reg.example.com"), "https://169.254.169.254/token", false},
		{https("reg.example.com"), "https://[::]/token", false},
		{https("reg.example.com"), "https://127.0.0.1/token", false},
		{https("reg.example.com"), "https://localhost/token", false},
		{https("allowed.example.com"), "https://login.elsewhere.test/token", true},
		{http("allowed.example.com"), "http://login.elsewhere.test/token", false},
		{http("localhost:5000"), "http://localhost:5001/auth", true},
		{http("127.0.0.1:5000"), "http://[::1]:5001/auth", true},
		{http("[::1]:5000"), "http://localhost/auth", true},
		{http("localhost:5000"), "http://evil.test/auth", false},
		{http("localhost:5000"), "https://evil.test/auth", false},
		{http("reg.lan:5000"), "http://reg.lan:5000/auth", true}, // that is where Basic would go, too
		{http("reg.lan:5000"), "http://reg.lan:5001/auth", false},
		{http("reg.lan:5000"), "https://reg.lan:5001/auth", true},
		{http("reg.lan:5000"), "http://localhost:5001/auth", false},
		{http("localhost.evil.test"), "http://localhost/auth", false},
	}
	allow := func(o Origin, u *url.URL) bool {
		return o.Host == "allowed.example.com" && u.Host == "login.elsewhere.test"
	}
	for _, c := range cases {
		u, err := parseRealm(c.origin, c.realm)
		if err == nil {
			err = vetRealm(c.origin, u, allow)
		}
		if (err == nil) != c.ok {
			t.Errorf("%s → %s: %v", c.origin.Host, c.realm, err)
		}
		if err != nil && !errors.Is(err, ErrRealm) {
			t.Errorf("%s → %s: no ErrRealm: %v", c.origin.Host, c.realm, err)
		}
	}
}

func TestParseRealmRefuses(t *testing.T) {
	for _, realm := range []string{"", "//evil.test/token", "/token", "token", "ftp://reg.example/token", "https:///token", "https:reg.example",
		"https://user:pw@reg.example/token", "https://reg.example:5002:5003/token", "https://reg.example:5002:5002:5002/token", "nul://reg.example/token",
		"null:///token", "https://[::1/", "https://reg.example/\x1b[31m", "file:///etc/passwd", "https://:443/token", "https://:443:443/token"} {
		u, err := parseRealm(Origin{Scheme: "https", Host: "reg.example"}, realm)
		if err == nil || !errors.Is(err, ErrChallenge) {
			t.Errorf("%q: got %v, %v", realm, u, err)
		}
		if err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: the error has its control characters", realm)
		}
	}
	_, err := parseRealm(Origin{Scheme: "https", Host: "reg.example"}, "http://reg.example/token")
	if !errors.Is(err, ErrRealm) || !strings.Contains(err.Error(), "who runs the registry has to give it its https address") {
		t.Errorf("http realm of an https registry: %v", err)
	}
}

// TestParseRealmMends is what Nexus behind a proxy says (sonatype/nexus-public#611, #651, #565).
func TestParseRealmMends(t *testing.T) {
	for realm, want := range map[string]string{
		"https://reg.example:5002:5002/v2/token":          "https://reg.example:5002/v2/token",
		"https://reg.example:5002:5002":                   "https://reg.example:5002",
		"https://[::1]:5002:5002/v2/token?x=y":            "https://[::1]:5002/v2/token?x=y",
		"https://[fe80::5:5]/v2/token":                    "https://[fe80::5:5]/v2/token",
		"null://reg.example/v2/token":                     "https://reg.example/v2/token",
		"null://reg.example:5002:5002/v2/token":           "https://reg.example:5002/v2/token",
		"https://reg.example/v2/token?at=x:5002:5002#top": "https://reg.example/v2/token?at=x:5002:5002",
	} {
		u, err := parseRealm(Origin{Scheme: "https", Host: "reg.example"}, realm)
		if err != nil || u.String() != want {
			t.Errorf("%s: got %v, %v; want %s", realm, u, err, want)
		}
	}
	u, err := parseRealm(Origin{Scheme: "http", Host: "localhost:5000"}, "null://localhost:5000/v2/token")
	if err != nil || u.String() != "http://localhost:5000/v2/token" {
		t.Errorf("a registry on http: got %v, %v", u, err)
	}
}

// TestMendedRealm gets a token from where a mended realm leads.
func TestMendedRealm(t *testing.T) {
	for _, realm := range []string{"https://reg.example.com:443:443/v2/token", "null://reg.example.com/v2/token"} {
		w := newWorld(t)
		host := strings.Split(strings.TrimPrefix(strings.TrimPrefix(realm, "https://"), "null://"), "/")[0]
		host = strings.TrimSuffix(host, ":443")
		w.handle("reg.example.com", func(rw http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/v2/token":
				rw.Write([]byte(`{"token":"t"}`))
			case r.Header.Get("Authorization") != "Bearer t":
				rw.Header().Set("Www-Authenticate", `Bearer realm="`+realm+`",service="`+realm+`"`)
				rw.WriteHeader(401)
			}
		})
		w.handle(host, w.handlers["reg.example.com"])
		a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{Username: "bob", Password: canary}}, Client: w.client})
		if status, err := w.call(a, reg, pull); status != 200 || err != nil {
			t.Errorf("%s: got %d, %v", realm, status, err)
		}
	}
}

// TestRealmHijack is CVE-2026-48978 and its kin: a registry that sends clients to a token server of somebody else's.
func TestRealmHijack(t *testing.T) {
	reg := Origin{Scheme: "https", Host: "reg.example.com"}
	creds := map[string]Credential{
		"basic":          {Username: "bob", Password: canary, Source: "auth map"},
		"identity token": {IdentityToken: canary, Source: "auth map"},
	}
	realms := map[string]struct{ realm, evil string }{
		"another host":   {"https://evil.test/token", "evil.test"},
		"http":           {"http://reg.example.com/token", ""},
		"http evil":      {"http://evil.test/token", "evil.test"},
		"metadata":       {"http://169.254.169.254/token", "169.254.169.254"},
		"any address":    {"https://[::]/token", "[::]"},
		"no scheme":      {"//evil.test/token", "evil.test"},
		"userinfo":       {"https://reg.example.com@evil.test/token", "evil.test"},
		"suffix":         {"https://reg.example.com.evil.test/token", "reg.example.com.evil.test"},
		"loopback":       {"https://127.0.0.1/token", "127.0.0.1"},
		"backslash":      {`https://evil.test\\@reg.example.com/token`, "evil.test"},
		"two challenges": {`https://evil.test/token",service="x", Basic realm="x`, "evil.test"},
	}
	for kind, cred := range creds {
		for name, c := range realms {
			t.Run(kind+"/"+name, func(t *testing.T) {
				w := newWorld(t)
				w.registry("reg.example.com", `Bearer realm="`+c.realm+`"`)
				if c.evil != "" {
					w.handle(c.evil, func(rw http.ResponseWriter, r *http.Request) { rw.Write([]byte(`{"token":"t"}`)) })
				}
				a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: cred}, Client: w.client})
				_, err := w.call(a, reg, Scope{"app", "pull"})
				if !errors.Is(err, ErrRealm) && !errors.Is(err, ErrChallenge) {
					t.Errorf("got %v", err)
				}
				if err != nil && strings.Contains(err.Error(), canary) {
					t.Errorf("a secret in %v", err)
				}
				w.neverSaw(c.evil)
				w.neverSaw("reg.example.com")
			})
		}
	}
}

func TestRealmErrorNamesTheHost(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", `Bearer realm="https://evil.test/token"`)
	a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{Username: "bob", Password: canary, Source: "auth map"}}, Client: w.client})
	_, err := w.call(a, Origin{Scheme: "https", Host: "reg.example.com"}, Scope{"app", "pull"})
	want := `basic credential of "bob" from auth map: credentials are not sent to this token server: ` +
		`the registry reg.example.com names the token server "evil.test", which is of another domain; it has to be allowed for the registry (auth_realms)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Without a credential there is nothing to steal: public images of registries with a token server elsewhere can be pulled.
func TestAnonymousTokenFromAnotherDomain(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", `Bearer realm="https://tokens.test/token",service="s"`, "Bearer t")
	w.handle("tokens.test", func(rw http.ResponseWriter, r *http.Request) { rw.Write([]byte(`{"token":"t"}`)) })
	status, err := w.call(NewAuthorizer(&AuthorizerOptions{Client: w.client}), Origin{Scheme: "https", Host: "reg.example.com"}, Scope{"app", "pull"})
	if status != 200 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	w.neverSaw("tokens.test")
}

func TestTokenServerRedirects(t *testing.T) {
	basic := Credential{Username: "bob", Password: canary}
	cases := []struct {
		name, to string
		cred     Credential
		status   int // of the redirect
		ok       bool
	}{
		{"anonymous, same host", "https://reg.example.com/real", Credential{}, 302, true},
		{"anonymous, other host", "https://evil.test/real", Credential{}, 302, false},
		{"anonymous, to http", "http://reg.example.com/real", Credential{}, 302, false},
		{"anonymous, for ever", "https://reg.example.com/token", Credential{}, 302, false},
		{"basic, same host", "https://reg.example.com/real", basic, 302, false},
		{"basic, subdomain", "https://sub.reg.example.com/real", basic, 302, false},
		{"basic, other host", "https://evil.test/real", basic, 307, false},
		{"identity token, other host", "https://evil.test/real", Credential{IdentityToken: canary}, 307, false},
		{"identity token, subdomain", "https://sub.reg.example.com/real", Credential{IdentityToken: canary}, 308, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.handle("reg.example.com", func(rw http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/token":
					http.Redirect(rw, r, c.to, c.status)
				case r.URL.Path == "/real":
					rw.Write([]byte(`{"token":"t"}`))
				case r.Header.Get("Authorization") != "Bearer t":
					rw.Header().Set("Www-Authenticate", `Bearer realm="https://reg.example.com/token"`)
					rw.WriteHeader(401)
				}
			})
			a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: c.cred}, Client: w.client})
			_, err := w.call(a, Origin{Scheme: "https", Host: "reg.example.com"}, Scope{"app", "pull"})
			if (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), "a redirect, which is not followed") {
				t.Errorf("got %v", err)
			}
			w.neverSaw("evil.test")
			w.neverSaw("sub.reg.example.com")
			if n := len(w.sent("evil.test")); n != 0 {
				t.Errorf("evil.test got %d requests", n)
			}
		})
	}
}
