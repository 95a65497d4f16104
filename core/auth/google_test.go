package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// googleServer is a token endpoint and a metadata server of Google's.
type googleServer struct {
	*httptest.Server
	exchanges atomic.Int32
	key       string                            // a PEM private key
	answer    func(rw http.ResponseWriter) bool // answers in place of the server if it returns true
}

func newGoogleServer(t *testing.T) *googleServer {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	g := &googleServer{key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(func() {
		g.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return g
}

func (g *googleServer) serve(rw http.ResponseWriter, r *http.Request) {
	n := g.exchanges.Add(1)
	if g.answer != nil && g.answer(rw) {
		return
	}
	r.ParseForm()
	kind := r.Form.Get("grant_type")
	switch {
	case strings.HasPrefix(r.URL.Path, "/computeMetadata/"):
		if r.Header.Get("Metadata-Flavor") != "Google" {
			rw.WriteHeader(403)
			return
		}
		rw.Header().Set("Metadata-Flavor", "Google")
		kind = "metadata"
	case kind == "urn:ietf:params:oauth:grant-type:jwt-bearer" && strings.Count(r.Form.Get("assertion"), ".") == 2:
		kind = "service account"
	case kind == "refresh_token" && r.Form.Get("refresh_token") == canary:
		kind = "user"
	default:
		rw.WriteHeader(400)
	}
	rw.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(rw, `{"access_token":"%s-%d","token_type":"Bearer","expires_in":3600}`, strings.ReplaceAll(kind, " ", "-"), n)
}

// account is the text of a service account's key file.
func (g *googleServer) account(t *testing.T, edit func(map[string]string)) []byte {
	t.Helper()
	fields := map[string]string{"type": "service_account", "client_email": "bot@project1.example", "private_key": g.key,
		"private_key_id": "1", "token_uri": g.URL + "/token"}
	if edit != nil {
		edit(fields)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (g *googleServer) user() []byte {
	return fmt.Appendf(nil, `{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":%q,"token_uri":"%s/token"}`, canary, g.URL)
}

func TestMapGoogleKeys(t *testing.T) {
	g := newGoogleServer(t)
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, g.account(t, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	short := g.account(t, func(f map[string]string) { delete(f, "type"); delete(f, "private_key_id") })
	cases := map[string]struct {
		entry Entry
		want  string
	}{
		"credentials":          {Entry{Credentials: g.account(t, nil)}, "service-account-"},
		"only key and address": {Entry{Credentials: short}, "service-account-"},
		"keyFilename":          {Entry{KeyFilename: file}, "service-account-"},
		"user":                 {Entry{Credentials: g.user()}, "user-"},
	}
	for name, c := range cases {
		k, err := Map{"gcr.io/project1": c.entry}.Keychain(nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		cred, err := k.Credential(t.Context(), "gcr.io", "project1/image")
		if err != nil || cred.Username != "oauth2accesstoken" || !strings.HasPrefix(cred.Password, c.want) || cred.Source != "auth map" {
			t.Errorf("%s: got %v with %q, %v", name, cred, cred.Password, err)
		}
	}
}

// TestMapAsksForTheServersOfKeys: a key names the server that it is sent to, so that is asked for first, and what forbids it is the error.
func TestMapAsksForTheServersOfKeys(t *testing.T) {
	g := newGoogleServer(t)
	forbidden := errors.New("not this one")
	for name, entry := range map[string]Entry{
		"service account": {Credentials: g.account(t, nil)},
		"user":            {Credentials: g.user()},
		"key file":        {KeyFilename: "key.json", ReadFile: func(string) ([]byte, error) { return g.account(t, nil), nil }},
	} {
		var asked []string
		answer := forbidden
		k, err := Map{"gcr.io": entry}.Keychain(&MapOptions{AllowServer: func(server *url.URL) error {
			asked = append(asked, server.String())
			return answer
		}})
		if err != nil {
			t.Fatal(err)
		}
		before := g.exchanges.Load()
		if _, err := k.Credential(t.Context(), "gcr.io", "app"); !errors.Is(err, forbidden) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: got error %v", name, err)
		}
		if sent := g.exchanges.Load() - before; sent != 0 || len(asked) != 1 || asked[0] != g.URL+"/token" {
			t.Errorf("%s: %d requests, asked for %q", name, sent, asked)
		}
		answer = nil
		if cred, err := k.Credential(t.Context(), "gcr.io", "app"); err != nil || cred.Anonymous() {
			t.Errorf("%s: got %v, %v once it is allowed", name, cred, err)
		}
	}
}

// The example of the JavaScript library: two projects, two accounts, one of them on a regional host.
func TestMapTwoGoogleProjects(t *testing.T) {
	g1, g2 := newGoogleServer(t), newGoogleServer(t)
	k, err := Map{
		"us.gcr.io/project2": {Credentials: g2.account(t, nil)},
		"gcr.io/project1":    {Credentials: g1.account(t, nil)},
	}.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, repository string
		by               *googleServer
	}{{"gcr.io", "project1/image", g1}, {"us.gcr.io", "project2/image", g2}} {
		before := c.by.exchanges.Load()
		if cred, err := k.Credential(t.Context(), c.host, c.repository); err != nil || cred.Anonymous() || c.by.exchanges.Load() != before+1 {
			t.Errorf("%s: got %v, %v", c.host, cred, err)
		}
	}
	if cred, err := k.Credential(t.Context(), "gcr.io", "project3/image"); err != nil || !cred.Anonymous() {
		t.Errorf("another project: got %v, %v", cred, err)
	}
}

func TestGoogleSources(t *testing.T) {
	g := newGoogleServer(t)
	home, empty, named := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "key.json")
	dir := filepath.Join(home, ".config", "gcloud")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "application_default_credentials.json"), g.user(), 0o600),
		os.WriteFile(named, g.account(t, nil), 0o600)); err != nil {
		t.Fatal(err)
	}
	metadata := strings.TrimPrefix(g.URL, "http://")
	cases := []struct {
		name   string
		getenv func(string) string
		want   string // start of the access token
		err    string
	}{
		{"nothing", env("HOME", empty), "", ""},
		{"no home", env(), "", ""},
		{"named key", env("GOOGLE_APPLICATION_CREDENTIALS", named, "HOME", home, "GCE_METADATA_HOST", metadata), "service-account-", ""},
		{"gcloud's file", env("HOME", home, "GCE_METADATA_HOST", metadata), "user-", ""},
		{"metadata", env("HOME", empty, "GCE_METADATA_HOST", metadata), "metadata-", ""},
		{"named key is missing", env("GOOGLE_APPLICATION_CREDENTIALS", named+"x", "HOME", home), "", "google default credentials for gcr.io: source of credentials does not work: GOOGLE_APPLICATION_CREDENTIALS: stat " + named + "x"},
		{"named key is none", env("GOOGLE_APPLICATION_CREDENTIALS", os.Args[0]), "", "GOOGLE_APPLICATION_CREDENTIALS: "},
		{"metadata server is none", env("GCE_METADATA_HOST", "127.0.0.1:1"), "", `metadata server "127.0.0.1:1": `},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := Google(&GoogleOptions{Getenv: c.getenv, ProductName: "/nonexistent"})
			cred, err := k.Credential(t.Context(), "gcr.io", "p/app")
			if !strings.HasPrefix(cred.Password, c.want) || (c.want == "") != cred.Anonymous() {
				t.Errorf("got %v with %q", cred, cred.Password)
			}
			if c.want != "" && (cred.Username != "oauth2accesstoken" || cred.Source != "google default credentials") {
				t.Errorf("got %v", cred)
			}
			if c.err == "" && err != nil || c.err != "" && (!errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %s", err, c.err)
			}
		})
	}
}

