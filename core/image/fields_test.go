package image_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
)

// oddHistories are histories of bases, by the layers that they go with.
var oddHistories = []struct{ layers, history string }{
	{"", `null`}, {"", `[]`}, {"", `[{}]`}, {"", `[{"empty_layer":true}]`}, {"ab", `null`}, {"ab", `[]`}, {"ab", `[{}]`}, {"ab", `[{},{}]`}, {"ab", `[{},{},{}]`},
	{"ab", `[{"empty_layer":true},{},{"empty_layer":true},{},{"empty_layer":true}]`}, {"ab", `[{"empty_layer":true},{"empty_layer":true}]`}, {"abc", `[{"empty_layer":null},{},{"empty_layer":false},{},{}]`},
	{"aba", `[{"created_by":"1"},{"created_by":"2"},{"created_by":"3"}]`},
}

// entriesOf counts the entries of layers in an image's history.
func entriesOf(t *testing.T, img *image.Image) int {
	t.Helper()
	var config struct {
		History []struct {
			EmptyLayer bool `json:"empty_layer"`
		}
	}
	if err := json.Unmarshal(img.Config(), &config); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, h := range config.History {
		if !h.EmptyLayer {
			n++
		}
	}
	return n
}

// TestHistoryStaysInStep: whatever the history of a base is, what changes the layers leaves an entry for each, and what does not leaves the history alone.
func TestHistoryStaysInStep(t *testing.T) {
	src, z := added(t, content.OCILayerGzip)
	for _, base := range oddHistories {
		img := withHistory(t, base.layers, base.history)
		name := fmt.Sprintf("%q %s", base.layers, base.history)
		for method, f := range map[string]func() (*image.Image, error){
			"Append":  func() (*image.Image, error) { return img.Append(src, z) },
			"Append2": func() (*image.Image, error) { return img.Append(src, z, z) },
			"RemoveLayer": func() (*image.Image, error) {
				next, _, err := img.RemoveLayer(digest.FromString("a"))
				return next, err
			},
			"AppendImage": func() (*image.Image, error) {
				return img.AppendImage(withHistory(t, "abc", `[{},{"empty_layer":true}]`))
			},
			"Flatten": func() (*image.Image, error) { return img.Flatten(image.Added{Layer: z.Layer, Source: src}) },
			"Rebase": func() (*image.Image, error) {
				return img.Rebase(&image.Rebasing{Old: withHistory(t, "", `null`), New: withHistory(t, "c", `[{},{},{"empty_layer":true}]`), CreatedBy: "rebase"})
			},
			"AppendImage long": func() (*image.Image, error) { return img.AppendImage(withHistory(t, "a", `[{},{},{}]`)) },
			"Append and RemoveLayer": func() (*image.Image, error) {
				next, err := img.Append(src, z)
				if err == nil {
					next, _, err = next.RemoveLayer(digest.FromString("b"))
				}
				return next, err
			},
		} {
			next, err := f()
			if err != nil {
				t.Errorf("%s: %s: %v", name, method, err)
				continue
			}
			if got := entriesOf(t, next); next != img && got != len(next.Layers()) {
				t.Errorf("%s: %s: %d entries for %d layers: %s", name, method, got, len(next.Layers()), next.Config())
			}
			reloaded(t, next)
		}
		created := time.Unix(0, 0)
		for method, f := range map[string]func() (*image.Image, error){
			"With":       func() (*image.Image, error) { return img.With(&image.Changes{User: text("x"), Created: &created}) },
			"WithFormat": func() (*image.Image, error) { return img.WithFormat(image.FormatDocker) },
			"WithJSON": func() (*image.Image, error) {
				return img.WithJSON(nil, []byte(strings.Replace(string(img.Config()), "{", `{"author":"x",`, 1)))
			},
			"Repack": func() (*image.Image, error) {
				return img.Repack(map[digest.Digest]image.Repacked{digest.FromString("a"): {Descriptor: z.Layer.Descriptor, Source: src}})
			},
		} {
			next, err := f()
			if err != nil {
				t.Errorf("%s: %s: %v", name, method, err)
				continue
			}
			if got, want := entriesOf(t, next), entriesOf(t, img); got != want {
				t.Errorf("%s: %s: %d entries, the base has %d", name, method, got, want)
			}
		}
	}
}

