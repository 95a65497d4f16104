package auth

import (
	"errors"
	"strings"
	"testing"
)

func TestMapMatches(t *testing.T) {
	entry := func(token string) Entry { return Entry{Token: token} }
	m := Map{
		"reg.example":          entry("host"),
		"reg.example/team":     entry("team"),
		"reg.example/team/app": entry("app"),
		"localhost:5000":       entry("port"),
		"docker.io":            entry("hub"),
		"docker.io/me":         entry("me"),
		"us.gcr.io/project2":   entry("project2"),
		"gcr.io":               entry("gcr"),
		"any.gcr.io/project4":  entry("project4"),
		"https://old.example/": entry("old"),
		"Mixed.Example/Path":   entry("mixed"),
	}
	k, err := m.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct{ host, repository, want string }{
		{"reg.example", "other/app", "host"},
		{"reg.example", "", "host"},
		{"reg.example", "team", "team"},
		{"reg.example", "team/other", "team"},
		{"reg.example", "team/app", "app"},
		{"reg.example", "team/app/deep", "app"},
		{"reg.example", "team2/app", "host"},                // never a substring
		{"reg.example", "team/app2", "team"},                // nor at the end
		{"sub.reg.example", "team/app", ""},                 // a subdomain is another host
		{"reg.example.evil.test", "team/app", ""},           // and so is this
		{"reg.example:5000", "team/app", ""},                // and another port
		{"localhost:5000", "x", "port"},                     //
		{"localhost", "x", ""},                              //
		{"docker.io", "library/node", "hub"},                //
		{"index.docker.io", "library/node", "hub"},          //
		{"registry-1.docker.io", "me/app", "me"},            //
		{"auth.docker.io", "me/app", ""},                    //
		{"us.gcr.io", "project2/image", "project2"},         // before gcr.io, as in the JavaScript library
		{"us.gcr.io", "project3/image", "gcr"},              //
		{"eu.gcr.io", "project4/image", "project4"},         //
		{"gcr.io", "project1/image", "gcr"},                 //
		{"evilgcr.io", "project1/image", ""},                //
		{"gcr.io.evil.test", "project1/image", ""},          //
		{"old.example", "x", "old"},                         //
		{"mixed.example", "Path/x", "mixed"},                // hosts have no case,
		{"MIXED.example", "path/x", ""},                     // paths have one
		{"unknown.example", "team/app", ""},                 //
		{"us-docker.pkg.dev", "project/repository/app", ""}, //
	}
	for _, c := range cases {
		cred, err := k.Credential(t.Context(), c.host, c.repository)
		if err != nil || cred.RegistryToken != c.want {
			t.Errorf("%s/%s: got %q, %v; want %q", c.host, c.repository, cred.RegistryToken, err, c.want)
		}
	}
}

func TestMapHubKeys(t *testing.T) {
	for _, key := range []string{"docker.io", "index.docker.io", "https://index.docker.io/v1/", "index.docker.io/v1/", "registry-1.docker.io", "http://docker.io"} {
		k, err := Map{key: {Token: "t"}}.Keychain(nil)
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		if cred, err := k.Credential(t.Context(), "docker.io", "library/node"); err != nil || cred.RegistryToken != "t" {
			t.Errorf("%s: got %v, %v", key, cred, err)
		}
	}
}

