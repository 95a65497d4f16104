package e2e_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// foreignScenarios have layers that live elsewhere (CVE-2020-15157, GHSA-qvqc-4c52-x6qp), and files that scripts fetch.
func foreignScenarios() []scenario {
	var list []scenario
	gives := func(w http.ResponseWriter, r *http.Request) { give(w, r, content.OctetStream, honestLayer) }
	layer := content.Of(content.DockerForeignLayer, append(bytes.Clone(honestLayer), "foreign"...))
	for name, c := range map[string]struct {
		url  string
		want string
		from http.HandlerFunc
	}{
		"where Basic is wanted":     {"https://evil.test/x", "401", wants(`Basic realm="evil"`)},
		"where a token is wanted":   {"https://evil.test/x", "401", wants(`Bearer realm="https://evil.test/token"`)},
		"where our token is wanted": {"https://evil.test/x", "401", wants(`Bearer realm="https://auth.example.com/token"`)},
		"redirected inwards":        {"https://evil.test/x", "it is a private address", redirect(302, "https://10.0.0.1/x")},
		"redirected to http":        {"https://evil.test/x", "it leads from HTTPS to plain HTTP", redirect(302, "http://evil2.test/x")},
		"with wrong bytes":          {"https://evil.test/x", "content does not match", gives},
		"without an end":            {"https://evil.test/x", "content does not match", endless(200, "x")},
		"on http":                   {"http://evil.test/x", "it is not HTTPS", gives},
		"at the metadata":           {"https://169.254.169.254/x", "link-local", nil},
		"on this computer":          {"https://localhost/x", "an address of this computer", nil},
		"with a user":               {"https://ann:x@evil.test/x", "it has a user in it", nil},
		"at our registry":           {"https://reg.example.com/v2/app/blobs/secret", "401", nil},
		"with escapes":              {"https://evil.test/\u001b[31m\u202e", "is no URL", nil},
	} {
		desc := layer
		desc.URLs = []string{c.url}
		s := scenario{name: "foreign layer " + name, code: 3, want: c.want, after: serves(content.OCIManifest, manifestOf(desc)), hosts: map[string]http.HandlerFunc{"evil.test": c.from}}
		list = append(list, s)
	}
	for name, c := range map[string]struct {
		to   http.HandlerFunc
		want string
	}{
		"redirected inwards":          {redirect(302, "https://10.0.0.1/x"), "it is a private address"},
		"redirected to http":          {redirect(302, "http://evil.test/x"), "it leads from HTTPS to plain HTTP"},
		"redirected to this computer": {redirect(302, "http://127.0.0.1:1/x"), "refused redirect"},
		"redirected to our registry":  {redirect(302, "https://reg.example.com/v2/app/manifests/v1"), "401"},
		"that wants credentials":      {wants(`Basic realm="x"`), "401"},
	} {
		list = append(list, scenario{name: "fetched file " + name, code: 3, want: c.want, hosts: map[string]http.HandlerFunc{"files.example.net": c.to},
			script: `fetch("https://files.example.net/f?sig=x", sha256 = "` + strings.Repeat("0", 64) + `")`})
	}
	return list
}

