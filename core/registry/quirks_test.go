package registry_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestQuirks runs every job without a fault against every quirk that a client can live with.
func TestQuirks(t *testing.T) {
	for name, quirks := range map[string]registrytest.Quirks{
		"relative Location":                           {RelativeLocation: true},
		"state in Location":                           {LocationState: true},
		"state in a relative Location":                {LocationState: true, RelativeLocation: true},
		"PATCH answers 200":                           {PatchStatus: 200},
		"PATCH answers 201 (ECR)":                     {PatchStatus: 201},
		"PATCH answers 204 (Pulp)":                    {PatchStatus: 204},
		"no Docker-Content-Digest":                    {NoContentDigest: true},
		"mount refused":                               {RefuseMount: true},
		"mount 405":                                   {MountStatus: 405},
		"mount 404":                                   {MountStatus: 404},
		"PATCH 404":                                   {RefusePatch: 404},
		"PATCH 405":                                   {RefusePatch: 405},
		"PATCH 411":                                   {RefusePatch: 411},
		"PATCH 413":                                   {RefusePatch: 413},
		"PATCH 416 (GHCR)":                            {RefusePatch: 416},
		"PATCH 501":                                   {RefusePatch: 501},
		"PATCH 403":                                   {RefusePatch: 403},
		"HEAD of blobs 405":                           {BlobHead: 405},
		"HEAD of blobs 401":                           {BlobHead: 401},
		"HEAD of blobs 403":                           {BlobHead: 403},
		"HEAD of blobs 412 (Harbor)":                  {BlobHead: 412},
		"HEAD of blobs 500":                           {BlobHead: 500},
		"HEAD of manifests 405 (Nexus)":               {ManifestHead: 405},
		"HEAD of manifests 412":                       {ManifestHead: 412},
		"HEAD of manifests 403":                       {ManifestHead: 403},
		"pages of one tag":                            {TagPage: 1},
		"pages of one tag, Link without quotes":       {TagPage: 1, PlainLink: true},
		"PUT answers 200":                             {PutStatus: 200},
		"PUT answers 202":                             {PutStatus: 202},
		"PUT answers 204":                             {PutStatus: 204},
		"DELETE of a session 405 (GHCR)":              {RefuseCancel: true},
		"everything gzipped":                          {Gzip: true},
		"blobs redirected to storage":                 {BlobRedirect: true},
		"all tags at once":                            {IgnoreTagPage: true},
		"pages of more than 1000 tags refused (ECR)":  {MaxTags: 1000},
		"null among the tags":                         {TagNulls: true},
		"Range of nothing (distribution)":             {ZeroRange: true},
		"parts put wherever they come":                {Appends: true},
		"mount with an origin refused (Docker Hub)":   {RefuseOrigin: true},
		"mount from a short name refused (Harbor)":    {MountNeedsSlash: true},
		"mount without a source refused (Quay)":       {MountNeedsFrom: true},
		"mount of what is referenced (ECR)":           {MountReferenced: true},
		"a repository must exist (ECR)":               {CreateFirst: true},
		"sessions of which nobody can ask":            {RefuseStatus: 400},
		"bodies redirected (ACR)":                     {UploadRedirect: true},
		"HEAD with another length (Harbor)":           {HeadLength: 1},
		"manifests only to who accepts them":          {NeedAccept: true},
		"406 to Accept elsewhere (Artifactory)":       {StrictAccept: true},
		"a media type is needed (ECR)":                {NeedMediaType: true},
		"images alone (Quay)":                         {KnownArtifacts: true, StrictIndex: true},
		"history is checked (Artifactory)":            {CheckHistory: true},
		"more than tags (Google)":                     {TagExtras: true},
		"digests among the tags (Artifactory)":        {TagDigests: true},
		"404 of unknown reason (Harbor)":              {UnknownCode: true},
		"every third request is too many":             {LimitEvery: 3},
		"everything without a digest header and HEAD": {NoContentDigest: true, BlobHead: 405, ManifestHead: 405, RelativeLocation: true},
	} {
		for _, job := range jobs() {
			t.Run(name+"/"+job.name, func(t *testing.T) {
				t.Parallel()
				reg := registrytest.New(t, &registrytest.Options{Quirks: quirks})
				reg.PushImage("app", "v1", registrytest.Image{})
				check(t, job.run(t.Context(), reg, newClient(t, nil).Repository(reg.Host, "app")))
			})
		}
	}
}

