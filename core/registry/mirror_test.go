package registry_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// mirrored are the options of a client that reads what origin has from mirrors.
func mirrored(origin *registrytest.Server, mirrors ...string) *registry.Options {
	return &registry.Options{Hosts: map[string]registry.HostOptions{origin.Host: {Mirrors: mirrors}}}
}

// pullAll reads an image by its tag as a copy does: the tag, the manifest, all blobs.
func pullAll(t *testing.T, repo *registry.Repository, image registrytest.Seeded) {
	t.Helper()
	tagged, err := repo.ResolveDigest(t.Context(), "v1")
	check(t, err)
	if tagged != image.Manifest.Digest {
		t.Errorf("the tag is %s, want %s", tagged, image.Manifest.Digest)
	}
	_, data, err := repo.Manifest(t.Context(), "v1")
	check(t, err)
	if !bytes.Equal(data, image.Data) {
		t.Errorf("got the manifest %s", data)
	}
	for _, blob := range append(slices.Clone(image.Layers), image.Config) {
		_, err := content.ReadAll(t.Context(), repo, blob)
		check(t, err)
	}
}

// paths lists what a server was asked, without the digests of blobs.
func paths(reg *registrytest.Server) []string {
	var all []string
	for _, r := range reg.Requests() {
		all = append(all, r.Method+" "+r.Repository+" "+string(r.Class))
	}
	return all
}

