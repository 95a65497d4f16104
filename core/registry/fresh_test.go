package registry_test

import (
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestIsNew: only what a registry says for certain counts, and only until something is pushed.
func TestIsNew(t *testing.T) {
	for name, test := range map[string]struct {
		fault *registrytest.Fault
		want  bool
	}{
		"no tags":            {nil, true},
		"null":               {&registrytest.Fault{Status: 200, Body: `{"name":"app","tags":null}`}, true},
		"no such repository": {&registrytest.Fault{Status: 404, Body: `{"errors":[{"code":"NAME_UNKNOWN"}]}`}, true},
		"some other 404":     {&registrytest.Fault{Status: 404, Body: "<html>"}, false},
		"a tag":              {&registrytest.Fault{Status: 200, Body: `{"name":"app","tags":["v1"]}`}, false},
		"no list":            {&registrytest.Fault{Status: 200, Body: `<html>`}, false},
		"another list":       {&registrytest.Fault{Status: 200, Body: `{}`}, false},
		"denied":             {&registrytest.Fault{Status: 403}, false},
		"broken":             {&registrytest.Fault{Status: 503}, false},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, nil)
			if test.fault != nil {
				test.fault.Class = registrytest.ClassTags
				reg.SetFaults(*test.fault)
			}
			repo := newClient(t, nil).Repository(reg.Host, "app")
			if got := repo.IsNew(t.Context()); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
			big := blob{content.Of(content.OctetStream, huge), huge}
			_, err := repo.Mount(t.Context(), big.desc, nil, big.open)
			check(t, err)
			if asked := strings.Contains(strings.Join(reg.Lines(), "\n"), "HEAD app blob"); asked == test.want {
				t.Errorf("the blob was looked for: %t", asked)
			}
			_, _, err = repo.PutManifest(t.Context(), "v1", content.OCIManifest, seedManifest(reg))
			check(t, err)
			reg.Reset()
			how, err := repo.Mount(t.Context(), big.desc, nil, big.open)
			check(t, err)
			if how != content.Present {
				t.Errorf("after a manifest was pushed, the blob is %v", how)
			}
		})
	}
}

// seedManifest is the manifest of an image whose blobs are in the repository.
func seedManifest(reg *registrytest.Server) []byte {
	return reg.PushImage("app", "", registrytest.Image{}).Data
}
