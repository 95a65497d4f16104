package registrytest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Image says what to seed. The zero value is an OCI image for linux/amd64 without layers.
type Image struct {
	Docker bool                // schema 2 instead of OCI
	Layers []map[string]string // the files of each: "/path" → content, mode 0644; a path that ends in / is a directory
	Config map[string]any      // the config's "config" object
	Extra  map[string]any      // more keys of the whole config document
	Arch   string              // "" is amd64
	Pretty bool                // manifest and config indented
}

// Seeded is an image in a repository.
type Seeded struct {
	Manifest content.Descriptor
	Config   content.Descriptor
	Layers   []content.Descriptor
	DiffIDs  []digest.Digest // of the layers, uncompressed
	Data     []byte          // the manifest
}

// PushImage puts an image into a repository under a tag ("" is none). It fails the test if it can't.
func (s *Server) PushImage(repository, tag string, image Image) Seeded {
	s.t.Helper()
	out := Seeded{}
	manifest, layer, configType := content.OCIManifest, content.OCILayerGzip, content.OCIConfig
	if image.Docker {
		manifest, layer, configType = content.DockerManifest, content.DockerLayerGzip, content.DockerConfig
	}
	history := []map[string]any{}
	for i, files := range image.Layers {
		data, diffID := tarGzip(files)
		desc := s.PushBlob(repository, data)
		desc.MediaType = layer
		out.Layers, out.DiffIDs = append(out.Layers, desc), append(out.DiffIDs, diffID)
		history = append(history, map[string]any{"created": "2020-01-01T00:00:00Z", "created_by": fmt.Sprintf("seed layer %d", i+1)})
	}
	config := map[string]any{
		"architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z", "config": map[string]any{}, "history": history,
		"rootfs": map[string]any{"type": "layers", "diff_ids": append([]digest.Digest{}, out.DiffIDs...)},
	}
	if image.Arch != "" {
		config["architecture"] = image.Arch
	}
	if image.Config != nil {
		config["config"] = image.Config
	}
	maps.Copy(config, image.Extra)
	out.Config = s.PushBlob(repository, s.encode(config, image.Pretty))
	out.Config.MediaType = configType
	out.Data = s.encode(map[string]any{
		"schemaVersion": 2, "mediaType": manifest, "config": out.Config, "layers": append([]content.Descriptor{}, out.Layers...),
	}, image.Pretty)
	out.Manifest = s.PushManifest(repository, tag, manifest, out.Data)
	return out
}

// PushIndex puts an index, or a Docker list, of manifests that are in the repository into it under a tag ("" is none). Platforms
// are those of the descriptors.
func (s *Server) PushIndex(repository, tag string, docker bool, manifests ...content.Descriptor) content.Descriptor {
	s.t.Helper()
	mediaType := content.OCIIndex
	if docker {
		mediaType = content.DockerList
	}
	data := s.encode(map[string]any{"schemaVersion": 2, "mediaType": mediaType, "manifests": manifests}, false)
	return s.PushManifest(repository, tag, mediaType, data)
}

// PushBlob puts a blob into a repository and returns its descriptor, of media type application/octet-stream.
func (s *Server) PushBlob(repository string, data []byte) content.Descriptor {
	s.t.Helper()
	desc := content.Of(content.OctetStream, data)
	path := "/v2/" + repository + "/blobs/uploads/?" + url.Values{"digest": {desc.Digest.String()}}.Encode()
	s.direct(http.MethodPost, path, content.OctetStream, data, http.StatusCreated)
	return desc
}

// PushManifest puts a document into a repository under a tag ("" is none).
func (s *Server) PushManifest(repository, tag, mediaType string, data []byte) content.Descriptor {
	s.t.Helper()
	desc := content.Of(mediaType, data)
	ref := tag
	if ref == "" {
		ref = desc.Digest.String()
	}
	s.direct(http.MethodPut, "/v2/"+repository+"/manifests/"+ref, mediaType, data, http.StatusCreated)
	return desc
}

// Blob returns a blob of a repository.
func (s *Server) Blob(repository string, dgst digest.Digest) (data []byte, ok bool) {
	record := s.direct(http.MethodGet, "/v2/"+repository+"/blobs/"+dgst.String(), "", nil, 0)
	return record.Body.Bytes(), record.Code == http.StatusOK
}

// Manifest returns a document of a repository by tag or digest.
func (s *Server) Manifest(repository, ref string) (desc content.Descriptor, data []byte, ok bool) {
	record := s.direct(http.MethodGet, "/v2/"+repository+"/manifests/"+ref, "", nil, 0)
	if record.Code != http.StatusOK {
		return content.Descriptor{}, nil, false
	}
	return content.Of(record.Header().Get("Content-Type"), record.Body.Bytes()), record.Body.Bytes(), true
}

// Tags returns the tags of a repository, sorted; none if it does not exist.
func (s *Server) Tags(repository string) []string {
	var list struct {
		Tags []string `json:"tags"`
	}
	record := s.direct(http.MethodGet, "/v2/"+repository+"/tags/list", "", nil, 0)
	if record.Code == http.StatusOK {
		if err := json.Unmarshal(record.Body.Bytes(), &list); err != nil {
			s.t.Errorf("tags of %s: %v", repository, err)
		}
	}
	return list.Tags
}

// direct asks the registry behind the middleware. want is the status that it must answer, 0 is any.
func (s *Server) direct(method, target, mediaType string, body []byte, want int) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, target, bytes.NewReader(body))
	for _, accepted := range content.Documents() {
		r.Header.Add("Accept", accepted)
	}
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	record := httptest.NewRecorder()
	s.backend.ServeHTTP(record, r)
	if want != 0 && record.Code != want {
		s.t.Fatalf("registrytest: %s %s: %d %s", method, target, record.Code, record.Body)
	}
	return record
}

// tarGzip packs files in the order of their names, the same bytes each time.
func tarGzip(files map[string]string) (packed []byte, diffID digest.Digest) {
	var plain, out bytes.Buffer
	tw := tar.NewWriter(&plain)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: strings.TrimPrefix(name, "/"), Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if strings.HasSuffix(name, "/") {
			header.Mode, header.Size, header.Typeflag = 0o755, 0, tar.TypeDir
		}
		tw.WriteHeader(header) // a buffer takes everything
		if header.Size > 0 {
			tw.Write([]byte(files[name]))
		}
	}
	tw.Close()
	zw := gzip.NewWriter(&out)
	zw.Write(plain.Bytes())
	zw.Close()
	return out.Bytes(), digest.FromBytes(plain.Bytes())
}

func (s *Server) encode(v any, pretty bool) []byte {
	s.t.Helper()
	data, err := json.Marshal(v)
	if pretty {
		data, err = json.MarshalIndent(v, "", "   ")
	}
	if err != nil {
		s.t.Fatalf("registrytest: %v", err)
	}
	return data
}
