package auth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// login logs in as the registry client does.
func (w *world) login(origin Origin, cred Credential) (Credential, error) {
	a := NewAuthorizer(&AuthorizerOptions{Client: w.client, Keychain: &fixed{err: errors.New("the keychain is not asked")}})
	return a.Login(w.t.Context(), origin, cred, func(authorization string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, origin.Scheme+"://"+origin.Host+"/v2/", nil)
		if err != nil {
			return nil, err
		}
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		return w.client.Do(req)
	})
}

func TestLogin(t *testing.T) {
	ann := Credential{Username: "ann", Password: canary}
	good := "Basic " + encodeBasic("ann", canary)
	bearer := `Bearer realm="https://auth.example.com/token",service="s"`
	refuses := func(status int) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }
	}
	cases := []struct {
		name      string
		cred      Credential
		challenge string
		accepted  []string
		token     string // the token server's answer to the right password
		registry  http.HandlerFunc
		want      Credential
		err       string
		denied    bool
	}{
		{name: "basic", cred: ann, challenge: `Basic realm="r"`, accepted: []string{good}, want: ann},
		{name: "basic, wrong", cred: Credential{Username: "ann", Password: "wrong"}, challenge: `Basic realm="r"`, accepted: []string{good},
			err: `"reg.example.com" answers 401: "UNAUTHORIZED authentication required" (basic credential of "ann")`, denied: true},
		{name: "bearer", cred: ann, challenge: bearer, accepted: []string{"Bearer t"}, token: `{"token":"t"}`, want: ann},
		{name: "bearer, with an identity token", cred: ann, challenge: bearer, accepted: []string{"Bearer t"}, token: `{"access_token":"t","refresh_token":"r"}`,
			want: Credential{Username: "ann", IdentityToken: "r"}},
		{name: "bearer, with one that is none", cred: ann, challenge: bearer, accepted: []string{"Bearer t"}, token: `{"token":"t","refresh_token":"a b"}`, want: ann},
		{name: "bearer, wrong", cred: Credential{Username: "ann", Password: "wrong"}, challenge: bearer, accepted: []string{"Bearer t"}, token: `{"token":"t"}`,
			err: `token server https://auth.example.com/token: "auth.example.com" answers 401 (basic credential of "ann")`, denied: true},
		{name: "bearer, not enough", cred: ann, challenge: bearer, token: `{"token":"t"}`,
			err: `"reg.example.com" answers 401: "UNAUTHORIZED authentication required" (basic credential of "ann")`, denied: true},
		{name: "everybody may", cred: ann, accepted: []string{"", good}, want: ann},
		{name: "everybody may, but no wrong passwords", cred: Credential{Username: "ann", Password: "wrong"}, accepted: []string{"", good},
			err: `"reg.example.com" answers 401`, denied: true},
		{name: "no registry", cred: ann, registry: refuses(404), err: `"reg.example.com" answers 404 (basic credential of "ann")`},
		{name: "forbidden", cred: ann, registry: refuses(403), err: `"reg.example.com" answers 403`, denied: true},
		{name: "a challenge of another scheme", cred: ann, challenge: "Negotiate", err: "no challenge that can be answered"},
		{name: "a realm elsewhere", cred: ann, challenge: `Bearer realm="https://evil.test/token"`, err: ErrRealm.Error()},
		{name: "a colon in the name", cred: Credential{Username: "a:b", Password: canary}, accepted: []string{""}, err: "cannot have a colon"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.registry("reg.example.com", c.challenge, c.accepted...)
			if c.registry != nil {
				w.handle("reg.example.com", c.registry)
			}
			w.handle("auth.example.com", func(rw http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != good {
					rw.WriteHeader(401)
					return
				}
				if want := "account=ann&client_id=imgscript&offline_token=true&service=s"; r.URL.RawQuery != want {
					t.Errorf("the token server was asked %s, want %s", r.URL.RawQuery, want)
				}
				fmt.Fprint(rw, c.token)
			})
			got, err := w.login(reg, c.cred)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %s", err, c.err)
			}
			if got != c.want || errors.Is(err, ErrDenied) != c.denied {
				t.Errorf("got %s, denied %v", got, errors.Is(err, ErrDenied))
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("a secret in %v", err)
			}
			w.neverSaw("evil.test")
		})
	}
}
