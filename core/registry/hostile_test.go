package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// canary is the password of every host in these tests.
const canary = "CANARY-rebind-31f0a7"

// victim is a client with credentials for everything, in an internet of which a test says what is hostile.
type victim struct {
	*registrytest.Internet
	client   *registry.Client
	warnings []string
}

func newVictim(t *testing.T, opts registry.Options, hosts ...string) *victim {
	v := &victim{Internet: registrytest.NewInternet(t)}
	m := auth.Map{}
	for _, host := range append(hosts, "reg.example", "evil.test", "sub.reg.example", "cdn.example") {
		m[host] = auth.Entry{Username: "ann", Secret: canary}
	}
	opts.Keychain = keychain(t, m)
	transport := v.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	opts.Transport = transport
	opts.Warn = func(msg string) { v.warnings = append(v.warnings, msg) }
	v.client = newClient(t, &opts)
	return v
}

// neverSent fails if a host but reg.example was sent the password, or a text has it.
func (v *victim) neverSent(t *testing.T, err error) {
	t.Helper()
	for _, r := range v.Requests() {
		if r.Host != "reg.example" && len(registrytest.Leaks(r.All, canary)) > 0 {
			t.Errorf("%s was sent the password: %s", r.Host, r.All)
		}
	}
	for _, text := range append(slices.Clone(v.warnings), fmt.Sprintf("%v %+v %#v %q", err, err, err, err)) {
		if len(registrytest.Leaks(text, canary)) > 0 {
			t.Errorf("the password is in %q", text)
		}
	}
}

// basic lets in who has the password.
func basic(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != canary {
			w.Header().Set("Www-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

// TestRebinding: what a name means is looked at whenever it is dialled. A name that was public when it was checked is not followed to where it is not.
func TestRebinding(t *testing.T) {
	for name, c := range map[string]struct {
		addresses []string // of cdn.example, look-up by look-up
		registry  string   // address of reg.example
		want      string   // "" is success
	}{
		"public":                          {[]string{"93.184.216.1"}, "93.184.216.2", ""},
		"loopback at once":                {[]string{"127.0.0.1"}, "93.184.216.2", "an address of this computer"},
		"public, then loopback":           {[]string{"93.184.216.1", "127.0.0.1"}, "93.184.216.2", "an address of this computer"},
		"public, then the metadata":       {[]string{"93.184.216.1", "169.254.169.254"}, "93.184.216.2", "link-local"},
		"public, then private":            {[]string{"93.184.216.1", "10.0.0.1"}, "93.184.216.2", "a private address"},
		"public, then carrier-grade NAT":  {[]string{"93.184.216.1", "100.64.0.1"}, "93.184.216.2", "a private address"},
		"public, then IPv6 of its own":    {[]string{"93.184.216.1", "fd00::1"}, "93.184.216.2", "a private address"},
		"public, then IPv4 in IPv6":       {[]string{"93.184.216.1", "::ffff:127.0.0.1"}, "93.184.216.2", "an address of this computer"},
		"public, then NAT64 of loopback":  {[]string{"93.184.216.1", "64:ff9b::7f00:1"}, "93.184.216.2", "an address of this computer"},
		"private, of a private registry":  {[]string{"10.0.0.1", "10.0.0.2"}, "10.0.0.3", ""},
		"loopback, of a private registry": {[]string{"10.0.0.1", "127.0.0.1"}, "10.0.0.3", "an address of this computer"},
		"metadata, of a local registry":   {[]string{"127.0.0.2", "169.254.169.254"}, "127.0.0.1", "link-local"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t, registry.Options{})
			v.Resolve("reg.example", c.registry)
			v.Resolve("cdn.example", c.addresses...)
			v.Handle("reg.example", basic(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://cdn.example/x", http.StatusFound)
			}))
			v.Handle("cdn.example", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Connection", "close") // the next request looks the name up anew
				w.Write(small.data)
			})
			repo := v.client.Repository("reg.example", "app")
			var err error
			for range len(c.addresses) {
				if _, err = content.ReadAll(t.Context(), repo, small.desc); err != nil {
					break
				}
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
			asked := slices.DeleteFunc(v.Requests(), func(r registrytest.Sent) bool { return r.Host != "cdn.example" })
			if refused := c.want != ""; refused && len(asked) >= len(c.addresses) {
				t.Errorf("cdn.example was asked %d times, the last time at %s", len(asked), c.addresses[len(c.addresses)-1])
			}
			v.neverSent(t, err)
		})
	}
}

