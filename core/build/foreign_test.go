package build_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// canary is every secret of these tests: where it shows, something leaks.
const canary = "CANARY-foreign-77d1"

// foreign is an internet with two registries and a place of files, and an image whose one layer lives at URLs.
type foreign struct {
	*registrytest.Internet
	engine   *build.Engine
	src, dst *registrytest.Server
	layer    []byte
	desc     content.Descriptor

	told []string // events and reports
}

func newForeign(t *testing.T, insecure ...string) *foreign {
	f := &foreign{Internet: registrytest.NewInternet(t), src: registrytest.New(t, nil), dst: registrytest.New(t, nil)}
	f.Registry("src.example", f.src)
	f.Registry("dst.example", f.dst)
	m := auth.Map{}
	for _, host := range []string{"src.example", "dst.example", "files.example", "more.example", "files.example:8443", "reg.lan:80"} {
		m[host] = auth.Entry{Username: "ann", Secret: canary}
	}
	keychain, err := m.Keychain(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := f.Transport()
	f.engine, err = build.NewEngine(&build.EngineOptions{
		Jobs: 2, Keychain: keychain, Transport: transport, Insecure: insecure, Backoff: registry.Backoff{First: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.engine.Close(); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	f.layer = []byte(strings.Repeat("a layer that is not to be distributed\n", 60_000)) // more than what is read into memory
	f.desc = content.Of(content.DockerForeignLayer, f.layer)
	return f
}

// push makes the image src.example/base:v1 with a layer at these URLs.
func (f *foreign) push(t *testing.T, urls ...string) {
	t.Helper()
	config := f.src.PushBlob("base", fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, digest.FromBytes(f.layer)))
	config.MediaType = content.DockerConfig
	desc := f.desc
	desc.URLs = urls
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": content.DockerManifest, "config": config, "layers": []any{desc}})
	if err != nil {
		t.Fatal(err)
	}
	// A registry takes a manifest without the blobs of its foreign layers; this one has to be shown the blob and forget it again.
	held := f.src.PushBlob("base", f.layer)
	f.src.PushManifest("base", "v1", content.DockerManifest, manifest)
	f.src.SetFaults(registrytest.Fault{Class: registrytest.ClassBlob, Match: held.Digest.Encoded(), Status: http.StatusNotFound, Times: -1})
}

// save copies the image to a reference.
func (f *foreign) save(ctx context.Context, to string, opts *build.SaveOptions, policy *build.Policy) (build.Saved, error) {
	var saved build.Saved
	err := f.do(ctx, policy, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), "src.example/base:v1", &build.ImageOptions{Target: to})
		if err != nil {
			return err
		}
		saved, err = img.Save(at("line 2"), opts).Wait()
		return err
	})
	return saved, err
}

// do is a run of which everything is remembered that is told to the user.
func (f *foreign) do(ctx context.Context, policy *build.Policy, work func(r *build.Run) error) error {
	opts := &build.Options{Policy: policy, Events: func(e build.Event) { f.told = append(f.told, fmt.Sprintf("%+v %v", e, e.Err)) }}
	report, err := f.engine.Do(ctx, opts, work)
	f.told = append(f.told, fmt.Sprintf("%+v", report))
	return err
}

// lines are the requests to a host.
func (f *foreign) lines(host string) []string {
	var lines []string
	for _, r := range f.Requests() {
		if r.Host == host {
			lines = append(lines, r.Line)
		}
	}
	return lines
}

// noLeak looks for the canary at all hosts, in an error, in the events and in the report.
func (f *foreign) noLeak(t *testing.T, err error) {
	t.Helper()
	for _, r := range f.Requests() {
		if len(registrytest.Leaks(r.All, canary)) > 0 {
			t.Errorf("%s was sent a secret: %s", r.Host, r.All)
		}
	}
	for _, text := range append(f.told, fmt.Sprintf("%v %+v %q", err, err, err)) {
		if len(registrytest.Leaks(text, canary)) > 0 {
			t.Errorf("a secret in what is told: %s", text)
		}
	}
}

// give answers with the layer, in ranges too.
func (f *foreign) give(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(f.layer)))
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Www-Authenticate", `Basic realm="files"`)
		w.WriteHeader(code)
	}
}

