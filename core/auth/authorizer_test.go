package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	hub    = Origin{Scheme: "https", Host: "registry-1.docker.io", Name: "docker.io"}
	reg    = Origin{Scheme: "https", Host: "reg.example.com"}
	bearer = `Bearer realm="https://auth.example.com/token",service="reg.example.com"`
	pull   = Scope{"app", "pull"}
	push   = Scope{"app", "push,pull"}
)

// tokens handles a host as a token server that numbers its tokens: "t1", "t2" … and answers with more members.
func (w *world) tokens(host, more string) *atomic.Int32 {
	n := &atomic.Int32{}
	w.handle(host, func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(rw, `{"token":"t%d"%s}`, n.Add(1), more)
	})
	return n
}

func TestBasic(t *testing.T) {
	w := newWorld(t)
	header := "Basic " + encodeBasic("bob", canary)
	w.registry("reg.example.com", `Basic realm="r"`, header)
	k := &fixed{cred: Credential{Username: "bob", Password: canary, Source: "auth map"}}
	a := NewAuthorizer(&AuthorizerOptions{Keychain: k, Client: w.client})
	for range 3 {
		if status, err := w.call(a, reg, pull); status != 200 || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	if status, err := w.call(a, reg, Scope{"other", "pull"}); status != 200 || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	var sent []string
	for _, r := range w.sent("reg.example.com") {
		sent = append(sent, r.authorization)
	}
	if want := []string{"", header, header, header, header}; !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
	if want := []string{"reg.example.com/app", "reg.example.com/other"}; !slices.Equal(k.asked, want) {
		t.Errorf("asked for %q, want %q", k.asked, want)
	}
}

func TestNothingIsSentWhereNothingIsAsked(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", "", "")
	k := &fixed{cred: Credential{Username: "bob", Password: canary}}
	if status, err := w.call(NewAuthorizer(&AuthorizerOptions{Keychain: k, Client: w.client}), reg, pull); status != 200 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
	w.neverSaw("reg.example.com")
	if len(k.asked) != 0 {
		t.Errorf("the keychain was asked for %q", k.asked)
	}
}

func TestBearerRequests(t *testing.T) {
	basic := "Basic " + encodeBasic("bob", canary)
	cases := []struct {
		name      string
		cred      Credential
		challenge string
		scopes    []Scope
		want      seen // of the token server
	}{
		{"anonymous", Credential{}, bearer, []Scope{pull}, seen{method: "GET", query: "scope=repository:app:pull&service=reg.example.com"}},
		{"basic", Credential{Username: "bob", Password: canary}, bearer, []Scope{pull},
			seen{method: "GET", query: "account=bob&scope=repository:app:pull&service=reg.example.com", authorization: basic}},
		{"push before pull, one parameter each", Credential{}, bearer, []Scope{{"a", "pull"}, push, {"a", "pull"}},
			seen{method: "GET", query: "scope=repository:app:pull,push&scope=repository:a:pull&service=reg.example.com"}},
		{"no scope", Credential{}, bearer, nil, seen{method: "GET", query: "service=reg.example.com"}},
		{"the realm's own query stays", Credential{}, `Bearer realm="https://auth.example.com/token?x=y&z=%20"`, []Scope{pull},
			seen{method: "GET", query: "scope=repository:app:pull&x=y&z=+"}},
		{"more actions of our own repository", Credential{}, bearer + `,scope="repository:app:metadata_read repository:app:x:push repository:app2:push repository:secret:pull registry:catalog:*"`, []Scope{pull},
			seen{method: "GET", query: "scope=repository:app:metadata_read,pull&service=reg.example.com"}},
		{"identity token", Credential{IdentityToken: canary}, bearer, []Scope{push, {"a", "pull"}},
			seen{method: "POST", form: "client_id=imgscript&grant_type=refresh_token&refresh_token=" + canary + "&scope=repository:app:pull,push+repository:a:pull&service=reg.example.com"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.registry("reg.example.com", c.challenge, "Bearer t1")
			w.tokens("auth.example.com", "")
			a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: c.cred}, Client: w.client})
			if status, err := w.call(a, reg, c.scopes...); status != 200 || err != nil {
				t.Fatalf("got %d, %v", status, err)
			}
			c.want.host, c.want.path = "auth.example.com", "/token"
			got := w.sent("auth.example.com")
			for i := range got {
				got[i].query, got[i].form = readable(got[i].query), readable(got[i].form)
			}
			if len(got) != 1 || got[0] != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			for _, r := range w.sent("reg.example.com") {
				if r.authorization == basic {
					t.Error("the registry got the password, too")
				}
			}
		})
	}
}

