package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// layersOf returns n layers, no two of the same size.
func layersOf(n int) []map[string]string {
	var layers []map[string]string
	for i := range n {
		layers = append(layers, map[string]string{"/f": strings.Repeat("x", i) + fmt.Sprint(i)})
	}
	return layers
}

// copyTagged copies what from has under v1 and tags it, as a user's copy does: the tag is asked for first.
func copyTagged(t *testing.T, to, from *registry.Repository) {
	t.Helper()
	desc, data, err := from.Manifest(t.Context(), "v1")
	check(t, err)
	if there, err := to.Resolve(t.Context(), "v1"); err == nil && there.Digest == desc.Digest {
		return
	}
	check(t, content.Copy(t.Context(), to, from, desc, &content.CopyOptions{WithoutRoot: true}))
	check(t, content.PushTagged(t.Context(), to, desc, content.FromBytes(data), []string{"v1"}))
}

// TestFloor bounds what whole jobs send, in all registries together, without token requests and the challenge that each registry begins with.
func TestFloor(t *testing.T) {
	for _, auth := range []registrytest.AuthMode{registrytest.AuthNone, registrytest.AuthBearer} {
		opts := &registrytest.Options{Auth: auth, Rights: []registrytest.Right{{}}}
		challenges := map[registrytest.AuthMode]int{registrytest.AuthBearer: 2}[auth]
		a, b := registrytest.New(t, opts), registrytest.New(t, opts)
		a.PushImage("app", "v1", registrytest.Image{Layers: layersOf(10)})
		expect := func(name string, most int) {
			t.Helper()
			if n := len(a.Lines()) + len(b.Lines()); n > most {
				t.Errorf("%s: %d requests, want at most %d:\n%s", name, n, most, strings.Join(append(a.Lines(), b.Lines()...), "\n"))
			}
			a.Reset()
			b.Reset()
		}
		c := newClient(t, nil)
		copyTagged(t, c.Repository(b.Host, "app"), c.Repository(a.Host, "app"))
		expect("copy of 10 layers to an empty repository", 37+challenges)
		copyTagged(t, c.Repository(b.Host, "app"), c.Repository(a.Host, "app"))
		expect("copy of what is there", 3)
		copyTagged(t, c.Repository(a.Host, "derived"), c.Repository(a.Host, "app"))
		expect("copy within a registry", 10+10)

		repo := newClient(t, nil).Repository(b.Host, "fresh")
		for i := range 4 {
			expectTransfer(t, repo, newBlob(fmt.Sprint("new ", i)), nil, content.Uploaded)
		}
		_, _, err := repo.PutManifest(t.Context(), "v1", content.OCIIndex, []byte(`{"schemaVersion":2,"mediaType":"`+content.OCIIndex+`","manifests":[]}`))
		check(t, err)
		expect("push of 4 new blobs", 13+challenges/2)
	}
}
