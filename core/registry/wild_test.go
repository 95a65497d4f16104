package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// The tests of this file are quirks that one job shows, each by what becomes of it.

// TestHeadErrorIsExplained reads what a HEAD can't say (ECR: 400 and 403 without a body).
func TestHeadErrorIsExplained(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden} {
		reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{
			{Times: -1, Status: status, Body: `{"errors":[{"code":"DENIED","message":"not for you"}]}`},
		}})
		repo := newClient(t, nil).Repository(reg.Host, "app")
		_, err := repo.Resolve(t.Context(), "v1")
		_, blobErr := repo.StatBlob(t.Context(), small.desc.Digest)
		for _, err := range []error{err, blobErr} {
			if err == nil || !strings.Contains(err.Error(), "not for you") {
				t.Errorf("%d: got error %v, want the registry's words", status, err)
			}
		}
	}
}

// TestUploadWithoutLocation opens a session again that nobody could find, and says what is wrong when it always is (ECR, buildah#2234).
func TestUploadWithoutLocation(t *testing.T) {
	nowhere := registrytest.Fault{Class: registrytest.ClassUpload, Change: http.Header{"Location": nil}}
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{nowhere}})
	repo := newClient(t, nil).Repository(reg.Host, "app")
	check(t, repo.Push(t.Context(), small.desc, small.open))
	if got, want := methods(reg), "POST POST PUT"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	nowhere.Times = -1
	reg.SetFaults(nowhere)
	if err := repo.Push(t.Context(), small.desc, small.open); err == nil || !strings.Contains(err.Error(), "did not say where") {
		t.Errorf("got error %v", err)
	}
}

// TestMissingRepository says that it must be created, or at least where it was, and does not try for long (ECR answers 404 or resets).
func TestMissingRepository(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{CreateFirst: true}})
	repo := newClient(t, nil).Repository(reg.Host, "app")
	_, _, putErr := repo.PutManifest(t.Context(), "v1", content.OCIIndex, []byte(`{"schemaVersion":2,"manifests":[]}`))
	_, mountErr := repo.Mount(t.Context(), small.desc, nil, small.open)
	_, streamErr := repo.PushPending(t.Context(), content.OctetStream, pending{small})
	for _, err := range []error{repo.Push(t.Context(), small.desc, small.open), putErr, mountErr, streamErr} {
		expectIs(t, err, content.ErrNotFound)
		if err == nil || !strings.Contains(err.Error(), "to be created") {
			t.Errorf("got error %v", err)
		}
	}
	if n := len(reg.Requests()); n > 6 {
		t.Errorf("%d requests:\n%s", n, strings.Join(reg.Lines(), "\n"))
	}
	reg.SetFaults(registrytest.Fault{Method: http.MethodPost, Drop: true, Times: -1})
	err := repo.Push(t.Context(), small.desc, small.open)
	expectIs(t, err, registry.ErrUnreachable)
	if err == nil || !strings.Contains(err.Error(), repo.Location()) {
		t.Errorf("got error %v, want one that names the repository", err)
	}
}

// TestPartsTooSmall sends bigger ones in a new session, where nothing announced how big they have to be (ECR: 5 MB).
func TestPartsTooSmall(t *testing.T) {
	for _, least := range []int64{4 << 20, 5 << 20, 7 << 20} {
		reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{MaxBody: 8 << 20, PartMin: least}})
		check(t, newClient(t, nil).Repository(reg.Host, "app").Push(t.Context(), large.desc, large.open))
		if data, ok := reg.Blob("app", large.desc.Digest); !ok || !bytes.Equal(data, large.data) {
			t.Errorf("parts of at least %d: the blob is not there: %s", least, methods(reg))
		}
	}
}

