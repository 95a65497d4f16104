package build_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// newerBase puts into "base" under "newer" an index for the platforms of attestedBase, in another order.
func newerBase(reg *registrytest.Server) {
	var images []content.Descriptor
	for _, p := range []specs.Platform{{OS: "linux", Architecture: "arm", Variant: "v6"}, {OS: "linux", Architecture: "arm64"}, {OS: "linux", Architecture: "amd64"}} {
		img := reg.PushImage("base", "", registrytest.Image{
			Arch: p.Architecture, Layers: []map[string]string{{"/arch": "new " + p.Architecture + p.Variant}}, Config: map[string]any{"Env": []string{"NEW=" + p.Architecture}},
		}).Manifest
		img.Platform = &p
		images = append(images, img)
	}
	reg.PushIndex("base", "newer", false, images...)
}

// surgeryOn is a program that does something to an image of several platforms, and saves it.
func surgeryOn(reg *registrytest.Server, f func(*build.Run, *build.Image) error) func(*build.Run) error {
	return func(r *build.Run) error {
		img, err := several(r, reg, reg.Host+"/app:v1", threePlatforms...)
		if err != nil {
			return err
		}
		if err := f(r, img); err != nil {
			return err
		}
		img.Save(at("line 9"), nil)
		return nil
	}
}

// TestSurgeryOfSeveralPlatforms gives each platform its own: its new base, its layers of another image, its files.
func TestSurgeryOfSeveralPlatforms(t *testing.T) {
	for name, c := range map[string]struct {
		f       func(reg *registrytest.Server) func(*build.Run, *build.Image) error
		history []string
		layers  []string
		env     func(arch string) []string
	}{
		"rebase": {
			func(reg *registrytest.Server) func(*build.Run, *build.Image) error {
				return rebase(reg.Host+"/base:many", reg.Host+"/base:newer")
			},
			[]string{"seed layer 1", `rebase("REG/base:many", "REG/base:newer")`}, []string{"linux/amd64 1", "linux/arm64/v8 1", "linux/arm/v6 1"},
			func(arch string) []string { return []string{"NEW=" + arch} },
		},
		"append": {
			func(reg *registrytest.Server) func(*build.Run, *build.Image) error {
				return appendTo(reg.Host + "/base:newer")
			},
			[]string{"seed layer 1", "seed layer 2", "seed layer 1"}, []string{"linux/amd64 3", "linux/arm64/v8 3", "linux/arm/v6 3"}, nil,
		},
		"flatten": {
			func(*registrytest.Server) func(*build.Run, *build.Image) error { return flatten },
			[]string{"flatten()"}, []string{"linux/amd64 1", "linux/arm64/v8 1", "linux/arm/v6 1"}, nil,
		},
		"remove_files": {
			func(*registrytest.Server) func(*build.Run, *build.Image) error { return removeFiles("/arch") },
			[]string{"seed layer 1", "seed layer 2", `remove_files(["/arch"])`}, []string{"linux/amd64 3", "linux/arm64/v8 3", "linux/arm/v6 3"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, nil)
			attestedBase(t, reg, false)
			newerBase(reg)
			runFor(t, "", surgeryOn(reg, c.f(reg)), reg)
			if diff := cmp.Diff(c.layers, listed(t, reg, "app", "v1")); diff != "" {
				t.Error(diff)
			}
			seen := map[string]bool{}
			for _, arch := range []string{"amd64", "arm64", "arm"} {
				config := configOf(t, reg, "app", "v1", arch)
				var history []string
				for _, h := range config.History {
					history = append(history, strings.ReplaceAll(h.CreatedBy, reg.Host, "REG"))
				}
				if !slices.Equal(history, c.history) {
					t.Errorf("%s: history %q, want %q", arch, history, c.history)
				}
				env := []string{"PATH=/bin", "ARCH=" + arch}
				if c.env != nil {
					env = c.env(arch)
				}
				if !slices.Equal(config.Config.Env, env) {
					t.Errorf("%s: env %q, want %q", arch, config.Config.Env, env)
				}
				seen[config.RootFS.DiffIDs[len(config.RootFS.DiffIDs)-1].String()] = true
			}
			if want := map[string]int{"remove_files": 1}[name]; want == 0 && len(seen) != 3 {
				t.Errorf("the platforms share a layer: %v", seen)
			}
		})
	}
}

