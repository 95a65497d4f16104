package registry_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// unit is what a MiB is to real registries: in tests of uploads in parts everything is a sixteenth as big.
const unit = 64 << 10

// large needs three parts of the first size of an upload in parts, and wide a sixteenth of that.
var (
	large = noise(6, 600<<14) // 9.4 MiB
	wide  = noise(7, 600<<10)
)

// unitClient returns a client for which the first part of uploads to reg is a sixteenth of what it is by default.
func unitClient(t *testing.T, reg *registrytest.Server) *registry.Client {
	return newClient(t, nil).WithFirstPart(reg.Host, 4*unit-unit/16)
}

// methods are what a registry saw of an upload: "POST PATCH PATCH PUT". Sessions that are given back don't count: that is tried for half
// a second only.
func methods(reg *registrytest.Server) string {
	var list []string
	for _, r := range reg.Requests() {
		if r.Method == http.MethodHead || r.Method == http.MethodDelete {
			continue
		}
		list = append(list, r.Method)
	}
	return strings.Join(list, " ")
}

// TestUploadWays sends a blob in the way that the registry takes, and remembers it.
func TestUploadWays(t *testing.T) {
	for _, test := range []struct {
		name          string
		quirks        registrytest.Quirks
		first, second string // requests of the first and of the second blob
	}{
		{"no body with PUT (Artifactory)", registrytest.Quirks{RefusePut: 404}, "POST PUT POST PATCH PUT", "POST PATCH PUT"},
		{"no body with PUT, 405", registrytest.Quirks{RefusePut: 405}, "POST PUT POST PATCH PUT", "POST PATCH PUT"},
		{"no body with PUT, 411", registrytest.Quirks{RefusePut: 411}, "POST PUT POST PATCH PUT", "POST PATCH PUT"},
		{"no body with PUT, 501", registrytest.Quirks{RefusePut: 501}, "POST PUT POST PATCH PUT", "POST PATCH PUT"},
		{"a limit of 5 MiB (Cloudflare)", registrytest.Quirks{MaxBody: 5 * unit}, "POST PUT POST PATCH PATCH GET PATCH PATCH PUT", "POST PATCH PATCH PATCH PUT"},
		{"a limit that doubled parts meet", registrytest.Quirks{MaxBody: 9 * unit}, "POST PUT POST PATCH PATCH PUT", "POST PATCH PATCH PUT"},
		{"a limit of 1 MiB (nginx)", registrytest.Quirks{MaxBody: unit}, "POST PUT POST PATCH GET PATCH GET" + strings.Repeat(" PATCH", 10) + " PUT", "POST" + strings.Repeat(" PATCH", 10) + " PUT"},
		{"parts of at least 5 MiB", registrytest.Quirks{MaxBody: 8 * unit, ChunkMin: 5 * unit}, "POST PUT POST PATCH PATCH PUT", "POST PATCH PATCH PUT"},
		{"Range one too high (zot)", registrytest.Quirks{MaxBody: 5 * unit, RangeOff: 1}, "POST PUT POST PATCH PATCH GET PATCH PATCH PUT", "POST PATCH PATCH PATCH PUT"},
		{"Range one too low", registrytest.Quirks{MaxBody: 5 * unit, RangeOff: -1}, "POST PUT POST PATCH PATCH GET PATCH PATCH PUT", "POST PATCH PATCH PATCH PUT"},
		{"no Range", registrytest.Quirks{MaxBody: 5 * unit, NoRange: true}, "POST PUT POST PATCH PATCH GET PATCH PATCH PUT", "POST PATCH PATCH PATCH PUT"},
		{"Range stands still (ECR)", registrytest.Quirks{MaxBody: 5 * unit, StuckRange: true}, "POST PUT POST PATCH PATCH GET PATCH GET PATCH GET PUT", "POST PATCH PATCH GET PATCH GET PUT"},
		{"redirected (ACR)", registrytest.Quirks{UploadRedirect: true}, "POST PUT PUT", "POST PUT PUT"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, &registrytest.Options{Quirks: test.quirks})
			c := unitClient(t, reg)
			for i, want := range []string{test.first, test.second} {
				reg.Reset()
				repo := c.Repository(reg.Host, []string{"a", "b"}[i])
				check(t, repo.Push(t.Context(), wide.desc, wide.open))
				if got := methods(reg); got != want {
					t.Errorf("upload %d: %s, want %s", i, got, want)
				}
				if data, ok := reg.Blob([]string{"a", "b"}[i], wide.desc.Digest); !ok || !bytes.Equal(data, wide.data) {
					t.Errorf("upload %d is not there", i)
				}
			}
		})
	}
}

// TestUploadLimits ends with the registry's own words where nothing helps.
func TestUploadLimits(t *testing.T) {
	for name, quirks := range map[string]registrytest.Quirks{
		"takes nothing":               {MaxBody: 1},
		"loses parts that it took":    {MaxBody: 5 * unit, DropParts: true},
		"takes neither PUT nor PATCH": {RefusePut: 405, RefusePatch: 405},
	} {
		reg := registrytest.New(t, &registrytest.Options{Quirks: quirks})
		err := unitClient(t, reg).Repository(reg.Host, "app").Push(t.Context(), wide.desc, wide.open)
		var e *registry.Error
		if !errors.As(err, &e) || e.Status < 400 {
			t.Errorf("%s: got error %v", name, err)
		}
		if n := len(reg.Requests()); n > 40 {
			t.Errorf("%s: %d requests", name, n)
		}
		if _, ok := reg.Blob("app", wide.desc.Digest); ok {
			t.Errorf("%s: the blob is there", name)
		}
	}
}

