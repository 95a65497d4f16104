package registrytest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// do sends a request and returns the answer with its body read.
func do(t *testing.T, s *registrytest.Server, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = s.URL + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", strings.Join(content.Documents(), ","))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Close = true // or net/http sends again what fails on a connection that was used before
	resp, err := s.Client().Do(r)
	if err != nil {
		return nil, err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp, err.Error()
	}
	return resp, string(data)
}

func TestSeedAndLog(t *testing.T) {
	s := registrytest.New(t, nil)
	image := s.PushImage("a/b", "v1", registrytest.Image{Docker: true, Pretty: true, Layers: []map[string]string{{"/x": "1", "/d/": ""}}})
	index := s.PushIndex("a/b", "all", false, image.Manifest)
	if got := s.Tags("a/b"); !slices.Equal(got, []string{"all", "v1"}) {
		t.Errorf("tags %v", got)
	}
	if desc, data, ok := s.Manifest("a/b", "v1"); !ok || desc.Digest != image.Manifest.Digest || !bytes.Equal(data, image.Data) || desc.MediaType != content.DockerManifest {
		t.Errorf("manifest %v, %t", desc, ok)
	}
	if _, _, ok := s.Manifest("a/b", index.Digest.String()); !ok {
		t.Error("no index")
	}
	if data, ok := s.Blob("a/b", image.Layers[0].Digest); !ok || content.CheckBytes(image.Layers[0], data) != nil {
		t.Error("no layer")
	}
	if _, ok := s.Blob("a/b", content.Of("", []byte("no")).Digest); ok {
		t.Error("a blob that nobody pushed")
	}
	if got := s.Requests(); len(got) > 0 {
		t.Errorf("the helpers are in the log: %v", got)
	}
	do(t, s, "GET", "/v2/", "")
	do(t, s, "HEAD", "/v2/a/b/blobs/"+image.Config.Digest.String(), "")
	do(t, s, "GET", "/v2/a/b/tags/list?n=1", "")
	do(t, s, "POST", "/v2/a/b/blobs/uploads/?mount="+image.Config.Digest.String()+"&from=c", "", "Authorization", "Basic YWxpY2U6eA==")
	do(t, s, "GET", "/x", "")
	want := []string{
		"GET  ping 200", "HEAD a/b blob " + image.Config.Digest.String()[:14] + " 200", "GET a/b tags n=1 200",
		"POST a/b upload mount=" + image.Config.Digest.String()[:14] + " from=c 201", "GET  other 404",
	}
	if got := s.Lines(); !slices.Equal(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
	if r := s.Requests()[3]; r.Auth != "basic" || r.Repository != "a/b" || s.Requests()[0].Auth != "none" {
		t.Errorf("request %+v", r)
	}
	if s.Reset(); len(s.Requests()) > 0 {
		t.Error("the log is not empty after Reset")
	}
}

func TestAuth(t *testing.T) {
	opts := registrytest.Options{
		Users:  map[string]string{"alice": "wonder", "bob": "builder"},
		Rights: []registrytest.Right{{User: "alice", Repository: "a"}, {User: "bob", Repository: "b"}, {Repository: "a", Actions: "pull"}},
	}
	basic := func(s string) []string {
		r := &http.Request{Header: http.Header{}}
		user, password, _ := strings.Cut(s, ":")
		r.SetBasicAuth(user, password)
		return []string{"Authorization", r.Header.Get("Authorization")}
	}
	for _, test := range []struct {
		method, path, user string
		basic, bearer      int
	}{
		{"GET", "/v2/a/tags/list", "", 200, 200},
		{"POST", "/v2/a/blobs/uploads/", "", 401, 401},
		{"POST", "/v2/a/blobs/uploads/", "alice:wonder", 202, 202},
		{"POST", "/v2/a/blobs/uploads/", "alice:wrong", 401, 401},
		{"POST", "/v2/b/blobs/uploads/", "alice:wonder", 403, 401},
		{"GET", "/v2/b/tags/list", "bob:builder", 200, 200},
		{"DELETE", "/v2/a/manifests/none", "alice:wonder", 404, 404},
	} {
		opts.Auth = registrytest.AuthBasic
		s := registrytest.New(t, &opts)
		resp, _ := do(t, s, test.method, test.path, "", basicOf(test.user, basic)...)
		if resp.StatusCode != test.basic {
			t.Errorf("basic: %s %s by %q: %d, want %d", test.method, test.path, test.user, resp.StatusCode, test.basic)
		}
		opts.Auth = registrytest.AuthBearer
		s = registrytest.New(t, &opts)
		resp, _ = do(t, s, test.method, test.path, "")
		if resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), `Bearer realm="`+s.URL+`/token",service="registrytest",scope="repository:`) {
			t.Errorf("bearer: no challenge: %d %s", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
		}
		_, token := do(t, s, "GET", "/token?scope=repository:a:pull,push,delete&scope=repository:b:pull,push", "", basicOf(test.user, basic)...)
		token, _, _ = strings.Cut(strings.TrimPrefix(token[strings.Index(token, `"token":"`)+1:], `token":"`), `"`)
		resp, _ = do(t, s, test.method, test.path, "", "Authorization", "Bearer "+token)
		if resp.StatusCode != test.bearer {
			t.Errorf("bearer: %s %s by %q: %d, want %d", test.method, test.path, test.user, resp.StatusCode, test.bearer)
		}
		s.RevokeTokens()
		if resp, _ = do(t, s, test.method, test.path, "", "Authorization", "Bearer "+token); resp.StatusCode != 401 {
			t.Errorf("bearer: a revoked token answers %d", resp.StatusCode)
		}
	}
}

