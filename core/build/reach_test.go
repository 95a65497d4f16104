package build_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// hostsAsked are the hosts that were sent anything, each once.
func (f *foreign) hostsAsked() []string {
	var hosts []string
	for _, r := range f.Requests() {
		hosts = append(hosts, r.Host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// fetch reads a file of a URL under a policy.
func (f *foreign) fetch(t *testing.T, url string, policy *build.Policy) (string, error) {
	t.Helper()
	var text string
	err := f.do(t.Context(), policy, func(r *build.Run) error {
		blob, err := r.Fetch(at("fetch"), url, build.FetchOptions{SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte("a file"))), Size: -1})
		if err != nil {
			return err
		}
		data, err := r.Read(blob, 1<<20)
		text = string(data)
		return err
	})
	return text, err
}

func giveFile(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a file") }

// TestPermittedFetch: what a URL says beside its host makes it no other host, and a host in disguise is none that is allowed.
func TestPermittedFetch(t *testing.T) {
	policy := policyOf(t, build.Permissions{Net: []string{"files.example", "*.cdn.example"}}, "/")
	for _, url := range []string{
		"https://files.example/a", "https://FILES.example/a", "https://files.example:443/a", "https://files.example:/a", "https://user@files.example/a", "https://evil.org@files.example/a",
		"https://files.example/https://evil.org/", "https://files.example?evil.org", "https://x.cdn.example/a",
	} {
		f := newForeign(t)
		f.Handle("files.example", giveFile)
		f.Handle("x.cdn.example", giveFile)
		if text, err := f.fetch(t, url, policy); err != nil || text != "a file" {
			t.Errorf("%s: got %q, %v", url, text, err)
		}
	}
	for _, url := range []string{
		"https://evil.org/a", "https://evil.org/files.example", "https://evil.org?files.example", "https://evil.org#files.example", "https://files.example@evil.org/", "https://files.example:x@evil.org/",
		"https://files.example:8443/a", "https://files.example.evil.org/", "https://evilfiles.example/", "https://xcdn.example/", "https://cdn.example/", "https://cdn.example.evil.org",
		"https://93.184.216.34/a", "https://[::ffff:93.184.216.34]/a", "https://files.example%2eevil.org/", "https://evil%2eorg/", "https://files.example%00.evil.org/", "https://evil.org%00files.example",
		`https://evil.org\@files.example/`, `https://evil.org\.files.example/`, "https://evil.org\t@files.example/", "https:evil.org", "https:///evil.org", "//evil.org/a", "https://evil.org\u2100.cdn.example/", "https://evil\u3002org/",
		"ftp://files.example/a", "file:///etc/passwd", "http://files.example/a",
	} {
		f := newForeign(t)
		text, err := f.fetch(t, url, policy)
		if err == nil || text != "" || len(f.Requests()) > 0 || len(f.Dialled()) > 0 {
			t.Errorf("%s: got %q, %v; %v were asked", url, text, err, f.hostsAsked())
		}
	}
}

// TestPermittedHostsLeadOn: where a host that is allowed leads is held to the rules of the registry client, not to the list: it may send a client to storage
// on the Internet, and neither into other networks nor to plain HTTP.
func TestPermittedHostsLeadOn(t *testing.T) {
	policy := policyOf(t, build.Permissions{Net: []string{"files.example", "src.example"}, Push: []string{"src.example/**"}}, "/")
	for to, allowed := range map[string]bool{
		"https://store.example/a": true, "https://files.example:8443/a": true,
		"http://store.example/a": false, "https://10.0.0.1/a": false, "https://169.254.169.254/latest": false, "https://localhost/a": false, "https://intern.example/a": false, "ftp://store.example/a": false,
	} {
		f := newForeign(t)
		f.Resolve("intern.example", "192.168.1.1")
		f.Handle("files.example", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
		for _, host := range []string{"store.example", "files.example:8443", "intern.example", "10.0.0.1", "169.254.169.254", "localhost"} {
			f.Handle(host, giveFile)
		}
		_, err := f.fetch(t, "https://ann:"+canary+"@files.example/a", policy)
		asked := f.hostsAsked()
		if (err == nil) != allowed || !allowed && !slices.Equal(asked, []string{"files.example"}) {
			t.Errorf("%s: got %v; %v were asked", to, err, asked)
		}
		for _, r := range f.Requests() {
			if r.Host != "files.example" && len(registrytest.Leaks(r.All, canary)) > 0 {
				t.Errorf("%s got the password", r.Host)
			}
		}
	}
	for to, allowed := range map[string]bool{"https://store.example": true, "https://10.0.0.1": false} {
		f := newForeign(t)
		seeded := f.src.PushImage("base", "v1", registrytest.Image{Layers: []map[string]string{{"/a": "a"}}})
		f.Handle("store.example", func(w http.ResponseWriter, r *http.Request) { w.Write(f.blob(seeded, r.URL.Path)) })
		f.src.SetFaults(registrytest.Fault{Class: registrytest.ClassBlob, Method: http.MethodGet, Redirect: to, Times: -1})
		err := f.do(t.Context(), policy, func(r *build.Run) error {
			img, err := r.Image(at("image"), "src.example/base:v1", nil)
			if err == nil {
				_, err = img.Layers(at("layers"))
			}
			return err
		})
		if asked := f.hostsAsked(); (err == nil) != allowed || slices.Contains(asked, "10.0.0.1") {
			t.Errorf("blobs at %s: got %v; %v were asked", to, err, asked)
		}
	}
}

// blob is the blob of an image that a path of the protocol ends in.
func (f *foreign) blob(seeded registrytest.Seeded, path string) []byte {
	for _, desc := range append(slices.Clone(seeded.Layers), seeded.Config) {
		if data, ok := f.src.Blob("base", desc.Digest); ok && path[len(path)-len(desc.Digest):] == desc.Digest.String() {
			return data
		}
	}
	return nil
}

// TestPermittedTokenServers: a registry that is allowed may have its tokens elsewhere in its domain, and nowhere else.
func TestPermittedTokenServers(t *testing.T) {
	policy := policyOf(t, build.Permissions{Net: []string{"src.example"}}, "/")
	for realm, allowed := range map[string]bool{"https://auth.src.example/token": true, "https://evil.org/token": false, "http://src.example/token": false} {
		f := newForeign(t)
		f.src = registrytest.New(t, &registrytest.Options{
			Auth: registrytest.AuthBearer, Users: map[string]string{"ann": canary}, Quirks: registrytest.Quirks{Realm: func(string) string { return realm }},
		})
		f.Registry("src.example", f.src)
		f.Registry("auth.src.example", f.src)
		f.src.PushImage("base", "v1", registrytest.Image{})
		err := f.do(t.Context(), policy, func(r *build.Run) error {
			c, err := r.Client("src.example/base", nil, false)
			if err == nil {
				_, err = c.Tags(at("tags"))
			}
			return err
		})
		asked := f.hostsAsked()
		if (err == nil) != allowed || slices.Contains(asked, "evil.org") || allowed && !slices.Contains(asked, "auth.src.example") {
			t.Errorf("%s: got %v; %v were asked", realm, err, asked)
		}
	}
}

// TestPermittedUploads: where a registry that may be pushed to wants to have a blob is held to the rules of the registry client too.
func TestPermittedUploads(t *testing.T) {
	policy := policyOf(t, build.Permissions{Net: []string{"up.example"}, Push: []string{"up.example/app"}}, "/")
	for to, allowed := range map[string]bool{"https://store.example/1": true, "/v2/app/blobs/uploads/1": true, "https://10.0.0.1/1": false, "https://169.254.169.254/1": false, "http://store.example/1": false} {
		f := newForeign(t)
		take := func(w http.ResponseWriter, r *http.Request) {
			switch r.Method {
			case http.MethodPost:
				w.Header().Set("Location", to)
				w.WriteHeader(http.StatusAccepted)
			case http.MethodPatch:
				w.Header().Set("Location", r.URL.String())
				w.WriteHeader(http.StatusAccepted)
			case http.MethodPut:
				w.WriteHeader(http.StatusCreated)
			default:
				http.NotFound(w, r)
			}
		}
		for _, host := range []string{"up.example", "store.example", "10.0.0.1", "169.254.169.254"} {
			f.Handle(host, take)
		}
		err := f.do(t.Context(), policy, func(r *build.Run) error {
			c, err := r.Client("up.example/app", nil, true)
			if err == nil {
				_, err = c.Upload(at("upload"), build.BytesBlob("text", []byte("x")), -1, "")
			}
			return err
		})
		if asked := f.hostsAsked(); (err == nil) != allowed || !allowed && !slices.Equal(asked, []string{"up.example"}) {
			t.Errorf("uploads to %s: got %v; %v were asked", to, err, asked)
		}
	}
}

// TestPermittedForeignLayers: a URL in a manifest names a host of its own, which is asked for.
func TestPermittedForeignLayers(t *testing.T) {
	for net, allowed := range map[string]bool{"files.example": true, "more.example": false, "files.example:8443": false} {
		f := newForeign(t)
		f.Handle("files.example", f.give)
		f.push(t, "https://Files.example:443/a")
		_, err := f.save(t.Context(), "dst.example/copy:v1", nil, policyOf(t, build.Permissions{Net: []string{"src.example", "dst.example", net}}, "/"))
		if denied := (*build.PermissionError)(nil); !allowed && (!errors.As(err, &denied) || denied.Value != "files.example" || len(f.lines("files.example")) > 0) || allowed && err != nil {
			t.Errorf("with %s: got %v; files.example was asked for %v", net, err, f.lines("files.example"))
		}
	}
}

// TestPermittedPush: pushing is asked for whichever way a repository is written, and before anything is sent to it.
func TestPermittedPush(t *testing.T) {
	writes := map[string]func(r *build.Run, repository string) error{
		"save": func(r *build.Run, repository string) error {
			img, err := r.Image(at("image"), "src.example/base:v1", &build.ImageOptions{Target: repository})
			if err == nil {
				_, err = img.Save(at("save"), nil).Wait()
			}
			return err
		},
		"sync": func(r *build.Run, repository string) error {
			img, err := r.Image(at("image"), "src.example/base:v1", &build.ImageOptions{Target: repository})
			if err == nil {
				_, err = img.Sync(at("sync"), nil).Wait()
			}
			return err
		},
		"copy": func(r *build.Run, repository string) error {
			_, err := r.Copy(at("copy"), "src.example/base:v1", repository, nil).Wait()
			return err
		},
		"client": func(r *build.Run, repository string) error {
			_, err := r.Client(repository, nil, true)
			return err
		},
		"client of an image": func(r *build.Run, repository string) error {
			img, err := r.Image(at("image"), "src.example/base:v1", nil)
			if err == nil {
				_, err = img.Client(repository, true)
			}
			return err
		},
	}
	for name, write := range writes {
		for pushes, allowed := range map[string]bool{"dst.example/team/*": true, "src.example/**": false, "dst.example/*": false, "": false} {
			f := newForeign(t)
			f.src.PushImage("base", "v1", registrytest.Image{})
			err := f.do(t.Context(), policyOf(t, build.Permissions{Push: []string{pushes}}, "/"), func(r *build.Run) error { return write(r, "dst.example/team/app") })
			if allowed && err != nil {
				t.Errorf("%s with %q: %v", name, pushes, err)
			}
			var denied *build.PermissionError
			if !allowed && (!errors.As(err, &denied) || denied.Hint() != "run with --allow-push dst.example/team/app" || len(f.lines("dst.example")) > 0) {
				t.Errorf("%s with %q: got %v; dst.example was asked for %v", name, pushes, err, f.lines("dst.example"))
			}
		}
	}
}

// TestPermissionsAreAskedAtEachCall: a policy that changes its mind is heard.
func TestPermissionsAreAskedAtEachCall(t *testing.T) {
	f := newForeign(t)
	seeded := f.src.PushImage("base", "v1", registrytest.Image{Layers: []map[string]string{{"/a": "a"}}})
	policy := build.DefaultPolicy("/")
	err := f.do(t.Context(), policy, func(r *build.Run) error {
		c, err := r.Client("src.example/base", nil, true)
		if err != nil {
			return err
		}
		policy.Push = func(string) error { return errors.New("no more") }
		d := seeded.Layers[0].Digest
		blob := build.BytesBlob("text", []byte("x"))
		_, err1 := c.Upload(at("upload"), blob, -1, "")
		_, err2 := c.Mount(at("mount"), d, "other")
		_, err3 := c.CopyBlob(at("copy_blob"), d, "other")
		_, _, err4 := c.PutManifest("v2", seeded.Manifest.MediaType, []byte("{}"))
		_, err6 := c.Tags(at("tags"))
		for i, err := range []error{err1, err2, err3, err4, c.Delete("v1")} {
			if !errors.Is(err, build.ErrPolicy) {
				t.Errorf("write %d: got %v", i, err)
			}
		}
		if err6 != nil {
			t.Error(err6)
		}
		policy.Net = func(string) error { return errors.New("no more") }
		if _, err := c.Resolve(at("resolve"), "v1"); !errors.Is(err, build.ErrPolicy) {
			t.Errorf("resolve: got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPermittedKeyServers: a key in an auth map names the server that it is sent to, which is asked for as a host, but for Google's own.
func TestPermittedKeyServers(t *testing.T) {
	for _, c := range []struct {
		server, net string
		allowed     bool
	}{
		{"https://tokens.example/token", "tokens.example", true}, {"https://tokens.example/token", "more.example", false}, {"https://oauth2.googleapis.com/token", "more.example", true},
		{"http://oauth2.googleapis.com/token", "more.example", false}, {"https://oauth2.googleapis.com:8443/token", "more.example", false}, {"https://oauth2.googleapis.com@tokens.example/token", "more.example", false},
	} {
		f := newForeign(t)
		for _, host := range []string{"tokens.example", "oauth2.googleapis.com", "oauth2.googleapis.com:8443"} {
			f.Handle(host, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, `{"access_token":"t","token_type":"Bearer","expires_in":3600}`)
			})
		}
		key := fmt.Appendf(nil, `{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":%q,"token_uri":%q}`, canary, c.server)
		err := f.do(t.Context(), policyOf(t, build.Permissions{Net: []string{"gcr.io", c.net}}, "/"), func(r *build.Run) error {
			_, err := r.Credential("gcr.io/app", auth.Map{"gcr.io": {Credentials: key}})
			return err
		})
		asked := f.hostsAsked()
		if c.allowed && (err != nil || len(asked) != 1) || !c.allowed && (!errors.Is(err, build.ErrPolicy) || len(asked) > 0) {
			t.Errorf("%s with %s: got %v; %v were asked", c.server, c.net, err, asked)
		}
	}
}

// TestPermittedDaemon: a Docker daemon counts as a host of its own, which is asked for before anything is connected to.
func TestPermittedDaemon(t *testing.T) {
	f := newForeign(t)
	for _, c := range []struct {
		permissions build.Permissions
		work        func(r *build.Run) error
		hint        string
	}{
		{build.Permissions{Net: []string{"src.example"}}, func(r *build.Run) error { return readLayers(r, "docker-daemon:app:v1") }, "run with --allow-net docker-daemon"},
		{build.Permissions{Net: []string{"src.example"}}, func(r *build.Run) error { return saveTo(r, "docker-daemon:app:v1") }, "run with --allow-net docker-daemon"},
		{build.Permissions{Push: []string{"src.example/**"}}, func(r *build.Run) error { return saveTo(r, "docker-daemon:app:v1") }, "run with --allow-push docker-daemon/docker.io/library/app"},
	} {
		err := f.do(t.Context(), policyOf(t, c.permissions, "/"), c.work)
		var denied *build.PermissionError
		if !errors.As(err, &denied) || denied.Hint() != c.hint {
			t.Errorf("got %v, want the hint %s", err, c.hint)
		}
	}
}

func readLayers(r *build.Run, base string) error {
	img, err := r.Image(at("image"), base, nil)
	if err == nil {
		_, err = img.Layers(at("layers"))
	}
	return err
}

func saveTo(r *build.Run, target string) error {
	img, err := r.Image(at("image"), "scratch", &build.ImageOptions{Target: target})
	if err == nil {
		_, err = img.Save(at("save"), nil).Wait()
	}
	return err
}
