package build_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// withAnnotations pushes an image again with annotations that say what it is built on.
func withAnnotations(t *testing.T, reg *registrytest.Server, img registrytest.Seeded, tag string, annotations map[string]string) {
	t.Helper()
	var manifest map[string]any
	must(t, json.Unmarshal(img.Data, &manifest))
	manifest["annotations"] = annotations
	data, err := json.Marshal(manifest)
	must(t, err)
	reg.PushManifest("app", tag, content.OCIManifest, data)
}

const nameKey, digestKey = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"

// TestRebaseByAnnotations takes the bases from what the manifest says, and says it of the new one; so an image can be rebased again and again.
func TestRebaseByAnnotations(t *testing.T) {
	reg := registrytest.New(t, nil)
	old := reg.PushImage("base", "stable", oldBase())
	img := reg.PushImage("app", "", onBase(oldBase(), map[string]string{"/app": "app"}))
	withAnnotations(t, reg, img, "1", map[string]string{nameKey: reg.Host + "/base:stable", digestKey: old.Manifest.Digest.String()})
	byAnnotations := func(_ *build.Run, img *build.Image) error { return img.Rebase(at("line 5"), nil, nil) }
	for i, os := range []string{"2", "3"} {
		base := reg.PushImage("base", "stable", registrytest.Image{Layers: []map[string]string{{"/etc/os": os}}})
		runFor(t, "", cut(fmt.Sprintf("%s/app:%d", reg.Host, i+1), fmt.Sprintf("%s/app:%d", reg.Host, i+2), build.ImageOptions{}, byAnnotations), reg)
		layers, history, _ := savedImage(t, reg, "app", fmt.Sprint(i+2))
		if want := []digest.Digest{base.Layers[0].Digest, img.Layers[2].Digest}; !slices.Equal(layers, want) {
			t.Errorf("layers %v, want %v", layers, want)
		}
		if last := history[len(history)-1]; !strings.HasPrefix(last, `rebase("`+reg.Host+"/base:stable@sha256:") || !strings.HasSuffix(last, `", "`+reg.Host+`/base:stable")`) {
			t.Errorf("history %q", last)
		}
		var manifest specs.Manifest
		_, data, _ := reg.Manifest("app", fmt.Sprint(i+2))
		must(t, json.Unmarshal(data, &manifest))
		if diff := cmp.Diff(map[string]string{nameKey: reg.Host + "/base:stable", digestKey: base.Manifest.Digest.String()}, manifest.Annotations); diff != "" {
			t.Error(diff)
		}
	}
	// The old base from the annotations, the new one given.
	reg.PushImage("other", "9", newBase())
	runFor(t, "", cut(reg.Host+"/app:3", reg.Host+"/app:4", build.ImageOptions{}, func(_ *build.Run, img *build.Image) error {
		base, err := img.Other(at("line 5"), reg.Host+"/other:9")
		if err != nil {
			return err
		}
		return img.Rebase(at("line 5"), nil, base)
	}), reg)
	if _, data, _ := reg.Manifest("app", "4"); !strings.Contains(string(data), reg.Host+"/other:9") {
		t.Errorf("got %s", data)
	}
}

// TestRebaseByBadAnnotations: who made an image does not choose what is read besides registries.
func TestRebaseByBadAnnotations(t *testing.T) {
	reg := registrytest.New(t, nil)
	img := reg.PushImage("app", "", onBase(oldBase(), map[string]string{"/app": "app"}))
	good := digest.FromString("x").String()
	for want, annotations := range map[string]map[string]string{
		"lacks the annotation":                    {},
		"does not say":                            {nameKey: reg.Host + "/base:1"},
		"it is built on":                          {digestKey: good},
		`"oci:/etc" names no tag in a registry`:   {nameKey: "oci:/etc", digestKey: good},
		`"docker-daemon:x" names no tag`:          {nameKey: "docker-daemon:x", digestKey: good},
		`annotations: reference "Bad Name"`:       {nameKey: "Bad Name", digestKey: good},
		`the image's annotations: invalid digest`: {nameKey: reg.Host + "/base:1", digestKey: "sha256:x"},
	} {
		withAnnotations(t, reg, img, "1", annotations)
		_, err := newEngine(t, 2).Do(t.Context(), nil, cut(reg.Host+"/app:1", reg.Host+"/app:2", build.ImageOptions{}, func(_ *build.Run, img *build.Image) error {
			return img.Rebase(at("line 5"), nil, nil)
		}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", annotations, err, want)
		}
	}
}
