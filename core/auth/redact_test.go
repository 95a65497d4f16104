package auth

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// prints returns v in every way in which a program prints, logs and encodes.
func prints(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T", "%10.3s"} {
		out[verb] = fmt.Sprintf(verb, v)
		out["in a slice "+verb] = fmt.Sprintf(verb, []any{v})
	}
	out["print"] = fmt.Sprint(v) + fmt.Sprintln(v)
	data, err := json.Marshal(v)
	out["json"] = fmt.Sprint(string(data), err)
	data, err = json.Marshal(map[string]any{"v": v})
	out["json in a map"] = fmt.Sprint(string(data), err)
	data, err = xml.Marshal(v)
	out["xml"] = fmt.Sprint(string(data), err)
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v, slog.Group("g", "v", v))
	out["slog"] = b.String()
	return out
}

func TestNothingPrintsASecret(t *testing.T) {
	all := Credential{Username: "bob", Password: canary + "1", IdentityToken: canary + "2", RegistryToken: canary + "3", Source: "auth map"}
	entry := Entry{Token: canary, Username: "bob", Secret: canary, Credentials: []byte(canary)}
	m := Map{"reg.example.com": {Token: canary}, "gcr.io": {Username: "bob", Secret: canary}}
	k, err := m.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.registry("reg.example.com", bearer, "Bearer "+canary)
	a := NewAuthorizer(&AuthorizerOptions{Keychain: Chain(k, &fixed{cred: all}), Client: w.client})
	if _, err := w.call(a, reg, pull); err != nil {
		t.Fatal(err)
	}
	w.registry("evil.test", bearer)
	_, denied := w.call(a, Origin{Scheme: "https", Host: "evil.test"}, pull)
	if !errors.Is(denied, ErrDenied) {
		t.Fatalf("got %v", denied)
	}
	values := map[string]any{
		"credential": all, "pointer to a credential": &all, "struct of a credential": struct{ C Credential }{all},
		"entry": entry, "pointer to an entry": &entry, "map": m, "keychain": k, "chain": Chain(k), "authorizer": a, "error": denied,
		"server error": errors.Unwrap(denied), "grant": grantKey{origin: reg},
	}
	for name, v := range values {
		for way, text := range prints(t, v) {
			hex := fmt.Sprintf("%x", canary)
			if strings.Contains(text, canary) || strings.Contains(text, hex) || strings.Contains(text, encodeBasic("bob", canary)) {
				t.Errorf("%s, %s: %s", name, way, text)
			}
		}
	}
	if got, want := fmt.Sprintf("%v", all), `bearer credential of "bob" from auth map`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := fmt.Sprintf("%+v", entry), `auth entry with token, Username and Secret, credentials`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestKind(t *testing.T) {
	for want, c := range map[string]Credential{
		"anonymous":      {Source: "anonymous"},
		"basic":          {Username: "bob", Password: "pw"},
		"identity token": {Username: zeroUser, IdentityToken: "t"},
		"bearer":         {RegistryToken: "t", IdentityToken: "t", Username: "bob"},
	} {
		if got := c.Kind(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A registry that repeats the header it was sent does not get it into the error.
func TestRegistryEchoesTheHeader(t *testing.T) {
	for _, cred := range []Credential{{RegistryToken: canary}, {Username: "bob", Password: canary}} {
		w := newWorld(t)
		w.handle("reg.example.com", func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Www-Authenticate", `Basic realm="`+r.Header.Get("Authorization")+`"`)
			rw.WriteHeader(401)
			fmt.Fprintf(rw, "you sent %q", r.Header.Get("Authorization"))
		})
		_, err := w.call(NewAuthorizer(&AuthorizerOptions{Keychain: &fixed{cred: cred}, Client: w.client}), reg, pull)
		if err == nil || !strings.Contains(err.Error(), "<redacted>") {
			t.Fatalf("got %v", err)
		}
		for way, text := range prints(t, err) {
			if strings.Contains(text, canary) || strings.Contains(text, encodeBasic("bob", canary)) {
				t.Errorf("%s: %s", way, text)
			}
		}
	}
}

func TestQuotable(t *testing.T) {
	if got := quotable(strings.Repeat("é", 600)); len(got) > maxMessage+len("…") || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
}
