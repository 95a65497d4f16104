package build_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// fleet saves n images, each to a repository of its own, that share all layers of a base in another registry and have a config of their own.
func fleet(base string, to *registrytest.Server, n int) func(*build.Run) error {
	return func(r *build.Run) error {
		img, err := r.Image(at("line 1"), base, nil)
		if err != nil {
			return err
		}
		for k := range n {
			fork, err := img.Fork(fmt.Sprintf("%s/fleet/app%d:v1", to.Host, k), nil)
			if err != nil {
				return err
			}
			fork.Configure(at("line 2"), "cmd", image.Changes{Cmd: []string{fmt.Sprint(k)}})
			fork.Save(at("line 3"), nil)
		}
		return nil
	}
}

// TestFleet: a hundred images that share ten layers go to a hundred repositories of one registry in one run. Each layer is sent once and mounted in all other
// repositories, and where a registry mounts nothing it is sent once to each.
func TestFleet(t *testing.T) {
	const images, layers = 100, 10
	for _, test := range []struct {
		name             string
		quirks           registrytest.Quirks
		uploads, mounted int // of each layer
	}{
		{"mounts", registrytest.Quirks{}, 1, images - 1},
		{"mounts of what a manifest names (ECR)", registrytest.Quirks{MountReferenced: true}, images, 0},
		{"sessions instead of mounts (Artifactory)", registrytest.Quirks{RefuseMount: true}, images, 0},
		{"mounts refused", registrytest.Quirks{MountStatus: 405}, images, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, to := registrytest.New(t, nil), registrytest.New(t, &registrytest.Options{Quirks: test.quirks})
			seeded := from.PushImage("base", "v1", layersOf(layers))
			report := do(t, nil, fleet(from.Host+"/base:v1", to, images))
			if len(report.Saved) != images {
				t.Errorf("%d images were saved, want %d", len(report.Saved), images)
			}
			uploads, mounts := transfers(to)
			for _, layer := range seeded.Layers {
				sent, places := uploads[layer.Digest.String()], mounts[layer.Digest.String()]
				if len(sent) > test.uploads || len(sent) == 0 || places < test.mounted || len(sent)+places < images {
					t.Errorf("%s: sent to %d repositories and mounted in %d, want %d and %d", layer.Digest, len(sent), places, test.uploads, test.mounted)
				}
				for repository, n := range sent {
					if n > 1 {
						t.Errorf("%s: sent to %s %d times", layer.Digest, repository, n)
					}
				}
			}
			t.Logf("%d requests", len(from.Requests())+len(to.Requests()))
		})
	}
}

// transfers counts how often each blob was sent to each repository of a registry, and in how many it was mounted.
func transfers(reg *registrytest.Server) (uploads map[string]map[string]int, mounts map[string]int) {
	uploads, mounts = map[string]map[string]int{}, map[string]int{}
	for _, r := range reg.Requests() {
		query, _ := url.ParseQuery(r.Query)
		switch dgst := query.Get("digest"); {
		case r.Status != http.StatusCreated:
		case r.Class == registrytest.ClassUpload:
			mounts[query.Get("mount")]++
		case r.Class == registrytest.ClassSession:
			if uploads[dgst] == nil {
				uploads[dgst] = map[string]int{}
			}
			uploads[dgst][r.Repository]++
		}
	}
	return uploads, mounts
}