func TestMapEntries(t *testing.T) {
	cases := []struct {
		name  string
		entry Entry
		want  Credential
	}{
		{"token", Entry{Token: "t"}, Credential{RegistryToken: "t", Source: "auth map"}},
		{"pair", Entry{Username: "bob", Secret: "pw"}, Credential{Username: "bob", Password: "pw", Source: "auth map"}},
		{"identity token", Entry{Username: "<token>", Secret: "id"}, Credential{IdentityToken: "id", Source: "auth map"}},
		{"JSON key as password", Entry{Username: "_json_key", Secret: "{}"}, Credential{Username: "_json_key", Password: "{}", Source: "auth map"}},
		{"empty: the next source", Entry{}, Credential{}},
	}
	for _, c := range cases {
		k, err := Map{"reg.example": c.entry}.Keychain(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Credential(t.Context(), "reg.example", "app"); err != nil || got != c.want {
			t.Errorf("%s: got %v, %v", c.name, got, err)
		}
	}
}

func TestMapReportsAllMistakes(t *testing.T) {
	_, err := Map{
		"":                {Token: canary},
		"reg.example/":    {Token: canary},
		"reg.example":     {Token: canary},
		"a b":             {Token: canary},
		"x@y.example":     {Token: canary},
		"two.example":     {Token: canary, Username: "bob", Secret: canary},
		"user.example":    {Username: "bob"},
		"secret.example":  {Secret: canary},
		"json.example":    {Credentials: []byte(canary)},
		"kind.example":    {Credentials: []byte(`{"type":"external_account","private_key":"` + canary + `"}`)},
		"double.example/": {Token: canary},
		"p.example//x":    {Token: canary},
	}.Keychain(nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`auth map: key "": want a host`,
		`auth map: keys "reg.example" and "reg.example/" are the same place`,
		`auth map: key "a b": want a host`,
		`auth map: key "x@y.example": want a host`,
		`auth map: key "p.example//x": want a host`,
		`auth map: entry of "two.example" has token and Username and Secret: one of them is enough`,
		`auth map: entry of "user.example" has a Username without a Secret`,
		`auth map: entry of "secret.example" has a Secret without a Username`,
		`auth map: entry of "json.example" is not a Google key file: not a JSON object`,
		`auth map: entry of "kind.example" is not a Google key file that can be used here: its type is "external_account"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("a secret in %v", err)
	}
}

func TestMapIsCopied(t *testing.T) {
	key := []byte(`{"type":"service_account"}`)
	m := Map{"reg.example": {Token: "t"}, "gcr.io": {Credentials: key}}
	k, err := m.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	m["reg.example"] = Entry{Token: "other"}
	key[0] = 'x'
	if _, err := k.Credential(t.Context(), "gcr.io", "p/app"); err == nil || strings.Contains(err.Error(), "not a JSON object") {
		t.Errorf("a change of the key's bytes reached the keychain: %v", err)
	}
	if cred, _ := k.Credential(t.Context(), "reg.example", ""); cred.RegistryToken != "t" {
		t.Error("a change of the map reached the keychain")
	}
}

func TestMapKeyFilePermission(t *testing.T) {
	refused := errors.New("reading keys/gcp.json is not allowed")
	k, err := Map{"gcr.io": {KeyFilename: "keys/gcp.json", ReadFile: func(path string) ([]byte, error) {
		if path != "keys/gcp.json" {
			t.Errorf("asked for %s", path)
		}
		return nil, refused
	}}}.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = k.Credential(t.Context(), "gcr.io", "p/app"); !errors.Is(err, refused) || errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestChain(t *testing.T) {
	broken := errors.Join(ErrUnavailable, errors.New("stale"))
	wrong := errors.New("wrong")
	none, one, two := &fixed{}, &fixed{cred: Credential{RegistryToken: "1"}}, &fixed{cred: Credential{RegistryToken: "2"}}
	cases := []struct {
		name  string
		chain Keychain
		want  string
		err   error
	}{
		{"nothing", Chain(), "", nil},
		{"nil is left out", Chain(nil, one), "1", nil},
		{"first that knows", Chain(none, one, two), "1", nil},
		{"an error ends it", Chain(none, &fixed{err: wrong}, one), "", wrong},
		{"what is not available does not", Chain(&fixed{err: broken}, one), "1", nil},
		{"and is told if nobody knows", Chain(&fixed{err: broken}, none), "", ErrUnavailable},
	}
	for _, c := range cases {
		cred, err := c.chain.Credential(t.Context(), "reg.example", "app")
		if cred.RegistryToken != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %v", c.name, cred.RegistryToken, err)
		}
	}
}

// TestMapReadsSecrets when they are needed, each time, and calls itself what it was told to.
func TestMapReadsSecrets(t *testing.T) {
	var reads int
	read := func() (string, error) {
		if reads++; reads > 2 {
			return "", errors.New("it is gone")
		}
		return strings.Repeat("x", reads), nil
	}
	k, err := Map{"reg.example": {Username: "bob", ReadSecret: read}}.Keychain(&MapOptions{Source: "a file"})
	if err != nil || reads != 0 {
		t.Fatalf("%d reads, error %v", reads, err)
	}
	for _, want := range []string{"x", "xx"} {
		cred, err := k.Credential(t.Context(), "reg.example", "app")
		if want := (Credential{Username: "bob", Password: want, Source: "a file"}); cred != want || err != nil {
			t.Errorf("got %+v, %v", cred, err)
		}
	}
	if _, err := k.Credential(t.Context(), "reg.example", "app"); err == nil || err.Error() != "a file: credential for reg.example: it is gone" {
		t.Errorf("got error %v", err)
	}
	for name, entry := range map[string]Entry{
		"has a Secret and a ReadSecret": {Username: "bob", Secret: "x", ReadSecret: read}, "has a Secret without a Username": {ReadSecret: read},
	} {
		if _, err := (Map{"reg.example": entry}).Keychain(&MapOptions{Source: "a file"}); err == nil || !strings.HasPrefix(err.Error(), `a file: entry of "reg.example" `+name) {
			t.Errorf("got error %v, want %q", err, name)
		}
	}
}