// TestParallelUploadsReset sends again what a registry has no place for (ECR).
func TestParallelUploadsReset(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{MaxUploads: 2}})
	c := newClient(t, &registry.Options{
		Transfers: 8, Backoff: registry.Backoff{Tries: 100, First: time.Millisecond, Most: 20 * time.Millisecond, Budget: 10_000},
		Sleep: func(ctx context.Context, d time.Duration) error {
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
	})
	var all sync.WaitGroup
	for i := range 8 {
		one := newBlob(strings.Repeat(fmt.Sprint(i), 2<<20))
		all.Go(func() {
			if err := c.Repository(reg.Host, "app").Push(t.Context(), one.desc, one.open); err != nil {
				t.Error(err)
			}
			if _, ok := reg.Blob("app", one.desc.Digest); !ok {
				t.Errorf("%s is not there", one.desc.Digest)
			}
		})
	}
	all.Wait()
}

// TestIdentityTokens are sent by POST, and where the token server takes none, as a password by GET (ACR 400, Artifactory 401, Google 404, Docker Hub 405).
func TestIdentityTokens(t *testing.T) {
	for _, status := range []int{0, 400, 401, 404, 405} {
		for _, access := range []bool{false, true} {
			reg := registrytest.New(t, &registrytest.Options{
				Auth: registrytest.AuthBearer, Identities: map[string]string{"identity": "alice"},
				Quirks: registrytest.Quirks{TokenPost: status, AccessToken: access, NoExpiry: true},
			})
			reg.PushImage("app", "v1", registrytest.Image{})
			kc := identity("identity")
			_, err := newClient(t, &registry.Options{Keychain: kc}).Repository(reg.Host, "app").Resolve(t.Context(), "v1")
			if err != nil {
				t.Errorf("POST answers %d, access_token %t: %v", status, access, err)
			}
		}
	}
}

// identity is a keychain of one identity token.
type identity string

// Credential implements auth.Keychain.
func (i identity) Credential(context.Context, string, string) (auth.Credential, error) {
	return auth.Credential{IdentityToken: string(i), Source: "test"}, nil
}

// TestAuthQuirks runs every job against every quirk of challenges and tokens that a client can live with.
func TestAuthQuirks(t *testing.T) {
	for name, quirks := range map[string]registrytest.Quirks{
		"no challenge but at /v2/ (Google)":    {NoChallenge: true},
		"several challenges":                   {Challenges: []string{"Negotiate", `Digest realm="x, y", nonce="a\"b"`}},
		"several challenges in one header":     {Challenges: []string{`Negotiate, Unknown a=b`}},
		"access_token":                         {AccessToken: true},
		"nothing about the life of a token":    {NoExpiry: true},
		"only the first scope counts (Harbor)": {FirstScope: true},
		"hidden repositories (Docker Hub)":     {HideMissing: true},
		"the connection ends with a 401 (Hub)": {CloseOn401: true},
		"403 to an expired token (ECR)":        {ExpiredStatus: 403},
		"400 to an expired token (ECR Public)": {ExpiredStatus: 400},
		"realm with its port twice (Nexus)": {Realm: func(realm string) string {
			return strings.Replace(realm, "/token", realm[strings.LastIndex(realm, ":"):], 1)
		}},
		"realm with the scheme null (Nexus)": {Realm: func(realm string) string { return strings.Replace(realm, "http://", "null://", 1) }},
	} {
		for _, job := range jobs() {
			t.Run(name+"/"+job.name, func(t *testing.T) {
				t.Parallel()
				reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer, Users: users, Quirks: quirks})
				reg.PushImage("app", "v1", registrytest.Image{})
				kc := keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})
				check(t, job.run(t.Context(), reg, newClient(t, &registry.Options{Keychain: kc}).Repository(reg.Host, "app")))
			})
		}
	}
}