// TestMountIsChallenged: a token for a mount needs the right to read its source, and one that was asked for by either form of two scopes has it.
func TestMountIsChallenged(t *testing.T) {
	s := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer, Rights: []registrytest.Right{{}}})
	desc := s.PushBlob("b", []byte("x"))
	mount := func(scope string) (int, string) {
		_, answer := do(t, s, "GET", "/token?"+scope, "")
		_, token, _ := strings.Cut(answer, `"token":"`)
		token, _, _ = strings.Cut(token, `"`)
		resp, _ := do(t, s, "POST", "/v2/a/blobs/uploads/?from=b&mount="+desc.Digest.String(), "", "Authorization", "Bearer "+token)
		return resp.StatusCode, resp.Header.Get("WWW-Authenticate")
	}
	if status, challenge := mount("scope=repository:a:pull,push"); status != 401 ||
		!strings.HasSuffix(challenge, `,scope="repository:a:push repository:b:pull",error="insufficient_scope"`) {
		t.Errorf("%d %s", status, challenge)
	}
	for _, scope := range []string{"scope=repository:a:push&scope=repository:b:pull", "scope=repository:a:push+repository:b:pull"} {
		if status, _ := mount(scope); status != 201 {
			t.Errorf("%s: %d", scope, status)
		}
	}
}

