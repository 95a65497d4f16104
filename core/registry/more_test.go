package registry_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestResumeWithoutRanges reads a blob from its start again and skips what came before, where ranges are ignored, refused or wrong.
func TestResumeWithoutRanges(t *testing.T) {
	cut := registrytest.Fault{Class: registrytest.ClassBlob, Truncate: 400 << 10}
	wrong := registrytest.Fault{Class: registrytest.ClassBlob, Nth: 2, Status: 206, Header: http.Header{"Content-Range": {"bytes 0-9/10"}}, Body: "0123456789"}
	for name, opts := range map[string]*registrytest.Options{
		"ignored": {Quirks: registrytest.Quirks{RangeStatus: 200}, Faults: []registrytest.Fault{cut}},
		"refused": {Quirks: registrytest.Quirks{RangeStatus: 416}, Faults: []registrytest.Fault{cut}},
		"wrong":   {Faults: []registrytest.Fault{cut, wrong}},
	} {
		reg := registrytest.New(t, opts)
		got, err := content.ReadAll(t.Context(), newClient(t, nil).Repository(reg.Host, "app"), reg.PushBlob("app", huge))
		if err != nil || !bytes.Equal(got, huge) {
			t.Errorf("%s: %d bytes, error %v", name, len(got), err)
		}
	}
}

// TestSenselessStatus resumes an upload only where the registry's answer makes sense, and begins anew otherwise.
func TestSenselessStatus(t *testing.T) {
	for name, status := range map[string]registrytest.Fault{
		"more than was sent":  {Status: 204, Header: http.Header{"Range": {"0-99999999"}}},
		"not from the start":  {Status: 204, Header: http.Header{"Range": {"5-9"}}},
		"no Range":            {Status: 204},
		"no number":           {Status: 204, Header: http.Header{"Range": {"0-x"}}},
		"another status":      {Status: 200, Header: http.Header{"Range": {"0-1048575"}}},
		"nothing of the kind": {Status: 404},
	} {
		status.Method, status.Class, status.Times = http.MethodGet, registrytest.ClassSession, -1
		reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Method: http.MethodPatch, CutBody: 1 << 20}, status}})
		expectStream(t, newClient(t, nil).Repository(reg.Host, "app"), blob{content.Of(content.OctetStream, huge), huge})
		if n := reg.Count("POST", registrytest.ClassUpload); n != 2 {
			t.Errorf("%s: %d sessions, want 2: %s", name, n, methods(reg))
		}
		if data, ok := reg.Blob("app", content.Of("", huge).Digest); !ok || !bytes.Equal(data, huge) {
			t.Errorf("%s: the blob is not there", name)
		}
	}
}

// TestLostSession sends a blob in a new session when the registry forgot the old one, and gives up when it always does.
func TestLostSession(t *testing.T) {
	for _, fault := range []registrytest.Fault{
		{Status: 404, Body: `{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}`},
		{Status: 404, Body: `{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}`}, // ACR after a reset
		{Status: 400, Body: `{"errors":[{"code":"DIGEST_INVALID"}]}`},      // bytes changed on their way
		{Status: 416},
	} {
		fault.Method, fault.Class = http.MethodPut, registrytest.ClassSession
		reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{fault}})
		repo := newClient(t, nil).Repository(reg.Host, "app")
		check(t, repo.Push(t.Context(), small.desc, small.open))
		if n := reg.Count("POST", registrytest.ClassUpload); n != 2 {
			t.Errorf("%d %s: %d sessions, want 2", fault.Status, fault.Body, n)
		}
		fault.Times = -1
		reg.SetFaults(fault)
		err := repo.Push(t.Context(), big.desc, big.open)
		var e *registry.Error
		if !errors.As(err, &e) || e.Status != fault.Status || e.Tries != 5 {
			t.Errorf("%d for ever: got error %v, want it after 5 tries", fault.Status, err)
		}
	}
}

// TestRedirectedUpload sends the body again where a PUT or a PATCH is redirected to.
func TestRedirectedUpload(t *testing.T) {
	storage := registrytest.New(t, nil)
	repo := newClient(t, nil).Repository(storage.Host, "app")
	for _, method := range []string{http.MethodPut, http.MethodPatch} {
		resp, err := http.Post(storage.URL+"/v2/app/blobs/uploads/", "", nil)
		check(t, err)
		check(t, resp.Body.Close())
		location := resp.Header.Get("Location")
		if method == http.MethodPut {
			location += "&digest=" + small.desc.Digest.String()
		}
		storage.SetFaults(registrytest.Fault{Method: method, Class: registrytest.ClassSession, Status: 307, Header: http.Header{"Location": {location}}})
		if method == http.MethodPut {
			check(t, repo.Push(t.Context(), small.desc, small.open))
		} else {
			_, err := repo.PushPending(t.Context(), content.OctetStream, pending{big})
			check(t, err)
		}
	}
	for _, b := range []blob{small, big} {
		if data, ok := storage.Blob("app", b.desc.Digest); !ok || !bytes.Equal(data, b.data) {
			t.Errorf("%s is not there", b.desc.Digest)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestTokenServerFaults are survived like those of the registry.
func TestTokenServerFaults(t *testing.T) {
	for name, fault := range passingFaults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if fault.Corrupt > 0 {
				return // nothing says what a token should be
			}
			fault.Class = registrytest.ClassToken
			opts := registrytest.Options{Auth: registrytest.AuthBearer, Users: users, Faults: []registrytest.Fault{fault}}
			inBubble(t, opts, func(t *testing.T, reg *registrytest.Server, c *registry.Client) {
				reg.PushImage("app", "v1", registrytest.Image{})
				c = c.With(keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}}))
				_, _, err := c.Repository(reg.Host, "app").Manifest(t.Context(), "v1")
				check(t, err)
			})
		})
	}
}