// TestWithJSONHoldsHistoryBack: more entries of layers than layers are refused, by Docker, so they are not edited into an image; a base may have them.
func TestWithJSONHoldsHistoryBack(t *testing.T) {
	grow := func(config []byte) []byte {
		return []byte(strings.Replace(string(config), `"history": [`, `"history": [{"created_by":"?"},`, 1))
	}
	base := withHistory(t, "ab", `[{"created_by":"A"},{"created_by":"B"}]`)
	if _, err := base.WithJSON(nil, grow(base.Config())); !errors.Is(err, content.ErrInvalid) || !strings.Contains(err.Error(), "it tells of 3 layers, and the image has 2") {
		t.Errorf("got %v", err)
	}
	short := withHistory(t, "ab", `[{"created_by":"A"}]`)
	if _, err := short.WithJSON(nil, grow(short.Config())); err != nil {
		t.Errorf("an entry that was missing: %v", err)
	}
	long := withHistory(t, "a", `[{"created_by":"A"},{"created_by":"B"}]`)
	if _, err := long.WithJSON(nil, []byte(strings.Replace(string(long.Config()), `"created_by":"A"`, `"created_by":"X"`, 1))); err != nil {
		t.Errorf("a base that is too long: %v", err)
	}
	if _, err := long.WithJSON(nil, grow(long.Config())); !errors.Is(err, content.ErrInvalid) {
		t.Errorf("a base that is too long, longer: %v", err)
	}
}

// TestWithJSONLeavesTheBasesFieldsAlone: what a base has is not looked at, be it what no engine reads.
func TestWithJSONLeavesTheBasesFieldsAlone(t *testing.T) {
	odd := `{"author":1,"os":"linux","config":{"Env":["A B"],"ExposedPorts":{"x":{}},"Healthcheck":"no","Memory":"1g"},"rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"a","created":"","empty_layer":true}]}`
	base := withConfig(t, content.OCIManifest, odd)
	for _, edit := range [][2]string{{`"A B"`, `"A B","C=d"`}, {`{"x":{}}`, `{"x":{},"80/tcp":{}}`}, {`"os":"linux"`, `"os":"plan9"`}, {`"created_by":"a"`, `"created_by":"b"`}} {
		if _, err := base.WithJSON(nil, []byte(strings.Replace(odd, edit[0], edit[1], 1))); err != nil {
			t.Errorf("%s: %v", edit[1], err)
		}
	}
	for _, edit := range [][2]string{{`"A B"`, `"A B","C d"`}, {`{"x":{}}`, `{"x":{},"y":{}}`}, {`"no"`, `"yes"`}, {`"1g"`, `"2g"`}, {`"author":1`, `"author":2`}, {`"created":""`, `"created":"now"`}} {
		if _, err := base.WithJSON(nil, []byte(strings.Replace(odd, edit[0], edit[1], 1))); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%s: got %v", edit[1], err)
		}
	}
}

// TestRepack puts other blobs in the place of layers; nothing else changes, and what the manifest says beside stays.
func TestRepack(t *testing.T) {
	for _, mediaType := range []string{content.OCIManifest, content.DockerManifest} {
		src, z := added(t, content.OCILayerGzip)
		base := withHistory(t, "aba", `[{},{},{}]`)
		if mediaType == content.DockerManifest {
			var err error
			if base, err = base.WithFormat(image.FormatDocker); err != nil {
				t.Fatal(err)
			}
		}
		img, err := base.Repack(map[digest.Digest]image.Repacked{digest.FromString("a"): {Descriptor: z.Layer.Descriptor, Source: src}})
		if err != nil {
			t.Fatal(err)
		}
		reloaded(t, img)
		want := strings.ReplaceAll(string(base.Manifest()), digest.FromString("a").String(), z.Layer.Descriptor.Digest.String())
		if got := string(img.Manifest()); layersText(t, got) != layersText(t, want) || !strings.Contains(got, `"x":1.0`) {
			t.Errorf("got %s, want the layers of %s", got, want)
		}
		if string(img.Config()) != string(base.Config()) {
			t.Errorf("the config is %s", img.Config())
		}
		if same, err := base.Repack(nil); err != nil || same.Descriptor().Digest != base.Descriptor().Digest {
			t.Errorf("no blobs: %v", err)
		}
	}
}

// layersText are the layers of a manifest, however it is written.
func layersText(t *testing.T, manifest string) string {
	t.Helper()
	var m struct{ Layers []map[string]any }
	if err := json.Unmarshal([]byte(manifest), &m); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(m.Layers)
}