// TestRebindingOfARealm is the same for token servers, which clients ask by name again and again.
func TestRebindingOfARealm(t *testing.T) {
	v := newVictim(t, registry.Options{})
	v.Resolve("auth.reg.example", "127.0.0.1")
	v.Handle("reg.example", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Www-Authenticate", `Bearer realm="https://auth.reg.example/token"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	_, err := v.client.Repository("reg.example", "app").Resolve(t.Context(), "v1")
	if err == nil || !strings.Contains(err.Error(), "an address of this computer") {
		t.Errorf("got error %v", err)
	}
	v.neverSent(t, err)
}

// trickle sends a byte now and then, for ever.
func trickle(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// TestTrickle: answers that come byte by byte, so that something always moves, end all the same; only blobs take as long as they take.
func TestTrickle(t *testing.T) {
	token := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Www-Authenticate", `Bearer realm="https://reg.example/token"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
	manifest := func(ctx context.Context, repo *registry.Repository) error {
		_, _, err := repo.Manifest(ctx, "v1")
		return err
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		do     func(ctx context.Context, repo *registry.Repository) error
	}{
		"manifest": {trickle(200), manifest},
		"error":    {trickle(400), manifest},
		"token":    {token, manifest},
		"list": {trickle(200), func(ctx context.Context, repo *registry.Repository) error {
			_, err := repo.Tags(ctx)
			return err
		}},
		"upload": {trickle(202), func(ctx context.Context, repo *registry.Repository) error {
			return repo.Push(ctx, small.desc, small.open)
		}},
		"blob, 404": {trickle(404), func(ctx context.Context, repo *registry.Repository) error {
			_, err := repo.Fetch(ctx, small.desc)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, registry.Options{Timeouts: registry.Timeouts{Whole: 50 * time.Millisecond}, Backoff: registry.Backoff{Tries: 2}})
			v.Handle("reg.example", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/token" {
					trickle(200)(w, r)
					return
				}
				c.answer(w, r)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := c.do(ctx, v.client.Repository("reg.example", "app"))
			if err == nil || ctx.Err() != nil {
				t.Errorf("got %v", err)
			}
			v.neverSent(t, err)
		})
	}
	t.Run("a blob has the time that it takes", func(t *testing.T) {
		t.Parallel()
		v := newVictim(t, registry.Options{Timeouts: registry.Timeouts{Whole: 20 * time.Millisecond}, Backoff: registry.Backoff{Tries: 1}})
		v.Handle("reg.example", func(w http.ResponseWriter, r *http.Request) {
			for _, b := range small.data {
				w.Write([]byte{b})
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		})
		if _, err := content.ReadAll(t.Context(), v.client.Repository("reg.example", "app"), small.desc); err != nil {
			t.Error(err)
		}
	})
}

// TestStranger: a 401 of whom a registry leads to is not its challenge, whatever realm it names, and no refusal of the credentials.
func TestStranger(t *testing.T) {
	for name, challenge := range map[string]string{
		"Basic": `Basic realm="x"`, "a realm of its own": `Bearer realm="https://evil.test/token"`, "the registry's realm": `Bearer realm="https://reg.example/token"`,
	} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t, registry.Options{})
			v.Handle("reg.example", basic(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://evil.test/x", http.StatusFound)
			}))
			v.Handle("evil.test", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Www-Authenticate", challenge)
				w.WriteHeader(http.StatusUnauthorized)
			})
			_, err := v.client.Repository("reg.example", "app").Fetch(t.Context(), small.desc)
			if !errors.Is(err, registry.ErrUnreachable) || errors.Is(err, registry.ErrDenied) || !strings.Contains(err.Error(), "401") {
				t.Errorf("got error %v", err)
			}
			for _, r := range v.Requests() {
				if strings.Contains(r.Line, "/token") {
					t.Errorf("%s was asked for a token", r.Host)
				}
			}
			v.neverSent(t, err)
		})
	}
}

// TestOwnPort: a registry that says :443 in its own URLs means itself, and gets its credentials.
func TestOwnPort(t *testing.T) {
	for _, name := range []string{"reg.example", "reg.example:443"} {
		v := newVictim(t, registry.Options{}, name)
		locations := []string{"https://reg.example:443/v2/app/blobs/uploads/1", "https://reg.example/v2/app/blobs/uploads/1", "https://REG.example/v2/app/blobs/uploads/1",
			"http://reg.example:80/v2/app/blobs/uploads/1"}
		for _, location := range locations {
			v.Handle("reg.example", basic(func(w http.ResponseWriter, r *http.Request) {
				switch r.Method {
				case http.MethodPost:
					w.Header().Set("Location", location)
					w.WriteHeader(http.StatusAccepted)
				case http.MethodPut:
					w.WriteHeader(http.StatusCreated)
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			}))
			if err := v.client.Repository(name, "app").Push(t.Context(), small.desc, small.open); err != nil {
				t.Errorf("%s, %s: %v", name, location, err)
			}
		}
	}
}

// TestEchoes: what a server repeats of the credential is in no error and no warning, and no URL with it is followed.
func TestEchoes(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"in a text":      func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.Header.Get("Authorization"), 400) },
		"decoded":        func(w http.ResponseWriter, r *http.Request) { http.Error(w, canary, 400) },
		"beyond the cut": func(w http.ResponseWriter, r *http.Request) { http.Error(w, strings.Repeat("x", 290)+canary, 400) },
		"in an error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q,"detail":{"x":%q}}]}`, canary, canary, canary)
		},
		"in a warning": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Warning", `299 - "`+canary+`"`)
			w.WriteHeader(404)
		},
		"in a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.test/"+canary, http.StatusFound)
		},
		"in a query": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.test/?"+strings.TrimPrefix(r.Header.Get("Authorization"), "Basic "), http.StatusFound)
		},
		"in its own domain": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+canary+".evil.test/", http.StatusFound)
		},
	} {
		v := newVictim(t, registry.Options{})
		v.Handle("reg.example", basic(answer))
		_, _, err := v.client.Repository("reg.example", "app").Manifest(t.Context(), "v1")
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		v.neverSent(t, err)
		for _, r := range v.Requests() {
			if r.Host != "reg.example" {
				t.Errorf("%s: %s was asked for %s", name, r.Host, r.Line)
			}
		}
	}
}

