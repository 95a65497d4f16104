package registry_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func keychain(t testing.TB, m auth.Map) auth.Keychain {
	t.Helper()
	kc, err := m.Keychain(nil)
	check(t, err)
	return kc
}

var users = map[string]string{"alice": "wonder", "bob": "builder"}

// TestAuthModes runs every job against a registry that wants Basic and one that wants Bearer credentials.
func TestAuthModes(t *testing.T) {
	for name, mode := range map[string]registrytest.AuthMode{"basic": registrytest.AuthBasic, "bearer": registrytest.AuthBearer} {
		for _, job := range jobs() {
			t.Run(name+"/"+job.name, func(t *testing.T) {
				reg := registrytest.New(t, &registrytest.Options{Auth: mode, Users: users})
				reg.PushImage("app", "v1", registrytest.Image{})
				kc := keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})
				c := newClient(t, &registry.Options{Keychain: kc})
				check(t, job.run(t.Context(), reg, c.Repository(reg.Host, "app")))

				refused := slices.DeleteFunc(reg.Requests(), func(r registrytest.Request) bool { return r.Status != http.StatusUnauthorized })
				if len(refused) > 1 {
					t.Errorf("%d requests were refused, want only the first:\n%s", len(refused), strings.Join(reg.Lines(), "\n"))
				}
				err := job.run(t.Context(), reg, newClient(t, nil).Repository(reg.Host, "app"))
				expectIs(t, err, registry.ErrDenied)
				kc = keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wrong"}})
				err = job.run(t.Context(), reg, c.With(kc).Repository(reg.Host, "app"))
				expectIs(t, err, registry.ErrDenied)
				if err != nil && strings.Contains(err.Error(), "wrong") {
					t.Errorf("the password is in the error: %v", err)
				}
			})
		}
	}
}

// TestRevokedToken gets a new token whenever the old one is refused in the middle of a job, bodies included.
func TestRevokedToken(t *testing.T) {
	for _, job := range jobs() {
		t.Run(job.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer, Users: users})
			reg.PushImage("app", "v1", registrytest.Image{})
			transport := &revoking{next: http.DefaultTransport.(*http.Transport).Clone(), reg: reg}
			t.Cleanup(transport.next.CloseIdleConnections)
			kc := keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})
			check(t, job.run(t.Context(), reg, newClient(t, &registry.Options{Keychain: kc, Transport: transport}).Repository(reg.Host, "app")))
		})
	}
}

// revoking revokes all tokens before every request but those for tokens, except where the request is the second try with a new one.
type revoking struct {
	next *http.Transport
	reg  *registrytest.Server
	last string
}

func (r *revoking) RoundTrip(hr *http.Request) (*http.Response, error) {
	if key := hr.Method + hr.URL.Path; !strings.HasSuffix(hr.URL.Path, "/token") {
		if key != r.last {
			r.reg.RevokeTokens()
		}
		r.last = key
	}
	return r.next.RoundTrip(hr)
}

// TestTwoCredentials uses another credential for each of two repositories of one host, in one process.
func TestTwoCredentials(t *testing.T) {
	for name, mode := range map[string]registrytest.AuthMode{"basic": registrytest.AuthBasic, "bearer": registrytest.AuthBearer} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, &registrytest.Options{Auth: mode, Users: users, Rights: []registrytest.Right{
				{User: "alice", Repository: "project1/app"}, {User: "bob", Repository: "project2/app"},
			}})
			reg.PushImage("project1/app", "v1", registrytest.Image{Layers: []map[string]string{{"/a": "1"}}})
			c := newClient(t, &registry.Options{Keychain: keychain(t, auth.Map{
				reg.Host + "/project1": {Username: "alice", Secret: "wonder"},
				reg.Host + "/project2": {Username: "bob", Secret: "builder"},
			})})
			from, to := c.Repository(reg.Host, "project1/app"), c.Repository(reg.Host, "project2/app")
			desc, err := from.Resolve(t.Context(), "v1")
			check(t, err)
			check(t, content.Copy(t.Context(), to, from, desc, nil))
			for _, r := range reg.Requests() {
				if r.Status < 300 && r.Class != registrytest.ClassToken && (r.User == "alice") != (r.Repository == "project1/app") {
					t.Errorf("%s was sent by %q", r, r.User)
				}
			}
			expectIs(t, to.Tag(t.Context(), desc, "v1"), nil)
			alice := c.With(keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}}))
			_, err = alice.Repository(reg.Host, "project2/app").Resolve(t.Context(), "v1")
			expectIs(t, err, registry.ErrDenied)
		})
	}
}

// TestMountScopes asks for the right to read the source together with that to write, and mounts.
func TestMountScopes(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer, Users: users})
	reg.PushBlob("base", small.data)
	c := newClient(t, &registry.Options{Keychain: keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})})
	expectTransfer(t, c.Repository(reg.Host, "app"), small, []string{reg.Host + "/base"}, content.Mounted)
	tokens := slices.DeleteFunc(reg.Requests(), func(r registrytest.Request) bool { return r.Class != registrytest.ClassToken })
	want := "scope=repository%3Aapp%3Apull%2Cpush&scope=repository%3Abase%3Apull"
	if len(tokens) != 1 || !strings.Contains(tokens[0].Query, want) {
		t.Errorf("token requests %v, want one with %s", tokens, want)
	}
}

