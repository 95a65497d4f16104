package build_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestIndex: images that were changed, a reference to an image, and one of several platforms come together, each from where it is. What is in the target's registry is mounted.
func TestIndex(t *testing.T) {
	for _, jobs := range []int{1, 2, 16} {
		from, to := registrytest.New(t, nil), registrytest.New(t, nil)
		attestedBase(t, from, false)
		riscv := to.PushImage("other", "v1", registrytest.Image{Arch: "riscv64", Layers: []map[string]string{{"/arch": "riscv64"}}})
		report, err := newEngine(t, jobs).Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
			arm, err := r.Image(at("line 1"), from.Host+"/base:many", &build.ImageOptions{Platform: "linux/arm/v6"})
			if err != nil {
				return err
			}
			addText(arm, "line 2", "/f", "f")
			arm.Configure(at("line 3"), "setting entry_annotations", image.Changes{EntryAnnotations: map[string]string{"entry": "yes"}})
			two, err := several(r, from, "", "linux/arm64", "linux/amd64")
			if err != nil {
				return err
			}
			view, err := two.On(at("line 4"), "linux/amd64")
			if err != nil {
				return err
			}
			addText(view, "line 5", "/g", "g")
			index, err := r.Index(at("line 6"), to.Host+"/app", []build.IndexMember{{Image: arm}, {Reference: to.Host + "/other:v1"}, {Image: two}}, &build.IndexOptions{
				Annotations: map[string]string{"title": "all"},
			})
			if err != nil {
				return err
			}
			addText(two, "line 7", "/late", "the index was made before") // and so it is lost but for the look
			if _, err := view.Layers(at("line 8")); err != nil {
				return err
			}
			index.Save(at("line 9"), &build.IndexSaveOptions{Tags: []string{"v1", "v2"}})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		doc := remoteIndex(t, to, "app", "v2")
		want := []string{"linux/arm/v6 3", "linux/riscv64 1", "linux/amd64 3", "linux/arm64/v8 2", "unknown/unknown 1"}
		if got := listed(t, to, "app", "v1"); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		arm, proof := doc.Manifests[0], doc.Manifests[4]
		if doc.MediaType != content.OCIIndex || doc.Annotations["title"] != "all" || arm.Annotations["entry"] != "yes" || arm.Annotations["of"] != "arm" ||
			doc.Manifests[1].Digest != riscv.Manifest.Digest || proof.Annotations["vnd.docker.reference.digest"] != doc.Manifests[3].Digest.String() {
			t.Errorf("got %+v", doc)
		}
		saved := report.Saved[0]
		if !slices.Equal(saved.Platforms, []string{"linux/arm/v6", "linux/riscv64", "linux/amd64", "linux/arm64"}) || !slices.Equal(saved.Tags, []string{"v1", "v2"}) {
			t.Errorf("saved %+v", saved)
		}
		if saved.Mounted != 2 { // the layer and the config of riscv64
			t.Errorf("%d blobs were mounted", saved.Mounted)
		}
	}
}

// TestIndexFormats: an index is Docker's when all images are, and nothing has annotations.
func TestIndexFormats(t *testing.T) {
	reg := registrytest.New(t, nil)
	for _, arch := range []string{"amd64", "arm64"} {
		reg.PushImage("base", arch, registrytest.Image{Docker: true, Arch: arch})
		reg.PushImage("base", "oci-"+arch, registrytest.Image{Arch: arch})
	}
	for _, c := range []struct {
		members     string
		annotations map[string]string
		want        string
	}{
		{"amd64 arm64", nil, content.DockerList},
		{"amd64 arm64", map[string]string{"a": "b"}, content.OCIIndex},
		{"amd64 oci-arm64", nil, content.OCIIndex},
		{"oci-amd64 oci-arm64", nil, content.OCIIndex},
	} {
		report := do(t, nil, func(r *build.Run) error {
			var members []build.IndexMember
			for tag := range strings.FieldsSeq(c.members) {
				members = append(members, build.IndexMember{Reference: reg.Host + "/base:" + tag})
			}
			index, err := r.Index(at("line 1"), reg.Host+"/app", members, &build.IndexOptions{Annotations: c.annotations})
			if err != nil {
				return err
			}
			index.Save(at("line 2"), nil)
			return nil
		})
		if saved := report.Saved[0]; saved.MediaType != c.want || !slices.Equal(saved.Platforms, []string{"linux/amd64", "linux/arm64"}) {
			t.Errorf("%s %v: got %s of %v, want %s", c.members, c.annotations, saved.MediaType, saved.Platforms, c.want)
		}
	}
}