// TestRealmInTheClear: passwords of a registry with TLS go to no token server without, and the error says whose mistake it is (nexus-public#435).
func TestRealmInTheClear(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{TLS: true, Auth: registrytest.AuthBearer, Users: users, Quirks: registrytest.Quirks{
		Realm: func(realm string) string { return strings.Replace(realm, "https:", "http:", 1) },
	}})
	kc := keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})
	repo := newClient(t, &registry.Options{Keychain: kc, Transport: reg.Client().Transport}).Repository(reg.Host, "app")
	err := repo.Push(t.Context(), small.desc, small.open)
	expectIs(t, err, registry.ErrDenied)
	if err == nil || !strings.Contains(err.Error(), "the registry is on https and its token server on http") {
		t.Errorf("got error %v", err)
	}
	if n := reg.Count("", registrytest.ClassToken); n != 0 {
		t.Errorf("the token server was asked %d times", n)
	}
}

// TestTokenEndsWithTheUpload: a token that dies while a body is being sent is replaced and the body sent again, also where the registry hangs up on it
// (Docker Hub, ggcr#2454; GitLab's tokens live five minutes).
func TestTokenEndsWithTheUpload(t *testing.T) {
	for _, quirks := range []registrytest.Quirks{{}, {CloseOn401: true}, {CloseOn401: true, ExpiredStatus: 403}} {
		for _, method := range []string{http.MethodPut, http.MethodPatch} {
			reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer, Users: users, Quirks: quirks, Faults: []registrytest.Fault{
				{Method: method, Class: registrytest.ClassSession, Revoke: true},
			}})
			kc := keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})
			repo := newClient(t, &registry.Options{Keychain: kc}).Repository(reg.Host, "app")
			if method == http.MethodPatch {
				expectStream(t, repo, big)
			} else {
				check(t, repo.Push(t.Context(), big.desc, big.open))
			}
			if data, ok := reg.Blob("app", big.desc.Digest); !ok || !bytes.Equal(data, big.data) {
				t.Errorf("%+v %s: the blob is not there", quirks, method)
			}
		}
	}
}

// TestMountWithFirstScope uploads what it may not mount, because the token server looked at one scope alone.
func TestMountWithFirstScope(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer, Users: users, Quirks: registrytest.Quirks{FirstScope: true}})
	reg.PushBlob("base", small.data)
	c := newClient(t, &registry.Options{Keychain: keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})})
	expectTransfer(t, c.Repository(reg.Host, "app"), small, []string{reg.Host + "/base"}, content.Uploaded)
}

// TestNothingIsSentUnderABadName finds out by itself what registries say in strange ways (ECR: 400 to a HEAD of "v1+2"; GHCR: 404 to upper case).
func TestNothingIsSentUnderABadName(t *testing.T) {
	reg := registrytest.New(t, nil)
	c := newClient(t, nil)
	for _, name := range []string{"App", "team/APP", "a//b", "a/../b", "a b", "ä"} {
		_, err := c.Repository(reg.Host, name).Resolve(t.Context(), "v1")
		expectIs(t, err, content.ErrInvalid)
		expectIs(t, c.Repository(reg.Host, name).Push(t.Context(), small.desc, small.open), content.ErrInvalid)
	}
	for _, tag := range []string{"v1+2", "", ".v1", strings.Repeat("v", 129), "v/1", "v1?"} {
		_, err := c.Repository(reg.Host, "app").Resolve(t.Context(), tag)
		expectIs(t, err, content.ErrInvalid)
		expectIs(t, c.Repository(reg.Host, "app").PushTagged(t.Context(), small.desc, small.open, tag), content.ErrInvalid)
	}
	if n := len(reg.Requests()); n != 0 {
		t.Errorf("%d requests:\n%s", n, strings.Join(reg.Lines(), "\n"))
	}
}

// TestLimiter waits as long as Docker Hub's limiter asks for, whose lines end in a bare line feed, and goes on.
func TestLimiter(t *testing.T) {
	clock := &sleeps{}
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{LimitEvery: 3}})
	c := newClient(t, &registry.Options{Sleep: clock.sleep})
	check(t, c.Repository(reg.Host, "app").Push(t.Context(), big.desc, big.open))
	check(t, c.Repository(reg.Host, "app").Push(t.Context(), small.desc, small.open))
	if n := len(clock.list); n == 0 || slices.Min(clock.list) < 59*time.Second {
		t.Errorf("waited %v, want a minute each time", clock.list)
	}
}

