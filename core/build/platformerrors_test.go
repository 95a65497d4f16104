package build_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestPlatformErrors are those of lists of platforms, and of questions that each of several platforms would answer in another way.
func TestPlatformErrors(t *testing.T) {
	reg := registrytest.New(t, nil)
	attestedBase(t, reg, false)
	reg.PushImage("base", "single", layersOf(1))
	try := func(f func(r *build.Run) error) error {
		_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir()}, f)
		return err
	}
	made := func(tag string, opts build.ImageOptions, f func(*build.Image) error) error {
		return try(func(r *build.Run) error {
			img, err := r.Image(at("line 1"), reg.Host+"/base:"+tag, &opts)
			if err != nil {
				return err
			}
			return f(img)
		})
	}
	save := func(img *build.Image) error {
		_, err := img.Save(at("line 2"), &build.SaveOptions{To: reg.Host + "/app"}).Wait()
		return err
	}
	saveTo := func(to string) func(img *build.Image) error {
		return func(img *build.Image) error {
			_, err := img.Save(at("line 2"), &build.SaveOptions{To: to}).Wait()
			return err
		}
	}
	on := func(platform string) func(img *build.Image) error {
		return func(img *build.Image) error {
			_, err := img.On(at("line 2"), platform)
			return err
		}
	}
	list := func(names ...string) build.ImageOptions { return build.ImageOptions{Platforms: names} }
	for _, c := range []struct {
		name string
		err  error
		want string
		hint string
	}{
		{"empty", made("many", build.ImageOptions{Platforms: []string{}}, save), "platforms: the list is empty", ""},
		{"twice", made("many", list("linux/arm64", "linux/amd64", "linux/arm64/v8"), save), `platforms: "linux/arm64" and "linux/arm64/v8" are one platform`, ""},
		{"malformed", made("many", list("linux"), save), `invalid platform "linux"`, ""},
		{"all in a list", made("many", list("linux/amd64", "all"), save), `platforms: "all" stands for all of them, and not in a list`, ""},
		{"both", made("many", build.ImageOptions{Platform: "linux/amd64", Platforms: threePlatforms}, save), "platform and platforms: an image is for one platform or for several", ""},
		{"missing", made("many", list("linux/amd64", "linux/s390x"), save), "platform linux/s390x: not found: the index has linux/amd64, linux/arm64, linux/arm/v6", ""},
		{"one for two", made("many", list("linux/arm/v6", "linux/arm/v7"), save), "/base:many has one image for linux/arm/v6 and linux/arm/v7: that for", ""},
		{"no index", made("single", list("linux/amd64", "linux/arm64"), save), "/base:single is linux/amd64 and has no other platform; linux/arm64 was asked for", ""},
		{"on one that is not there", made("many", list(threePlatforms...), on("linux/s390x")), "platform linux/s390x: not found: the image has linux/amd64, linux/arm64, linux/arm/v6", ""},
		{"on another one", made("many", build.ImageOptions{}, on("linux/arm64")), "platform linux/arm64: not found: the image has linux/amd64", ""},
		{"layers", made("many", list(threePlatforms...), func(img *build.Image) error {
			_, err := img.Layers(at("line 2"))
			return err
		}), "the image is of several platforms, each of which has its own: linux/amd64, linux/arm64, linux/arm/v6", `img.on("linux/amd64").layers(…)`},
		{"layers of all", made("many", list(build.AllPlatforms), func(img *build.Image) error {
			_, err := img.Layers(at("line 2"))
			return err
		}), "the image is of several platforms, each of which has its own: linux/amd64, linux/arm64, linux/arm/v6", `img.on("linux/amd64").layers(…)`},
		{"an archive of several", made("many", list("linux/arm64", "linux/amd64"), saveTo("docker-archive:a.tar:app:v1")),
			"docker-archive:a.tar:app:v1 takes images of one platform, and this is an index of linux/arm64, linux/amd64", `img.on("linux/arm64").save(…)`},
		{"a daemon", made("many", list("linux/arm64", "linux/amd64"), saveTo("docker-daemon:app:v1")), "takes images of one platform", `img.on("linux/arm64").save(…)`},
		{"an archive of an index", made("many", build.ImageOptions{}, saveTo("docker-archive:a.tar:app:v1")),
			"takes images of one platform, and this is an index of linux/amd64, linux/arm64, linux/arm/v6", `image(…, platform = "linux/amd64")`},
		{"no index for annotations", made("single", build.ImageOptions{}, func(img *build.Image) error {
			img.Configure(at("line 2"), "setting index_annotations", image.Changes{IndexAnnotations: map[string]string{"a": "b"}})
			return save(img)
		}), "index_annotations: the image is of one platform and in no index, which alone could hold them", ""},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, c.err, c.want)
		}
		var hinter interface{ Hint() string }
		if c.hint != "" && (!errors.As(c.err, &hinter) || !strings.Contains(hinter.Hint(), c.hint)) {
			t.Errorf("%s: hint of %v, want %s", c.name, c.err, c.hint)
		}
	}
}

// TestTransportsOfSeveral: an index goes wherever the format can hold one, and comes back from there; where it cannot, one platform of it does.
func TestTransportsOfSeveral(t *testing.T) {
	reg := registrytest.New(t, nil)
	attestedBase(t, reg, false)
	for _, target := range []string{reg.Host + "/app:v1", "oci:out:v1", "oci-archive:out.tar:v1", "docker-archive:one.tar:app:v1"} {
		one := strings.HasPrefix(target, "docker-archive:")
		report := do(t, nil, func(r *build.Run) error {
			img, err := several(r, reg, target, threePlatforms...)
			if err != nil {
				return err
			}
			addText(img, "line 2", "/f", "f")
			from := img
			if one {
				if from, err = img.On(at("line 3"), "linux/arm64"); err != nil {
					return err
				}
			}
			from.Save(at("line 4"), nil)
			back, err := r.Image(at("line 5"), target, &build.ImageOptions{Platforms: []string{build.AllPlatforms}})
			if err != nil {
				return err
			}
			view, err := back.On(at("line 6"), "linux/arm64")
			if err != nil {
				return err
			}
			layers, err := view.Layers(at("line 7"))
			if err != nil || len(layers) != 3 {
				t.Errorf("%s: %d layers came back, %v", target, len(layers), err)
			}
			return nil
		})
		want := threePlatforms
		if one {
			want = []string{"linux/arm64"}
		}
		if got := report.Saved[0].Platforms; !slices.Equal(got, want) {
			t.Errorf("%s: platforms %v", target, got)
		}
	}
}