func readable(query string) string { return strings.NewReplacer("%3A", ":", "%2C", ",").Replace(query) }

// Azure answers 400, Google 404, Artifactory 401, others 405 to POST; all take the same credential by GET.
func TestIdentityTokenFallsBackToGet(t *testing.T) {
	for _, status := range []int{400, 401, 404, 405} {
		w := newWorld(t)
		w.registry("reg.example.com", bearer, "Bearer t")
		w.handle("auth.example.com", func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				rw.WriteHeader(status)
				return
			}
			if r.Header.Get("Authorization") != "Basic "+encodeBasic(zeroUser, canary) {
				t.Errorf("%d: GET with %q", status, r.Header.Get("Authorization"))
			}
			rw.Write([]byte(`{"access_token":"t"}`))
		})
		a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{IdentityToken: canary}}, Client: w.client})
		if got, err := w.call(a, reg, pull); got != 200 || err != nil {
			t.Errorf("%d: got %d, %v", status, got, err)
		}
	}
}

func TestRegistryTokenIsSentAsItIs(t *testing.T) {
	for _, challenge := range []string{bearer, `Basic realm="r"`, `Negotiate`, ``} {
		w := newWorld(t)
		w.registry("reg.example.com", challenge, "Bearer "+canary)
		a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{RegistryToken: canary}}, Client: w.client})
		for range 2 {
			if status, err := w.call(a, reg, pull); status != 200 || err != nil {
				t.Errorf("%s: got %d, %v", challenge, status, err)
			}
		}
		if n := len(w.sent("auth.example.com")); n != 0 {
			t.Errorf("%s: %d requests for a token", challenge, n)
		}
		if all := w.sent("reg.example.com"); all[len(all)-2].authorization == "" {
			t.Errorf("%s: the second call did not send the token at once", challenge)
		}
	}
}

func TestKeychainIsAskedByTheNameThatUsersWrite(t *testing.T) {
	w := newWorld(t)
	w.registry("registry-1.docker.io", `Bearer realm="https://auth.docker.io/token",service="registry.docker.io"`, "Bearer t1")
	w.tokens("auth.docker.io", "")
	k := &fixed{}
	a := NewAuthorizer(&AuthorizerOptions{Keychain: k, Client: w.client})
	if _, err := w.call(a, hub, Scope{"library/node", "pull"}, Scope{"me/app", "pull,push"}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"docker.io/me/app"}; !slices.Equal(k.asked, want) {
		t.Errorf("asked for %q, want %q", k.asked, want)
	}
}

func TestTwoCredentialsForOneHost(t *testing.T) {
	k, err := Map{"reg.example.com/one": {Username: "u1", Secret: "p1"}, "reg.example.com/two": {Username: "u2", Secret: "p2"}}.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.registry("reg.example.com", `Basic realm="r"`, "Basic "+encodeBasic("u1", "p1"), "Basic "+encodeBasic("u2", "p2"))
	a := NewAuthorizer(&AuthorizerOptions{Keychain: k, Client: w.client})
	for _, repository := range []string{"one/a", "two/a"} {
		if status, err := w.call(a, reg, Scope{repository, "pull"}); status != 200 || err != nil {
			t.Errorf("%s: got %d, %v", repository, status, err)
		}
	}
	all := w.sent("reg.example.com")
	if got := []string{all[1].authorization, all[2].authorization}; !slices.Equal(got, []string{"Basic " + encodeBasic("u1", "p1"), "Basic " + encodeBasic("u2", "p2")}) {
		t.Errorf("sent %q", got)
	}
}