// TestRedirects follows to storage elsewhere without the credentials of the registry, and never to plain HTTP from HTTPS.
func TestRedirects(t *testing.T) {
	var seen []http.Header
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Clone())
		w.Write(small.data)
	}))
	t.Cleanup(storage.Close)
	for _, secure := range []bool{false, true} {
		reg := registrytest.New(t, &registrytest.Options{TLS: secure, Auth: registrytest.AuthBasic, Users: users})
		reg.SetFaults(registrytest.Fault{Class: registrytest.ClassBlob, Times: -1, Status: 307, Header: http.Header{"Location": {storage.URL + "/x?sig=secret"}}})
		c := newClient(t, &registry.Options{
			Keychain:  keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}}),
			Transport: reg.Client().Transport,
		})
		_, err := c.Repository(reg.Host, "app").Resolve(t.Context(), "v1") // logs in
		expectIs(t, err, content.ErrNotFound)
		seen = nil
		got, err := content.ReadAll(t.Context(), c.Repository(reg.Host, "app"), small.desc)
		if secure {
			if err == nil || len(seen) > 0 || strings.Contains(err.Error(), "secret") {
				t.Errorf("HTTPS to HTTP: got %q, error %v, %d requests there; want a refusal", got, err, len(seen))
			}
			continue
		}
		check(t, err)
		if len(seen) != 1 || seen[0].Get("Authorization") != "" {
			t.Errorf("storage saw %v, want one request without credentials", seen)
		}
	}
}

// TestUploadElsewhere sends a blob where the registry says, without the registry's credentials.
func TestUploadElsewhere(t *testing.T) {
	var seen []*http.Request
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r)
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(storage.Close)
	reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBasic, Users: users})
	kc := keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})
	repo := newClient(t, &registry.Options{Keychain: kc}).Repository(reg.Host, "app")
	_, err := repo.Resolve(t.Context(), "v1") // logs in
	expectIs(t, err, content.ErrNotFound)
	reg.SetFaults(registrytest.Fault{Class: registrytest.ClassUpload, Status: 202, Header: http.Header{"Location": {storage.URL + "/put?sig=a%2Fb&x"}}})
	check(t, repo.Push(t.Context(), small.desc, small.open))
	if len(seen) != 1 || seen[0].Header.Get("Authorization") != "" {
		t.Fatalf("storage saw %v, want one request without credentials", seen)
	}
	if want := "sig=a%2Fb&x&digest=sha256%3A"; !strings.HasPrefix(seen[0].URL.RawQuery, want) {
		t.Errorf("query %s, want %s…", seen[0].URL.RawQuery, want)
	}
}

// TestRedirectLoop gives up after five.
func TestRedirectLoop(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.SetFaults(registrytest.Fault{Times: -1, Status: 302, Header: http.Header{"Location": {"/v2/app/blobs/again"}}})
	_, err := newClient(t, nil).Repository(reg.Host, "app").StatBlob(t.Context(), small.desc.Digest)
	if err == nil || !strings.Contains(err.Error(), "more than 5") {
		t.Errorf("got error %v, want one that counts redirects", err)
	}
	if n := len(reg.Requests()); n != 6 {
		t.Errorf("%d requests, want 6", n)
	}
}

// TestScheme finds out once whether a loopback host speaks HTTPS, and never tries plain HTTP elsewhere.
func TestScheme(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{TLS: true})
	reg.PushImage("app", "v1", registrytest.Image{})
	c := newClient(t, &registry.Options{Transport: reg.Client().Transport})
	done := make(chan error)
	for range 8 {
		go func() {
			_, err := c.Repository(reg.Host, "app").Resolve(t.Context(), "v1")
			done <- err
		}()
	}
	for range 8 {
		check(t, <-done)
	}
	if n := reg.Count("", registrytest.ClassPing); n != 1 {
		t.Errorf("%d pings, want 1", n)
	}
	for _, test := range []struct {
		host     string
		insecure []string
		want     []string
	}{
		{"reg.example", nil, []string{"https"}},
		{"127.0.0.1.example", nil, []string{"https"}},
		{"reg.lan:5000", []string{"reg.lan:5000"}, []string{"https", "http"}},
		{"reg.lan:5000", []string{"REG.LAN"}, []string{"https", "http"}},
		{"reg.lan:5000", []string{"reg.lan:5001"}, []string{"https"}},
		{"localhost:5000", nil, []string{"https", "http"}},
		{"[::1]:5000", nil, []string{"https", "http"}},
		{"docker.io", []string{"docker.io"}, []string{"https"}}, // the host that is dialled has another name
	} {
		tried := &schemes{}
		c := newClient(t, &registry.Options{Transport: tried, Insecure: test.insecure, Backoff: registry.Backoff{Tries: 1}})
		_, err := c.Repository(test.host, "app").Resolve(t.Context(), "v1")
		expectIs(t, err, registry.ErrUnreachable)
		if !slices.Equal(tried.list, test.want) {
			t.Errorf("%s with %v: tried %v, want %v", test.host, test.insecure, tried.list, test.want)
		}
	}
}

type schemes struct{ list []string }

func (s *schemes) RoundTrip(r *http.Request) (*http.Response, error) {
	s.list = append(s.list, r.URL.Scheme)
	return nil, errors.New("connection reset")
}

// TestDockerHub goes where Docker Hub listens, under every name that it has.
func TestDockerHub(t *testing.T) {
	for _, name := range []string{"docker.io", "index.docker.io", "registry-1.docker.io"} {
		asked := &hosts{}
		repo := newClient(t, &registry.Options{Transport: asked, Backoff: registry.Backoff{Tries: 1}}).Repository(name, "library/node")
		repo.Resolve(t.Context(), "lts")
		if repo.Location() != "docker.io/library/node" || !slices.Equal(asked.list, []string{"https://registry-1.docker.io/v2/library/node/manifests/lts"}) {
			t.Errorf("%s: location %s, asked %v", name, repo.Location(), asked.list)
		}
	}
}

type hosts struct{ list []string }

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.list = append(h.list, r.URL.String())
	return nil, errors.New("connection reset")
}
