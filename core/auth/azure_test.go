package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// jwt is an unsigned token with the claims; its signature is the canary.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "." + canary
}

var azureReg = Origin{Scheme: "https", Host: "x.azurecr.io"}

// azure handles x.azurecr.io as Azure's registries work: an access token of Entra ID is exchanged for a refresh token, that for an access token.
func (w *world) azure(entra, refresh string) {
	w.handle("x.azurecr.io", func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/oauth2/exchange":
			if r.PostFormValue("grant_type") != "access_token" || r.PostFormValue("access_token") != entra ||
				r.PostFormValue("tenant") != "tenant-1" || r.PostFormValue("service") != "x.azurecr.io" {
				rw.WriteHeader(401)
				fmt.Fprintf(rw, `{"errors":[{"code":"UNAUTHORIZED","message":"bad token %s"}]}`, r.PostFormValue("access_token"))
				return
			}
			fmt.Fprintf(rw, `{"refresh_token":%q}`, refresh)
		case "/oauth2/token":
			_, password, _ := r.BasicAuth()
			if r.PostFormValue("refresh_token") != refresh && password != refresh {
				rw.WriteHeader(401)
				return
			}
			rw.Write([]byte(`{"access_token":"t"}`))
		default:
			if r.Header.Get("Authorization") != "Bearer t" {
				rw.Header().Set("Www-Authenticate", `Bearer realm="https://x.azurecr.io/oauth2/token",service="x.azurecr.io",scope="repository:app:metadata_read"`)
				rw.WriteHeader(401)
			}
		}
	})
}

func TestAzure(t *testing.T) {
	entra := jwt(`{"aud":"https://containerregistry.azure.net","tid":"tenant-1"}`)
	refresh := jwt(`{"iss":"Azure Container Registry","aud":"x.azurecr.io","tid":"tenant-1","grant_type":"refresh_token"}`)
	exchange, post, get := "POST /oauth2/exchange", "POST /oauth2/token", "GET /oauth2/token"
	cases := []struct {
		name string
		cred Credential
		want []string // requests to the token server for two repositories
	}{
		{"an access token of Entra ID as the password of the user of zeros", Credential{Username: zeroUser, Password: entra}, []string{exchange, post, post}},
		{"the same as an identity token", Credential{Username: zeroUser, IdentityToken: entra}, []string{exchange, post, post}},
		{"the same from a helper", Credential{IdentityToken: entra}, []string{exchange, post, post}},
		{"a refresh token as identity token", Credential{Username: zeroUser, IdentityToken: refresh}, []string{post, post}},
		{"a refresh token as the password of the user of zeros", Credential{Username: zeroUser, Password: refresh}, []string{get, get}},
		{"a password of another user", Credential{Username: "bob", Password: refresh}, []string{get, get}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.azure(entra, refresh)
			a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: c.cred}, Client: w.client})
			for _, repository := range []string{"app", "other"} {
				if status, err := w.call(a, azureReg, Scope{repository, "pull"}); status != 200 || err != nil {
					t.Fatalf("%s: got %d, %v", repository, status, err)
				}
			}
			var got []string
			for _, r := range w.sent("x.azurecr.io") {
				if strings.HasPrefix(r.path, "/oauth2/") {
					got = append(got, r.method+" "+r.path)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAzureRefusesTheExchange(t *testing.T) {
	entra := jwt(`{"tid":"tenant-2"}`)
	w := newWorld(t)
	w.azure(entra, "refresh")
	a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{Username: zeroUser, Password: entra}}, Client: w.client})
	_, err := w.call(a, azureReg, pull)
	want := `token server https://x.azurecr.io/oauth2/exchange: "x.azurecr.io" answers 401: "UNAUTHORIZED bad token <redacted>" ` +
		`(basic credential of "00000000-0000-0000-0000-000000000000")`
	if err == nil || err.Error() != want || !errors.Is(err, ErrDenied) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestAzureExchangeAnswersNonsense(t *testing.T) {
	for _, body := range []string{`{}`, `{"refresh_token":"a b"}`, `<html>`, `{"refresh_token":["` + canary + `"]}`} {
		w := newWorld(t)
		w.azure("", "")
		azure := w.handlers["x.azurecr.io"]
		w.handle("x.azurecr.io", func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/oauth2/exchange" {
				rw.Write([]byte(body))
				return
			}
			azure(rw, r)
		})
		a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{IdentityToken: jwt(`{"tid":"tenant-1"}`)}}, Client: w.client})
		if _, err := w.call(a, azureReg, pull); err == nil || !strings.Contains(err.Error(), "token server https://x.azurecr.io/oauth2/exchange: its answer ") ||
			strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v", body, err)
		}
	}
}

// A token server elsewhere gets neither the token nor a request for its exchange.
func TestAzureTokenStaysAtItsRegistry(t *testing.T) {
	w := newWorld(t)
	w.registry("x.azurecr.io", `Bearer realm="https://evil.test/oauth2/token"`)
	a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{IdentityToken: jwt(`{"tid":"t"}`)}}, Client: w.client})
	if _, err := w.call(a, azureReg, pull); !errors.Is(err, ErrRealm) {
		t.Errorf("got %v", err)
	}
	if n := len(w.sent("evil.test")); n != 0 {
		t.Errorf("%d requests to evil.test", n)
	}
}

// Other token servers get what they always got, whatever the token looks like.
func TestEntraTokenElsewhere(t *testing.T) {
	entra := jwt(`{"tid":"tenant-1"}`)
	w := newWorld(t)
	w.registry("reg.example.com", bearer, "Bearer t1")
	w.tokens("auth.example.com", "")
	a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{Username: zeroUser, Password: entra}}, Client: w.client})
	if status, err := w.call(a, reg, pull); status != 200 || err != nil {
		t.Fatalf("got %d, %v", status, err)
	}
	if all := w.sent("auth.example.com"); len(all) != 1 || all[0].authorization != "Basic "+encodeBasic(zeroUser, entra) {
		t.Errorf("sent %+v", all)
	}
}

func TestAzureRefreshTokenIsKeptForAnHour(t *testing.T) {
	w, clk := newWorld(t), newClock()
	entra := jwt(`{"tid":"tenant-1"}`)
	w.azure(entra, "refresh")
	a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{IdentityToken: entra}}, Client: w.client, Now: clk.now})
	for i, want := range []int{1, 1, 2} {
		if _, err := w.call(a, azureReg, pull); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, r := range w.sent("x.azurecr.io") {
			if r.path == "/oauth2/exchange" {
				n++
			}
		}
		if n != want {
			t.Errorf("call %d: %d exchanges, want %d", i, n, want)
		}
		clk.add(31 * time.Minute)
	}
}

func TestEntraToken(t *testing.T) {
	for text, want := range map[string]string{
		jwt(`{"tid":"t"}`): "t",
		jwt(`{"tid":"t","grant_type":"refresh_token"}`): "",
		jwt(`{"sub":"x"}`):   "",
		jwt(`{"tid":["t"]}`): "",
		jwt(`nonsense`):      "",
		"a.b":                "",
		"a.!.c":              "",
		"":                   "",
		"secret":             "",
	} {
		if _, got := (Credential{IdentityToken: text}).entraToken(); got != want {
			t.Errorf("%q: got tenant %q, want %q", text, got, want)
		}
	}
	if _, got := (Credential{Username: "bob", Password: jwt(`{"tid":"t"}`)}).entraToken(); got != "" {
		t.Error("bob's password is no token")
	}
}
