package image_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/image"
)

func TestWithFormatThereAndBack(t *testing.T) {
	for _, c := range []struct {
		from  string
		to    image.Format
		types string
	}{
		{content.OCIManifest, image.FormatDocker, content.DockerManifest + " " + content.DockerConfig + " " + content.DockerLayerGzip},
		{content.DockerManifest, image.FormatOCI, content.OCIManifest + " " + content.OCIConfig + " " + content.OCILayerGzip},
	} {
		src := new(content.Memory)
		base := load(t, src, contenttest.Image(t, src, c.from, 2))
		img, err := base.WithFormat(c.to)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join([]string{img.Descriptor().MediaType, img.ConfigDescriptor().MediaType, img.Layers()[1].MediaType}, " ")
		if got != c.types || img.Format() != c.to {
			t.Errorf("got %s, want %s", got, c.types)
		}
		if string(img.Config()) != string(base.Config()) {
			t.Error("the config's bytes have changed")
		}
		back, err := reloaded(t, img).WithFormat(base.Format())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(base.Manifest()), string(back.Manifest())); diff != "" {
			t.Errorf("there and back: %s", diff)
		}
	}
}

func TestWithFormatDropsWhatDockerHasNot(t *testing.T) {
	src := new(content.Memory)
	layer := put(t, src, content.OCILayerGzip, "a")
	config := put(t, src, content.OCIConfig, `{"rootfs":{"diff_ids":["`+layer.Digest.String()+`"]}}`)
	base := load(t, src, put(t, src, content.OCIManifest, fmt.Sprintf(
		`{"schemaVersion":2,"x":1.0,"annotations":{"a":"1"},"artifactType":"a/b","subject":%s,"config":%s,"layers":[{"mediaType":%q,"digest":%q,"size":1,"urls":["https://x.example/a"],"annotations":{"b":"2"},"data":"YQ=="}]}`,
		descriptor(config), descriptor(config), layer.MediaType, layer.Digest)))
	img, err := base.WithFormat(image.FormatDocker)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"schemaVersion":2,"x":1.0,"config":{"mediaType":%q,"size":%d,"digest":%q,"x":1.0},"layers":[{"mediaType":%q,"digest":%q,"size":1,"urls":["https://x.example/a"]}],"mediaType":%q}`,
		content.DockerConfig, config.Size, config.Digest, content.DockerLayerGzip, layer.Digest, content.DockerManifest)
	if diff := cmp.Diff(want, string(img.Manifest())); diff != "" {
		t.Error(diff)
	}
}

// Health checks and the rest of what only Docker's configs have survive in OCI.
func TestWithFormatKeepsDockersConfig(t *testing.T) {
	img, err := withConfig(t, content.DockerManifest, pretty).WithFormat(image.FormatOCI)
	if err != nil || string(img.Config()) != pretty {
		t.Errorf("got %s, %v", img.Config(), err)
	}
	img, err = img.With(&image.Changes{User: text("app")})
	if err != nil || !strings.Contains(string(img.Config()), `"Healthcheck":{"Test": ["CMD", "true"], "Interval": 30000000000}`) {
		t.Errorf("got %s, %v", img.Config(), err)
	}
}

func TestWithFormatOfZstd(t *testing.T) {
	src, z := added(t, content.OCILayerZstd)
	img, err := image.Scratch(amd64(), image.FormatOCI, time.Time{}).Append(src, z)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := img.WithFormat(image.FormatDocker); !errors.Is(err, content.ErrUnsupported) || !strings.Contains(err.Error(), "use gzip") {
		t.Errorf("got %v", err)
	}
}

func TestParseFormat(t *testing.T) {
	for s, ok := range map[string]bool{"oci": true, "docker": true, "": false, "OCI": false, "v2s2": false} {
		if f, err := image.ParseFormat(s); (err == nil) != ok || ok && string(f) != s || !ok && !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%q: %q, %v", s, f, err)
		}
	}
}
