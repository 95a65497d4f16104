package registrytest_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestDocumentQuirks are manifests that some registries do not take.
func TestDocumentQuirks(t *testing.T) {
	s := registrytest.New(t, &registrytest.Options{AllowMissing: true})
	image := s.PushImage("a", "v1", registrytest.Image{Layers: []map[string]string{{"/f": "f"}}})
	wrong := s.PushImage("a", "v2", registrytest.Image{Extra: map[string]any{"history": []map[string]any{{"created_by": "x"}}}})
	docker := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":2}]}`,
		content.OCIIndex, content.DockerManifest, content.Of("", []byte("{}")).Digest)
	artifact := strings.Replace(string(image.Data), content.OCIConfig, "application/vnd.example.config", 1)
	nameless := strings.Replace(string(image.Data), fmt.Sprintf(`"mediaType":%q,"schemaVersion"`, content.OCIManifest), `"schemaVersion"`, 1)
	for _, test := range []struct {
		name, mediaType, body string
		quirks                registrytest.Quirks
	}{
		{"no media type", content.OCIManifest, nameless, registrytest.Quirks{NeedMediaType: true}},
		{"Docker's manifests in an index", content.OCIIndex, docker, registrytest.Quirks{StrictIndex: true}},
		{"an artifact", content.OCIManifest, artifact, registrytest.Quirks{KnownArtifacts: true}},
		{"history", content.OCIManifest, string(wrong.Data), registrytest.Quirks{CheckHistory: true}},
	} {
		for quirks, want := range map[*registrytest.Quirks]int{{}: 201, &test.quirks: 400} {
			s.SetQuirks(*quirks)
			if resp, body := do(t, s, "PUT", "/v2/a/manifests/x", test.body, "Content-Type", test.mediaType); resp.StatusCode != want {
				t.Errorf("%s: %d %s, want %d", test.name, resp.StatusCode, body, want)
			}
		}
		if resp, body := do(t, s, "PUT", "/v2/a/manifests/x", string(image.Data), "Content-Type", content.OCIManifest); resp.StatusCode != 201 {
			t.Errorf("%s: an image is refused: %d %s", test.name, resp.StatusCode, body)
		}
	}
}

// TestSmallQuirks are those that one request shows.
func TestSmallQuirks(t *testing.T) {
	s := registrytest.New(t, nil)
	image := s.PushImage("a", "v1", registrytest.Image{})
	mount := "/v2/b/blobs/uploads/?from=a&mount=" + image.Config.Digest.String()
	for _, test := range []struct {
		quirks       registrytest.Quirks
		method, path string
		accept       string
		want         int
		has          string // of the answer
	}{
		{registrytest.Quirks{RefuseOrigin: true}, "POST", mount + "&origin=other", "", 400, ""},
		{registrytest.Quirks{RefuseOrigin: true}, "POST", mount, "", 201, ""},
		{registrytest.Quirks{MountNeedsSlash: true}, "POST", mount, "", 400, ""},
		{registrytest.Quirks{NeedAccept: true}, "GET", "/v2/a/manifests/v1", "*/*", 404, ""},
		{registrytest.Quirks{NeedAccept: true}, "GET", "/v2/a/manifests/v1", content.OCIManifest, 200, ""},
		{registrytest.Quirks{StrictAccept: true}, "GET", "/v2/a/tags/list", content.OCIManifest, 406, ""},
		{registrytest.Quirks{StrictAccept: true}, "GET", "/v2/a/tags/list", "", 200, ""},
		{registrytest.Quirks{TagExtras: true}, "GET", "/v2/a/tags/list", "", 200, `"tag":["x"]}},"tags":["v1"]`},
		{registrytest.Quirks{TagDigests: true}, "GET", "/v2/a/tags/list", "", 200, `"tags":["sha256:0000`},
		{registrytest.Quirks{UnknownCode: true}, "GET", "/v2/a/manifests/none", "", 404, `"UNKNOWN"`},
		{registrytest.Quirks{UnknownCode: true}, "GET", "/v2/a/blobs/" + content.Of("", []byte("none")).Digest.String(), "", 404, `"UNKNOWN"`},
		{registrytest.Quirks{LimitEvery: 1}, "GET", "/v2/a/tags/list", "", 429, "Too Many Requests (HAP429)."},
	} {
		s.SetQuirks(test.quirks)
		resp, body := do(t, s, test.method, test.path, "", "Accept", test.accept)
		if resp.StatusCode != test.want || !strings.Contains(body, test.has) {
			t.Errorf("%+v: %s %s: %d %s, want %d with %s", test.quirks, test.method, test.path, resp.StatusCode, body, test.want, test.has)
		}
	}
	s.SetQuirks(registrytest.Quirks{TagLoop: true})
	if resp, _ := do(t, s, "GET", "/v2/a/tags/list?n=5", ""); resp.Header.Get("Link") != `</v2/a/tags/list?n=5>; rel="next"` {
		t.Errorf("Link %q", resp.Header.Get("Link"))
	}
}