func expectPaths(t *testing.T, what string, reg *registrytest.Server, want ...string) {
	t.Helper()
	if got := paths(reg); !slices.Equal(got, want) {
		t.Errorf("%s was asked:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestMirrorOrder asks mirrors in their order, and those after one that serves not at all.
func TestMirrorOrder(t *testing.T) {
	origin, first, second, third := registrytest.New(t, nil), registrytest.New(t, nil), registrytest.New(t, nil), registrytest.New(t, nil)
	for _, reg := range []*registrytest.Server{origin, second, third} {
		reg.PushImage("app", "v1", registrytest.Image{})
	}
	image := second.PushImage("app", "v1", registrytest.Image{})
	pullAll(t, newClient(t, mirrored(origin, first.Host, second.Host, third.Host)).Repository(origin.Host, "app"), image)
	served := []string{"HEAD app manifest", "GET app manifest", "GET app blob"}
	expectPaths(t, "the first mirror", first, served...)
	expectPaths(t, "the second mirror", second, served...)
	expectPaths(t, "the third mirror", third)
	expectPaths(t, "the registry", origin)
}

// TestMirrorFallsThrough pulls from the registry what a mirror does not give, or gives wrong, although nothing is tried twice.
func TestMirrorFallsThrough(t *testing.T) {
	forge := func(class registrytest.Class, more registrytest.Quirks) registrytest.Quirks {
		more.Forge = func(of registrytest.Class, _ string, body []byte) []byte {
			if of == class {
				return append([]byte("<html>"), body[6:]...)
			}
			return body
		}
		return more
	}
	noDigest := registrytest.Quirks{NoContentDigest: true}
	cut := func(class registrytest.Class, stall bool) registrytest.Fault {
		return registrytest.Fault{Method: "GET", Class: class, Truncate: 20, Stall: stall, Times: -1}
	}
	for name, mirror := range map[string]registrytest.Options{
		"not there":          {},
		"401":                {Auth: registrytest.AuthBasic},
		"401 Bearer":         {Auth: registrytest.AuthBearer},
		"403":                {Faults: []registrytest.Fault{{Status: 403, Times: -1}}},
		"429":                {Faults: []registrytest.Fault{{Status: 429, Header: http.Header{"Retry-After": {"100"}}, Times: -1}}},
		"500":                {Faults: []registrytest.Fault{{Status: 500, Times: -1}}},
		"502 in HTML":        {Faults: []registrytest.Fault{{Status: 502, Body: "<html>", Times: -1}}},
		"503":                {Faults: []registrytest.Fault{{Status: 503, Times: -1}}},
		"a login page":       {Faults: []registrytest.Fault{{Status: 200, Body: "<html>Welcome to the hotel!</html>", Times: -1}}},
		"dropped":            {Faults: []registrytest.Fault{{Drop: true, Times: -1}}},
		"silent":             {Faults: []registrytest.Fault{{Stall: true, Times: -1}}},
		"manifest cut":       {Faults: []registrytest.Fault{cut(registrytest.ClassManifest, false)}},
		"manifest stalls":    {Faults: []registrytest.Fault{cut(registrytest.ClassManifest, true)}},
		"blob cut":           {Faults: []registrytest.Fault{cut(registrytest.ClassBlob, false)}},
		"blob stalls":        {Faults: []registrytest.Fault{cut(registrytest.ClassBlob, true)}},
		"manifest forged":    {Quirks: forge(registrytest.ClassManifest, registrytest.Quirks{})},
		"manifest is a page": {Quirks: forge(registrytest.ClassManifest, noDigest)},
		"blob forged":        {Quirks: forge(registrytest.ClassBlob, registrytest.Quirks{})},
		"redirect nowhere":   {Faults: []registrytest.Fault{{Status: 307, Header: http.Header{"Location": {"ftp://elsewhere.example/"}}, Times: -1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			origin, reg := registrytest.New(t, nil), registrytest.New(t, &mirror)
			image := origin.PushImage("app", "v1", registrytest.Image{Layers: layersOf(2)})
			if name != "not there" {
				reg.PushImage("app", "v1", registrytest.Image{Layers: layersOf(2)})
			}
			opts := mirrored(origin, reg.Host)
			opts.Backoff.Tries = 1
			opts.Timeouts.Mirror = 500 * time.Millisecond
			pullAll(t, newClient(t, opts).Repository(origin.Host, "app"), image)
			if len(reg.Requests()) == 0 || len(origin.Requests()) == 0 {
				t.Errorf("the mirror was asked %v, the registry %v", reg.Lines(), origin.Lines())
			}
		})
	}
}

// TestMirrorDown is TestMirrorFallsThrough for a mirror that is not there, and bounds how often it is looked for.
func TestMirrorDown(t *testing.T) {
	origin, reg := registrytest.New(t, nil), registrytest.New(t, nil)
	image := origin.PushImage("app", "v1", registrytest.Image{Layers: layersOf(5)})
	reg.Close()
	clock := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	dials := &dialCounter{}
	opts := mirrored(origin, reg.Host)
	opts.Backoff.Tries, opts.Now, opts.Sleep, opts.Transport = 1, clock.Now, clock.Sleep, dials.transport(t)
	c := newClient(t, opts)
	pullAll(t, c.Repository(origin.Host, "app"), image)
	if n := dials.to(reg.Host); n < 1 || n > 2 { // one for HTTPS, one for plain HTTP
		t.Errorf("the mirror was dialled %d times", n)
	}
	before := dials.to(reg.Host)
	check(t, clock.Sleep(t.Context(), 2*time.Minute))
	pullAll(t, c.Repository(origin.Host, "app"), image)
	if dials.to(reg.Host) == before {
		t.Error("the mirror is never asked again")
	}
}

// TestMirrorStall waits for a silent mirror once and not for each of the requests of a pull.
func TestMirrorStall(t *testing.T) {
	origin := registrytest.New(t, nil)
	image := origin.PushImage("app", "v1", registrytest.Image{Layers: layersOf(20)})
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Stall: true, Times: -1}}})
	opts := mirrored(origin, reg.Host)
	opts.Timeouts.Mirror = 500 * time.Millisecond
	pullAll(t, newClient(t, opts).Repository(origin.Host, "app"), image)
	if n := len(reg.Requests()); n != 1 {
		t.Errorf("the mirror was asked %d times: %v", n, paths(reg))
	}
}