// TestCertificate trusts a server by what it says its certificate is.
func TestCertificate(t *testing.T) {
	if s := registrytest.New(t, nil); s.Certificate() != nil {
		t.Error("a certificate without TLS")
	}
	s := registrytest.New(t, &registrytest.Options{TLS: true})
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.Certificate()) {
		t.Fatalf("certificate %q", s.Certificate())
	}
	conn, err := tls.Dial("tcp", s.Host, &tls.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func basicOf(user string, basic func(string) []string) []string {
	if user == "" {
		return nil
	}
	return basic(user)
}

func TestFaults(t *testing.T) {
	s := registrytest.New(t, nil)
	desc := s.PushBlob("a", bytes.Repeat([]byte("x"), 1000))
	path := "/v2/a/blobs/" + desc.Digest.String()
	s.SetFaults(
		registrytest.Fault{Method: "GET", Class: registrytest.ClassBlob, Nth: 2, Status: 503, Header: http.Header{"retry-after": {"7"}}, Body: "later"},
		registrytest.Fault{Method: "GET", Class: registrytest.ClassBlob, Nth: 3, Drop: true},
		registrytest.Fault{Method: "GET", Class: registrytest.ClassBlob, Nth: 4, Truncate: 10},
		registrytest.Fault{Method: "GET", Class: registrytest.ClassBlob, Nth: 5, Times: 2, Status: 404},
		registrytest.Fault{Match: "/tags/", Delay: 50 * time.Millisecond, Times: -1},
	)
	var got []int
	for i := range 7 {
		resp, body := do(t, s, "GET", path, "")
		status := 0
		if resp != nil {
			status = resp.StatusCode
		}
		got = append(got, status)
		if i == 1 && (body != "later" || resp.Header.Get("Retry-After") != "7") {
			t.Errorf("the answer is %q %v", body, resp.Header)
		}
		if i == 3 && !strings.Contains(body, "unexpected EOF") {
			t.Errorf("the truncated answer is %q", body)
		}
	}
	if want := []int{200, 503, 0, 200, 404, 404, 200}; !slices.Equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
	start := time.Now()
	if resp, _ := do(t, s, "GET", "/v2/a/tags/list", ""); resp.StatusCode != 200 || time.Since(start) < 50*time.Millisecond {
		t.Errorf("the delayed answer was %d after %s", resp.StatusCode, time.Since(start))
	}
}

func TestLostUpload(t *testing.T) {
	s := registrytest.New(t, nil)
	s.SetFaults(registrytest.Fault{Method: "POST", Lost: true})
	desc := content.Of("", []byte("x"))
	if resp, _ := do(t, s, "POST", "/v2/a/blobs/uploads/?digest="+desc.Digest.String(), "x"); resp != nil {
		t.Errorf("answer %d, want none", resp.StatusCode)
	}
	if _, ok := s.Blob("a", desc.Digest); !ok {
		t.Error("the upload took no effect")
	}
}

func TestQuirks(t *testing.T) {
	upload := func(s *registrytest.Server) string {
		resp, _ := do(t, s, "POST", "/v2/a/blobs/uploads/", "")
		return resp.Header.Get("Location")
	}
	s := registrytest.New(t, nil)
	desc := s.PushBlob("a", []byte("x"))
	s.PushImage("a", "v1", registrytest.Image{})
	s.PushImage("a", "v2", registrytest.Image{})
	if location := upload(s); !strings.HasPrefix(location, s.URL) {
		t.Errorf("Location %s is not absolute", location)
	}
	s.SetQuirks(registrytest.Quirks{RelativeLocation: true})
	if location := upload(s); !strings.HasPrefix(location, "/v2/a/blobs/uploads/") {
		t.Errorf("Location %s is not relative", location)
	}
	s.SetQuirks(registrytest.Quirks{LocationState: true})
	location := upload(s)
	if resp, _ := do(t, s, "PATCH", location, "x"); resp.StatusCode != 202 {
		t.Errorf("PATCH with state: %d", resp.StatusCode)
	}
	location, _, _ = strings.Cut(upload(s), "&_state")
	if resp, _ := do(t, s, "PATCH", location, "x"); resp.StatusCode != 400 {
		t.Errorf("PATCH without state: %d", resp.StatusCode)
	}
	s.SetQuirks(registrytest.Quirks{PatchStatus: 201})
	if resp, _ := do(t, s, "PATCH", upload(s), "x"); resp.StatusCode != 201 {
		t.Errorf("PATCH: %d", resp.StatusCode)
	}
	for _, test := range []struct {
		quirks       registrytest.Quirks
		method, path string
		want         int
	}{
		{registrytest.Quirks{}, "POST", "/v2/b/blobs/uploads/?from=a&mount=" + desc.Digest.String(), 201},
		{registrytest.Quirks{RefuseMount: true}, "POST", "/v2/c/blobs/uploads/?from=a&mount=" + desc.Digest.String(), 202},
		{registrytest.Quirks{BlobHead: 405}, "HEAD", "/v2/a/blobs/" + desc.Digest.String(), 405},
		{registrytest.Quirks{BlobHead: 405}, "GET", "/v2/a/blobs/" + desc.Digest.String(), 200},
		{registrytest.Quirks{ManifestHead: 412}, "HEAD", "/v2/a/manifests/v1", 412},
		{registrytest.Quirks{NoReferrers: true}, "GET", "/v2/a/referrers/" + desc.Digest.String(), 404},
		{registrytest.Quirks{RefuseDelete: true}, "DELETE", "/v2/a/manifests/v1", 405},
		{registrytest.Quirks{RefusePatch: 413}, "PATCH", "/v2/a/blobs/uploads/x", 413},
	} {
		s.SetQuirks(test.quirks)
		if resp, _ := do(t, s, test.method, test.path, ""); resp.StatusCode != test.want {
			t.Errorf("%+v: %s %s: %d, want %d", test.quirks, test.method, test.path, resp.StatusCode, test.want)
		}
	}
	s.SetQuirks(registrytest.Quirks{NoContentDigest: true, TagPage: 1, TagNulls: true})
	if resp, _ := do(t, s, "GET", "/v2/a/manifests/v1", ""); resp.Header.Get("Docker-Content-Digest") != "" {
		t.Error("the digest header is there")
	}
	if resp, body := do(t, s, "GET", "/v2/a/tags/list?n=100", ""); resp.Header.Get("Link") == "" || !strings.Contains(body, `[null,"v1"]`) {
		t.Errorf("a page %s with Link %q", body, resp.Header.Get("Link"))
	}
	s.SetQuirks(registrytest.Quirks{Forge: func(class registrytest.Class, ref string, body []byte) []byte {
		return []byte(string(class) + " " + ref)
	}})
	if _, body := do(t, s, "GET", "/v2/a/manifests/v1", ""); body != "manifest v1" {
		t.Errorf("forged %q", body)
	}
}

// TestUploadQuirks are those of sessions, each seen in the answers to one upload.
func TestUploadQuirks(t *testing.T) {
	s := registrytest.New(t, nil)
	for _, test := range []struct {
		name   string
		quirks registrytest.Quirks
		sizes  []int  // of the PATCHes, 0 is a GET
		want   string // statuses and Ranges
	}{
		{"none", registrytest.Quirks{}, []int{5, 5, 0}, "202 0-4, 202 0-9, 204 0-9"},
		{"Range off", registrytest.Quirks{RangeOff: 1}, []int{5, 5, 0}, "202 0-5, 202 0-10, 204 0-10"},
		{"no Range", registrytest.Quirks{NoRange: true}, []int{5, 0}, "202 , 204 0-4"},
		{"Range stands still", registrytest.Quirks{StuckRange: true}, []int{5, 5, 0}, "202 0-4, 202 0-4, 204 0-4"},
		{"parts dropped", registrytest.Quirks{DropParts: true, PatchStatus: 201}, []int{5, 5}, "201 0-4, 201 0-4"},
		{"bodies too big", registrytest.Quirks{MaxBody: 4}, []int{4, 5}, "202 0-3, 413 "},
		{"PATCH too big", registrytest.Quirks{MaxPatch: 4}, []int{3, 4}, "202 0-2, 416 "},
		{"short parts", registrytest.Quirks{ChunkMin: 4}, []int{5, 3, 5}, "202 0-4, 202 0-7, 400 "},
		{"no status", registrytest.Quirks{RefuseStatus: 404}, []int{5, 0}, "202 0-4, 404 "},
	} {
		s.SetQuirks(test.quirks)
		resp, _ := do(t, s, "POST", "/v2/a/blobs/uploads/", "")
		if got := resp.Header.Get("Oci-Chunk-Min-Length"); (got != "") != (test.quirks.ChunkMin > 0) {
			t.Errorf("%s: OCI-Chunk-Min-Length %q", test.name, got)
		}
		location := resp.Header.Get("Location")
		var got []string
		for _, n := range test.sizes {
			method := "PATCH"
			if n == 0 {
				method = "GET"
			}
			resp, _ := do(t, s, method, location, strings.Repeat("x", n))
			got = append(got, fmt.Sprintf("%d %s", resp.StatusCode, resp.Header.Get("Range")))
			if next := resp.Header.Get("Location"); next != "" {
				location = next
			}
		}
		if got := strings.Join(got, ", "); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestChangedAnswers are faults that change what is answered.
func TestChangedAnswers(t *testing.T) {
	s := registrytest.New(t, nil)
	desc := s.PushBlob("a", []byte("hello"))
	path := "/v2/a/blobs/" + desc.Digest.String()
	s.SetFaults(
		registrytest.Fault{Corrupt: 2},
		registrytest.Fault{Nth: 2, Change: http.Header{"Docker-Content-Digest": {"sha256:x"}, "Content-Type": nil}},
		registrytest.Fault{Nth: 3, Change: http.Header{"Content-Length": {"100"}}},
	)
	if _, body := do(t, s, "GET", path, ""); body != "hdllo" {
		t.Errorf("corrupted: %q", body)
	}
	if resp, _ := do(t, s, "GET", path, ""); resp.Header.Get("Docker-Content-Digest") != "sha256:x" {
		t.Errorf("changed: %v", resp.Header)
	}
	if _, body := do(t, s, "GET", path, ""); !strings.Contains(body, "unexpected EOF") {
		t.Errorf("wrong length: %q", body)
	}
}

// TestProfileNames knows every profile by name.
func TestProfileNames(t *testing.T) {
	if n := len(registrytest.Profiles()); n != 16 {
		t.Errorf("%d profiles, want 16", n)
	}
	for _, name := range registrytest.Profiles() {
		if _, ok := registrytest.Profile(name); !ok {
			t.Errorf("no profile %s", name)
		}
	}
	if _, ok := registrytest.Profile("none"); ok {
		t.Error("a profile that does not exist")
	}
}

// TestRefusals are the quirks that answer with a text of their own.
func TestRefusals(t *testing.T) {
	s := registrytest.New(t, nil)
	image := s.PushImage("a", "v1", registrytest.Image{})
	loose := s.PushBlob("a", []byte("loose"))
	mount := func(desc content.Descriptor) string {
		return "/v2/b/blobs/uploads/?from=a&mount=" + desc.Digest.String()
	}
	for _, test := range []struct {
		quirks       registrytest.Quirks
		method, path string
		want         int
	}{
		{registrytest.Quirks{CreateFirst: true}, "POST", "/v2/none/blobs/uploads/", 404},
		{registrytest.Quirks{CreateFirst: true}, "POST", "/v2/a/blobs/uploads/", 202},
		{registrytest.Quirks{ImmutableTags: true}, "PUT", "/v2/a/manifests/v1", 400},
		{registrytest.Quirks{MaxTags: 10}, "GET", "/v2/a/tags/list?n=11", 400},
		{registrytest.Quirks{MaxTags: 10}, "GET", "/v2/a/tags/list?n=10", 200},
		{registrytest.Quirks{MountReferenced: true}, "POST", mount(image.Config), 201},
		{registrytest.Quirks{MountReferenced: true}, "POST", mount(loose), 202},
		{registrytest.Quirks{MountNeedsFrom: true}, "POST", "/v2/b/blobs/uploads/?mount=" + loose.Digest.String(), 400},
		{registrytest.Quirks{MountStatus: 405}, "POST", mount(image.Config), 405},
		{registrytest.Quirks{MountStatus: 405}, "POST", "/v2/b/blobs/uploads/", 202},
		{registrytest.Quirks{RefuseCancel: true}, "DELETE", "/v2/a/blobs/uploads/x", 405},
		{registrytest.Quirks{RefusePut: 411}, "PUT", "/v2/a/blobs/uploads/x", 411},
	} {
		s.SetQuirks(test.quirks)
		if resp, _ := do(t, s, test.method, test.path, "{}"); resp.StatusCode != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, resp.StatusCode, test.want)
		}
	}
}

// TestRounds counts what follows on an answer, and not what is asked meanwhile.
func TestRounds(t *testing.T) {
	a, b := registrytest.New(t, nil), registrytest.New(t, nil)
	if n := registrytest.Rounds(a, b); n != 0 {
		t.Errorf("%d rounds before the first request", n)
	}
	do(t, a, "GET", "/v2/", "")
	do(t, b, "GET", "/v2/", "")
	do(t, a, "GET", "/token", "") // not counted
	b.SetFaults(registrytest.Fault{Stall: true})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", b.URL+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := b.Client().Do(r); err == nil {
			resp.Body.Close()
		}
	}()
	for len(b.Requests()) < 2 {
		runtime.Gosched()
	}
	do(t, a, "GET", "/v2/", "") // while the other waits for its answer
	if n := registrytest.Rounds(a, b); n != 3 {
		t.Errorf("%d rounds, want 3", n)
	}
	cancel()
	<-done
	if r := a.Requests()[0]; r.End.Before(r.Start) {
		t.Errorf("it was answered at %v and came at %v", r.End, r.Start)
	}
}