// TestBareLF answers too many requests in lines without a carriage return.
func TestBareLF(t *testing.T) {
	s := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{LimitEvery: 2}})
	do(t, s, "GET", "/v2/", "")
	conn, err := net.Dial("tcp", s.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v2/ HTTP/1.1\r\nHost: %s\r\n\r\n", s.Host)
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 429 Too Many Requests\nRetry-After: 60\n") || strings.Contains(string(answer), "\r") {
		t.Errorf("%q, %v", answer, err)
	}
	if r := s.Requests()[1]; r.Status != http.StatusTooManyRequests {
		t.Errorf("the log has %s", r)
	}
}

// TestSessionQuirks are those of uploads that one upload shows.
func TestSessionQuirks(t *testing.T) {
	s := registrytest.New(t, nil)
	open := func(quirks registrytest.Quirks) string {
		s.SetQuirks(quirks)
		resp, _ := do(t, s, "POST", "/v2/a/blobs/uploads/", "")
		if quirks.ZeroRange && resp.Header.Get("Range") != "0-0" {
			t.Errorf("a new session has Range %q", resp.Header.Get("Range"))
		}
		return resp.Header.Get("Location")
	}
	patch := func(location, body, part string) (int, string) {
		resp, _ := do(t, s, "PATCH", location, body, "Content-Range", part)
		return resp.StatusCode, resp.Header.Get("Location")
	}
	if resp, _ := do(t, s, "GET", open(registrytest.Quirks{ZeroRange: true}), ""); resp.Header.Get("Range") != "0-0" {
		t.Errorf("a session without a byte has Range %q", resp.Header.Get("Range"))
	}
	for appends, want := range map[bool]int{false: 416, true: 202} {
		if status, _ := patch(open(registrytest.Quirks{Appends: appends}), "x", "5-5"); status != want {
			t.Errorf("a part out of order, appended %t: %d, want %d", appends, status, want)
		}
	}
	_, location := patch(open(registrytest.Quirks{PartMin: 4}), "xxx", "0-2")
	if status, _ := patch(location, "xxx", "3-5"); status != 400 {
		t.Errorf("a part after a short one: %d", status)
	}
	data := strings.Repeat("x", 10)
	for size, want := range map[int64]int{9: 403, 10: 201} {
		digest := "digest=" + content.Of("", []byte(data)).Digest.String()
		if resp, _ := do(t, s, "PUT", open(registrytest.Quirks{Quota: size})+"&"+digest, data); resp.StatusCode != want {
			t.Errorf("ten bytes in one request with a quota of %d: %d, want %d", size, resp.StatusCode, want)
		}
		_, location := patch(open(registrytest.Quirks{Quota: size}), data, "0-9")
		if resp, _ := do(t, s, "PUT", location+"&"+digest, ""); resp.StatusCode != want {
			t.Errorf("ten bytes in two requests with a quota of %d: %d, want %d", size, resp.StatusCode, want)
		}
	}
}

// TestSignedURL is good for one request.
func TestSignedURL(t *testing.T) {
	s := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{BlobRedirect: true}})
	desc := s.PushBlob("a", []byte("hello"))
	client := *s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Get(s.URL + "/v2/a/blobs/" + desc.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	signed := resp.Header.Get("Location")
	for _, want := range []int{200, 400} {
		if resp, body := do(t, s, "GET", signed, ""); resp.StatusCode != want {
			t.Errorf("%d %s, want %d", resp.StatusCode, body, want)
		}
	}
}