// TestMirrorOfBigBlobs reads on from the registry what a mirror breaks off, and does not ask a mirror again that sent wrong bytes.
func TestMirrorOfBigBlobs(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"cut":     {Class: registrytest.ClassBlob, Truncate: 600 << 10, Times: -1},
		"stalled": {Class: registrytest.ClassBlob, Truncate: 600 << 10, Stall: true, Times: -1},
		"corrupt": {Class: registrytest.ClassBlob, Corrupt: 600 << 10, Times: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			origin, reg, to := registrytest.New(t, nil), registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{fault}}), registrytest.New(t, nil)
			desc := origin.PushBlob("app", huge)
			reg.PushBlob("app", huge)
			opts := mirrored(origin, reg.Host)
			if fault.Stall {
				opts.Timeouts.Mirror = 500 * time.Millisecond
			}
			c := newClient(t, opts)
			check(t, content.Copy(t.Context(), c.Repository(to.Host, "app"), c.Repository(origin.Host, "app"), desc, nil))
			if data, ok := to.Blob("app", desc.Digest); !ok || !bytes.Equal(data, huge) {
				t.Error("the blob is not there")
			}
			expectPaths(t, "the mirror", reg, "GET app blob")
			expectPaths(t, "the registry", origin, "GET app blob")
			resumed := strings.HasPrefix(origin.Requests()[0].Header.Get("Range"), "bytes=")
			if resumed != (name != "corrupt") {
				t.Errorf("%s: the registry is asked for the range %q", name, origin.Requests()[0].Header.Get("Range"))
			}
		})
	}
}

// TestMirrorPrefix reads below a path of the mirror, with the scopes and the credential of the place there.
func TestMirrorPrefix(t *testing.T) {
	for name, mode := range map[string]registrytest.AuthMode{"basic": registrytest.AuthBasic, "bearer": registrytest.AuthBearer} {
		origin := registrytest.New(t, &registrytest.Options{Auth: mode, Users: map[string]string{"alice": "wonder"}})
		reg := registrytest.New(t, &registrytest.Options{Auth: mode, Users: map[string]string{"bob": "builder"}})
		image := reg.PushImage("proxy/hub/library/app", "v1", registrytest.Image{Layers: layersOf(1)})
		opts := mirrored(origin, reg.Host+"/proxy/hub")
		opts.Keychain = keychain(t, auth.Map{
			origin.Host: {Username: "alice", Secret: "wonder"}, reg.Host: {Username: "mallory", Secret: "wrong"},
			reg.Host + "/proxy/hub": {Username: "bob", Secret: "builder"},
		})
		pullAll(t, newClient(t, opts).Repository(origin.Host, "library/app"), image)
		for _, r := range reg.Requests() {
			if r.Class != registrytest.ClassToken && r.Repository != "proxy/hub/library/app" || r.User != "" && r.User != "bob" {
				t.Errorf("%s: the mirror got %s from %q", name, r, r.User)
			}
		}
		expectPaths(t, "the registry", origin)
	}
}

// TestMirrorGetsNoCredentials of the registry that it mirrors, whatever it asks for.
func TestMirrorGetsNoCredentials(t *testing.T) {
	for name, mode := range map[string]registrytest.AuthMode{"basic": registrytest.AuthBasic, "bearer": registrytest.AuthBearer} {
		origin := registrytest.New(t, &registrytest.Options{Auth: mode, Users: users})
		reg := registrytest.New(t, &registrytest.Options{Auth: mode, Users: users})
		image := origin.PushImage("app", "v1", registrytest.Image{})
		opts := mirrored(origin, reg.Host)
		opts.Keychain = keychain(t, auth.Map{origin.Host: {Username: "alice", Secret: "wonder"}})
		pullAll(t, newClient(t, opts).Repository(origin.Host, "app"), image)
		if len(reg.Requests()) == 0 {
			t.Errorf("%s: the mirror was not asked", name)
		}
		for _, r := range reg.Requests() {
			if sent := r.Header.Get("Authorization"); sent != "" && !strings.HasPrefix(sent, "Bearer ") || r.User != "" {
				t.Errorf("%s: the mirror got %q with %s", name, sent, r)
			}
		}
	}
}