func TestGoogleMetadataWithoutAccount(t *testing.T) {
	g := newGoogleServer(t)
	for status, works := range map[int]bool{404: true, 403: false, 500: false, 302: false, 200: false} { // 200 without Google's header: a captive portal, say
		g.answer = func(rw http.ResponseWriter) bool {
			rw.Header().Set("Location", "/elsewhere")
			rw.WriteHeader(status)
			rw.Write([]byte(`{"access_token":"x"}`))
			return true
		}
		k := Google(&GoogleOptions{Getenv: env("GCE_METADATA_HOST", strings.TrimPrefix(g.URL, "http://"))})
		cred, err := k.Credential(t.Context(), "gcr.io", "p/app")
		if !cred.Anonymous() || (err == nil) != works {
			t.Errorf("%d: got %v, %v", status, cred, err)
		}
	}
}

// The metadata server's address hangs where there is none: without a sign of it nobody asks.
func TestGoogleMetadataIsAskedOnAHintOnly(t *testing.T) {
	product := filepath.Join(t.TempDir(), "product_name")
	if err := os.WriteFile(product, []byte("Google Compute Engine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name    string
		getenv  func(string) string
		product string
		want    string
	}{
		{"another machine", env(), "/nonexistent", ""},
		{"compute engine", env(), product, "169.254.169.254"},
		{"cloud run", env("K_SERVICE", "x"), "/nonexistent", "169.254.169.254"},
		{"cloud run job", env("CLOUD_RUN_JOB", "x"), "/nonexistent", "169.254.169.254"},
		{"app engine", env("GAE_SERVICE", "x"), "/nonexistent", "169.254.169.254"},
		{"named", env("GCE_METADATA_HOST", "m:1"), product, "m:1"},
	}
	for _, c := range cases {
		g := Google(&GoogleOptions{Getenv: c.getenv, ProductName: c.product}).(*google)
		if got := g.metadataHost(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestGoogleKnowsGooglesHostsAlone(t *testing.T) {
	g := newGoogleServer(t)
	named := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(named, g.account(t, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	k := Google(&GoogleOptions{Getenv: env("GOOGLE_APPLICATION_CREDENTIALS", named)})
	for host, known := range map[string]bool{
		"gcr.io": true, "us.gcr.io": true, "GCR.io": true, "europe-west1-docker.pkg.dev": true,
		"evilgcr.io": false, "gcr.io.evil.test": false, "evilpkg.dev": false, "pkg.dev": false, "gcr.io:444": false,
		"docker.io": false, "": false, "x.google.com": false, "gcr-io": false,
	} {
		if cred, err := k.Credential(t.Context(), host, "p/app"); err != nil || cred.Anonymous() == known {
			t.Errorf("%s: got %v, %v", host, cred, err)
		}
	}
}

func TestGoogleTokenIsKeptUntilItExpires(t *testing.T) {
	g, c := newGoogleServer(t), newClock()
	c.at = time.Now() // oauth2 has no other clock
	k, err := Map{"gcr.io": {Credentials: g.account(t, nil)}}.Keychain(&MapOptions{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		wait time.Duration
		want int32
	}{{0, 1}, {58 * time.Minute, 1}, {2 * time.Minute, 2}, {time.Minute, 2}} {
		c.add(step.wait)
		if _, err := k.Credential(t.Context(), "gcr.io", "p/app"); err != nil {
			t.Fatal(err)
		}
		if got := g.exchanges.Load(); got != step.want {
			t.Errorf("step %d: %d exchanges, want %d", i, got, step.want)
		}
	}
}

func TestGoogleRefusal(t *testing.T) {
	g := newGoogleServer(t)
	g.answer = func(rw http.ResponseWriter) bool {
		rw.WriteHeader(400)
		fmt.Fprintf(rw, `{"error":"invalid_grant","error_description":"no account for %s"}`, canary)
		return true
	}
	for name, text := range map[string][]byte{"user": g.user(), "account": g.account(t, nil)} {
		k, err := Map{"gcr.io": {Credentials: text}}.Keychain(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Credential(t.Context(), "gcr.io", "p/app")
		want := `auth map: credentials for gcr.io: "` + strings.TrimPrefix(g.URL, "http://") + `" answers 400: "invalid_grant no account for `
		if err == nil || !strings.HasPrefix(err.Error(), want) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: got  %v\nwant %s", name, err, want)
		}
		if name == "user" && strings.Contains(err.Error(), canary) {
			t.Errorf("a secret in %v", err)
		}
	}
}

func TestGoogleBrokenKeys(t *testing.T) {
	g := newGoogleServer(t)
	for name, edit := range map[string]func(map[string]string){
		"no PEM":    func(f map[string]string) { f["private_key"] = canary },
		"token URL": func(f map[string]string) { f["token_uri"] = "://" + canary },
		"no server": func(f map[string]string) { f["token_uri"] = "http://127.0.0.1:1/token" },
	} {
		k, err := Map{"gcr.io": {Credentials: g.account(t, edit)}}.Keychain(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Credential(t.Context(), "gcr.io", "p/app")
		if err == nil || !strings.Contains(err.Error(), "exchange the key for an access token") || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%s: got %v", name, err)
		}
		if name == "no PEM" && err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: a secret in %v", name, err)
		}
	}
}

// oauth2's own requests do not all end with the context; here they do.
func TestGoogleExchangeEndsWithContext(t *testing.T) {
	g := newGoogleServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	g.answer = func(http.ResponseWriter) bool { cancel(); <-release; return true }
	defer close(release)
	k, err := Map{"gcr.io": {Credentials: g.account(t, nil)}}.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = k.Credential(ctx, "gcr.io", "p/app"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestGoogleDoesNotFollowRedirects(t *testing.T) {
	g, evil := newGoogleServer(t), newGoogleServer(t)
	g.answer = func(rw http.ResponseWriter) bool {
		rw.Header().Set("Location", evil.URL+"/token")
		rw.WriteHeader(http.StatusTemporaryRedirect)
		return true
	}
	k, err := Map{"gcr.io": {Credentials: g.user()}}.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Credential(t.Context(), "gcr.io", "p/app"); err == nil {
		t.Error("no error")
	}
	if n := evil.exchanges.Load(); n != 0 {
		t.Errorf("the refresh token went elsewhere %d times", n)
	}
}

func TestDefaultOrder(t *testing.T) {
	g := newGoogleServer(t)
	named := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(named, g.account(t, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ name, config, host, want string }{
		{"docker before google", `{"auths":{"gcr.io":{"username":"_json_key","password":"x"}}}`, "gcr.io", "_json_key"},
		{"google where docker knows nothing", `{}`, "gcr.io", "oauth2accesstoken"},
		{"google where docker is broken", `{"credsStore":"missing"}`, "gcr.io", "oauth2accesstoken"},
		{"anonymous", `{}`, "docker.io", ""},
	}
	for _, c := range cases {
		path, _ := writeConfig(t, c.config)
		k := Default(&Options{
			Getenv:   env("DOCKER_CONFIG", filepath.Dir(path), "GOOGLE_APPLICATION_CREDENTIALS", named),
			LookPath: func(string) (string, error) { return "", errors.New("no such program") },
			RunDir:   "/nonexistent",
		})
		if cred, err := k.Credential(t.Context(), c.host, "p/app"); err != nil || cred.Username != c.want {
			t.Errorf("%s: got %v, %v", c.name, cred, err)
		}
	}
}

// TestGoogleTokenAtTheWire exchanges a key at Google's own address and sends the token to Google's registries, and to none that is called like one.
func TestGoogleTokenAtTheWire(t *testing.T) {
	g := newGoogleServer(t)
	named := filepath.Join(t.TempDir(), "key.json")
	text := g.account(t, func(f map[string]string) { f["token_uri"] = "https://oauth2.googleapis.com/token" })
	if err := os.WriteFile(named, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.handle("oauth2.googleapis.com", g.serve)
	k := Google(&GoogleOptions{Getenv: env("GOOGLE_APPLICATION_CREDENTIALS", named), Client: w.client})
	a := NewAuthorizer(&AuthorizerOptions{Keychain: k, Client: w.client})
	good := "Basic " + encodeBasic("oauth2accesstoken", "service-account-1")
	for _, host := range []string{"gcr.io", "eu.gcr.io", "us-docker.pkg.dev"} {
		w.registry(host, `Bearer realm="https://`+host+`/v2/token",service="`+host+`"`, "Bearer t")
		registry := w.handlers[host]
		w.handle(host, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/token" && r.Header.Get("Authorization") == good {
				rw.Write([]byte(`{"token":"t"}`))
				return
			}
			registry(rw, r)
		})
		if status, err := w.call(a, Origin{Scheme: "https", Host: host}, pull); status != 200 || err != nil {
			t.Errorf("%s: got %d, %v", host, status, err)
		}
	}
	for _, host := range []string{"gcr.io.evil.test", "evilgcr.io", "pkg.dev", "x.google.com"} {
		w.registry(host, `Basic realm="r"`)
		if _, err := w.call(a, Origin{Scheme: "https", Host: host}, pull); !errors.Is(err, ErrDenied) {
			t.Errorf("%s: got %v", host, err)
		}
		w.neverSaw(host)
	}
	if n := g.exchanges.Load(); n != 1 {
		t.Errorf("%d exchanges", n)
	}
}
