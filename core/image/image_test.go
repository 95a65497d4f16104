package image_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
)

func amd64() image.Platform { return image.Platform{OS: "linux", Architecture: "amd64"} }

// blob stores n bytes as a layer in a memory of its own.
func blob(t *testing.T, mediaType string, n int) (*content.Memory, layer.Layer) {
	t.Helper()
	src := new(content.Memory)
	data := contenttest.Bytes(n)
	l := layer.Layer{Descriptor: content.Of(mediaType, data), DiffID: digest.FromBytes(data[1:])}
	if err := src.Push(t.Context(), l.Descriptor, content.FromBytes(data)); err != nil {
		t.Fatal(err)
	}
	return src, l
}

func load(t *testing.T, src content.Fetcher, desc content.Descriptor) *image.Image {
	t.Helper()
	img, err := image.Load(t.Context(), src, desc)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// reloaded copies an image away and loads it there: it must be whole, and the same.
func reloaded(t *testing.T, img *image.Image) *image.Image {
	t.Helper()
	dst := new(content.Memory)
	if err := content.Copy(t.Context(), dst, img, img.Descriptor(), nil); err != nil {
		t.Fatalf("copy: %v", err)
	}
	again := load(t, dst, img.Descriptor())
	if string(again.Manifest()) != string(img.Manifest()) || string(again.Config()) != string(img.Config()) {
		t.Fatal("the copy has other bytes")
	}
	return again
}

func TestScratchExactly(t *testing.T) {
	img := image.Scratch(image.Platform{OS: "linux", Architecture: "arm", Variant: "v6"}, image.FormatOCI, time.Unix(0, 0))
	wantConfig := `{"created":"1970-01-01T00:00:00Z","architecture":"arm","os":"linux","variant":"v6","config":{},` +
		`"rootfs":{"type":"layers","diff_ids":[]}}`
	wantManifest := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json",` +
		`"digest":"` + digest.FromString(wantConfig).String() + `","size":136},"layers":[]}`
	if diff := cmp.Diff(wantConfig, string(img.Config())); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(wantManifest, string(img.Manifest())); diff != "" {
		t.Error(diff)
	}
	if got := img.Platform().String(); got != "linux/arm/v6" {
		t.Errorf("platform %s", got)
	}
	reloaded(t, img)
}

func TestLoadIsTheSameImage(t *testing.T) {
	for _, mediaType := range []string{content.OCIManifest, content.DockerManifest} {
		src := new(content.Memory)
		root := contenttest.Image(t, src, mediaType, 3)
		unsized := root
		unsized.Size = -1
		for _, desc := range []content.Descriptor{root, unsized} {
			img := load(t, src, desc)
			if got := img.Descriptor(); got.Digest != root.Digest || got.Size != root.Size || got.MediaType != mediaType {
				t.Errorf("descriptor %v, want %v", got, root)
			}
			reloaded(t, img)
		}
	}
}

func TestAppend(t *testing.T) {
	src := new(content.Memory)
	base := load(t, src, contenttest.Image(t, src, content.OCIManifest, 2))
	more, l := blob(t, content.OCILayerGzip, 77)
	img, err := base.Append(more, image.Added{Layer: l, CreatedBy: "add_files /srv <- srv", Created: time.Unix(0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	layers := reloaded(t, img).Layers()
	if len(layers) != 3 || layers[2].Digest != l.Descriptor.Digest || layers[2].DiffID != l.DiffID || layers[2].CreatedBy != "add_files /srv <- srv" {
		t.Errorf("layers %+v", layers)
	}
	if len(base.Layers()) != 2 {
		t.Error("the base has changed")
	}
}

func TestFetchOfUnknownContent(t *testing.T) {
	img := image.Scratch(amd64(), image.FormatOCI, time.Time{})
	_, err := img.Fetch(t.Context(), content.Of(content.OCILayer, []byte("x")))
	if !errors.Is(err, content.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := img.Fetch(ctx, img.Descriptor()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if !strings.Contains(string(img.Config()), "linux") {
		t.Error("no config")
	}
}
