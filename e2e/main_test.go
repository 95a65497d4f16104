// Package e2e_test runs the program as its users do, against registries and tools of others: Debian's docker-registry and the newest distribution as targets,
// skopeo, umoci, crane and buildah as writers of bases and readers of images. The registry for tests itself is put before the specification's own suite.
//
// A test whose tools are missing is skipped and says so. With IMGSCRIPT_E2E=require, as in .ci/run, which installs them, it fails.
// IMGSCRIPT_E2E_FULL=1 makes the tests of memory use a file of 2 GiB, 20,000 files and a layer of 4 GiB.
// IMGSCRIPT_E2E_KILLS is how often [TestKilled] kills each of its jobs, IMGSCRIPT_E2E_FLIPS how often [TestDamagedCache] damages each file;
// IMGSCRIPT_E2E_SEED chooses the moments and the places.
package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the built imgscript.
var program string

func TestMain(m *testing.M) {
	if file, ok := os.LookupEnv(measureInto); ok {
		os.Exit(measure(file))
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "imgscript-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "imgscript")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/imgscript").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// asRoot skips a test that an ordinary user can't run, or fails it, as a missing tool does.
func asRoot(t *testing.T, what string) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("IMGSCRIPT_E2E") == "require":
		t.Fatalf("IMGSCRIPT_E2E=require: %s needs root", what)
	default:
		t.Skipf("%s needs root", what)
	}
}

// tool returns the path of a command.
func tool(t *testing.T, name string) string {
	t.Helper()
	if name == "buildah" {
		asRoot(t, "unpacking the files of several users with buildah")
	}
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("IMGSCRIPT_E2E") == "require":
		t.Fatalf("IMGSCRIPT_E2E=require: %v", err)
	default:
		t.Skipf("%s is not installed (.ci/run installs it)", name)
	}
	return ""
}

// tools makes sure of several before a test does anything.
func tools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		tool(t, name)
	}
}
