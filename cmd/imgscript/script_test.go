package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"imgscript": main})
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
			return os.MkdirAll(filepath.Join(env.WorkDir, ".tmp"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"registry": cmdRegistry, "requests": cmdRequests, "seed": cmdSeed, "tags": cmdTags, "manifest": cmdManifest, "config": cmdConfig, "files": cmdFiles,
			"proxy": cmdProxy, "asked": cmdAsked, "expand": cmdExpand, "authority": cmdAuthority, "exits": cmdExits, "interrupt": cmdInterrupt,
			"events": cmdEvents,
		},
	})
}