// TestProfiles runs every job without a fault against every profile, open and with tokens.
func TestProfiles(t *testing.T) {
	var cells atomic.Int64
	t.Cleanup(func() { t.Logf("%d cells", cells.Load()) })
	for _, name := range registrytest.Profiles() {
		quirks, _ := registrytest.Profile(name)
		for _, mode := range []registrytest.AuthMode{registrytest.AuthNone, registrytest.AuthBasic, registrytest.AuthBearer} {
			for _, job := range jobs() {
				t.Run(fmt.Sprint(name, "/", mode, "/", job.name), func(t *testing.T) {
					t.Parallel()
					reg := registrytest.New(t, &registrytest.Options{Quirks: quirks, Auth: mode, Users: users})
					reg.PushImage("app", "v1", registrytest.Image{})
					kc := keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})
					check(t, job.run(t.Context(), reg, newClient(t, &registry.Options{Keychain: kc}).Repository(reg.Host, "app")))
					cells.Add(1)
				})
			}
		}
	}
}

// TestHeadLength copies what was resolved, whatever length the registry gives a manifest in its answers to HEAD.
func TestHeadLength(t *testing.T) {
	for _, lie := range []int64{-1, 1} {
		reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{HeadLength: lie}})
		image := reg.PushImage("app", "v1", registrytest.Image{})
		repo := newClient(t, nil).Repository(reg.Host, "app")
		desc, err := repo.Resolve(t.Context(), "v1")
		check(t, err)
		check(t, content.Copy(t.Context(), new(content.Memory), repo, desc, nil))
		if there, err := repo.ResolveDigest(t.Context(), "v1"); err != nil || there != image.Manifest.Digest {
			t.Errorf("the tag is %s, %v, want %s", there, err, image.Manifest.Digest)
		}
	}
}

// TestBehindTLSProxy takes a Location that says http: for the address that was asked.
func TestBehindTLSProxy(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{TLS: true, Quirks: registrytest.Quirks{HTTPLocation: true}})
	repo := newClient(t, &registry.Options{Transport: reg.Client().Transport}).Repository(reg.Host, "app")
	check(t, repo.Push(t.Context(), small.desc, small.open))
	expectStream(t, repo, big)
}

// TestForged refuses what a registry made up, whatever its headers say, and does not hang on it.
func TestForged(t *testing.T) {
	forge := func(_ registrytest.Class, _ string, body []byte) []byte {
		return bytes.Replace(body, []byte("linux"), []byte("xunil"), 1)
	}
	longer := func(_ registrytest.Class, _ string, body []byte) []byte { return append(body, ' ') }
	for name, f := range map[string]func(registrytest.Class, string, []byte) []byte{
		"same length": func(class registrytest.Class, ref string, body []byte) []byte {
			return bytes.Replace(forge(class, ref, body), []byte(`"schemaVersion":2`), []byte(`"schemaVersion":3`), 1)
		},
		"longer": longer,
		"empty":  func(registrytest.Class, string, []byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{Forge: f}})
			image := reg.PushImage("app", "v1", registrytest.Image{})
			repo := newClient(t, nil).Repository(reg.Host, "app")
			_, _, err := repo.Manifest(t.Context(), image.Manifest.Digest.String())
			expectIs(t, err, content.ErrVerification)
			_, _, err = repo.Manifest(t.Context(), "v1") // the header has the right digest
			expectIs(t, err, content.ErrVerification)
			_, err = content.ReadAll(t.Context(), repo, image.Config)
			expectIs(t, err, content.ErrVerification)
			unknown := image.Config
			unknown.Size = -1
			_, err = content.ReadAll(t.Context(), repo, unknown)
			expectIs(t, err, content.ErrVerification)
		})
	}
}

// TestForgedOnce reads again what came changed once.
func TestForgedOnce(t *testing.T) {
	var mu sync.Mutex
	forged := map[string]bool{}
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{Forge: func(_ registrytest.Class, ref string, body []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		if forged[ref] {
			return body
		}
		forged[ref] = true
		return bytes.ToUpper(body)
	}}})
	image := reg.PushImage("app", "v1", registrytest.Image{})
	repo := newClient(t, nil).Repository(reg.Host, "app")
	_, _, err := repo.Manifest(t.Context(), "v1")
	check(t, err)
	_, err = content.ReadAll(t.Context(), repo, image.Config)
	check(t, err)
}

