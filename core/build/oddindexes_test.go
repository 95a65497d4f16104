package build_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// artifact puts what is no image into a repository: a manifest whose config is one of nobody's.
func artifact(t *testing.T, reg *registrytest.Server, repository string) content.Descriptor {
	t.Helper()
	config := reg.PushBlob(repository, []byte("{}"))
	config.MediaType = "application/x-config"
	data, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": content.OCIManifest, "config": config, "layers": []any{}})
	if err != nil {
		t.Fatal(err)
	}
	return reg.PushManifest(repository, "", content.OCIManifest, data)
}

// TestOddIndexes: of an index with an index in it, an image that does not say its platform and an artifact, all images are one image of several platforms, and what is none stays.
func TestOddIndexes(t *testing.T) {
	reg := registrytest.New(t, nil)
	push := func(arch string) content.Descriptor {
		return reg.PushImage("odd", "", registrytest.Image{Arch: arch, Layers: []map[string]string{{"/arch": arch}}}).Manifest
	}
	amd, arm, silent := push("amd64"), push("arm64"), push("s390x")
	amd.Platform, arm.Platform = &specs.Platform{OS: "linux", Architecture: "amd64"}, &specs.Platform{OS: "linux", Architecture: "arm64"}
	inner := reg.PushIndex("odd", "", false, arm)
	other := artifact(t, reg, "odd")
	whole := reg.PushIndex("odd", "v1", false, amd, inner, silent, other)
	report := do(t, nil, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/odd:v1", &build.ImageOptions{Target: reg.Host + "/app:same", Platforms: []string{build.AllPlatforms}})
		if err != nil {
			return err
		}
		img.Save(at("line 2"), nil)
		names, err := img.Platforms(at("line 3"))
		if err != nil || !slices.Equal(names, []string{"linux/amd64", "linux/arm64", "linux/s390x"}) {
			t.Errorf("platforms %v, %v", names, err)
		}
		addText(img, "line 4", "/f", "f")
		img.Save(at("line 5"), &build.SaveOptions{Tags: []string{"changed"}})
		return nil
	})
	if report.Saved[0].Digest != whole.Digest {
		t.Errorf("unchanged it is %s, not %s", report.Saved[0].Digest, whole.Digest)
	}
	doc := remoteIndex(t, reg, "app", "changed")
	var got []string
	for _, desc := range doc.Manifests {
		child := remoteIndex(t, reg, "app", desc.Digest.String())
		got = append(got, strings.Repeat("l", len(child.Layers)))
	}
	if !slices.Equal(got, []string{"ll", "ll", "ll", ""}) || doc.Manifests[3].Digest != other.Digest {
		t.Errorf("got %+v", doc.Manifests)
	}
	if saved := report.Saved[1]; !slices.Equal(saved.Platforms, []string{"linux/amd64", "linux/arm64", "linux/s390x"}) {
		t.Errorf("platforms %v", saved.Platforms)
	}

	artifacts := reg.PushIndex("odd", "artifacts", false, other)
	_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/odd@"+artifacts.Digest.String(), &build.ImageOptions{Platforms: []string{build.AllPlatforms}})
		if err != nil {
			return err
		}
		_, err = img.Platforms(at("line 2"))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "is an index without images") {
		t.Errorf("of artifacts: %v", err)
	}
}

// TestWindowsVersions: platforms that differ in the version of the system alone are told apart by it, and it need not be said where there is one.
func TestWindowsVersions(t *testing.T) {
	reg := registrytest.New(t, nil)
	var images []content.Descriptor
	for _, version := range []string{"10.0.17763.1", "10.0.20348.2"} {
		img := reg.PushImage("windows", "", registrytest.Image{Extra: map[string]any{"os": "windows", "os.version": version}, Layers: []map[string]string{{"/v": version}}}).Manifest
		img.Platform = &specs.Platform{OS: "windows", Architecture: "amd64", OSVersion: version, OSFeatures: []string{"win32k"}}
		images = append(images, img)
	}
	reg.PushIndex("windows", "v1", false, images...)
	report := do(t, nil, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/windows:v1", &build.ImageOptions{Target: reg.Host + "/app", Platforms: []string{build.AllPlatforms}})
		if err != nil {
			return err
		}
		if _, err := img.On(at("line 2"), "windows/amd64"); err == nil ||
			!strings.Contains(err.Error(), "platform windows/amd64: the image has 2: windows(10.0.17763.1)/amd64, windows(10.0.20348.2)/amd64") {
			t.Errorf("on windows/amd64: %v", err)
		}
		view, err := img.On(at("line 3"), "windows(10.0.20348)/amd64")
		if err != nil {
			return err
		}
		addText(view, "line 4", "/f", "f")
		img.Save(at("line 5"), nil)
		one, err := r.Image(at("line 6"), reg.Host+"/windows:v1", &build.ImageOptions{Target: reg.Host + "/app:one", Platforms: []string{"windows(10.0.17763)/amd64"}})
		if err != nil {
			return err
		}
		if view, err = one.On(at("line 7"), "windows/amd64"); err != nil {
			return err
		}
		addText(view, "line 8", "/f", "f")
		one.Save(at("line 9"), nil)
		return nil
	})
	doc := remoteIndex(t, reg, "app", "latest")
	if doc.Manifests[0].Digest != images[0].Digest || doc.Manifests[1].Digest == images[1].Digest || doc.Manifests[1].Platform.OSVersion != "10.0.20348.2" ||
		!slices.Equal(doc.Manifests[1].Platform.OSFeatures, []string{"win32k"}) {
		t.Errorf("got %+v", doc.Manifests)
	}
	if got := report.Saved[1].Platforms; !slices.Equal(got, []string{"windows(10.0.17763.1)/amd64"}) || report.Saved[1].MediaType != content.OCIIndex {
		t.Errorf("saved %+v", report.Saved[1])
	}
}

// TestEndlessIndex gives up on an index that lists others again and again, and on one of more images than anybody has.
func TestEndlessIndex(t *testing.T) {
	reg := registrytest.New(t, nil)
	one := reg.PushImage("odd", "", layersOf(1)).Manifest
	again := one
	for range 3 {
		again = reg.PushIndex("odd", "endless", false, slices.Repeat([]content.Descriptor{again}, 500)...)
	}
	reg.PushIndex("odd", "huge", false, slices.Repeat([]content.Descriptor{one}, 1001)...)
	deep := one
	for range 7 {
		deep = reg.PushIndex("odd", "deep", false, deep)
	}
	for tag, want := range map[string]string{"endless": "", "huge": "it has 1001 entries, more than 1000", "deep": "indexes within indexes, more than 4 deep"} {
		var names []string
		_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), reg.Host+"/odd:"+tag, &build.ImageOptions{Platforms: []string{build.AllPlatforms}})
			if err != nil {
				return err
			}
			names, err = img.Platforms(at("line 2"))
			return err
		})
		if want == "" && (err != nil || len(names) != 500) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %d platforms, %v", tag, len(names), err)
		}
	}
}