// documentScenarios serve documents and blobs that lie (CVE-2021-41190, CVE-2024-3727, GHSA-qv35-3gw6-8q4j, CVE-2020-1702).
func documentScenarios() []scenario {
	other := manifestOf()
	own := digest.FromBytes(honestManifest).String()
	lying := func(w http.ResponseWriter, r *http.Request) { // the right header and other bytes
		w.Header().Set("Content-Type", content.OCIManifest)
		w.Header().Set("Docker-Content-Digest", own)
		w.Write(other)
	}
	both, _ := json.Marshal(map[string]any{ // what is given can be encoded
		"schemaVersion": 2, "config": content.Of(content.OCIConfig, honestConfig), "layers": []any{}, "manifests": []any{content.Of(content.OCIManifest, honestManifest)},
	})
	withDigest := func(dgst string) []byte {
		desc := content.Of(content.OCILayer, honestLayer)
		desc.Digest = digest.Digest(dgst)
		return manifestOf(desc)
	}
	ofSize := func(size int64) []byte {
		desc := content.Of(content.OCILayer, honestLayer)
		desc.Size = size
		return manifestOf(desc)
	}
	lyingHeader := func(value string) hook {
		return at("GET /v2/app/manifests/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", content.OCIManifest)
			w.Header().Set("Docker-Content-Digest", value)
			w.Write(honestManifest)
		})
	}
	pinned := `image("reg.example.com/app@` + own + `", "oci:out").save()`
	list := []scenario{
		{name: "a pinned digest with another manifest", script: pinned, code: 3, want: "content does not match", after: at("GET /v2/app/manifests/", lying)},
		{name: "a tag whose digest is another", code: 3, want: "content does not match", after: at("GET /v2/app/manifests/", lying)},
		{name: "a manifest without an end", code: 3, want: "more than the limit", after: at("GET /v2/app/manifests/", endless(200, " "))},
		{name: "a manifest that says 1 GiB", code: 3, want: "more than the limit", after: at("GET /v2/app/manifests/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(1<<30))
			io.CopyN(w, zeros{}, 1<<30)
		})},
		{name: "manifest and index in one", code: 3, want: "both layers and manifests", after: serves("", both)},
		{name: "manifest and index in one, served as an index", code: 3, want: "both layers and manifests", after: serves(content.OCIIndex, both)},
		{name: "a manifest served as an index", code: 3, want: "but it was served as", after: serves(content.OCIIndex, honestManifest)},
		{name: "a layer with the digest of a path", code: 3, want: "invalid digest", after: serves(content.OCIManifest, withDigest("sha256:../../../../etc/passwd"))},
		{name: "a layer with a digest and a query", code: 3, want: "invalid digest", after: serves(content.OCIManifest, withDigest(own+"?x=/../"))},
		{name: "a layer with a digest in upper case", code: 3, want: "invalid digest", after: serves(content.OCIManifest, withDigest(strings.ToUpper(own)))},
		{name: "a layer with a digest that speaks to the terminal", code: 3, want: "invalid digest", after: serves(content.OCIManifest, withDigest("sha256:\x1b]0;x\x07\u202e"))},
		{name: "a digest header of a path", after: lyingHeader("sha256:../../x"), want: own},
		{name: "a digest header of another algorithm", after: lyingHeader("md5:d41d8cd98f00b204e9800998ecf8427e"), want: own},
		{name: "a layer with wrong bytes", code: 3, want: "content does not match", after: layerAt(says(200, strings.Repeat("x", len(honestLayer))))},
		{name: "a layer that is shorter", code: 3, want: "content does not match", after: serves(content.OCIManifest, ofSize(1<<40))},
		{name: "a layer that is longer", code: 3, want: "content does not match", after: serves(content.OCIManifest, ofSize(10))},
		{name: "a layer without an end", code: 3, want: "content does not match", after: layerAt(endless(200, "layer\n"))},
		{name: "a layer of the greatest size", code: 3, want: "content does not match", after: serves(content.OCIManifest, ofSize(1<<63-1))},
		{name: "a config that says 8 EiB", code: 1, script: change, want: "more than the limit", after: serves(content.OCIManifest,
			bytes.Replace(honestManifest, fmt.Appendf(nil, `"size":%d`, len(honestConfig)), []byte(`"size":9223372036854775807`), 1))},
		{name: "a million layers", code: 3, want: "more than", after: serves(content.OCIManifest, []byte(`{"schemaVersion":2,"config":{},"layers":[`+strings.Repeat("{},", 1_000_000)+"{}]}"))},
		{name: "4 MiB of brackets", code: 3, want: "nested more than", after: serves(content.OCIManifest, bytes.Repeat([]byte("["), 4<<20))},
		{name: "a platform that speaks to the terminal", code: 1, want: "cannot be shown", after: speaking()},
		{name: "an index of itself", code: 3, want: "does not match", after: itself()},
	}
	return append(list, bombScenarios()...)
}

// speaking is an image whose platform is for the terminal.
func speaking() hook {
	config := bytes.Replace(honestConfig, []byte(`"amd64"`), []byte("\"\u202e\\u001b[31m\""), 1)
	manifest := bytes.Replace(honestManifest, []byte(content.Of("", honestConfig).Digest), []byte(content.Of("", config).Digest), 1)
	manifest = bytes.Replace(manifest, fmt.Appendf(nil, `"size":%d`, len(honestConfig)), fmt.Appendf(nil, `"size":%d`, len(config)), 1)
	blob := at("GET /v2/app/blobs/"+digest.FromBytes(config).String(), func(w http.ResponseWriter, r *http.Request) { give(w, r, content.OctetStream, config) })
	return func(w http.ResponseWriter, r *http.Request) bool {
		return blob(w, r) || serves(content.OCIManifest, manifest)(w, r)
	}
}

