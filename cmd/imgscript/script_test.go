package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestMain builds the program and puts it into the PATH. It is not the test's own binary in another role: that begins with what the registry of the tests needs, which under the
// race detector takes longer than most of what the program then does.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "imgscript-test-")
	code := 1
	if err == nil {
		err = install(dir)
	}
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// install builds the program into a directory and puts that in front of the PATH.
func install(dir string) error {
	args := []string{"build", "-o", filepath.Join(dir, "imgscript"), "."}
	if raceDetector == 1 {
		args = slices.Insert(args, 1, "-race")
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

var updateScripts = flag.Bool("update", false, "write the files that outputs are compared with anew")

// TestScript runs the program as its users do. The commands that the scripts have beside testscript's own are in registrycmd_test.go and
// processcmd_test.go.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("..", "..", "testdata", "script"),
		UpdateScripts: *updateScripts,
		Setup: func(env *testscript.Env) error {
			// Nothing of this machine's user or of other tests.
			env.Vars = append(env.Vars, "HOME="+env.WorkDir, "XDG_CACHE_HOME="+filepath.Join(env.WorkDir, ".cache"),
				"DOCKER_CONFIG="+filepath.Join(env.WorkDir, ".docker"), "XDG_RUNTIME_DIR="+filepath.Join(env.WorkDir, ".run"), "XDG_CONFIG_HOME=", "REGISTRY_AUTH_FILE=",
				"GOOGLE_APPLICATION_CREDENTIALS=", "TMPDIR="+filepath.Join(env.WorkDir, ".tmp"))
			env.Values[registriesKey{}] = &registries{t: env.T().(testing.TB)}
			env.Values[proxiesKey{}] = map[string]*registrytest.Proxy{}
			if raceDetector == 1 { // which else has each program wait for a second when it ends
				env.Vars = append(env.Vars, "GORACE=atexit_sleep_ms=10")
			}
			return os.MkdirAll(filepath.Join(env.WorkDir, ".tmp"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"registry": cmdRegistry, "requests": cmdRequests, "seed": cmdSeed, "tags": cmdTags, "manifest": cmdManifest, "config": cmdConfig, "files": cmdFiles,
			"proxy": cmdProxy, "asked": cmdAsked, "expand": cmdExpand, "authority": cmdAuthority, "exits": cmdExits, "interrupt": cmdInterrupt,
			"events": cmdEvents,
		},
	})
}