// TestForeignCopied reads a foreign layer from where it can be had, and copies it: in the order of Docker, the registry before the URLs.
func TestForeignCopied(t *testing.T) {
	var tries atomic.Int32
	for _, c := range []struct {
		name string
		urls []string
		more func(f *foreign)
		want string // requests to files.example
	}{
		{"first", []string{"https://files.example/1"}, nil, "[GET /1]"},
		{"second after 404", []string{"https://files.example/404", "https://files.example/1"}, nil, "[GET /404 GET /1]"},
		{"second after a challenge", []string{"https://files.example/401", "https://files.example/1"}, nil, "[GET /401 GET /1]"},
		{"second after nonsense", []string{"ftp://files.example/1", "::", "https://files.example/1"}, nil, "[GET /1]"},
		{"redirected", []string{"https://more.example/away"}, nil, "[GET /1]"},
		{"tried again", []string{"https://files.example/503"}, nil, "[GET /503 GET /503 GET /503]"},
		{"read on", []string{"https://files.example/cut"}, nil, "[GET /cut GET /cut]"},
		{"registry first", []string{"https://files.example/1"}, func(f *foreign) { f.src.SetFaults() }, "[]"},
		{"after a registry that is broken", []string{"https://files.example/1"}, func(f *foreign) {
			f.src.SetFaults(registrytest.Fault{Class: registrytest.ClassBlob, Match: f.desc.Digest.Encoded(), Status: 500, Times: -1})
		}, "[GET /1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForeign(t)
			tries.Store(0)
			f.Handle("more.example", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://files.example/1", http.StatusFound)
			})
			f.Handle("files.example", func(w http.ResponseWriter, r *http.Request) {
				try := tries.Add(1)
				code, _ := strconv.Atoi(r.URL.Path[1:])
				switch {
				case r.URL.Path == "/cut" && try == 1:
					w.Header().Set("Content-Length", fmt.Sprint(len(f.layer)))
					w.Write(f.layer[:len(f.layer)/2])
				case code == 503 && try < 3, code == 401, code == 404:
					status(code)(w, r)
				default:
					f.give(w, r)
				}
			})
			f.push(t, c.urls...)
			if c.more != nil {
				c.more(f)
			}
			saved, err := f.save(t.Context(), "dst.example/copy:v1", nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := f.dst.Blob("copy", f.desc.Digest); !ok || len(got) != len(f.layer) || saved.Uploaded != 2 {
				t.Errorf("%d bytes arrived, %+v", len(got), saved)
			}
			if got := fmt.Sprint(f.lines("files.example")); got != c.want {
				t.Errorf("files.example was asked for %s, want %s", got, c.want)
			}
			f.noLeak(t, nil)
		})
	}
}

// TestForeignMounted: a foreign layer that the registry has is mounted, and nobody else is asked.
func TestForeignMounted(t *testing.T) {
	f := newForeign(t)
	f.push(t, "https://files.example/1")
	f.src.SetFaults()
	saved, err := f.save(t.Context(), "src.example/copy:v1", nil, nil)
	if err != nil || saved.Mounted != 2 || len(f.lines("files.example")) != 0 {
		t.Errorf("%+v, %v, files.example was asked for %v", saved, err, f.lines("files.example"))
	}
	f.noLeak(t, err)
}

// TestForeignLeft: foreign layers that are not to be copied are asked of nobody, and the manifest goes as it is.
func TestForeignLeft(t *testing.T) {
	f := newForeign(t)
	f.dst = registrytest.New(t, &registrytest.Options{AllowMissing: true})
	f.Registry("dst.example", f.dst)
	f.push(t, "https://files.example/1")
	saved, err := f.save(t.Context(), "dst.example/copy:v1", &build.SaveOptions{LeaveForeign: true}, nil)
	if err != nil || saved.Uploaded != 1 || len(f.lines("files.example")) != 0 {
		t.Errorf("%+v, %v, files.example was asked for %v", saved, err, f.lines("files.example"))
	}
	if _, there := f.dst.Blob("copy", f.desc.Digest); there {
		t.Error("the layer was copied")
	}
	want, _, _ := f.src.Manifest("base", "v1")
	if got, _, ok := f.dst.Manifest("copy", "v1"); !ok || got.Digest != want.Digest {
		t.Errorf("the copy is %v, want %v", got, want)
	}
}

