package build

import (
	"errors"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/transport"
)

// TestPlanOnlyReads: beside the overlay, every client of registries that a plan has refuses to write, before anything is sent. Whatever was forgotten here is
// an error and no write.
func TestPlanOnlyReads(t *testing.T) {
	engine, err := NewEngine(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	run, err := engine.newRun(t.Context(), &Options{Root: t.TempDir(), Plan: true})
	if err != nil {
		t.Fatal(err)
	}
	defer run.close()
	plain, err := run.accessFor(nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := run.accessFor(auth.Map{"127.0.0.1:1": {Username: "ann", Secret: "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := transport.Parse("127.0.0.1:1/app")
	if err != nil {
		t.Fatal(err)
	}
	for name, access := range map[string]*access{"the engine's": plain, "one with credentials": own} {
		desc := content.Of(content.OCIManifest, []byte("{}"))
		if err := access.client.Repository(ref.Host, ref.Repository).Push(t.Context(), desc, content.FromBytes([]byte("{}"))); !errors.Is(err, content.ErrUnsupported) {
			t.Errorf("%s: push: %v, want ErrUnsupported", name, err)
		}
		for _, write := range []bool{true, false} {
			repo, err := access.open(t.Context(), ref, write)
			if _, ok := repo.(*plannedRepository); !ok || err != nil {
				t.Errorf("%s: opened is %T, %v", name, repo, err)
			}
			if _, ok := access.remote(ref, write).(*plannedRepository); !ok {
				t.Errorf("%s: a client is one of the registry itself", name)
			}
		}
	}
}