// TestIndexOfSavedImages: what the same run saves can be named, also what it has not saved yet when the index is asked for.
func TestIndexOfSavedImages(t *testing.T) {
	reg := registrytest.New(t, nil)
	report := do(t, nil, func(r *build.Run) error {
		var members []build.IndexMember
		for _, arch := range []string{"amd64", "arm64"} {
			img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: reg.Host + "/app:" + arch, Platform: "linux/" + arch})
			if err != nil {
				return err
			}
			addText(img, "line 2", "/f", arch)
			img.Save(at("line 3"), nil)
			members = append(members, build.IndexMember{Reference: reg.Host + "/app:" + arch})
		}
		index, err := r.Index(at("line 4"), reg.Host+"/app:all", members, nil)
		if err != nil {
			return err
		}
		dgst, platforms, err := index.Look(at("line 5"), "digest")
		saved, err2 := index.Save(at("line 6"), nil).Wait()
		if saved.Digest != dgst || !slices.Equal(platforms, saved.Platforms) {
			t.Errorf("looked at %s of %v, saved %+v", dgst, platforms, saved)
		}
		return errors.Join(err, err2)
	})
	doc := remoteIndex(t, reg, "app", "all")
	if doc.Manifests[0].Digest != report.Saved[0].Digest || doc.Manifests[1].Digest != report.Saved[1].Digest || report.Saved[2].Uploaded != 0 {
		t.Errorf("got %+v", doc)
	}
}

// TestIndexErrors names both images that are for one platform, whatever is known first.
func TestIndexErrors(t *testing.T) {
	reg := registrytest.New(t, nil)
	attestedBase(t, reg, false)
	reg.PushImage("base", "single", layersOf(1))
	twice := reg.PushImage("base", "", registrytest.Image{}).Manifest
	twice.Platform = &specs.Platform{OS: "linux", Architecture: "amd64"}
	other := reg.PushImage("base", "", registrytest.Image{Layers: []map[string]string{{"/f": "f"}}}).Manifest
	other.Platform = twice.Platform
	reg.PushIndex("base", "twice", false, twice, other)
	for _, c := range []struct {
		refs, target, want, hint string
	}{
		{"single many", "", "images[0] (" + reg.Host + "/base:single) and images[1] (" + reg.Host + "/base:many) are both for linux/amd64", "one image for each platform"},
		{"many many", "", "images[0] (" + reg.Host + "/base:many) and images[1] (" + reg.Host + "/base:many) are both for linux/amd64", "one image for each platform"},
		{"twice", "", "images[0] (" + reg.Host + "/base:twice) has two images for linux/amd64", "one image for each platform"},
		{"missing", "", "missing", ""},
		{"", "", "images: an index has at least one", ""},
		{"single Bad", "", "images[1]: ", ""},
		{"single", "scratch", `"scratch" is a base, not a target`, ""},
		{"single", "docker-archive:x.tar", "docker-archive:x.tar takes images of one platform, and this is an index", "save one of its images there"},
	} {
		for _, jobs := range []int{1, 16} {
			_, err := newEngine(t, jobs).Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
				var members []build.IndexMember
				for ref := range strings.FieldsSeq(c.refs) {
					if ref != "Bad" {
						ref = reg.Host + "/base:" + ref
					}
					members = append(members, build.IndexMember{Reference: ref})
				}
				if c.target == "" {
					c.target = reg.Host + "/app"
				}
				index, err := r.Index(at("line 1"), c.target, members, nil)
				if err != nil {
					return err
				}
				index.Save(at("line 2"), nil)
				return nil
			})
			var hinter interface{ Hint() string }
			if err == nil || !strings.Contains(err.Error(), c.want) || c.hint != "" && (!errors.As(err, &hinter) || !strings.Contains(hinter.Hint(), c.hint)) {
				t.Errorf("%s to %s: got %v", c.refs, c.target, err)
			}
		}
	}
}