// TestListsAreBounded: pages that are small enough each may still be too much together.
func TestListsAreBounded(t *testing.T) {
	v := newVictim(t, registry.Options{})
	page := []byte(`{"tags":["` + strings.Repeat(strings.Repeat("a", 100)+`","`, 35_000) + `"]}`)
	n := 0
	v.Handle("reg.example", func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Link", fmt.Sprintf(`</v2/app/tags/list?page=%d>; rel="next"`, n))
		w.Write(page)
	})
	_, err := v.client.Repository("reg.example", "app").Tags(t.Context())
	expectIs(t, err, content.ErrInvalid)
	if n > 20 {
		t.Errorf("%d pages of %d bytes were read", n, len(page))
	}
}

// TestTagsAreTags leaves out of a list what nobody could ask for.
func TestTagsAreTags(t *testing.T) {
	v := newVictim(t, registry.Options{})
	v.Handle("reg.example", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"tags":["b","a",null,"","../x","a b","\u001b[31m","\u202e","-x","`+strings.Repeat("a", 129)+`","a","sha256:`+strings.Repeat("0", 64)+`"]}`)
	})
	got, err := v.client.Repository("reg.example", "app").Tags(t.Context())
	if err != nil || fmt.Sprint(got) != "[a b]" {
		t.Errorf("got %q, %v", got, err)
	}
}

// FuzzURLs: whatever a document or a script says, a request goes by HTTPS to a public host, or where this client was told to go, and no user, password or
// query gets into an error.
func FuzzURLs(f *testing.F) {
	for _, s := range []string{"https://files.example/a?sig=s3cr3t", "http://files.example/", "https://ann:s3cr3t@files.example/", "https://[::1]/", "https://0x7f.1/", "//x/", "https:x",
		"HTTPS://LOCALHOST./", "https://169.254.169.254:443/", "https://files.example:99999/", "https://files.example/\x00", "http://reg.lan/", "https://[fe80::1%25eth0]/", "https://a/b@c?d@e", "https://files.example/a?s3cr3t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		sent := &recording{}
		c := registry.New(&registry.Options{Transport: sent, Insecure: []string{"reg.lan"}, Backoff: registry.Backoff{Tries: 1}})
		desc := small.desc
		desc.URLs = []string{ref}
		_, err := c.FetchForeign(t.Context(), desc)
		for _, u := range sent.urls {
			if u.Scheme != "https" && u.Hostname() != "reg.lan" || u.User != nil || strings.HasSuffix(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), "localhost") {
				t.Errorf("%q: asked for %s", ref, u)
			}
		}
		if err == nil {
			t.Errorf("%q: no error", ref)
		}
		_, own := c.FetchURL(t.Context(), ref, small.desc)
		for _, err := range []error{err, own} {
			if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u202e' }) {
				t.Errorf("%q: a terminal would obey %q", ref, err)
			}
			for _, secret := range secretsIn(ref) {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%q: the error shows %q: %v", ref, secret, err)
				}
			}
		}
	})
}

// secretsIn are the password and the query of a URL, if they are in it once and long enough to be no coincidence.
func secretsIn(ref string) []string {
	u, err := url.Parse(ref)
	if err != nil {
		return nil
	}
	password, _ := u.User.Password()
	return slices.DeleteFunc([]string{password, u.RawQuery}, func(s string) bool { return len(s) < 6 || strings.Count(ref, s) != 1 })
}

// recording is a transport that goes nowhere.
type recording struct{ urls []*url.URL }

// RoundTrip implements http.RoundTripper.
func (r *recording) RoundTrip(hr *http.Request) (*http.Response, error) {
	r.urls = append(r.urls, hr.URL)
	return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: http.NoBody, Request: hr}, nil
}