// After the first challenge of a registry, tokens for other scopes come before their request: an upload's body is not sent in vain.
func TestTokenForOtherScopesComesFirst(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", bearer, "Bearer t1", "Bearer t2")
	w.tokens("auth.example.com", "")
	a := NewAuthorizer(&AuthorizerOptions{Client: w.client})
	for _, s := range []Scope{pull, push, {"app", "pull,push"}} {
		if status, err := w.call(a, reg, s); status != 200 || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	var sent []string
	for _, r := range w.sent("reg.example.com") {
		sent = append(sent, r.authorization)
	}
	if want := []string{"", "Bearer t1", "Bearer t2", "Bearer t2"}; !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
}

func TestTokenExpires(t *testing.T) {
	cases := []struct {
		name, answer string
		good         time.Duration // still used after that
		stale        time.Duration // not used any more after that
	}{
		{"300 seconds, 30 before the end", `,"expires_in":300`, 269 * time.Second, 270 * time.Second},
		{"not said: 60 seconds", ``, 44 * time.Second, 45 * time.Second},
		{"too short", `,"expires_in":5`, 44 * time.Second, 45 * time.Second},
		{"zero", `,"expires_in":0`, 44 * time.Second, 45 * time.Second},
		{"negative", `,"expires_in":-1e300`, 44 * time.Second, 45 * time.Second},
		{"null", `,"expires_in":null`, 44 * time.Second, 45 * time.Second},
		{"a string", `,"expires_in":"300"`, 269 * time.Second, 270 * time.Second},
		{"nonsense", `,"expires_in":{"a":1}`, 44 * time.Second, 45 * time.Second},
		{"enormous", `,"expires_in":1e300`, 9 * 365 * 24 * time.Hour, 11 * 365 * 24 * time.Hour},
		{"issued a while ago", `,"expires_in":300,"issued_at":"2026-03-01T11:58:00Z"`, 149 * time.Second, 150 * time.Second},
		{"issued long ago by a wrong clock", `,"expires_in":300,"issued_at":"2026-03-01T02:00:00Z"`, 44 * time.Second, 45 * time.Second},
		{"issued in the future by a wrong clock", `,"expires_in":300,"issued_at":"2026-03-01T22:00:00Z"`, 269 * time.Second, 270 * time.Second},
		{"issued at nonsense", `,"expires_in":300,"issued_at":"yesterday"`, 269 * time.Second, 270 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w, clk := newWorld(t), newClock()
			w.registry("reg.example.com", bearer, "Bearer t1", "Bearer t2")
			n := w.tokens("auth.example.com", c.answer)
			a := NewAuthorizer(&AuthorizerOptions{Client: w.client, Now: clk.now})
			check := func(want int32) {
				t.Helper()
				if status, err := w.call(a, reg, pull); status != 200 || err != nil {
					t.Fatalf("got %d, %v", status, err)
				}
				if got := n.Load(); got != want {
					t.Errorf("%d tokens, want %d", got, want)
				}
			}
			check(1)
			clk.add(c.good)
			check(1)
			clk.add(c.stale - c.good)
			check(2)
		})
	}
}

func TestTokenRevokedEarly(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", bearer, "Bearer t1")
	n := w.tokens("auth.example.com", `,"expires_in":3600`)
	a := NewAuthorizer(&AuthorizerOptions{Client: w.client})
	if _, err := w.call(a, reg, pull); err != nil {
		t.Fatal(err)
	}
	w.registry("reg.example.com", bearer, "Bearer t2") // as a server that was restarted with new keys
	for range 2 {
		if status, err := w.call(a, reg, pull); status != 200 || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
	}
	if n.Load() != 2 {
		t.Errorf("%d tokens", n.Load())
	}
}