// itself is an index that says that it is in itself; nobody can make one whose digest is right.
func itself() hook {
	index := []byte(`{"schemaVersion":2,"mediaType":"` + content.OCIIndex + `","manifests":[]}`)
	child := content.Of(content.OCIIndex, index)
	index, _ = json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": content.OCIIndex, "manifests": []any{child}})
	return serves(content.OCIIndex, index)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// bombScenarios serve layers that grow.
func bombScenarios() []scenario {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		panic(err)
	}
	if _, err := io.CopyN(z, zeros{}, 64<<20); err != nil || z.Close() != nil {
		panic("gzip")
	}
	bomb := bytes.Repeat(packed.Bytes(), 160) // 10 MiB that make 10 GiB
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00}
	of := func(data []byte) (string, hook) {
		dgst := digest.FromBytes(data).String()
		answer := func(w http.ResponseWriter, r *http.Request) { give(w, r, content.OctetStream, data) }
		script := `img = image("scratch", "reg.example.com/app:v2")` + "\n" + `img.add_layer("` + dgst + `")` + "\n" + `img.save()`
		return script, func(w http.ResponseWriter, r *http.Request) bool {
			return at("GET /v2/app/blobs/"+dgst, answer)(w, r) || at("HEAD /v2/app/blobs/"+dgst, answer)(w, r)
		}
	}
	script, hook := of(bomb)
	windowScript, windowHook := of(window)
	return []scenario{
		{name: "a layer of 10 MiB that makes 10 GiB", script: script, code: 1, want: "bad tar archive", after: hook},
		{name: "a layer with a window of 2 GiB", script: windowScript, code: 1, want: "bad tar archive", after: windowHook},
	}
}

// textScenarios have words of a server for the user.
func textScenarios() []scenario {
	var list []scenario
	escapes := "\x1b[2J\x1b]52;c;cm0gLXJm\x07\r\x9b31m\u009b31m\u202etxt.exe\u2066\u200f\x00\x7f\xff"
	for name, answer := range map[string]http.HandlerFunc{
		"an error that speaks to the terminal":     says(400, escapes),
		"a JSON error that speaks to the terminal": says(400, `{"errors":[{"code":"\u001b[31m","message":"\u001b]8;;http://evil.test\u0007x\u202e","detail":{"\u001b[31m":"\u009b"}}]}`),
		"an error without an end":                  endless(400, "<html>"),
		"an error that repeats the credential":     repeats(400),
		"a 404 that repeats the credential":        repeats(404),
		"headers without an end": func(w http.ResponseWriter, r *http.Request) {
			for i := range 2000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
			}
		},
		"a warning that speaks to the terminal": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Warning", "299 - \"\u202e\x1b[31m\"")
			w.WriteHeader(404)
		},
		"a content type that speaks to the terminal": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/\x1b[31m")
			w.Write([]byte("{}"))
		},
		"a manifest that is a login page": says(200, "<html>"+escapes),
	} {
		list = append(list, scenario{name: name, code: 3, want: "error: image: ", after: func(w http.ResponseWriter, r *http.Request) bool {
			return at("GET /v2/app/manifests/", answer)(w, r) || at("HEAD /v2/app/manifests/", answer)(w, r)
		}})
	}
	helper := func(name string) string { return fmt.Sprintf(`{"credHelpers":{"reg.example.com":%q}}`, name) }
	return append(list,
		scenario{name: "a 403 that repeats the credential", code: 4, want: "you sent <redacted>", after: at("GET /v2/app/manifests/", repeats(403))},
		scenario{name: "a 403 of text that repeats the credential", challenge: `Basic realm="x"`, code: 4, want: "<redacted>", after: at("GET /v2/app/manifests/",
			func(w http.ResponseWriter, r *http.Request) {
				_, pw, _ := r.BasicAuth()
				w.WriteHeader(403)
				fmt.Fprintf(w, "%s %q", pw, r.Header)
			})},
		scenario{name: "no HTTP, but the credential", code: 3, want: "<redacted>", after: at("GET /v2/app/manifests/", func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%s\x1b\r\n\r\n", r.Header.Get("Authorization"))
		})},
		scenario{name: "a helper of a path", docker: helper("../../evil"), code: anyFailure, want: "a helper's name has"},
		scenario{name: "a helper with a blank", docker: helper("a b"), code: anyFailure, want: "a helper's name has"},
		scenario{name: "a helper with an escape", docker: helper("\x1b[31m"), code: anyFailure, want: "error: image: "},
		scenario{name: "a reason phrase that speaks to the terminal", code: 3, want: "error: image: ", after: at("GET /v2/app/manifests/", func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 400 \x1b[31mBad\x9b\r\nContent-Length: 0\r\n\r\n")
		})},
	)
}