// TestLimitIsTold: what a registry says of its limit is in the error that it leads to, if it can be read.
func TestLimitIsTold(t *testing.T) {
	for _, test := range []struct{ limit, left, want string }{
		{"100;w=21600", "0;w=21600", "the registry asks to wait 6h0m0s; 0 of 100 requests in 6h0m0s are left"},
		{"100", "7", "7 of 100 requests are left"},
		{"100;w=x", " 7 ; w=5", "7 of 100 requests are left"},
		{"many", "0", ""},
		{"100", "", ""},
		{"-1", "\x1b[31m", ""},
	} {
		reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Times: -1, Status: 429, Header: http.Header{
			"Retry-After": {"21600"}, "Ratelimit-Limit": {test.limit}, "Ratelimit-Remaining": {test.left},
		}}}})
		_, err := newClient(t, nil).Repository(reg.Host, "app").Resolve(t.Context(), "v1")
		if err == nil || !strings.Contains(err.Error(), test.want) || test.want == "" && strings.Contains(err.Error(), "are left") {
			t.Errorf("%q, %q: got error %v, want one with %q", test.limit, test.left, err, test.want)
		}
	}
}

// TestStreamTooBigForPatch sends the finished blob in the PUT where a PATCH of it is too big (GHCR: 416 from 4 MiB on).
func TestStreamTooBigForPatch(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{MaxPatch: 4 << 20}})
	c := newClient(t, nil)
	expectStream(t, c.Repository(reg.Host, "app"), large)
	check(t, c.Repository(reg.Host, "more").Push(t.Context(), large.desc, large.open))
	for _, name := range []string{"app", "more"} {
		if data, ok := reg.Blob(name, large.desc.Digest); !ok || !bytes.Equal(data, large.data) {
			t.Errorf("the blob is not in %s", name)
		}
	}
}

// TestRefusedForGood ends at once, in the registry's words, what no second try can help: Quay's refusals of documents, a quota of Harbor, a right that
// Artifactory reports as a bad manifest, a tag of ECR that is another image already.
func TestRefusedForGood(t *testing.T) {
	artifact := func(reg *registrytest.Server) string {
		config := reg.PushBlob("app", []byte("{}"))
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":"application/x","config":{"mediaType":"application/x","digest":%q,"size":2},"layers":[]}`,
			content.OCIManifest, config.Digest)
	}
	index := func(reg *registrytest.Server) string {
		child := reg.PushImage("app", "child", registrytest.Image{Docker: true}).Manifest
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
			content.OCIIndex, child.MediaType, child.Digest, child.Size)
	}
	for _, test := range []struct {
		name      string
		opts      registrytest.Options
		mediaType string
		document  func(reg *registrytest.Server) string
		is        error
		has       string
	}{
		{"artifact (Quay)", registrytest.Options{Quirks: registrytest.Quirks{KnownArtifacts: true}}, content.OCIManifest, artifact, nil, "unknown artifact type"},
		{"Docker's children (Quay)", registrytest.Options{Quirks: registrytest.Quirks{StrictIndex: true}}, content.OCIIndex, index, nil, "other manifests than OCI's"},
		{"no media type (ECR)", registrytest.Options{Quirks: registrytest.Quirks{NeedMediaType: true}}, content.OCIIndex,
			func(*registrytest.Server) string { return `{"schemaVersion":2,"manifests":[]}` }, nil, "Invalid JSON syntax"},
		{"403 as a bad manifest (Artifactory)", registrytest.Options{Faults: []registrytest.Fault{{Method: "PUT", Class: registrytest.ClassManifest, Times: -1, Status: 403,
			Body: `{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{"description":"null"}}]}`}}}, content.OCIManifest, artifact, registry.ErrDenied, "manifest invalid"},
		{"immutable tag (ECR)", registrytest.Options{Quirks: registrytest.Quirks{ImmutableTags: true}}, content.OCIManifest, artifact, nil, "immutable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			reg := registrytest.New(t, &test.opts)
			reg.PushImage("app", "v1", registrytest.Image{})
			_, _, err := newClient(t, nil).Repository(reg.Host, "app").PutManifest(t.Context(), "v1", test.mediaType, []byte(test.document(reg)))
			if err == nil || !strings.Contains(err.Error(), test.has) {
				t.Errorf("got error %v, want one with %q", err, test.has)
			}
			if test.is != nil {
				expectIs(t, err, test.is)
			}
			if n := reg.Count("PUT", registrytest.ClassManifest); n != 1 {
				t.Errorf("sent %d times, want once", n)
			}
		})
	}
}