// TestForeignRefused: what no URL gives is an error that tells of each and of the registry, and no request goes where it may not.
func TestForeignRefused(t *testing.T) {
	onlyRegistries := build.DefaultPolicy("/")
	onlyRegistries.Net = func(host string) error {
		if host == "files.example" {
			return fmt.Errorf("%w: %s", build.ErrPolicy, host)
		}
		return nil
	}
	big := func(w http.ResponseWriter, more string) {
		io.WriteString(w, more) // chunked: nobody says how much comes
		w.(http.Flusher).Flush()
		for range 100 {
			io.WriteString(w, strings.Repeat("x", 1<<20))
		}
	}
	for _, c := range []struct {
		name   string
		urls   []string
		answer http.HandlerFunc
		policy *build.Policy
		want   []string
		asked  int // requests to files.example
	}{
		{"all fail", []string{"https://files.example/a?sig=s1gnature", "https://files.example/b"}, status(404), nil, []string{"; foreign layer sha256:", "404 not found (GET https://files.example/a?sig=…)", "404 not found (GET https://files.example/b)"}, 2},
		{"plain HTTP", []string{"http://files.example/a"}, nil, nil, []string{"refused read to http://files.example/a: it is not HTTPS"}, 0},
		{"metadata", []string{"https://169.254.169.254/latest/"}, nil, nil, []string{"link-local"}, 0},
		{"this computer", []string{"https://localhost/a", "https://[::1]/a"}, nil, nil, []string{"this computer"}, 0},
		{"private network", []string{"https://10.0.0.1/a"}, nil, nil, []string{"it is a private address"}, 0},
		{"a name of a private address", []string{"https://intern.example/a"}, nil, nil, []string{"it is a private address"}, 0},
		{"redirected into a private network", []string{"https://files.example/a"}, to("https://intern.example/b"), nil, []string{"it is a private address"}, 1},
		{"redirected to plain HTTP", []string{"https://files.example/a"}, to("http://more.example/b"), nil, []string{"refused redirect"}, 1},
		{"a user", []string{"https://ann:" + canary + "@files.example/a"}, nil, nil, []string{"it has a user in it"}, 0},
		{"wrong bytes", []string{"https://files.example/a"}, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2_280_000)) }, nil, []string{"content does not match"}, -1},
		{"too few", []string{"https://files.example/a"}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") }, nil, []string{"content does not match"}, -1},
		{"endless", []string{"https://files.example/a"}, func(w http.ResponseWriter, _ *http.Request) { big(w, "") }, nil, []string{"content does not match"}, -1},
		{"forbidden by the policy", []string{"https://files.example/a"}, nil, onlyRegistries, []string{"not allowed: files.example"}, 0},
		{"many", strings.Split(strings.Repeat("https://files.example/a ", 50)+"https://files.example/a", " "), status(404), nil, []string{"35 more URLs were not tried"}, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForeign(t)
			f.Resolve("intern.example", "10.1.2.3")
			f.Handle("files.example", func(w http.ResponseWriter, r *http.Request) { c.answer(w, r) })
			f.push(t, c.urls...)
			_, err := f.save(t.Context(), "dst.example/copy:v1", nil, c.policy)
			if err == nil {
				t.Fatal("it was copied")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want %q in it", err, want)
				}
			}
			if n := len(f.lines("files.example")); c.asked >= 0 && n != c.asked {
				t.Errorf("files.example got %d requests, want %d", n, c.asked)
			}
			for _, host := range []string{"intern.example", "169.254.169.254", "10.0.0.1", "localhost", "[::1]"} {
				if got := f.lines(host); len(got) > 0 {
					t.Errorf("%s was asked for %v", host, got)
				}
			}
			if tags := f.dst.Tags("copy"); len(tags) > 0 {
				t.Errorf("tags %v", tags)
			}
			f.noLeak(t, err)
		})
	}
}

func to(url string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, url, http.StatusFound) }
}

// TestForeignOfInsecureHost: a host that may be plain gives its layers over plain HTTP from any address.
func TestForeignOfInsecureHost(t *testing.T) {
	f := newForeign(t, "files.lan")
	f.Resolve("files.lan", "10.1.2.3")
	f.Handle("files.lan", f.give)
	f.push(t, "http://files.lan/a")
	if _, err := f.save(t.Context(), "dst.example/copy:v1", nil, nil); err != nil {
		t.Error(err)
	}
}

