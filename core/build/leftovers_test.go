package build_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestFailureLeavesNothing lets a registry fail for ever from each request of a run on: whatever the run was doing then, no temporary file and no open
// file is left, and the next run with the same cache completes.
func TestFailureLeavesNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("this system does not list open files:", err)
	}
	root, cells := tree(t, map[string]string{"svc1/app": "app 1", "svc2/app": "app 2"}), 0
	for _, fault := range []registrytest.Fault{{Status: 503}, {Drop: true}, {Lost: true}, {Method: "PUT", CutBody: 10}} {
		for fault.Nth, fault.Times = 1, -1; ; fault.Nth++ {
			reg := registrytest.New(t, nil)
			base(t, reg)
			cache := filepath.Join(t.TempDir(), "cache")
			run := func() error {
				e, err := build.NewEngine(&build.EngineOptions{
					CacheDir: cache, Jobs: 2, Keychain: auth.Chain(), Backoff: registry.Backoff{First: time.Millisecond, Most: time.Millisecond},
				})
				if err != nil {
					t.Fatal(err)
				}
				_, err = e.Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error { return services(r, reg, 2, 0) })
				if closing := e.Close(); closing != nil {
					t.Error(closing)
				}
				return err
			}
			reg.SetFaults(fault)
			failed := run() != nil
			reg.SetFaults()
			if left := files(t, filepath.Join(cache, "tmp")); len(left) > 0 {
				t.Errorf("%+v: temporary files %q are left", fault, left)
			}
			if left := openBelow(t, cache, root); len(left) > 0 {
				t.Errorf("%+v: %q are open", fault, left)
			}
			if err := run(); err != nil {
				t.Errorf("%+v: the next run: %v", fault, err)
			}
			if !failed {
				break // it was over before the fault
			}
			expectComplete(t, reg, "svc1", "latest")
			expectComplete(t, reg, "svc2", "latest")
			cells++
		}
	}
	t.Logf("%d runs failed", cells)
	if cells < 30 {
		t.Errorf("%d runs failed, want 30 and more", cells)
	}
}

// files lists the files below a directory, which may be missing.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return names
}

// openBelow lists what this process has open in some directories.
func openBelow(t *testing.T, dirs ...string) (names []string) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		name, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if err != nil {
			continue // of the listing itself
		}
		for _, dir := range dirs {
			if rel, err := filepath.Rel(dir, name); err == nil && filepath.IsLocal(rel) {
				names = append(names, name)
			}
		}
	}
	return names
}
