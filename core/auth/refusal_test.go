package auth

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
)

func TestRefusals(t *testing.T) {
	basic := Credential{Username: "bob", Password: canary, Source: "auth map"}
	cases := []struct {
		name      string
		cred      Credential
		broken    error
		challenge string
		token     int // status of the token server
		body      string
		denied    bool
		want      string
	}{
		{"no credential for Basic", Credential{}, nil, `Basic realm="r"`, 0, "", true,
			`access denied: the registry asks for a user and a password, and no credential is known for it`},
		{"wrong password for Basic", basic, nil, `Basic realm="r"`, 0, "", true,
			`"reg.example.com" answers 401: "UNAUTHORIZED authentication required" (basic credential of "bob" from auth map)`},
		{"token is not enough", Credential{}, nil, bearer, 200, `{"token":"t"}`, true,
			`"reg.example.com" answers 401: "UNAUTHORIZED authentication required" (no credential)`},
		{"token server: 401", basic, nil, bearer, 401, `{"details":"incorrect username or password"}`, true,
			`token server https://auth.example.com/token: "auth.example.com" answers 401: "incorrect username or password" (basic credential of "bob" from auth map)`},
		{"token server: 403", Credential{}, nil, bearer, 403, "no\x1b[31m", true,
			`token server https://auth.example.com/token: "auth.example.com" answers 403: "no\x1b[31m" (no credential)`},
		{"token server: 503 is no refusal", Credential{}, nil, bearer, 503, "busy", false,
			`token server https://auth.example.com/token: "auth.example.com" answers 503: "busy" (no credential)`},
		{"the secret comes back", basic, nil, bearer, 401, "bad password " + canary + " in " + encodeBasic("bob", canary), true,
			`token server https://auth.example.com/token: "auth.example.com" answers 401: "bad password <redacted> in <redacted>" (basic credential of "bob" from auth map)`},
		{"a JWT comes back", basic, nil, bearer, 401, "bad eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.abc_-", true,
			`token server https://auth.example.com/token: "auth.example.com" answers 401: "bad <redacted>" (basic credential of "bob" from auth map)`},
		{"a broken source is told of", Credential{}, fmt.Errorf("%w: helper x", ErrUnavailable), `Basic realm="r"`, 0, "", true,
			`access denied: the registry asks for a user and a password, and no credential is known for it; source of credentials does not work: helper x`},
		{"a broken source is told of, Bearer", Credential{}, fmt.Errorf("%w: helper x", ErrUnavailable), bearer, 200, `{"token":"t"}`, true,
			`"reg.example.com" answers 401: "UNAUTHORIZED authentication required" (no credential); source of credentials does not work: helper x`},
		{"a failing source", Credential{}, errors.New("helper y"), bearer, 0, "", false, `helper y`},
		{"no challenge", basic, nil, "", 0, "", false, `no challenge that can be answered`},
		{"a challenge of another scheme", basic, nil, "Negotiate", 0, "", false,
			`no challenge that can be answered: offered is "negotiate", supported are Basic, and Bearer with a realm`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.registry("reg.example.com", c.challenge)
			w.handle("auth.example.com", func(rw http.ResponseWriter, _ *http.Request) {
				rw.WriteHeader(c.token)
				rw.Write([]byte(c.body))
			})
			a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: c.cred, err: c.broken}, Client: w.client})
			for range 2 { // the second has a challenge already; the outcome is the same
				_, err := w.call(a, reg, pull)
				if err == nil || err.Error() != c.want {
					t.Errorf("got  %v\nwant %s", err, c.want)
				}
				if errors.Is(err, ErrDenied) != c.denied {
					t.Errorf("ErrDenied: %v", errors.Is(err, ErrDenied))
				}
			}
		})
	}
}

func TestServerErrorHasWhatARetryNeeds(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", bearer)
	w.handle("auth.example.com", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "17")
		rw.WriteHeader(429)
	})
	_, err := w.call(NewAuthorizer(&AuthorizerOptions{Client: w.client}), reg, pull)
	var e *ServerError
	if !errors.As(err, &e) || e.Status != 429 || e.RetryAfter != "17" || errors.Is(err, ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestBrokenSourceDoesNotBreakAPublicPull(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", bearer, "Bearer t1")
	w.tokens("auth.example.com", "")
	a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{err: fmt.Errorf("%w: helper x", ErrUnavailable)}, Client: w.client})
	if status, err := w.call(a, reg, pull); status != 200 || err != nil {
		t.Errorf("got %d, %v", status, err)
	}
}

// A password that was refused is not sent again with the same request: some registries lock accounts after a few.
func TestRefusedPasswordIsSentOnce(t *testing.T) {
	w := newWorld(t)
	header := "Basic " + encodeBasic("bob", canary)
	w.registry("reg.example.com", `Basic realm="r"`, header)
	a := NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: Credential{Username: "bob", Password: canary}}, Client: w.client})
	if _, err := w.call(a, reg, pull); err != nil {
		t.Fatal(err)
	}
	w.registry("reg.example.com", `Basic realm="r"`) // the password was changed
	before := len(w.sent("reg.example.com"))
	if _, err := w.call(a, reg, pull); !errors.Is(err, ErrDenied) {
		t.Errorf("got %v", err)
	}
	if n := len(w.sent("reg.example.com")) - before; n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func TestRefusedTokenIsForgotten(t *testing.T) {
	w := newWorld(t)
	w.registry("reg.example.com", bearer)
	w.tokens("auth.example.com", `,"expires_in":3600`)
	a := NewAuthorizer(&AuthorizerOptions{Client: w.client})
	if _, err := w.call(a, reg, pull); !errors.Is(err, ErrDenied) {
		t.Fatalf("got %v", err)
	}
	before := len(w.sent("reg.example.com"))
	w.registry("reg.example.com", bearer, "Bearer t2") // access was granted
	if _, err := w.call(a, reg, pull); err != nil {
		t.Fatal(err)
	}
	if n := len(w.sent("reg.example.com")) - before; n != 1 {
		t.Errorf("sent %d times", n)
	}
}
