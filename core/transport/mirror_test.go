package transport_test

import (
	"testing"

	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
	"github.com/imgscript/imgscript/core/transport"
)

// TestTargetsHaveNoMirrors: what a mirror has says nothing of the registry that is about to be written to.
func TestTargetsHaveNoMirrors(t *testing.T) {
	origin, mirror := registrytest.New(t, nil), registrytest.New(t, nil)
	mirror.PushImage("app", "v1", registrytest.Image{})
	c := registry.New(&registry.Options{Hosts: map[string]registry.HostOptions{origin.Host: {Mirrors: []string{mirror.Host}}}})
	t.Cleanup(c.Close)
	ref, err := transport.Parse(origin.Host + "/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	for _, write := range []bool{true, false} {
		repo, err := transport.Open(t.Context(), ref, &transport.Options{Registry: c, Write: write})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Resolve(t.Context(), "v1"); (err == nil) == write {
			t.Errorf("write %t: got error %v", write, err)
		}
	}
}
