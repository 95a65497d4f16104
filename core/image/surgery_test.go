package image_test

import (
	"errors"
	"fmt"
	"slices"
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

// parts is an image in a text form.
type parts struct {
	mediaType   string // of the manifest; "" is OCI's
	layers      string // "ab" are the layers a and b, whose diff IDs are those of "A" and "B"
	layerType   string // "" is gzip of the family
	history     string // "" is an entry a layer, created by its diff ID's letter
	config      string // the object "config", "" is none
	more        string // other members of the config, with a comma behind them
	annotations string
}

// image makes it, in a store of its own.
func (p parts) image(t *testing.T) *image.Image {
	t.Helper()
	src := new(content.Memory)
	manifestType, configType, layerType := content.OCIManifest, content.OCIConfig, content.OCILayerGzip
	if p.mediaType == content.DockerManifest {
		manifestType, configType, layerType = content.DockerManifest, content.DockerConfig, content.DockerLayerGzip
	}
	if p.layerType != "" {
		layerType = p.layerType
	}
	var descs, ids, history []string
	for _, name := range p.layers {
		upper := strings.ToUpper(string(name))
		descs = append(descs, descriptor(put(t, src, layerType, string(name))))
		ids = append(ids, fmt.Sprintf("%q", digest.FromString(upper)))
		history = append(history, fmt.Sprintf(`{"created_by":%q}`, upper))
	}
	if p.history == "" {
		p.history = "[" + strings.Join(history, ",") + "]"
	}
	if p.config == "" {
		p.config = "{}"
	}
	config := put(t, src, configType, fmt.Sprintf(`{"architecture":"amd64","os":"linux",%s"config":%s,"rootfs":{"type":"layers","diff_ids":[%s]},"history":%s}`,
		p.more, p.config, strings.Join(ids, ","), p.history))
	annotations := ""
	if p.annotations != "" {
		annotations = `,"annotations":` + p.annotations
	}
	return load(t, src, put(t, src, manifestType, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]%s}`,
		manifestType, descriptor(config), strings.Join(descs, ","), annotations)))
}

// artifact is a Helm chart.
func artifact(t *testing.T) *image.Image {
	t.Helper()
	src := new(content.Memory)
	config := put(t, src, "application/vnd.cncf.helm.config.v1+json", "{}")
	return load(t, src, put(t, src, content.OCIManifest, `{"schemaVersion":2,"config":`+descriptor(config)+`,"layers":[`+descriptor(put(t, src, "application/x", "a"))+`]}`))
}

func TestAppendImage(t *testing.T) {
	for _, c := range []struct {
		name       string
		on, other  parts
		want, hist string
	}{
		{"two", parts{layers: "a"}, parts{layers: "bc"}, "abc", `[{"created_by":"A"},{"created_by":"B"},{"created_by":"C"}]`},
		{"on nothing", parts{}, parts{layers: "b"}, "b", `[{"created_by":"B"}]`},
		{"nothing", parts{layers: "a", history: `[]`}, parts{}, "a", `[]`},
		{"the same layer again", parts{layers: "a"}, parts{layers: "a"}, "aa", `[{"created_by":"A"},{"created_by":"A"}]`},
		{"entries of no layer stay behind", parts{layers: "a"}, parts{layers: "b", history: `[{"created_by":"ENV","empty_layer":true},{"created_by" : "B", "author":"x"},{"empty_layer":true}]`},
			"ab", `[{"created_by":"A"},{"created_by" : "B", "author":"x"}]`},
		{"histories that don't match", parts{layers: "a", history: `[]`}, parts{layers: "b", history: `[]`}, "ab", `[` + padding + `,` + padding + `]`},
		{"Docker on OCI", parts{layers: "a"}, parts{layers: "b", mediaType: content.DockerManifest}, "ab", `[{"created_by":"A"},{"created_by":"B"}]`},
		{"OCI on Docker", parts{layers: "a", mediaType: content.DockerManifest}, parts{layers: "b"}, "ab", `[{"created_by":"A"},{"created_by":"B"}]`},
		{"zstd on OCI", parts{layers: "a"}, parts{layers: "b", layerType: content.OCILayerZstd}, "ab", `[{"created_by":"A"},{"created_by":"B"}]`},
		{"its config stays behind", parts{layers: "a", config: `{"User":"me"}`}, parts{layers: "b", config: `{"User":"you","Env":["A=1"]}`}, "ab", `[{"created_by":"A"},{"created_by":"B"}]`},
	} {
		on, other := c.on.image(t), c.other.image(t)
		img, err := on.AppendImage(other)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := letters(t, reloaded(t, img)); got != c.want {
			t.Errorf("%s: layers %s, want %s", c.name, got, c.want)
		}
		if diff := cmp.Diff(c.hist, history(img)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		for i, l := range img.Layers() {
			if family := strings.Contains(l.MediaType, "docker"); family != (c.on.mediaType == content.DockerManifest) {
				t.Errorf("%s: layer %d is %s", c.name, i, l.MediaType)
			}
		}
		if strings.Contains(string(img.Config()), "you") {
			t.Errorf("%s: config %s", c.name, img.Config())
		}
		if got := letters(t, on); got != c.on.layers {
			t.Errorf("%s: the image itself has %s", c.name, got)
		}
	}
}

func TestAppendImageRefuses(t *testing.T) {
	docker, zstd := parts{mediaType: content.DockerManifest}, parts{layers: "a", layerType: content.OCILayerZstd}
	if _, err := docker.image(t).AppendImage(zstd.image(t)); !errors.Is(err, content.ErrUnsupported) || !strings.Contains(err.Error(), `use gzip, or format = "oci"`) {
		t.Errorf("zstd on Docker: %v", err)
	}
	for name, err := range map[string]error{
		"an artifact on an image": second(parts{}.image(t).AppendImage(artifact(t))),
		"an image on an artifact": second(artifact(t).AppendImage(parts{}.image(t))),
		"an artifact flattened":   second(artifact(t).Flatten(image.Added{})),
	} {
		if !errors.Is(err, image.ErrArtifact) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// What another image brings is mounted from where that is.
func TestSourcesOfAppendedImages(t *testing.T) {
	one, two := registry{new(content.Memory), "reg.example/one"}, registry{new(content.Memory), "reg.example/two"}
	img := load(t, one, contenttest.Image(t, one, content.OCIManifest, 1))
	other := load(t, two, contenttest.Image(t, two, content.OCIManifest, 2))
	both, err := img.AppendImage(other)
	if err != nil {
		t.Fatal(err)
	}
	last := both.Layers()[2]
	if got := both.Sources(last.Descriptor); !slices.Equal(got, []string{"reg.example/two"}) {
		t.Errorf("got %v", got)
	}
}

func TestFlatten(t *testing.T) {
	src, z := added(t, content.OCILayerGzip)
	z.Source, z.CreatedBy = src, "flatten()"
	const entry = `[{"created":"1970-01-01T00:00:00Z","created_by":"flatten()"}]`
	for _, p := range []parts{
		{layers: "a"}, {layers: "abc"}, {layers: "ab", history: `[]`}, {layers: "ab", mediaType: content.DockerManifest, config: `{"User":"x"}`},
		{layers: "a", history: `[{"empty_layer":true},{"created_by":"A"},{"created_by":"ENV","empty_layer":true}]`, annotations: `{"a":"1"}`},
	} {
		img, err := p.image(t).Flatten(z)
		if err != nil {
			t.Errorf("%+v: %v", p, err)
			continue
		}
		if got := letters(t, reloaded(t, img)); got != "z" {
			t.Errorf("%+v: layers %s", p, got)
		}
		if diff := cmp.Diff(entry, history(img)); diff != "" {
			t.Errorf("%+v: %s", p, diff)
		}
		if !strings.Contains(string(img.Config()), `"config":`+orEmpty(p.config)) || !strings.Contains(string(img.Manifest()), p.annotations) {
			t.Errorf("%+v: %s %s", p, img.Manifest(), img.Config())
		}
	}
	empty := image.Scratch(amd64(), image.FormatOCI, time.Time{})
	if img, err := empty.Flatten(z); err != nil || img != empty {
		t.Errorf("scratch: %v", err)
	}
	bad := image.Added{Layer: layer.Layer{Descriptor: content.Of(content.OCILayerZstd, nil), DiffID: digest.FromString("")}}
	if _, err := (parts{layers: "a", mediaType: content.DockerManifest}).image(t).Flatten(bad); !errors.Is(err, content.ErrUnsupported) {
		t.Errorf("zstd in a Docker image: %v", err)
	}
}

func orEmpty(object string) string {
	if object == "" {
		return "{}"
	}
	return object
}
