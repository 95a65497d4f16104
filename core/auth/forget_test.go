//go:build unix

package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestHelperThatIsSlow tells of a helper that is silent for long, once, and not of others.
func TestHelperThatIsSlow(t *testing.T) {
	d := newHelperDir(t)
	_, getenv := writeConfig(t, `{"credHelpers":{"slow.example":"slow","reg.example":"good"}}`)
	var notices []string
	k := Docker(&DockerOptions{Getenv: getenv, LookPath: d.look, Notice: func(message string) {
		notices = append(notices, message)
		if err := os.WriteFile(filepath.Join(string(d), "told"), nil, 0o600); err != nil {
			t.Error(err)
		}
	}})
	if got := k.(*docker).files.helpers.patience; got != 5*time.Second {
		t.Errorf("patience is %v", got)
	}
	if _, err := k.Credential(t.Context(), "reg.example", "app"); err != nil || len(notices) > 0 {
		t.Errorf("got %v, notices %q", err, notices)
	}
	k.(*docker).files.helpers.patience = time.Millisecond
	cred, err := k.Credential(t.Context(), "slow.example", "app")
	if err != nil || cred.Password != "s" {
		t.Errorf("got %v, %v", cred, err)
	}
	if want := []string{"still waiting for the credential helper docker-credential-slow"}; !slices.Equal(notices, want) {
		t.Errorf("got %q", notices)
	}
}

// renewing is an Authorizer with a helper that says another password each time.
func renewing(t *testing.T, w *world) (helperDir, *Authorizer, Keychain) {
	d := newHelperDir(t)
	_, getenv := writeConfig(t, `{"credHelpers":{"reg.example.com":"renews"}}`)
	k := Chain(Docker(&DockerOptions{Getenv: getenv, LookPath: d.look}))
	return d, NewAuthorizer(&AuthorizerOptions{Keychain: k, Client: w.client}), k
}

// asked is how often the helper was asked.
func (d helperDir) asked(t *testing.T) int { return strings.Count(d.read(t, "asked"), "\n") }

func basicOf(password string) string { return "Basic " + encodeBasic("bob", password) }

// TestRefusedHelper asks a helper once more when what it said is refused, although that is a moment old.
func TestRefusedHelper(t *testing.T) {
	cases := []struct {
		name   string
		good   string // what the registry takes
		asked  int
		denied bool
	}{
		{"the first is good", basicOf("1"), 1, false},
		{"the second is good", basicOf("2"), 2, false},
		{"none is", basicOf("9"), 2, true},
	}
	for _, c := range cases {
		t.Run("basic/"+c.name, func(t *testing.T) {
			w := newWorld(t)
			w.registry("reg.example.com", `Basic realm="r"`, c.good)
			d, a, _ := renewing(t, w)
			if _, err := w.call(a, reg, pull); errors.Is(err, ErrDenied) != c.denied || !c.denied && err != nil {
				t.Errorf("got %v", err)
			}
			if n := d.asked(t); n != c.asked {
				t.Errorf("asked %d times, want %d", n, c.asked)
			}
		})
		for _, status := range []int{400, 401, 403} { // ECR Public's token server says 400
			t.Run(fmt.Sprintf("bearer/%d/%s", status, c.name), func(t *testing.T) {
				w := newWorld(t)
				w.registry("reg.example.com", bearer, "Bearer t")
				w.handle("auth.example.com", func(rw http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != c.good {
						http.Error(rw, "Your authorization token has expired", status)
						return
					}
					rw.Write([]byte(`{"token":"t"}`))
				})
				d, a, _ := renewing(t, w)
				if _, err := w.call(a, reg, pull); (err != nil) != c.denied {
					t.Errorf("got %v", err)
				}
				if n := d.asked(t); n != c.asked {
					t.Errorf("asked %d times, want %d", n, c.asked)
				}
			})
		}
	}
}

// TestExpiredHelperPassword is a password that was good and expires while it is in use.
func TestExpiredHelperPassword(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", `Basic realm="r"`, basicOf("1"))
	d, a, k := renewing(t, w)
	if _, err := w.call(a, reg, pull); err != nil {
		t.Fatal(err)
	}
	w.registry("reg.example.com", `Basic realm="r"`, basicOf("2"))
	for _, repository := range []string{"app", "other"} {
		if status, err := w.call(a, reg, Scope{repository, "pull"}); status != 200 || err != nil {
			t.Errorf("%s: got %d, %v", repository, status, err)
		}
	}
	if n := d.asked(t); n != 2 {
		t.Errorf("asked %d times", n)
	}
	if k.(Forgetter).Forget(Credential{Username: "bob", Password: "1", Source: "credential helper docker-credential-renews"}) {
		t.Error("an old answer was dropped twice")
	}
}

// A refused access token of Google's is not kept until its time is up.
func TestRefusedGoogleToken(t *testing.T) {
	g := newGoogleServer(t)
	given, err := Map{"reg.example.com": {Credentials: g.account(t, nil)}}.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	var good atomic.Value
	good.Store("service-account-1")
	w.handle("reg.example.com", func(rw http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "oauth2accesstoken" || password != good.Load() {
			rw.Header().Set("Www-Authenticate", `Basic realm="r"`)
			rw.WriteHeader(401)
		}
	})
	a := NewAuthorizer(&AuthorizerOptions{Keychain: given, Client: w.client})
	for _, want := range []string{"service-account-1", "service-account-2"} {
		good.Store(want)
		if status, err := w.call(a, reg, pull); status != 200 || err != nil {
			t.Errorf("%s: got %d, %v", want, status, err)
		}
	}
	if n := g.exchanges.Load(); n != 2 {
		t.Errorf("%d exchanges", n)
	}
}

// What a keychain of others keeps is asked for in the same way; one that keeps nothing is not asked twice.
func TestForgetIsOptional(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", `Basic realm="r"`)
	k := &fixed{cred: Credential{Username: "bob", Password: canary}}
	if _, err := w.call(NewAuthorizer(&AuthorizerOptions{Keychain: Chain(k), Client: w.client}), reg, pull); !errors.Is(err, ErrDenied) {
		t.Errorf("got %v", err)
	}
	if len(k.asked) != 1 {
		t.Errorf("asked %d times", len(k.asked))
	}
	var _ interface {
		Credential(context.Context, string, string) (Credential, error)
		Forgetter
	} = &chain{}
}