// TestSurgeryOfAView changes one platform, and leaves the others as they are.
func TestSurgeryOfAView(t *testing.T) {
	reg := registrytest.New(t, nil)
	attestedBase(t, reg, false)
	newerBase(reg)
	before := remoteIndex(t, reg, "base", "many").Manifests
	runFor(t, "", surgeryOn(reg, func(r *build.Run, img *build.Image) error {
		arm, err := img.On(at("line 3"), "linux/arm64")
		if err != nil {
			return err
		}
		l, err := arm.RemoveFiles(at("line 4"), []string{"/etc/*"}, nil)
		if err == nil {
			_, err = l.Wait()
		}
		return errors.Join(err, rebase(reg.Host+"/base:many", reg.Host+"/base:newer")(r, arm), flatten(r, arm))
	}), reg)
	after := remoteIndex(t, reg, "app", "v1").Manifests
	for i, changed := range []bool{false, true, false} {
		if (before[i].Digest != after[i].Digest) != changed {
			t.Errorf("%v became %v", before[i], after[i])
		}
	}
	if want := []string{"linux/amd64 2", "linux/arm64/v8 1", "linux/arm/v6 2"}; !slices.Equal(listed(t, reg, "app", "v1")[:3], want) {
		t.Errorf("got %v", listed(t, reg, "app", "v1"))
	}
}

// TestSurgeryTakesImagesOfSeveral: an image of the program for several platforms gives each its own; one of a single platform is for all.
func TestSurgeryTakesImagesOfSeveral(t *testing.T) {
	reg := registrytest.New(t, nil)
	attestedBase(t, reg, false)
	newerBase(reg)
	runFor(t, "", surgeryOn(reg, func(r *build.Run, img *build.Image) error {
		newer, err := r.Image(at("line 2"), reg.Host+"/base:newer", &build.ImageOptions{Platforms: []string{"linux/arm64", "linux/amd64", "linux/arm/v6"}})
		if err != nil {
			return err
		}
		addText(newer, "line 3", "/new", "new")
		data, err := r.Image(at("line 4"), "scratch", nil)
		if err != nil {
			return err
		}
		addText(data, "line 5", "/data", "data")
		img.Append(at("line 6"), newer)
		img.Append(at("line 7"), data)
		return nil
	}), reg)
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		config := configOf(t, reg, "app", "v1", arch)
		if len(config.RootFS.DiffIDs) != 5 || config.RootFS.DiffIDs[2] == config.RootFS.DiffIDs[1] {
			t.Errorf("%s has %v", arch, config.RootFS.DiffIDs)
		}
	}
	amd, arm := configOf(t, reg, "app", "v1", "amd64").RootFS.DiffIDs, configOf(t, reg, "app", "v1", "arm64").RootFS.DiffIDs
	if amd[2] == arm[2] || amd[3] != arm[3] || amd[4] != arm[4] {
		t.Errorf("amd64 has %v, arm64 %v", amd, arm)
	}
}

// TestSurgeryFailsForOnePlatform says so at the call.
func TestSurgeryFailsForOnePlatform(t *testing.T) {
	reg := registrytest.New(t, nil)
	attestedBase(t, reg, false)
	pushIndex(reg, "two", "x", "amd64", "arm64")
	for name, c := range map[string]struct {
		f          func(*build.Run, *build.Image) error
		op, want   string
		hint, line string
	}{
		"no such platform": {appendTo(reg.Host + "/base:two"), "append", "platform linux/arm/v6: not found", "", "line 5"},
		"the layer of one": {func(_ *build.Run, img *build.Image) error {
			l, err := img.RemoveFiles(at("line 5"), []string{"/arch"}, nil)
			if err != nil {
				return err
			}
			_, err = l.Wait()
			return err
		}, "remove_files", "the image is of several platforms", `img.on("linux/amd64").remove_files(`, "line 5"},
		"annotations": {func(_ *build.Run, img *build.Image) error { return img.Rebase(at("line 5"), nil, nil) }, "", "the image is of several platforms", `img.on("linux/amd64").rebase(`, ""},
	} {
		_, err := newEngine(t, 2).Do(t.Context(), nil, surgeryOn(reg, c.f))
		var step *build.StepError
		if err == nil || !strings.Contains(err.Error(), c.want) || c.op != "" && (!errors.As(err, &step) || step.Op != c.op || step.At != at(c.line)) {
			t.Errorf("%s: got %v, want %s: %s", name, err, c.op, c.want)
		}
		var hint interface{ Hint() string }
		if c.hint != "" && (!errors.As(err, &hint) || !strings.Contains(hint.Hint(), c.hint)) {
			t.Errorf("%s: no hint %q", name, c.hint)
		}
	}
}