// TestStat tells the size of a blob, and deletes one.
func TestStat(t *testing.T) {
	for _, quirks := range []registrytest.Quirks{{}, {BlobHead: 405}} {
		reg := registrytest.New(t, &registrytest.Options{Quirks: quirks})
		reg.PushBlob("app", big.data)
		repo := newClient(t, nil).Repository(reg.Host, "app")
		desc, err := repo.StatBlob(t.Context(), big.desc.Digest)
		if err != nil || desc.Size != big.desc.Size {
			t.Errorf("%+v: %v, %v", quirks, desc, err)
		}
		check(t, repo.DeleteBlob(t.Context(), big.desc.Digest))
		_, err = repo.StatBlob(t.Context(), big.desc.Digest)
		expectIs(t, err, content.ErrNotFound)
		expectIs(t, repo.DeleteBlob(t.Context(), big.desc.Digest), content.ErrNotFound)
		_, err = repo.StatBlob(t.Context(), "sha256:x")
		expectIs(t, err, content.ErrInvalid)
		expectIs(t, repo.DeleteBlob(t.Context(), "sha256:x"), content.ErrInvalid)
	}
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{RefuseDelete: true}})
	expectIs(t, newClient(t, nil).Repository(reg.Host, "app").Delete(t.Context(), "v1"), content.ErrUnsupported)
}

// TestPutManifest stores by tag and by digest, and says what and how.
func TestPutManifest(t *testing.T) {
	reg := registrytest.New(t, nil)
	repo := newClient(t, nil).Repository(reg.Host, "app")
	data := []byte(`{"schemaVersion":2,"mediaType":"` + content.OCIIndex + `","manifests":[]}`)
	want := content.Of(content.OCIIndex, data)
	for _, ref := range []string{"", "v1", want.Digest.String()} {
		desc, status, err := repo.PutManifest(t.Context(), ref, content.OCIIndex, data)
		check(t, err)
		if desc.Digest != want.Digest || desc.Size != want.Size || status != http.StatusCreated {
			t.Errorf("%q: %v, status %d", ref, desc, status)
		}
	}
	_, _, err := repo.PutManifest(t.Context(), small.desc.Digest.String(), content.OCIIndex, data)
	expectIs(t, err, content.ErrVerification)
	_, _, err = repo.PutManifest(t.Context(), "v1", content.OCIIndex, bytes.Repeat([]byte(" "), content.MaxDocument+1))
	expectIs(t, err, content.ErrInvalid)
	_, _, err = repo.PutManifest(t.Context(), "v1", content.OCIManifest, []byte(`{"schemaVersion":2,"config":{"digest":"`+small.desc.Digest.String()+`","size":5},"layers":[]}`))
	if err == nil || !strings.Contains(err.Error(), "does not have all the blobs") {
		t.Errorf("got error %v, want one about missing blobs", err)
	}
}

// TestRealClock waits between tries by the clock that there is, and stops waiting when the context ends.
func TestRealClock(t *testing.T) {
	busy := registrytest.Fault{Nth: 2, Times: -1, Status: 503, Header: http.Header{"Retry-After": {"60"}}}
	inBubble(t, registrytest.Options{Faults: []registrytest.Fault{{Status: 503}, busy}}, func(t *testing.T, reg *registrytest.Server, c *registry.Client) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Repository(reg.Host, "app").Resolve(ctx, "v1")
		expectIs(t, err, context.DeadlineExceeded)
		if d := time.Since(start); d != 50*time.Second || len(reg.Requests()) != 2 {
			t.Errorf("came back after %s and %d requests", d, len(reg.Requests()))
		}
	})
}

// TestServerGoesDown in the middle of everything: an error that says so.
func TestServerGoesDown(t *testing.T) {
	for _, job := range jobs() {
		reg := registrytest.New(t, nil)
		reg.PushImage("app", "v1", registrytest.Image{})
		reg.Close()
		expectIs(t, job.run(t.Context(), reg, newClient(t, nil).Repository(reg.Host, "app")), registry.ErrUnreachable)
	}
}