// TestQuota is refused by the last request of an upload, and not tried again (Harbor).
func TestQuota(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{Quota: 1 << 20}})
	repo := newClient(t, nil).Repository(reg.Host, "app")
	_, streamErr := repo.PushPending(t.Context(), content.OctetStream, pending{big})
	for _, err := range []error{repo.Push(t.Context(), big.desc, big.open), streamErr} {
		expectIs(t, err, registry.ErrDenied)
		if err == nil || !strings.Contains(err.Error(), "exceed the configured upper limit") {
			t.Errorf("got error %v", err)
		}
	}
	if n := reg.Count("PUT", registrytest.ClassSession); n > 3 {
		t.Errorf("%d tries:\n%s", n, strings.Join(reg.Lines(), "\n"))
	}
	check(t, repo.Push(t.Context(), small.desc, small.open))
}

// TestDeleteScope: Quay's token server fails on the right to delete. That is an error of deleting and of nothing else.
func TestDeleteScope(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer, Users: users, Quirks: registrytest.Quirks{RefuseDeleteScope: true}})
	reg.PushImage("app", "v1", registrytest.Image{})
	repo := newClient(t, &registry.Options{Keychain: keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})}).Repository(reg.Host, "app")
	check(t, repo.Push(t.Context(), small.desc, small.open))
	if err := repo.Delete(t.Context(), "v1"); err == nil || !strings.Contains(err.Error(), "token server") {
		t.Errorf("got error %v, want the token server's", err)
	}
	_, err := repo.Resolve(t.Context(), "v1")
	check(t, err)
}

// TestResumeOfSignedURL asks the registry again, and not the storage that it led to: a signed URL is good for one request (registry.k8s.io#333).
func TestResumeOfSignedURL(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{BlobRedirect: true}, Faults: []registrytest.Fault{
		{Class: registrytest.ClassBlob, Nth: 2, Truncate: 400 << 10}, {Class: registrytest.ClassBlob, Nth: 4, Truncate: 400 << 10},
	}})
	got, err := content.ReadAll(t.Context(), newClient(t, nil).Repository(reg.Host, "app"), reg.PushBlob("app", huge))
	check(t, err)
	if !bytes.Equal(got, huge) {
		t.Error("the bytes differ")
	}
	if n := reg.Count("GET", registrytest.ClassBlob); n != 6 {
		t.Errorf("%d requests, want three to the registry and three to its storage", n)
	}
}

// TestTagsWithoutEnd notices that a list goes round (GHCR had pages that named themselves).
func TestTagsWithoutEnd(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{TagLoop: true}})
	reg.PushImage("app", "v1", registrytest.Image{})
	_, err := newClient(t, nil).Repository(reg.Host, "app").Tags(t.Context())
	expectIs(t, err, content.ErrInvalid)
	if n := len(reg.Requests()); n > 2 {
		t.Errorf("%d requests", n)
	}
}