// TestLostIndex: an index that is never saved is a lost change, and so is what was done to its images; a save makes all of that useful.
func TestLostIndex(t *testing.T) {
	for _, c := range []struct {
		change, save bool
		want         string
	}{{false, true, ""}, {true, true, ""}, {false, false, "line 3"}, {true, false, "line 2"}} {
		_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), "scratch", nil)
			if err != nil {
				return err
			}
			if c.change {
				addText(img, "line 2", "/f", "f")
			}
			index, err := r.Index(at("line 3"), "oci:out", []build.IndexMember{{Image: img}}, nil)
			if err == nil && c.save {
				index.Save(at("line 4"), nil)
			}
			return err
		})
		var lost *build.LostChangeError
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &lost) || lost.At.String() != c.want) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}

// TestLostInAView: a change of a view is lost unless the image is saved, or that platform looked at.
func TestLostInAView(t *testing.T) {
	for name, c := range map[string]struct {
		then func(img, view, other *build.Image) error
		want string
	}{
		"nothing": {func(_, _, _ *build.Image) error { return nil }, "line 2"},
		"another platform": {func(_, _, other *build.Image) error {
			_, err := other.Layers(at("line 9"))
			return err
		}, "line 2"},
		"its platform": {func(_, view, _ *build.Image) error {
			_, err := view.Layers(at("line 9"))
			return err
		}, ""},
		"saved": {func(img, _, _ *build.Image) error {
			img.Save(at("line 9"), &build.SaveOptions{To: "oci:out"})
			return nil
		}, ""},
		"saved alone": {func(_, _, other *build.Image) error {
			other.Save(at("line 9"), &build.SaveOptions{To: "oci:out"})
			return nil
		}, "line 2"},
	} {
		_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Platforms: threePlatforms})
			if err != nil {
				return err
			}
			view, err := img.On(at("line 1"), "linux/arm64")
			if err != nil {
				return err
			}
			other, err := img.On(at("line 1"), "linux/amd64")
			if err != nil {
				return err
			}
			addText(view, "line 2", "/f", "f")
			return c.then(img, view, other)
		})
		var lost *build.LostChangeError
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &lost) || lost.At.String() != c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestPlanOfSeveral: what one platform alone needs says so.
func TestPlanOfSeveral(t *testing.T) {
	reg := registrytest.New(t, nil)
	attestedBase(t, reg, false)
	report, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir(), Plan: true}, func(r *build.Run) error {
		img, err := several(r, reg, "oci:out:v1", "linux/amd64", "linux/arm64")
		if err != nil {
			return err
		}
		addText(img, "line 2", "/f", "f")
		img.Save(at("line 3"), nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range report.Plan.Writes[0].Blobs {
		got = append(got, fmt.Sprintf("%s %s %q", b.Kind, strings.ReplaceAll(b.Source, reg.Host, "REG"), b.Platform))
	}
	want := []string{
		`layer REG/base:many ""`, `layer REG/base:many "linux/amd64"`, `layer add_files({"/f": "custom_file"}) ""`, `config  "linux/amd64"`,
		`layer REG/base:many "linux/arm64"`, `config  "linux/arm64"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