// TestTinyBodyTooBig believes what can't be true only when it is said again.
func TestTinyBodyTooBig(t *testing.T) {
	reg := registrytest.New(t, nil)
	repo := newClient(t, nil).Repository(reg.Host, "app")
	for _, status := range []int{413, 416} {
		fault := registrytest.Fault{Method: "PUT", Class: registrytest.ClassSession, Status: status, Body: "too large"}
		reg.SetFaults(fault)
		check(t, repo.Push(t.Context(), small.desc, small.open))
		fault.Times = -1
		reg.SetFaults(fault)
		reg.Reset()
		var e *registry.Error
		if other := newBlob("other"); !errors.As(repo.Push(t.Context(), other.desc, other.open), &e) || e.Status != status {
			t.Errorf("%d for ever: got error %v", status, e)
		}
		if n := reg.Count("PUT", ""); n > 5 {
			t.Errorf("%d for ever: sent %d times", status, n)
		}
	}
}

// TestLostBlob sends again what a registry has lost when the manifest comes, and nothing else.
func TestLostBlob(t *testing.T) {
	for name, img := range map[string]*image.Image{"layer": pictures().image, "config": pictures().other} {
		reg := registrytest.New(t, nil)
		repo := newClient(t, nil).Repository(reg.Host, "app")
		check(t, content.Copy(t.Context(), repo, img, img.Descriptor(), &content.CopyOptions{WithoutRoot: true}))
		lost := img.Layers()[0].Descriptor
		if name == "config" {
			lost = img.ConfigDescriptor()
		}
		check(t, repo.DeleteBlob(t.Context(), lost.Digest))
		push := func() error {
			return content.PushTagged(t.Context(), repo, img.Descriptor(), content.FromBytes(img.Manifest()), []string{"v1", "v2"})
		}
		expectIs(t, push(), content.ErrIncomplete)
		reg.Reset()
		check(t, content.Mend(t.Context(), repo, img, img.Descriptor(), nil))
		if n := reg.Count("PUT", registrytest.ClassSession); n != 1 {
			t.Errorf("%s: %d blobs were sent, want 1", name, n)
		}
		check(t, push())
	}
}

// TestPartLost goes on from where the registry is when a PATCH broke off, or begins anew where it can't.
func TestPartLost(t *testing.T) {
	for name, quirks := range map[string]registrytest.Quirks{
		"resumes":                        {MaxBody: 5 * unit},
		"forgets (ACR)":                  {MaxBody: 5 * unit, Fragile: true},
		"does not say (docker-registry)": {MaxBody: 5 * unit, RefuseStatus: 404},
		"Range off":                      {MaxBody: 5 * unit, RangeOff: 1},
	} {
		for fault, f := range map[string]registrytest.Fault{"dropped": {Drop: true}, "lost": {Lost: true}, "503": {Status: 503}} {
			t.Run(name+"/"+fault, func(t *testing.T) {
				t.Parallel()
				for nth := 1; nth <= 3; nth++ {
					f.Method, f.Nth = http.MethodPatch, nth
					reg := registrytest.New(t, &registrytest.Options{Quirks: quirks, Faults: []registrytest.Fault{f}})
					check(t, unitClient(t, reg).Repository(reg.Host, "app").Push(t.Context(), wide.desc, wide.open))
					if data, ok := reg.Blob("app", wide.desc.Digest); !ok || !bytes.Equal(data, wide.data) {
						t.Errorf("fault at PATCH %d: the blob is not there", nth)
					}
					if sessions := reg.Count("POST", ""); name == "resumes" && sessions != 2 {
						t.Errorf("fault at PATCH %d: %d sessions, want 2: %s", nth, sessions, methods(reg))
					}
				}
			})
		}
	}
}

// TestStreamResumes sends the rest of a stream that broke off, and not all of it again.
func TestStreamResumes(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Method: http.MethodPatch, CutBody: 5 * unit}}})
	expectStream(t, newClient(t, nil).Repository(reg.Host, "app"), wide)
	if got, want := methods(reg), "POST PATCH GET PATCH PUT"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	total := int64(0)
	for _, r := range reg.Requests() {
		total += r.Received
	}
	if total > wide.desc.Size+unit {
		t.Errorf("the registry got %d bytes for %d", total, wide.desc.Size)
	}
}

// TestGoogle sends every blob whole to Google's registries, which take nothing in parts.
func TestGoogle(t *testing.T) {
	for host, whole := range map[string]bool{"gcr.io": true, "eu.gcr.io": true, "europe-docker.pkg.dev": true, "gcr.io.example": false, "notgcr.io": false} {
		asked := &hosts{}
		repo := newClient(t, &registry.Options{Transport: asked, Backoff: registry.Backoff{Tries: 1}}).Repository(host, "app")
		if _, err := repo.PushPending(t.Context(), content.OctetStream, pending{small}); err == nil {
			t.Error("no error")
		}
		if streamed := !strings.Contains(strings.Join(asked.list, " "), "mount="); streamed == whole {
			t.Errorf("%s: asked %v", host, asked.list)
		}
	}
}
