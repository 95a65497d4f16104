package build_test

import (
	"slices"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestSharedBase reads a base once for all images that begin with it, and anew where it may have become another.
func TestSharedBase(t *testing.T) {
	reg := registrytest.New(t, nil)
	base := reg.Host + "/base:v1"
	save := func(r *build.Run) error { // base:v1 with one more layer
		img, err := r.Image(at("image to save"), base, &build.ImageOptions{Target: base})
		if err != nil {
			return err
		}
		img.AddFiles(at("add_files"), []build.File{{Target: "/x", Custom: &layer.Custom{}, Data: build.BytesBlob("x", []byte("x"))}}, nil)
		img.Save(at("save"), nil)
		return nil
	}
	retag := func(r *build.Run) error { // base:v2, which has two layers
		c, err := r.Client(reg.Host+"/base", nil, true)
		if err != nil {
			return err
		}
		desc, data, err := c.Manifest(at("manifest"), "v2")
		if err != nil {
			return err
		}
		_, _, err = c.PutManifest("v1", desc.MediaType, data)
		return err
	}
	for name, test := range map[string]struct {
		between func(*build.Run) error
		other   build.ImageOptions // of the later images
		reads   int                // of base:v1
		layers  []int
	}{
		"the same":             {nil, build.ImageOptions{}, 1, []int{1, 1, 1, 1}},
		"a platform":           {nil, build.ImageOptions{Platform: "linux/amd64"}, 2, []int{1, 1, 1, 1}},
		"a format":             {nil, build.ImageOptions{Format: string(image.FormatDocker)}, 2, []int{1, 1, 1, 1}},
		"credentials":          {nil, build.ImageOptions{Auth: auth.Map{reg.Host: {Username: "ann", Secret: "secret"}}}, 3, []int{1, 1, 1, 1}},
		"saved between":        {save, build.ImageOptions{}, 3, []int{1, 1, 2, 2}}, // the save looks what its tag has, too
		"tagged by a client":   {retag, build.ImageOptions{}, 2, []int{1, 1, 2, 2}},
		"a target of its own":  {nil, build.ImageOptions{Target: reg.Host + "/other"}, 1, []int{1, 1, 1, 1}},
		"a template like that": {nil, build.ImageOptions{Template: true}, 1, []int{1, 1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			reg.PushImage("base", "v1", layersOf(1))
			reg.PushImage("base", "v2", layersOf(2))
			reg.Reset()
			var layers []int
			look := func(r *build.Run, opts build.ImageOptions) error {
				img, err := r.Image(at("image"), base, &opts)
				if err != nil {
					return err
				}
				all, err := img.Layers(at("layers"))
				layers = append(layers, len(all))
				return err
			}
			runFor(t, "", func(r *build.Run) error {
				for i, opts := range []build.ImageOptions{{}, {}, test.other, test.other} {
					if i == 2 && test.between != nil {
						if err := test.between(r); err != nil {
							return err
						}
					}
					if err := look(r, opts); err != nil {
						return err
					}
				}
				return nil
			}, reg)
			reads := 0
			for _, r := range reg.Requests() {
				if r.Method == "GET" && r.Class == registrytest.ClassManifest && r.Reference == "v1" {
					reads++
				}
			}
			if reads != test.reads || !slices.Equal(layers, test.layers) {
				t.Errorf("%d reads, layers %v; want %d, %v", reads, layers, test.reads, test.layers)
			}
		})
	}
}
