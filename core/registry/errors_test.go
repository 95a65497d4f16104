package registry_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestErrorTexts pins what users read.
func TestErrorTexts(t *testing.T) {
	push := func(ctx context.Context, repo *registry.Repository) error {
		return repo.Push(ctx, small.desc, small.open)
	}
	pull := func(ctx context.Context, repo *registry.Repository) error {
		_, _, err := repo.Manifest(ctx, "v1")
		return err
	}
	put := func(ctx context.Context, repo *registry.Repository) error {
		_, _, err := repo.PutManifest(ctx, "v1", content.OCIIndex, []byte("{}"))
		return err
	}
	for _, test := range []struct {
		name  string
		fault registrytest.Fault
		run   func(context.Context, *registry.Repository) error
		want  string
	}{
		{"denied", registrytest.Fault{Method: "PUT", Status: 403, Body: `{"errors":[{"code":"DENIED","message":"requested access is denied"}]}`}, push,
			`push HOST/app: blob SMALL: 403 denied: "requested access is denied" (PUT http://HOST/v2/app/blobs/uploads/…?digest=SHORT&state=…)`},
		{"terminal escapes", registrytest.Fault{Status: 403, Body: "{\"errors\":[{\"code\":\"\\u001b[31m\",\"message\":\"a\\u001b]52;c;x\\u0007\\r\\u202e\",\"detail\":{\"a\":1}}]}"}, pull,
			`read HOST/app: tag "v1": 403 "\x1b[31m": "a\x1b]52;c;x\a\r\u202e": "{\"a\":1}" (GET http://HOST/v2/app/manifests/v1)`},
		{"HTML", registrytest.Fault{Times: -1, Status: 502, Body: "<html>\n<b>bad</b>"}, pull,
			`read HOST/app: tag "v1": 502 bad gateway: "<html>\n<b>bad</b>" (GET http://HOST/v2/app/manifests/v1, 5 tries)`},
		{"empty", registrytest.Fault{Status: 404}, pull,
			`read HOST/app: tag "v1": 404 not found (GET http://HOST/v2/app/manifests/v1)`},
		{"long", registrytest.Fault{Status: 400, Body: strings.Repeat("x", 10000)}, pull,
			`read HOST/app: tag "v1": 400 bad request: "` + strings.Repeat("x", 300) + `…" (GET http://HOST/v2/app/manifests/v1)`},
		{"rate limit", registrytest.Fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}, Body: "Too Many Requests\n"}, pull,
			`read HOST/app: tag "v1": 429 too many requests: "Too Many Requests"; the registry asks to wait 1h0m0s (GET http://HOST/v2/app/manifests/v1)`},
		{"missing blob", registrytest.Fault{Status: 400, Body: `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown","detail":"sha256:abc"}]}`}, put,
			`push HOST/app: tag "v1": 400 manifest blob unknown: "blob unknown": "sha256:abc"; the registry does not have all the blobs that the manifest names (PUT http://HOST/v2/app/manifests/v1)`},
		{"missing repository", registrytest.Fault{Status: 404, Body: `{"errors":[{"code":"NAME_UNKNOWN","message":"The repository with name 'app' does not exist"}]}`}, push,
			`push HOST/app: blob SMALL: 404 name unknown: "The repository with name 'app' does not exist"; this registry wants the repository to be created before something is pushed to it (POST http://HOST/v2/app/blobs/uploads/)`},
		{"redirect with a signature", registrytest.Fault{Status: 307, Header: http.Header{"Location": {"ftp://cdn.example/x?X-Amz-Signature=canary"}}}, pull,
			`read HOST/app: tag "v1": refused redirect to ftp://cdn.example/x?X-Amz-Signature=…: it is neither HTTP nor HTTPS (GET http://HOST/v2/app/manifests/v1)`},
		{"redirect to nowhere", registrytest.Fault{Status: 307}, pull,
			`read HOST/app: tag "v1": 307 temporary redirect (GET http://HOST/v2/app/manifests/v1)`},
		{"no Location", registrytest.Fault{Times: -1, Class: registrytest.ClassUpload, Status: 202}, push,
			`push HOST/app: blob SMALL: the registry opened an upload and did not say where (POST http://HOST/v2/app/blobs/uploads/, 5 tries)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{test.fault}})
			err := test.run(t.Context(), newClient(t, nil).Repository(reg.Host, "app"))
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.NewReplacer(reg.Host, "HOST", small.desc.Digest.String(), "SMALL", "sha256:"+small.desc.Digest.Encoded()[:12]+"…", "SHORT").Replace(err.Error())
			if got != test.want {
				t.Errorf("got:  %s\nwant: %s", got, test.want)
			}
		})
	}
}

// TestNoSecretInErrors looks for canaries in every error of every job.
func TestNoSecretInErrors(t *testing.T) {
	for _, job := range jobs() {
		reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBasic, Users: map[string]string{"alice": "canary-password"}})
		reg.PushImage("app", "v1", registrytest.Image{})
		reg.SetFaults(registrytest.Fault{Times: -1, Status: 302, Header: http.Header{"Location": {"gopher://x/?sig=canary-signature"}}})
		kc := keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "canary-password"}})
		err := job.run(t.Context(), reg, newClient(t, &registry.Options{Keychain: kc}).Repository(reg.Host, "app"))
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got error %v, want one without canaries", job.name, err)
		}
	}
}

// TestInvalidNames are refused before anything is sent.
func TestInvalidNames(t *testing.T) {
	reg := registrytest.New(t, nil)
	c := newClient(t, nil)
	for _, name := range []string{"", "App", "a//b", "../x", "a/../b", "a?b", "a b", "a/", strings.Repeat("a", 256)} {
		repo := c.Repository(reg.Host, name)
		_, _, err := repo.Manifest(t.Context(), "v1")
		expectIs(t, err, content.ErrInvalid)
		expectIs(t, repo.Push(t.Context(), small.desc, small.open), content.ErrInvalid)
		_, err = content.ReadAll(t.Context(), repo, small.desc)
		expectIs(t, err, content.ErrInvalid)
	}
	repo := c.Repository(reg.Host, "app")
	for _, ref := range []string{"", "a/b", "-x", ".x", "a b", "a+b", strings.Repeat("a", 129), "sha256:x", "sha256:../../x", "md5:d41d8cd98f00b204e9800998ecf8427e"} {
		_, err := repo.Head(t.Context(), ref)
		expectIs(t, err, content.ErrInvalid)
		expectIs(t, repo.Delete(t.Context(), ref), content.ErrInvalid)
		if ref != "" {
			_, _, err = repo.PutManifest(t.Context(), ref, content.OCIIndex, []byte("{}"))
			expectIs(t, err, content.ErrInvalid)
		}
		expectIs(t, registry.ValidTag(ref), content.ErrInvalid)
	}
	if n := len(reg.Requests()); n > 0 {
		t.Errorf("%d requests, want none", n)
	}
	for _, tag := range []string{"latest", "V1.0-rc_1", "_", strings.Repeat("a", 128)} {
		check(t, registry.ValidTag(tag))
	}
}
