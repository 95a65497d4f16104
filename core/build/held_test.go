package build_test

import (
	"net/http"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestHeldAndLost: a registry that has lost a layer of what is under the tag says so when the manifest comes, and gets it again.
func TestHeldAndLost(t *testing.T) {
	from, to := registrytest.New(t, nil), registrytest.New(t, nil)
	seeded := from.PushImage("base", "v1", layersOf(3))
	app := func(cmd string) {
		t.Helper()
		do(t, nil, func(r *build.Run) error {
			return save(r, from.Host+"/base:v1", to.Host+"/app", []string{"v1"}, func(img *build.Image) {
				img.Configure(at("line 1"), "cmd", image.Changes{Cmd: []string{cmd}})
			})
		})
		expectComplete(t, to, "app", "v1")
	}
	app("one")
	lost, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, to.URL+"/v2/app/blobs/"+seeded.Layers[1].Digest.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := to.Client().Do(lost)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
	app("two")
}
