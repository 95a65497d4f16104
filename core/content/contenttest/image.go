package contenttest

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Image writes an image of layers layers to s and returns its manifest's descriptor. mediaType is content.OCIManifest or
// content.DockerManifest and decides the whole family; the layers' bytes are no tar, the config is valid, for linux/amd64. The same
// arguments give the same image.
func Image(t testing.TB, s content.Pusher, mediaType string, layers int) content.Descriptor {
	t.Helper()
	layerType, configType := content.OCILayerGzip, content.OCIConfig
	if mediaType == content.DockerManifest {
		layerType, configType = content.DockerLayerGzip, content.DockerConfig
	}
	diffIDs, descs := []digest.Digest{}, []content.Descriptor{}
	for i := range layers {
		data := Bytes(1000*layers + i)
		diffIDs = append(diffIDs, digest.FromBytes(data[1:]))
		descs = append(descs, put(t, s, layerType, data))
	}
	config := put(t, s, configType, encode(t, map[string]any{
		"architecture": "amd64",
		"os":           "linux",
		"config":       map[string]any{"Env": []string{fmt.Sprint("LAYERS=", layers)}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": diffIDs},
	}))
	return put(t, s, mediaType, encode(t, map[string]any{
		"schemaVersion": 2, "mediaType": mediaType, "config": config, "layers": descs,
	}))
}

// Index writes an index of manifests to s and returns its descriptor. mediaType is content.OCIIndex or content.DockerList.
func Index(t testing.TB, s content.Pusher, mediaType string, manifests ...content.Descriptor) content.Descriptor {
	t.Helper()
	return put(t, s, mediaType, encode(t, map[string]any{
		"schemaVersion": 2, "mediaType": mediaType, "manifests": manifests,
	}))
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func put(t testing.TB, s content.Pusher, mediaType string, data []byte) content.Descriptor {
	t.Helper()
	desc := content.Of(mediaType, data)
	if err := s.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
		t.Fatalf("Push of %s: %v", mediaType, err)
	}
	return desc
}

// mustImage writes an image to r by way of content.Copy, as everything does.
func mustImage(t *testing.T, r content.Store, layers int) content.Descriptor {
	t.Helper()
	src := new(content.Memory)
	root := Image(t, src, content.OCIManifest, layers)
	mustCopy(t, r, src, root)
	return root
}

func mustCopy(t *testing.T, dst content.Store, src content.Fetcher, root content.Descriptor) {
	t.Helper()
	if err := content.Copy(t.Context(), dst, src, root, nil); err != nil {
		t.Fatalf("Copy: %v", err)
	}
}

func mustRead(t *testing.T, s content.Fetcher, desc content.Descriptor) []byte {
	t.Helper()
	data, err := content.ReadAll(t.Context(), s, desc)
	if err != nil {
		t.Fatalf("ReadAll: %v", err)
	}
	return data
}

// wantImage checks that s has the document root and all that it needs, byte for byte as src has it.
func wantImage(t *testing.T, s content.Store, src content.Fetcher, root content.Descriptor) {
	t.Helper()
	data := mustRead(t, src, root)
	wantContent(t, s, root, data)
	wantExists(t, s, root, true)
	if !content.IsDocument(root.MediaType) {
		return
	}
	doc, err := content.ParseDocument(root.MediaType, data)
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range doc.Children() {
		wantImage(t, s, src, child)
	}
}