// TestBadManifests are documents that no two readers must read in two ways.
func TestBadManifests(t *testing.T) {
	empty := content.Of(content.OCIConfig, []byte("{}"))
	config := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2}`, content.OCIConfig, empty.Digest)
	for name, body := range map[string]string{
		"both layers and manifests": `{"schemaVersion":2,"config":` + config + `,"layers":[],"manifests":[]}`,
		"schema 1":                  `{"schemaVersion":1,"fsLayers":[]}`,
		"media type contradicts":    `{"schemaVersion":2,"mediaType":"` + content.OCIIndex + `","config":` + config + `,"layers":[]}`,
		"bad digest":                `{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:../../x","size":2},"layers":[]}`,
		"no JSON":                   `<html>`,
		"too big":                   `{"schemaVersion":2,"config":` + config + `,"layers":[],"x":"` + strings.Repeat("x", content.MaxDocument) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{
				{Times: -1, Status: 200, Header: http.Header{"Content-Type": {content.OCIManifest}}, Body: body},
			}})
			_, _, err := newClient(t, nil).Repository(reg.Host, "app").Manifest(t.Context(), "v1")
			expectIs(t, err, content.ErrInvalid)
			if n := len(reg.Requests()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// TestHeadOfAnotherDigest refuses a registry that has something else under a digest.
func TestHeadOfAnotherDigest(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Times: -1, Status: 200, Header: http.Header{
		"Content-Type": {content.OCIManifest}, "Content-Length": {"2"}, "Docker-Content-Digest": {big.desc.Digest.String()},
	}}}})
	_, err := newClient(t, nil).Repository(reg.Host, "app").Head(t.Context(), small.desc.Digest.String())
	expectIs(t, err, content.ErrVerification)
}

// TestStoredSomethingElse notices that a registry confirms another digest.
func TestStoredSomethingElse(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{
		{Method: "PUT", Times: -1, Status: 201, Header: http.Header{"Docker-Content-Digest": {big.desc.Digest.String()}}},
	}})
	_, _, err := newClient(t, nil).Repository(reg.Host, "app").PutManifest(t.Context(), "v1", content.OCIIndex, []byte(`{}`))
	expectIs(t, err, content.ErrVerification)
}

// TestImmutableTag takes a refused tag for done when it has the digest already (ECR), and not otherwise.
func TestImmutableTag(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("app", "v1", registrytest.Image{})
	other := reg.PushImage("app", "v2", registrytest.Image{Arch: "arm64"})
	reg.SetFaults(registrytest.Fault{Method: "PUT", Class: registrytest.ClassManifest, Times: -1, Status: 400,
		Body: `{"errors":[{"code":"TAG_INVALID","message":"The image tag 'v1' already exists and cannot be overwritten because the repository is immutable."}]}`})
	repo := newClient(t, nil).Repository(reg.Host, "app")
	desc, err := repo.Resolve(t.Context(), "v1")
	check(t, err)
	check(t, repo.Tag(t.Context(), desc, "v1"))
	err = repo.Tag(t.Context(), other.Manifest, "v1")
	if err == nil || !strings.Contains(err.Error(), "400 tag invalid: ") {
		t.Errorf("got error %v, want the registry's", err)
	}
}