// TestAddLayerOfURLs: the URLs are the script's own, so that they may lead where it likes, and no further.
func TestAddLayerOfURLs(t *testing.T) {
	for _, c := range []struct {
		name, url, want string
	}{
		{"https", "https://files.example/1", ""},
		{"of a private network", "https://files.intern/1", ""},
		{"of this computer", "http://localhost:5000/1", ""},
		{"plain HTTP", "http://files.example/1", "plain HTTP"},
		{"redirected inwards", "https://files.example/inwards", "it is a private address"},
		{"wrong", "https://files.example/wrong", "content does not match"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newForeign(t)
			f.Resolve("files.intern", "10.1.2.3")
			for _, host := range []string{"files.example", "files.intern", "localhost:5000"} {
				f.Handle(host, func(w http.ResponseWriter, r *http.Request) {
					switch r.URL.Path {
					case "/inwards":
						to("https://files.intern/1")(w, r)
					case "/wrong":
						w.Write(make([]byte, len(f.layer)))
					default:
						f.give(w, r)
					}
				})
			}
			err := f.do(t.Context(), nil, func(r *build.Run) error {
				img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: "dst.example/app:v1"})
				if err != nil {
					return err
				}
				ref := build.LayerRef{Digest: f.desc.Digest, DiffID: f.desc.Digest, Size: f.desc.Size, MediaType: content.DockerForeignLayer, URLs: []string{c.url}}
				if _, err := img.AddLayerRef(at("line 2"), ref); err != nil {
					return err
				}
				_, err = img.Save(at("line 3"), nil).Wait()
				return err
			})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
			f.noLeak(t, err)
		})
	}
}

// TestFetchFollowsTheRules: a script's URL is fetched with retries, and redirects are the server's.
func TestFetchFollowsTheRules(t *testing.T) {
	var tries atomic.Int32
	f := newForeign(t)
	f.Resolve("files.intern", "10.1.2.3")
	f.Handle("files.intern", f.give)
	f.Handle("localhost:5000", f.give)
	f.Handle("more.example", f.give)
	f.Handle("files.example", func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/503" && tries.Add(1) < 3:
			w.WriteHeader(503)
		case path == "/cut" && tries.Add(1) == 1:
			w.Header().Set("Content-Length", fmt.Sprint(len(f.layer)))
			w.Write(f.layer[:1000])
		case path == "/401":
			status(401)(w, r)
		case strings.HasPrefix(path, "/to/"):
			to(r.URL.Query().Get("u"))(w, r)
		default:
			f.give(w, r)
		}
	})
	for _, c := range []struct{ name, url, want string }{
		{"https", "https://files.example/1", ""},
		{"of a private network", "https://files.intern/1", ""},
		{"redirected", "https://files.example/to/?u=https://more.example/1", ""},
		{"tried again", "https://files.example/503", ""},
		{"read on", "https://files.example/cut", ""},
		{"asked for credentials", "https://files.example/401", "GET https://files.example/401: 401 Unauthorized"},
		{"redirected inwards", "https://files.example/to/?u=https://files.intern/1", "it is a private address"},
		{"redirected to this computer", "https://files.example/to/?u=http://localhost:5000/1", "refused redirect"},
		{"redirected to the metadata", "https://files.example/to/?u=https://169.254.169.254/", "link-local"},
		{"redirected for ever", "https://files.example/to/?u=/to/%3Fu=/to/", "more than 5"},
		{"redirected to a file", "https://files.example/to/?u=file:///etc/passwd", "it has no host"},
	} {
		tries.Store(0)
		err := f.do(t.Context(), nil, func(r *build.Run) error {
			blob, err := r.Fetch(at("line 1"), c.url, build.FetchOptions{SHA256: f.desc.Digest.Encoded(), Size: -1})
			if err != nil {
				return err
			}
			size, err := blob.SizeOf(r.Context())
			if err == nil && size != f.desc.Size {
				return errors.New("another size")
			}
			return err
		})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.want)
		}
		f.noLeak(t, err)
		forget(t, f)
	}
}

// forget makes the next fetch one: what is in the cache is not asked for.
func forget(t *testing.T, f *foreign) {
	t.Helper()
	f.layer = append(f.layer, '\n')
	f.desc = content.Of(content.DockerForeignLayer, f.layer)
}

// TestFetchSendsItsOwnUser: a user and a password in a script's URL go to its host, and not along redirects.
func TestFetchSendsItsOwnUser(t *testing.T) {
	f := newForeign(t)
	f.Handle("more.example", f.give)
	f.Handle("files.example", to("https://more.example/1"))
	err := f.do(t.Context(), nil, func(r *build.Run) error {
		blob, err := r.Fetch(at("line 1"), "https://bob:builder@files.example/", build.FetchOptions{SHA256: f.desc.Digest.Encoded(), Size: -1})
		if err == nil {
			_, err = blob.SizeOf(r.Context())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range f.Requests() {
		if got, want := len(registrytest.Leaks(r.All, "builder")) > 0, r.Host == "files.example"; got != want {
			t.Errorf("%s: password sent: %t", r.Host, got)
		}
	}
}
