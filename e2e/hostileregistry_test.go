package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// What scripts do. Each of them has used its secret before.
const (
	usesSecret = `auth("second.example.com/x", options = {"second.example.com": {"Username": "bob", "Secret": secret("s")}})` + "\n"

	pull    = `image("reg.example.com/app:v1", "oci:out").save()`
	push    = `img = image("scratch", "reg.example.com/out:v1")` + "\n" + `img.add_files({"/f": custom_file("text")})` + "\n" + `img.save()`
	listing = `print(client("reg.example.com/app").tags())`
	change  = `img = image("reg.example.com/app:v1", "oci:out")` + "\n" + `img.cmd = ["x"]` + "\n" + `img.save()`
)

// The image reg.example.com/app:v1, which all honest answers are about.
var (
	honestLayer    = []byte(strings.Repeat("layer\n", 1000))
	honestConfig   = fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, digest.FromBytes(honestLayer))
	honestManifest = manifestOf(content.Of(content.OCILayer, honestLayer))
)

// manifestOf is an image's manifest with layers of these descriptors.
func manifestOf(layers ...content.Descriptor) []byte {
	data, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": content.OCIManifest, "config": content.Of(content.OCIConfig, honestConfig), "layers": layers,
	})
	if err != nil {
		panic(err)
	}
	return data
}

// registry is reg.example.com: an honest registry, but for what the scenario does.
func (m *meeting) registry(w http.ResponseWriter, r *http.Request) {
	m.look()
	if m.before != nil && m.before(w, r) {
		return
	}
	_, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if user, pw, _ := r.BasicAuth(); sent != access && (user != "ann" || pw != password) {
		challenge := m.challenge
		if challenge == "" {
			challenge = `Bearer realm="https://auth.example.com/token",service="reg"`
		}
		w.Header().Set("Www-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if m.after != nil && m.after(w, r) {
		return
	}
	honest(w, r)
}

// honest answers as a registry does that has the image.
func honest(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/v2/app/manifests/"):
		give(w, r, content.OCIManifest, honestManifest)
	case path == "/v2/app/blobs/"+digest.FromBytes(honestLayer).String():
		give(w, r, content.OctetStream, honestLayer)
	case path == "/v2/app/blobs/"+digest.FromBytes(honestConfig).String():
		give(w, r, content.OctetStream, honestConfig)
	case path == "/v2/app/tags/list":
		fmt.Fprint(w, `{"name":"app","tags":["v1"]}`)
	case strings.HasPrefix(path, "/v2/out/blobs/uploads/"):
		body, _ := io.ReadAll(r.Body) // what the client sends is its business
		status := map[string]int{http.MethodPut: http.StatusCreated, http.MethodDelete: http.StatusNoContent}[r.Method]
		if status == 0 {
			status = http.StatusAccepted
			w.Header().Set("Location", "/v2/out/blobs/uploads/1")
			w.Header().Set("Range", fmt.Sprintf("0-%d", len(body)-1))
		}
		w.WriteHeader(status)
	case strings.HasPrefix(path, "/v2/out/manifests/") && r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(body).String())
		w.WriteHeader(http.StatusCreated)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// give answers with a document or a blob.
func give(w http.ResponseWriter, r *http.Request, mediaType string, data []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", digest.FromBytes(data).String())
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	if r.Method != http.MethodHead {
		w.Write(data)
	}
}

// hook answers requests whose method and path begin so.
type hook func(w http.ResponseWriter, r *http.Request) bool

// at is the hook of one kind of request: "GET /v2/app/blobs/".
func at(line string, answer http.HandlerFunc) hook {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.Method+" "+r.URL.Path, line) {
			return false
		}
		answer(w, r)
		return true
	}
}

// layerAt is the hook of the layer's blob.
func layerAt(answer http.HandlerFunc) hook {
	return at("GET /v2/app/blobs/"+digest.FromBytes(honestLayer).String(), answer)
}

// redirect sends a client elsewhere.
func redirect(status int, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	}
}

// wants answers 401 with a challenge, whatever it is sent.
func wants(challenge string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Www-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// says answers with a text.
func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

// serves answers the request for the manifest with a document.
func serves(mediaType string, document []byte) hook {
	answer := func(w http.ResponseWriter, r *http.Request) { give(w, r, mediaType, document) }
	return func(w http.ResponseWriter, r *http.Request) bool {
		return at("GET /v2/app/manifests/", answer)(w, r) || at("HEAD /v2/app/manifests/", answer)(w, r)
	}
}

// endless answers with a text again and again, for 200 MiB or until the client leaves.
func endless(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		chunk := strings.Repeat(text, 1+(64<<10)/len(text))
		for n := 0; n < 200<<20 && r.Context().Err() == nil; n += len(chunk) {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	}
}