// TestTags reads all pages in every form that a Link comes in, and only from the same origin.
func TestTags(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{TagPage: 2}})
	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprintf("v%d", i))
		reg.PushImage("app", want[i], registrytest.Image{})
	}
	repo := newClient(t, nil).Repository(reg.Host, "app")
	got, err := repo.Tags(t.Context())
	check(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if n := reg.Count("GET", registrytest.ClassTags); n != 4 {
		t.Errorf("%d pages, want 4", n)
	}
	reg.SetFaults(registrytest.Fault{Status: 404, Body: `{"errors":[{"code":"NAME_UNKNOWN"}]}`})
	_, err = repo.Tags(t.Context())
	expectIs(t, err, content.ErrNotFound)
	for name, link := range map[string]string{
		"circle":       `</v2/app/tags/list?n=1000&last=x>; rel="next"`,
		"another host": `<http://127.0.0.2:1/v2/app/tags/list>; rel="next"`,
		"not HTTP":     `<file:///etc/passwd>; rel="next"`,
		"a user":       `<http://user:password@` + reg.Host + `/v2/app/tags/list>; rel="next"`,
	} {
		reg.Reset()
		reg.SetFaults(registrytest.Fault{Times: -1, Status: 200, Header: http.Header{"Link": {link}}, Body: `{"tags":["b",null,"a","a"]}`})
		if tags, err := repo.Tags(t.Context()); err == nil {
			t.Errorf("%s: got tags %v, want an error", name, tags)
		} else if strings.Contains(err.Error(), "password") {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(reg.Requests()); n > 2 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
	reg.SetFaults(registrytest.Fault{Status: 200, Body: `{"tags":["b",null,"a","a"]}`})
	got, err = repo.Tags(t.Context())
	check(t, err)
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q, want them sorted, each once", got)
	}
	reg.SetFaults(registrytest.Fault{Status: 200, Body: `{"tags":null}`})
	got, err = repo.Tags(t.Context())
	check(t, err)
	if got == nil || len(got) != 0 {
		t.Errorf("got %#v, want an empty list", got)
	}
}

// TestReferrers lists what refers to an image, by the request for it and by the tag that stands in for it.
func TestReferrers(t *testing.T) {
	reg := registrytest.New(t, nil)
	image := reg.PushImage("app", "v1", registrytest.Image{})
	config := reg.PushBlob("app", []byte("{}"))
	config.MediaType = "application/vnd.oci.empty.v1+json"
	artifact := func(kind string) content.Descriptor {
		data := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[],`+
			`"subject":{"mediaType":%q,"digest":%q,"size":%d}}`, content.OCIManifest, kind, config.MediaType, config.Digest,
			image.Manifest.MediaType, image.Manifest.Digest, image.Manifest.Size)
		desc := reg.PushManifest("app", "", content.OCIManifest, []byte(data))
		desc.ArtifactType = kind
		return desc
	}
	sbom, signature := artifact("application/sbom"), artifact("application/signature")
	reg.PushIndex("app", strings.Replace(image.Manifest.Digest.String(), ":", "-", 1), false, sbom, signature)
	for _, missing := range []bool{false, true} {
		reg.SetQuirks(registrytest.Quirks{NoReferrers: missing})
		repo := newClient(t, nil).Repository(reg.Host, "app")
		all, err := repo.Referrers(t.Context(), image.Manifest.Digest, "")
		check(t, err)
		if len(all) != 2 {
			t.Errorf("without the request %t: got %v, want 2", missing, all)
		}
		one, err := repo.Referrers(t.Context(), image.Manifest.Digest, "application/sbom")
		check(t, err)
		if len(one) != 1 || one[0].Digest != sbom.Digest {
			t.Errorf("without the request %t: got %v, want the SBOM", missing, one)
		}
		none, err := repo.Referrers(t.Context(), small.desc.Digest, "")
		check(t, err)
		if len(none) != 0 {
			t.Errorf("without the request %t: got %v, want none", missing, none)
		}
	}
}

// TestKeepReferrers tells a registry that keeps no list of referrers of one, in the index that stands in for it; what that said already stays.
func TestKeepReferrers(t *testing.T) {
	subject := content.Of(content.OCIManifest, []byte("subject")).Digest
	tag := strings.Replace(subject.String(), ":", "-", 1)
	reg := registrytest.New(t, nil)
	one, two := reg.PushImage("app", "", registrytest.Image{}).Manifest, reg.PushImage("app", "", registrytest.Image{Arch: "arm64"}).Manifest
	two.ArtifactType, two.Annotations = "application/sbom", map[string]string{"by": "us"}
	repo := newClient(t, nil).Repository(reg.Host, "app")
	check(t, repo.KeepReferrers(t.Context(), subject, []content.Descriptor{one, two}))
	if tags := reg.Tags("app"); len(tags) != 0 {
		t.Errorf("a registry that keeps its list was given the tags %q", tags)
	}
	reg.SetQuirks(registrytest.Quirks{NoReferrers: true})
	entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"more":1}`, one.MediaType, one.Digest, one.Size)
	reg.PushManifest("app", tag, content.OCIIndex, []byte(`{"schemaVersion":2,"mediaType":"`+content.OCIIndex+`","manifests":[`+entry+`],"annotations":{"a":"b"}}`))
	for range 2 {
		check(t, repo.KeepReferrers(t.Context(), subject, []content.Descriptor{one, two}))
	}
	got, err := repo.Referrers(t.Context(), subject, "")
	check(t, err)
	if len(got) != 2 || got[1].Digest != two.Digest || got[1].ArtifactType != two.ArtifactType || got[1].Annotations["by"] != "us" {
		t.Errorf("got %v", got)
	}
	if _, index, _ := reg.Manifest("app", tag); !bytes.Contains(index, []byte(entry)) || !bytes.Contains(index, []byte(`"annotations":{"a":"b"}`)) {
		t.Errorf("the index lost something: %s", index)
	}
	if puts := reg.Count("PUT", registrytest.ClassManifest); puts != 1 {
		t.Errorf("%d manifests were put, want 1", puts)
	}
	reg.PushImage("app", tag, registrytest.Image{})
	expectIs(t, repo.KeepReferrers(t.Context(), subject, []content.Descriptor{one}), content.ErrInvalid) // somebody's image is not overwritten
}

// TestWarnings passes on each warning once, made printable.
func TestWarnings(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Times: -1, Status: 200, Body: `{"tags":[]}`, Header: http.Header{"Warning": {
		"299 - \"this repository is going away \u009b31m\"", `110 - "stale"`, `299 - ""`, `nonsense`,
	}}}}})
	var got []string
	c := newClient(t, &registry.Options{Warn: func(msg string) { got = append(got, msg) }})
	for range 2 {
		_, err := c.Repository(reg.Host, "app").Tags(t.Context())
		check(t, err)
	}
	if !slices.Equal(got, []string{`this repository is going away \u009b31m`}) {
		t.Errorf("got %q", got)
	}
}