// TestMirrorIsNotWrittenTo, nor asked whether the registry has something.
func TestMirrorIsNotWrittenTo(t *testing.T) {
	origin, reg, from := registrytest.New(t, nil), registrytest.New(t, nil), registrytest.New(t, nil)
	from.PushImage("app", "v1", registrytest.Image{Layers: layersOf(3)})
	reg.PushImage("app", "v1", registrytest.Image{Layers: layersOf(3)}) // it has all of it, and the registry has nothing
	c := newClient(t, mirrored(origin, reg.Host))
	to := c.Repository(origin.Host, "app").Direct()
	copyTagged(t, to, c.Repository(from.Host, "app"))
	check(t, to.Delete(t.Context(), "v1"))
	_, err := to.Tags(t.Context())
	check(t, err)
	expectPaths(t, "the mirror", reg)
}

// TestMirrorAfterPush reads from the registry what was written there: the mirror may have the tag of a while ago.
func TestMirrorAfterPush(t *testing.T) {
	origin, reg := registrytest.New(t, nil), registrytest.New(t, nil)
	old := reg.PushImage("app", "v1", registrytest.Image{})
	origin.PushImage("app", "v1", registrytest.Image{})
	repo := newClient(t, mirrored(origin, reg.Host)).Repository(origin.Host, "app")
	pullAll(t, repo, old)
	reg.Reset()
	moved := origin.PushImage("app", "v2", registrytest.Image{Layers: layersOf(1)})
	_, _, err := repo.PutManifest(t.Context(), "v1", moved.Manifest.MediaType, moved.Data)
	check(t, err)
	pullAll(t, repo, moved)
	expectPaths(t, "the mirror", reg)
}

// TestMirrorTagsAreStale says what a mirror means: its tags are those of when it last looked. Lists of tags are the registry's own.
func TestMirrorTagsAreStale(t *testing.T) {
	origin, reg := registrytest.New(t, nil), registrytest.New(t, nil)
	old := reg.PushImage("app", "v1", registrytest.Image{})
	origin.PushImage("app", "v1", registrytest.Image{Layers: layersOf(1)})
	origin.PushImage("app", "v2", registrytest.Image{Layers: layersOf(1)})
	repo := newClient(t, mirrored(origin, reg.Host)).Repository(origin.Host, "app")
	pullAll(t, repo, old)
	tags, err := repo.Tags(t.Context())
	check(t, err)
	if !slices.Equal(tags, []string{"v1", "v2"}) {
		t.Errorf("tags %q", tags)
	}
	_, err = repo.Resolve(t.Context(), "v2")
	check(t, err)
	expectPaths(t, "the registry", origin, "GET app tags", "GET app manifest")
}

// TestMirrorErrors says why no mirror served what the registry doesn't either, and calls it by what the registry said.
func TestMirrorErrors(t *testing.T) {
	origin := registrytest.New(t, nil)
	broken := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Status: 500, Body: "disk full", Times: -1}}})
	locked, empty := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBasic}), registrytest.New(t, nil)
	_, err := newClient(t, mirrored(origin, broken.Host, locked.Host+"/hub", empty.Host)).Repository(origin.Host, "app").Resolve(t.Context(), "v1")
	expectIs(t, err, content.ErrNotFound)
	text := err.Error()
	for _, want := range []string{"read " + origin.Host + "/app", "; its mirror: read " + broken.Host + "/app", "500", "; its mirror: read " + locked.Host + "/hub/app"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not have %q", text, want)
		}
	}
	if strings.Contains(text, empty.Host) {
		t.Errorf("%q tells of a mirror that merely does not have it", text)
	}
}

// dialCounter counts the connections that are asked for.
type dialCounter struct {
	mu    sync.Mutex
	dials map[string]int
}

func (d *dialCounter) transport(t *testing.T) *http.Transport {
	tr := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		d.mu.Lock()
		if d.dials == nil {
			d.dials = map[string]int{}
		}
		d.dials[addr]++
		d.mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func (d *dialCounter) to(addr string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dials[addr]
}
