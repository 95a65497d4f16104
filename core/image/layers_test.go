package image_test

import (
	"context"
	"errors"
	"fmt"
	"io"
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

func put(t *testing.T, src *content.Memory, mediaType, text string) content.Descriptor {
	t.Helper()
	desc := content.Of(mediaType, []byte(text))
	if err := src.Push(t.Context(), desc, content.FromBytes([]byte(text))); err != nil {
		t.Fatal(err)
	}
	return desc
}

// descriptor writes one as other tools do, with white space and a field that nobody knows.
func descriptor(desc content.Descriptor) string {
	return fmt.Sprintf(`{ "mediaType": %q, "size": %d, "digest": %q, "x": 1.0 }`, desc.MediaType, desc.Size, desc.Digest)
}

// withHistory makes an OCI image of the layers a, b, c (their diff IDs are those of "A", "B", "C") with a history as it stands.
func withHistory(t *testing.T, layers, history string) *image.Image {
	t.Helper()
	src := new(content.Memory)
	var descs, ids []string
	for _, name := range layers {
		descs = append(descs, descriptor(put(t, src, content.OCILayerGzip, string(name))))
		ids = append(ids, fmt.Sprintf("%q", digest.FromString(strings.ToUpper(string(name)))))
	}
	config := put(t, src, content.OCIConfig, `{ "rootfs": {"type":"layers", "diff_ids": [ `+strings.Join(ids, ", ")+` ]}, "history": `+history+` }`)
	return load(t, src, put(t, src, content.OCIManifest, `{"schemaVersion":2, "config":`+descriptor(config)+`, "layers": [`+strings.Join(descs, ",")+`]}`))
}

// letters names an image's layers, and checks that each has its diff ID.
func letters(t *testing.T, img *image.Image) string {
	t.Helper()
	var out string
	for _, l := range img.Layers() {
		for _, name := range "abcdz" {
			if l.Digest != digest.FromString(string(name)) {
				continue
			}
			out += string(name)
			if l.DiffID != digest.FromString(strings.ToUpper(string(name))) {
				t.Errorf("layer %c has the diff ID %s", name, l.DiffID)
			}
		}
	}
	return out
}

// history returns the image's history, as the raw text after "history":.
func history(img *image.Image) string {
	_, after, _ := strings.Cut(string(img.Config()), `"history":`)
	return strings.TrimSuffix(after, "}")
}

const padding = `{"comment":"not in the base image's history"}`

func TestRemoveLayer(t *testing.T) {
	for _, c := range []struct{ name, layers, history, remove, left, want string }{
		{"of three", "abc", `[{"created_by" : "A"},{"created_by" : "B"},{"created_by" : "C"}]`, "b", "ac", `[{"created_by" : "A"},{"created_by" : "C"}]`},
		{"the only one", "a", `[{"created_by":"A"}]`, "a", "", `[]`},
		{"empty layers between", "abc", `[{"created_by":"FROM","empty_layer":true},{"created_by":"A"},{"created_by":"ENV","empty_layer": true},{"created_by":"B"},{"created_by":"C"},{"empty_layer":true}]`,
			"b", "ac", `[{"created_by":"FROM","empty_layer":true},{"created_by":"A"},{"created_by":"ENV","empty_layer": true},{"created_by":"C"},{"empty_layer":true}]`},
		{"twice there: the first", "aba", `[{"created_by":"1"},{"created_by":"2"},{"created_by":"3"}]`, "a", "ba", `[{"created_by":"2"},{"created_by":"3"}]`},
		{"history too short", "abc", `[{"created_by":"A"}]`, "c", "ab", `[{"created_by":"A"},` + padding + `]`},
		{"history too long", "ab", `[{"created_by":"A"},{"created_by":"B"},{"created_by" : "?"}]`, "a", "b", `[{"created_by":"B"},{"created_by":"?","empty_layer":true}]`},
		{"no history", "ab", `null`, "a", "b", `[` + padding + `]`},
		{"empty_layer false", "ab", `[{"empty_layer":false,"created_by":"A"},{"created_by":"B"}]`, "a", "b", `[{"created_by":"B"}]`},
	} {
		base := withHistory(t, c.layers, c.history)
		img, ok, err := base.RemoveLayer(digest.FromString(c.remove))
		if err != nil || !ok {
			t.Errorf("%s: %t, %v", c.name, ok, err)
			continue
		}
		if got := letters(t, reloaded(t, img)); got != c.left {
			t.Errorf("%s: layers %s, want %s", c.name, got, c.left)
		}
		if diff := cmp.Diff(c.want, history(img)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if got := letters(t, base); got != c.layers {
			t.Errorf("%s: the base has %s", c.name, got)
		}
	}
}

func TestRemoveLayerThatIsNotThere(t *testing.T) {
	base := withHistory(t, "ab", `[]`)
	if img, ok, err := base.RemoveLayer(digest.FromString("z")); ok || err != nil || img != base {
		t.Errorf("got %t, %v", ok, err)
	}
}

// added is the layer z, as a descriptor of the media type.
func added(t *testing.T, mediaType string) (*content.Memory, image.Added) {
	t.Helper()
	src := new(content.Memory)
	return src, image.Added{Layer: layer.Layer{Descriptor: put(t, src, mediaType, "z"), DiffID: digest.FromString("Z")}, CreatedBy: "add <z>", Created: time.Unix(0, 0)}
}

func TestAppendKeepsHistoryInStep(t *testing.T) {
	const entry = `{"created":"1970-01-01T00:00:00Z","created_by":"add <z>"}`
	for _, c := range []struct{ layers, history, want string }{
		{"", `null`, `[` + entry + `]`},
		{"ab", `[{"created_by" : "A"}, {"created_by":"\u0042"}]`, `[{"created_by" : "A"},{"created_by":"\u0042"},` + entry + `]`},
		{"ab", `[]`, `[` + padding + `,` + padding + `,` + entry + `]`},
		{"a", `[{"empty_layer":true},{"created_by":"A"},{"created_by":"?"}]`, `[{"empty_layer":true},{"created_by":"A"},{"created_by":"?","empty_layer":true},` + entry + `]`},
	} {
		base := withHistory(t, c.layers, c.history)
		src, z := added(t, content.OCILayerGzip)
		img, err := base.Append(src, z)
		if err != nil {
			t.Errorf("%s: %v", c.history, err)
			continue
		}
		if diff := cmp.Diff(c.want, history(img)); diff != "" {
			t.Errorf("%s: %s", c.history, diff)
		}
		if got := letters(t, reloaded(t, img)); got != c.layers+"z" {
			t.Errorf("%s: layers %s", c.history, got)
		}
		if last := img.Layers()[len(c.layers)]; last.CreatedBy != "add <z>" {
			t.Errorf("%s: created by %q", c.history, last.CreatedBy)
		}
		// Removing it again leaves the base's layers.
		back, ok, err := img.RemoveLayer(digest.FromString("z"))
		if !ok || err != nil || letters(t, back) != c.layers {
			t.Errorf("removed again: %t, %v", ok, err)
		}
	}
}

// The bytes of what the base says of its own layers stay, and an OCI manifest without a mediaType gets one.
func TestAppendLeavesTheRestAlone(t *testing.T) {
	base := withHistory(t, "ab", `[{},{}]`)
	src, z := added(t, content.DockerLayerGzip)
	img, err := base.Append(src, z)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range base.Layers() {
		if !strings.Contains(string(img.Manifest()), descriptor(l.Descriptor)) {
			t.Errorf("%s is not written as it was: %s", l.Digest, img.Manifest())
		}
	}
	want := fmt.Sprintf(`,{"mediaType":%q,"digest":%q,"size":1}],"mediaType":%q}`, content.OCILayerGzip, z.Layer.Descriptor.Digest, content.OCIManifest)
	if !strings.HasSuffix(string(img.Manifest()), want) {
		t.Errorf("got %s, want it to end with %s", img.Manifest(), want)
	}
}

func TestAppendMediaTypes(t *testing.T) {
	foreign := "application/vnd.oci.image.layer.nondistributable.v1.tar"
	for _, c := range []struct {
		base, layer, want string // want empty: ErrUnsupported
	}{
		{content.OCIManifest, content.OCILayerGzip, content.OCILayerGzip}, {content.OCIManifest, content.OCILayer, content.OCILayer}, {content.OCIManifest, content.OCILayerZstd, content.OCILayerZstd},
		{content.OCIManifest, content.DockerLayerGzip, content.OCILayerGzip}, {content.OCIManifest, content.DockerLayer, content.OCILayer},
		{content.OCIManifest, content.DockerForeignLayer, foreign + "+gzip"},
		{content.DockerManifest, content.OCILayerGzip, content.DockerLayerGzip}, {content.DockerManifest, content.OCILayer, content.DockerLayer},
		{content.DockerManifest, content.DockerLayerGzip, content.DockerLayerGzip}, {content.DockerManifest, foreign + "+gzip", content.DockerForeignLayer},
		{content.DockerManifest, foreign, "application/vnd.docker.image.rootfs.foreign.diff.tar"},
		{content.DockerManifest, content.OCILayerZstd, ""}, {content.DockerManifest, "text/plain", ""}, {content.OCIManifest, "text/plain", ""}, {content.OCIManifest, "", ""},
	} {
		store := new(content.Memory)
		base := load(t, store, contenttest.Image(t, store, c.base, 1))
		src, z := added(t, c.layer)
		z.Layer.Descriptor.Annotations = map[string]string{"a": "1"}
		img, err := base.Append(src, z)
		if c.want == "" {
			if !errors.Is(err, content.ErrUnsupported) {
				t.Errorf("%s on %s: got %v, want ErrUnsupported", c.layer, c.base, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s on %s: %v", c.layer, c.base, err)
			continue
		}
		last := img.Layers()[1]
		if last.MediaType != c.want || (last.Annotations == nil) != (c.base == content.DockerManifest) {
			t.Errorf("%s on %s: got %s %v, want %s", c.layer, c.base, last.MediaType, last.Annotations, c.want)
		}
		reloaded(t, img)
	}
	_, err := image.Scratch(amd64(), image.FormatDocker, time.Time{}).Append(nil, image.Added{Layer: layer.Layer{
		Descriptor: content.Of(content.OCILayerZstd, nil), DiffID: digest.FromString(""),
	}})
	if err == nil || !strings.Contains(err.Error(), `use gzip, or format = "oci"`) {
		t.Errorf("zstd in a Docker image: no hint in %v", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	base := image.Scratch(amd64(), image.FormatOCI, time.Time{})
	good := layer.Layer{Descriptor: content.Of(content.OCILayer, nil), DiffID: digest.FromString("")}
	for name, f := range map[string]func(l *layer.Layer){
		"no digest": func(l *layer.Layer) { l.Descriptor.Digest = "" }, "no diff ID": func(l *layer.Layer) { l.DiffID = "" },
		"digest": func(l *layer.Layer) { l.Descriptor.Digest = "sha256:../x" }, "size": func(l *layer.Layer) { l.Descriptor.Size = -1 },
	} {
		l := good
		f(&l)
		if _, err := base.Append(nil, image.Added{Layer: l}); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
}

// registry is a source that lies in a registry.
type registry struct {
	*content.Memory
	name string
}

// Sources implements content.Locator.
func (r registry) Sources(content.Descriptor) []string { return []string{r.name} }

func TestSources(t *testing.T) {
	store := registry{new(content.Memory), "reg.example/base"}
	base := load(t, store, contenttest.Image(t, store, content.OCIManifest, 1))
	memory, z := added(t, content.OCILayerGzip)
	other := registry{new(content.Memory), "reg.example/other"}
	again := image.Added{Layer: layer.Layer{Descriptor: base.Layers()[0].Descriptor, DiffID: base.Layers()[0].DiffID}}
	img, err := base.Append(memory, z)
	if err == nil {
		img, err = img.Append(other, again)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		desc content.Descriptor
		want []string
	}{
		{"base's config, gone", base.ConfigDescriptor(), []string{"reg.example/base"}},
		{"new config", img.ConfigDescriptor(), nil},
		{"base's layer, added again from elsewhere", img.Layers()[0].Descriptor, []string{"reg.example/base", "reg.example/other"}},
		{"layer in memory", z.Layer.Descriptor, nil},
		{"unknown", content.Of("", nil), nil},
	} {
		if got := img.Sources(c.desc); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	reloaded(t, img) // the layer that other doesn't have is read from the base's source
}

// refusing is a source that has nothing, for a reason.
type refusing struct{ reason string }

// Fetch implements content.Fetcher.
func (r refusing) Fetch(context.Context, content.Descriptor) (io.ReadCloser, error) {
	return nil, fmt.Errorf("%s: %w", r.reason, content.ErrNotFound)
}

// A layer that no source gives is an error that says what the source says.
func TestMissingLayerSaysWhy(t *testing.T) {
	_, z := added(t, content.OCILayerGzip)
	img, err := image.Scratch(amd64(), image.FormatOCI, time.Time{}).Append(refusing{"the policy forbids it"}, z)
	if err != nil {
		t.Fatal(err)
	}
	again, err := img.Append(refusing{"not there either"}, z)
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range []*image.Image{img, again} {
		if _, err := img.Fetch(t.Context(), z.Layer.Descriptor); !errors.Is(err, content.ErrNotFound) || !strings.Contains(err.Error(), "the policy forbids it") {
			t.Errorf("got %v", err)
		}
	}
}