// TestBrokenSession begins anew where a session can't go on, whatever the registry says of it then (ECR and distribution 3: 416; ACR and docker-registry: 404).
func TestBrokenSession(t *testing.T) {
	for _, status := range []int{400, 404, 416} {
		for _, cut := range []int64{1, 1 << 20} {
			for _, streamed := range []bool{false, true} {
				reg := registrytest.New(t, &registrytest.Options{
					Quirks: registrytest.Quirks{Fragile: true, BrokenStatus: status, ZeroRange: true},
					Faults: []registrytest.Fault{{Class: registrytest.ClassSession, CutBody: cut}},
				})
				repo := newClient(t, nil).Repository(reg.Host, "app")
				if streamed {
					expectStream(t, repo, big)
				} else {
					check(t, repo.Push(t.Context(), big.desc, big.open))
				}
				if data, ok := reg.Blob("app", big.desc.Digest); !ok || !bytes.Equal(data, big.data) {
					t.Errorf("%d after %d bytes, streamed %t: the blob is not there: %s", status, cut, streamed, methods(reg))
				}
			}
		}
	}
}

// TestRangeOfNothing: a Range of "0-0" is what registries say of no byte and of one. Who takes it for the wrong one sends a blob that is not what it should be,
// which the digest shows, and begins anew; so too where parts are put wherever they come (docker-registry 2.8).
func TestRangeOfNothing(t *testing.T) {
	for _, quirks := range []registrytest.Quirks{
		{ZeroRange: true}, {ZeroRange: true, Appends: true}, {Appends: true}, {Appends: true, MaxBody: 5 << 20}, {Appends: true, MaxBody: 5 << 20, RangeOff: 1},
		{Appends: true, MaxBody: 5 << 20, NoRange: true, RefuseStatus: 404},
	} {
		for _, fault := range []registrytest.Fault{{CutBody: 1}, {CutBody: 2}, {CutBody: 1 << 19}, {Lost: true}, {Drop: true}, {Nth: 2, Lost: true}, {Nth: 2, CutBody: 1}} {
			fault.Method = http.MethodPatch
			reg := registrytest.New(t, &registrytest.Options{Quirks: quirks, Faults: []registrytest.Fault{fault}})
			repo := newClient(t, nil).Repository(reg.Host, "app")
			one := big
			if quirks.MaxBody == 0 {
				expectStream(t, repo, one)
			} else {
				one = large
				check(t, repo.Push(t.Context(), one.desc, one.open))
			}
			if data, ok := reg.Blob("app", one.desc.Digest); !ok || !bytes.Equal(data, one.data) {
				t.Errorf("ZeroRange %t, Appends %t, fault %+v: the blob is not there: %s", quirks.ZeroRange, quirks.Appends, fault, methods(reg))
			}
		}
	}
}

// TestChunkMinOfAnAttacker is bounded: what a registry asks to be sent at once is not what it gets.
func TestChunkMinOfAnAttacker(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{MaxBody: 5 << 20}, Faults: []registrytest.Fault{
		{Class: registrytest.ClassUpload, Times: -1, Change: http.Header{"Oci-Chunk-Min-Length": {"1099511627776"}}},
	}})
	err := newClient(t, nil).Repository(reg.Host, "app").Push(t.Context(), large.desc, large.open)
	var e *registry.Error
	if err != nil && (!errors.As(err, &e) || e.Status != http.StatusRequestEntityTooLarge) {
		t.Errorf("got error %v", err)
	}
	if n := len(reg.Requests()); n > 20 {
		t.Errorf("%d requests", n)
	}
}

// TestHTTP2StreamReset goes on when one stream of a connection is reset in the middle of a body (Artifactory, kaniko#1361).
func TestHTTP2StreamReset(t *testing.T) {
	for _, fault := range []registrytest.Fault{{CutBody: 1 << 20}, {Drop: true}, {Lost: true}} {
		fault.Class = registrytest.ClassSession
		reg := registrytest.New(t, &registrytest.Options{TLS: true, Faults: []registrytest.Fault{fault}})
		repo := newClient(t, &registry.Options{Transport: reg.Client().Transport}).Repository(reg.Host, "app")
		expectStream(t, repo, newBlob(strings.Repeat("y", 2<<20)))
		reg.SetFaults(fault)
		check(t, repo.Push(t.Context(), big.desc, big.open))
	}
}
