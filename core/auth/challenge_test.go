package auth

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// show writes challenges in one form: scheme(name=value ...).
func show(all []challenge) string {
	var parts []string
	for _, c := range all {
		var params []string
		for _, name := range slices.Sorted(maps.Keys(c.params)) {
			params = append(params, fmt.Sprintf("%s=%q", name, c.params[name]))
		}
		parts = append(parts, c.scheme+"("+strings.Join(params, " ")+")")
	}
	return strings.Join(parts, " ")
}

var challengeCases = []struct {
	name    string
	headers []string
	want    string
}{
	{"none", nil, ""},
	{"empty", []string{"", " , ,"}, ""},
	{"docker hub", []string{`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/node:pull,push"`},
		`bearer(realm="https://auth.docker.io/token" scope="repository:library/node:pull,push" service="registry.docker.io")`},
	{"basic", []string{`Basic realm="Registry Realm"`}, `basic(realm="Registry Realm")`},
	{"case and white space", []string{"BEARER  Realm = \"x\" ,\tSERVICE=y"}, `bearer(realm="x" service="y")`},
	{"escapes", []string{`Bearer realm="a\"b\\c,d"`}, `bearer(realm="a\"b\\c,d")`},
	{"two headers", []string{`Negotiate`, `Basic realm="r"`}, `negotiate() basic(realm="r")`},
	{"two in one header", []string{`Bearer realm="a", service="b", Basic realm="c"`}, `bearer(realm="a" service="b") basic(realm="c")`},
	{"a scheme alone first", []string{`Negotiate, Basic realm="c"`}, `negotiate() basic(realm="c")`},
	{"token68", []string{`NTLM TlRMTVNTUAAB/+==, Basic realm="c"`}, `ntlm() basic(realm="c")`},
	{"token68 last", []string{`Basic realm="c", Negotiate oYG2MIGz`}, `basic(realm="c") negotiate()`},
	{"many commas", []string{`,,Bearer realm="a",,service="b",`}, `bearer(realm="a" service="b")`},
	{"no end of a quoted string hides the rest of its header only", []string{`Bearer realm="a, Basic realm=c`, `Basic realm="d"`}, `basic(realm="d")`},
	{"escape at the end", []string{`Bearer realm="a\`}, ``},
	{"a name twice", []string{`Bearer realm="a",realm="b", Basic realm="c"`}, `basic(realm="c")`},
	{"junk after a value", []string{`Bearer realm="a"x, Basic realm="c"`}, `basic(realm="c")`},
	{"junk with a comma in quotes", []string{`Bearer realm="a"" , Basic realm=", Basic realm="c"`}, `basic(realm="c")`},
	{"no value", []string{`Bearer realm=,service="b", Basic realm="c"`}, `bearer() basic(realm="c")`},
	{"URL without quotes is no token", []string{`Bearer realm=https://x/y, Basic realm="c"`}, `basic(realm="c")`},
	{"parameters of nobody", []string{`="x", a="b", Basic realm="c"`}, `basic(realm="c")`},
	{"control characters", []string{"Bearer\x00realm=\"a\", Basic realm=\"c\""}, `basic(realm="c")`},
}

func TestParseChallenges(t *testing.T) {
	for _, c := range challengeCases {
		t.Run(c.name, func(t *testing.T) {
			if got := show(parseChallenges(c.headers)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	for header, want := range map[string]string{
		`Basic realm="c", Bearer realm="a"`: "bearer",
		`Negotiate, Basic realm="c"`:        "basic",
		`Bearer, Basic`:                     "basic",
		`Negotiate, Digest realm="x"`:       `no challenge that can be answered: offered is "negotiate, digest", supported are Basic, and Bearer with a realm`,
		``:                                  "no challenge that can be answered",
	} {
		c := choose(parseChallenges([]string{header}))
		got := c.scheme
		if got == "" {
			got = c.bad.Error()
			if !errors.Is(c.bad, ErrChallenge) {
				t.Errorf("%s: not an ErrChallenge", header)
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", header, got, want)
		}
	}
}

// FuzzChallenges: no input hangs or panics, and what was understood means the same when it is written anew, alone.
func FuzzChallenges(f *testing.F) {
	for _, c := range challengeCases {
		f.Add(strings.Join(c.headers, ","))
	}
	f.Fuzz(func(t *testing.T, header string) {
		for _, c := range parseChallenges([]string{header}) {
			again := parseChallenges([]string{write(c)})
			if show(again) != show([]challenge{c}) {
				t.Errorf("%q became %s, then %s", header, show([]challenge{c}), show(again))
			}
		}
	})
}

func write(c challenge) string {
	var params []string
	for name, value := range c.params {
		params = append(params, name+`="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)+`"`)
	}
	return c.scheme + " " + strings.Join(params, ",")
}

// TestSeveralChallenges answers the one that can be, wherever it stands.
func TestSeveralChallenges(t *testing.T) {
	basic, token := `Basic realm="r"`, `Bearer realm="https://auth.example.com/token",service="s"`
	for name, c := range map[string]struct {
		headers []string
		want    string // how the registry is spoken to in the end
	}{
		"Negotiate, Basic and Bearer in three headers": {[]string{"Negotiate", basic, token}, "Bearer t1"},
		"the same in one":                       {[]string{"Negotiate, " + basic + ", " + token}, "Bearer t1"},
		"Negotiate and Basic":                   {[]string{"Negotiate oYG2MIGz==", basic}, "Basic " + encodeBasic("bob", canary)},
		"Basic beside a Bearer without a realm": {[]string{"Bearer", basic}, "Basic " + encodeBasic("bob", canary)},
		"Basic beside what nobody can read":     {[]string{`Bearer realm="x`, basic}, "Basic " + encodeBasic("bob", canary)},
	} {
		w := newWorld(t)
		w.tokens("auth.example.com", "")
		w.handle("reg.example.com", func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != c.want {
				rw.Header()["Www-Authenticate"] = c.headers
				rw.WriteHeader(401)
			}
		})
		a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{Username: "bob", Password: canary}}, Client: w.client})
		if status, err := w.call(a, reg, pull); status != 200 || err != nil {
			t.Errorf("%s: got %d, %v", name, status, err)
		}
	}
}
