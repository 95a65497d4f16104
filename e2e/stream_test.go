package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// stream is a registry of one image with one big layer, which it holds nowhere: it makes the bytes when they are read, and hashes and forgets those
// that it is sent.
type stream struct {
	host     string
	layer    ocispec.Descriptor
	config   []byte
	manifest []byte

	mu    sync.Mutex
	blobs map[string]bool // digests that were sent, by "sha256:…"
	tags  map[string]string
}

// noise is what a layer consists of: bytes that do not compress.
func noise(size int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{}), size) }

// newStream starts one, whose layer has size bytes and the digest dgst, that of noise.
func newStream(t *testing.T, size int64, dgst digest.Digest) *stream {
	t.Helper()
	s := &stream{blobs: map[string]bool{}, tags: map[string]string{}}
	s.layer = ocispec.Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: dgst, Size: size}
	s.config = fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, dgst)
	var err error
	s.manifest, err = json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Layers: []ocispec.Descriptor{s.layer},
		Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(s.config), Size: int64(len(s.config))},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.host = strings.TrimPrefix(server.URL, "http://")
	return s
}

// ServeHTTP implements http.Handler: enough of the distribution protocol for a copy.
func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, rest, _ := strings.Cut(r.URL.Path, "/v2/app/")
	kind, name, _ := strings.Cut(rest, "/")
	switch {
	case r.Method == http.MethodPost:
		w.Header().Set("Location", "/v2/app/blobs/uploads/one")
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPut && kind == "blobs":
		s.receive(w, r)
	case r.Method == http.MethodPut:
		data, _ := io.ReadAll(r.Body) // what is cut off has another digest
		s.note(name, digest.FromBytes(data))
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(data).String())
		w.WriteHeader(http.StatusCreated)
	case kind == "manifests" && name == "source":
		s.send(w, r, ocispec.MediaTypeImageManifest, int64(len(s.manifest)), strings.NewReader(string(s.manifest)))
	case name == digest.FromBytes(s.config).String() && r.Method == http.MethodGet:
		s.send(w, r, "application/octet-stream", int64(len(s.config)), strings.NewReader(string(s.config)))
	case name == s.layer.Digest.String() && r.Method == http.MethodGet:
		s.send(w, r, "application/octet-stream", s.layer.Size, noise(s.layer.Size))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *stream) send(w http.ResponseWriter, r *http.Request, mediaType string, size int64, body io.Reader) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", fmt.Sprint(size))
	if r.Method == http.MethodGet {
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{body}, make([]byte, 1<<20)) // the client may leave
	}
}

// receive takes a blob and holds it to its digest.
func (s *stream) receive(w http.ResponseWriter, r *http.Request) {
	hash := digest.SHA256.Digester()
	_, err := io.CopyBuffer(struct{ io.Writer }{hash.Hash()}, r.Body, make([]byte, 1<<20))
	if want := r.URL.Query().Get("digest"); err != nil || hash.Digest().String() != want {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[hash.Digest().String()] = true
	w.WriteHeader(http.StatusCreated)
}

func (s *stream) note(tag string, dgst digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tags[tag] = dgst.String()
}

// complete fails the test unless the image of from arrived here under a tag.
func (s *stream) complete(t *testing.T, from *stream, tag string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, dgst := range []digest.Digest{from.layer.Digest, digest.FromBytes(from.config)} {
		if !s.blobs[dgst.String()] {
			t.Errorf("%s did not arrive", dgst)
		}
	}
	equal(t, "tag", s.tags[tag], digest.FromBytes(from.manifest).String())
}