func TestTokenAnswersThatAreNone(t *testing.T) {
	cases := []struct {
		name, body, want string
	}{
		{"no JSON", `<html>` + canary, "not the JSON of a token"},
		{"no token", `{"tok":"` + canary + `"}`, "no token that could be sent"},
		{"empty", ``, "not the JSON of a token"},
		{"a token with a line break", `{"token":"` + canary + `\r\nX: y"}`, "no token that could be sent"},
		{"a token with a space", `{"token":"` + canary + ` x"}`, "no token that could be sent"},
		{"another type", `{"token":["` + canary + `"]}`, "not the JSON of a token"},
		{"too long", `{"token":"` + strings.Repeat("x", maxTokenAnswer) + `"}`, "more than 65536 bytes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.registry("reg.example.com", bearer)
			w.handle("auth.example.com", func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(c.body)) })
			_, err := w.call(NewAuthorizer(&AuthorizerOptions{Client: w.client}), reg, pull)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// Google's registries are known to answer 401 without a challenge, which /v2/ then has.
func TestChallengeFromTheBase(t *testing.T) {
	w := newWorld(t)
	w.handle("reg.example.com", func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer t1" {
			return
		}
		if r.URL.Path == "/v2/" {
			rw.Header().Set("Www-Authenticate", bearer)
		}
		rw.WriteHeader(401)
	})
	w.tokens("auth.example.com", "")
	if status, err := w.call(NewAuthorizer(&AuthorizerOptions{Client: w.client}), reg, pull); status != 200 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
}

func TestOneTokenRequestForAllWhoNeedIt(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", bearer, "Bearer t1")
	var n atomic.Int32
	all := make(chan struct{})
	var waiting atomic.Int32
	w.handle("auth.example.com", func(rw http.ResponseWriter, r *http.Request) {
		<-all
		fmt.Fprintf(rw, `{"token":"t%d"}`, n.Add(1))
	})
	a := NewAuthorizer(&AuthorizerOptions{Client: w.client})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := a.Do(t.Context(), reg, []Scope{pull}, func(authorization string) (*http.Response, error) {
				if authorization == "" && waiting.Add(1) == 16 {
					defer close(all)
				}
				req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://reg.example.com/v2/app/x", nil)
				req.Header.Set("Authorization", authorization)
				resp, err := w.client.Do(req)
				if err == nil && resp.StatusCode == 200 {
					resp.Body.Close()
				}
				return resp, err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n.Load() != 1 {
		t.Errorf("%d requests for a token", n.Load())
	}
}

func TestCancelledWhileTheTokenServerHangs(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", bearer)
	gone := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	w.handle("auth.example.com", func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done() // the client closed the connection
		close(gone)
	})
	a := NewAuthorizer(&AuthorizerOptions{Client: w.client})
	_, err := a.Do(ctx, reg, []Scope{pull}, func(string) (*http.Response, error) { return w.client.Get("https://reg.example.com/v2/app/x") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the request for the token goes on")
	}
}

func TestDoReturnsWhatSendReturns(t *testing.T) {
	failed := errors.New("connection reset")
	a := NewAuthorizer(nil)
	_, err := a.Do(t.Context(), reg, nil, func(string) (*http.Response, error) { return nil, failed })
	if err != failed {
		t.Errorf("got %v", err)
	}
	want := &http.Response{StatusCode: 403, Body: http.NoBody}
	got, err := a.Do(t.Context(), reg, nil, func(string) (*http.Response, error) { return want, nil })
	if got != want || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAllowedRealm(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", `Bearer realm="https://login.test/token"`, "Bearer t1")
	w.tokens("login.test", "")
	a := NewAuthorizer(&AuthorizerOptions{
		Keychain:   &fixed{cred: Credential{Username: "bob", Password: canary}},
		Client:     w.client,
		AllowRealm: func(o Origin, realm *url.URL) bool { return o == reg && realm.Host == "login.test" },
	})
	if status, err := w.call(a, reg, pull); status != 200 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
}
