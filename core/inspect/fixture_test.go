package inspect_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
)

// shelf is a store that counts what is read from it, by kinds of media types.
type shelf struct {
	content.Memory
	documents, configs, layers atomic.Int32
}

// Fetch implements content.Fetcher.
func (s *shelf) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	switch {
	case content.IsDocument(desc.MediaType):
		s.documents.Add(1)
	case strings.Contains(desc.MediaType, "layer") || strings.Contains(desc.MediaType, "rootfs"):
		s.layers.Add(1)
	default:
		s.configs.Add(1)
	}
	return s.Memory.Fetch(ctx, desc)
}

// reads are the numbers of documents, configs and layers that were read since the last call.
func (s *shelf) reads() string {
	return fmt.Sprintf("%d documents, %d configs, %d layers", s.documents.Swap(0), s.configs.Swap(0), s.layers.Swap(0))
}

func (s *shelf) put(t *testing.T, mediaType string, data []byte) content.Descriptor {
	t.Helper()
	desc := content.Of(mediaType, data)
	if err := s.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
		t.Fatal(err)
	}
	return desc
}

func (s *shelf) putJSON(t *testing.T, mediaType string, v any) content.Descriptor {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return s.put(t, mediaType, data)
}

// layer is an archive of files by their paths; one that ends in "/" is a directory.
type layer map[string]string

func (l layer) tar(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(l)) {
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(l[name]))}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, l[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t *testing.T, data []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// picture says what image to make.
type picture struct {
	docker      bool
	arch        string         // "" is amd64
	config      map[string]any // the config's "config"
	extra       map[string]any // more of the whole config
	layers      []layer
	level       int   // of compression; 0 is the default
	history     []any // nil is a step for each layer
	annotations map[string]string
	diffIDs     int // how many too many
}

// image makes an image.
func (s *shelf) image(t *testing.T, p picture) content.Descriptor {
	t.Helper()
	manifestType, configType, layerType := content.OCIManifest, content.OCIConfig, content.OCILayerGzip
	if p.docker {
		manifestType, configType, layerType = content.DockerManifest, content.DockerConfig, content.DockerLayerGzip
	}
	if p.arch == "" {
		p.arch = "amd64"
	}
	if p.level == 0 {
		p.level = gzip.DefaultCompression
	}
	layers, ids, history := []content.Descriptor{}, []digest.Digest{}, []any{}
	for i, l := range p.layers {
		plain := l.tar(t)
		layers = append(layers, s.put(t, layerType, zipped(t, plain, p.level)))
		ids = append(ids, digest.FromBytes(plain))
		history = append(history, map[string]any{"created": "2024-05-01T12:00:00Z", "created_by": fmt.Sprintf("layer %d", i+1)})
	}
	for range p.diffIDs {
		ids = append(ids, digest.FromString("none"))
	}
	if p.history != nil {
		history = p.history
	}
	config := map[string]any{
		"created": "2024-05-01T12:00:00Z", "architecture": p.arch, "os": "linux", "config": p.config, "history": history,
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	}
	maps.Copy(config, p.extra)
	manifest := map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": s.putJSON(t, configType, config), "layers": layers}
	if p.annotations != nil {
		manifest["annotations"] = p.annotations
	}
	return s.putJSON(t, manifestType, manifest)
}

// artifact makes an artifact of a config and blobs, each a media type and its bytes.
func (s *shelf) artifact(t *testing.T, artifactType string, config [2]string, blobs ...[2]string) content.Descriptor {
	t.Helper()
	layers := []content.Descriptor{}
	for _, b := range blobs {
		layers = append(layers, s.put(t, b[0], []byte(b[1])))
	}
	manifest := map[string]any{"schemaVersion": 2, "mediaType": content.OCIManifest, "config": s.put(t, config[0], []byte(config[1])), "layers": layers}
	if artifactType != "" {
		manifest["artifactType"] = artifactType
	}
	return s.putJSON(t, content.OCIManifest, manifest)
}

// attestation makes what BuildKit puts beside an image, as an entry of an index.
func (s *shelf) attestation(t *testing.T, of content.Descriptor, predicates ...string) content.Descriptor {
	t.Helper()
	layers, ids := []content.Descriptor{}, []digest.Digest{}
	for _, p := range predicates {
		l := s.put(t, "application/vnd.in-toto+json", []byte(`{"predicateType":"`+p+`"}`))
		l.Annotations = map[string]string{"in-toto.io/predicate-type": p}
		layers, ids = append(layers, l), append(ids, l.Digest)
	}
	config := s.putJSON(t, content.OCIConfig, map[string]any{
		"architecture": "unknown", "os": "unknown", "config": map[string]any{}, "rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	desc := s.putJSON(t, content.OCIManifest, map[string]any{"schemaVersion": 2, "mediaType": content.OCIManifest, "config": config, "layers": layers})
	desc.Platform = &specs.Platform{OS: "unknown", Architecture: "unknown"}
	desc.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": of.Digest.String()}
	return desc
}

// index makes an index of entries.
func (s *shelf) index(t *testing.T, docker bool, annotations map[string]string, entries ...content.Descriptor) content.Descriptor {
	t.Helper()
	mediaType := content.OCIIndex
	if docker {
		mediaType = content.DockerList
	}
	index := map[string]any{"schemaVersion": 2, "mediaType": mediaType, "manifests": entries}
	if annotations != nil {
		index["annotations"] = annotations
	}
	return s.putJSON(t, mediaType, index)
}

// entry is an image as an index lists it.
func entry(desc content.Descriptor, arch string) content.Descriptor {
	desc.Platform = &specs.Platform{OS: "linux", Architecture: arch}
	return desc
}
