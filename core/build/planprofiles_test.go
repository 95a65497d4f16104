package build_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestPlanProfiles: a plan of every task works on every registry, open, with passwords and with tokens, and only reads there. The run after it saves the same. A blob
// whose mount the registry refuses is the one thing that a plan does not know.
func TestPlanProfiles(t *testing.T) {
	for _, profile := range registrytest.Profiles() {
		for name, mode := range modes {
			for _, task := range tasks {
				t.Run(profile+"/"+name+"/"+task.name, func(t *testing.T) {
					t.Parallel()
					quirks, _ := registrytest.Profile(profile)
					opts := &registrytest.Options{Quirks: quirks, Auth: mode, Users: map[string]string{"ann": "secret"}}
					from, to := registrytest.New(t, opts), registrytest.New(t, opts)
					everywhere := auth.Map{}
					for _, reg := range []*registrytest.Server{from, to} {
						reg.PushImage("base", "v1", layersOf(3))
						reg.PushImage(task.repository, "seed", registrytest.Image{Arch: "arm64"}) // some want a repository to exist
						everywhere[reg.Host] = auth.Entry{Username: "ann", Secret: "secret"}
						reg.Reset()
					}
					keychain, err := everywhere.Keychain(nil)
					if err != nil {
						t.Fatal(err)
					}
					engine := newEngineFor(t, 2, keychain)
					root := tree(t, map[string]string{"big": "big", "small": "small"})
					f := func(r *build.Run) error { return task.run(r, from.Host, to.Host) }
					planned, err := engine.Do(t.Context(), &build.Options{Root: root, Plan: true}, f)
					if err != nil {
						t.Fatal(err)
					}
					wantOnlyReads(t, from, to)
					did, err := engine.Do(t.Context(), &build.Options{Root: root}, f)
					if err != nil {
						t.Fatal(err)
					}
					want, got := planned.Saved[0], did.Saved[0]
					if want.Digest != got.Digest || !cmp.Equal(want.Tags, got.Tags) {
						t.Errorf("planned was %s %v, saved is %s %v", want.Digest, want.Tags, got.Digest, got.Tags)
					}
					if want.Skipped != got.Skipped || want.Uploaded+want.Mounted != got.Uploaded+got.Mounted || want.Uploaded > got.Uploaded {
						t.Errorf("planned was to upload %d, mount %d and skip %d; it was %d, %d and %d", want.Uploaded, want.Mounted, want.Skipped,
							got.Uploaded, got.Mounted, got.Skipped)
					}
				})
			}
		}
	}
}
