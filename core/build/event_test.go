package build_test

import (
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestEvents follows a run by what it tells: every task starts once and ends once, and says how.
func TestEvents(t *testing.T) {
	reg := registrytest.New(t, nil)
	seeded := base(t, reg)
	names, ends := map[int]string{}, map[string]string{}
	_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: tree(t, map[string]string{"svc1/app": "app 1"}), Events: func(e build.Event) {
		switch e.Kind {
		case build.TaskStart:
			if names[e.Task] != "" {
				t.Errorf("task %d starts twice", e.Task)
			}
			names[e.Task] = e.Name
		case build.TaskEnd:
			if _, twice := ends[e.Name]; twice || names[e.Task] != e.Name {
				t.Errorf("%q ends twice, or never started", e.Name)
			}
			ends[e.Name] = e.How
		}
	}}, func(r *build.Run) error { return services(r, reg, 1, 0) })
	if err != nil {
		t.Fatal(err)
	}
	if len(ends) != len(names) {
		t.Errorf("%d tasks started, %d ended", len(names), len(ends))
	}
	if how := ends["base "+reg.Host+"/base:v1"]; how == "" || !strings.HasPrefix(seeded.Manifest.Digest.String(), how) {
		t.Errorf("the base is %q", how)
	}
	var mounted, uploaded int
	for name, how := range ends {
		switch {
		case strings.HasPrefix(name, "push ") && how == "mounted":
			mounted++
		case strings.HasPrefix(name, "push ") && how == "uploaded":
			uploaded++
		}
	}
	if mounted != 2 || uploaded != 2 {
		t.Errorf("%d layers of the base mounted, layer and config in %d uploads, want 2 and 2: %v", mounted, uploaded, ends)
	}
}
