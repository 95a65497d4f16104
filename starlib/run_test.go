package starlib

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	specs "github.com/opencontainers/image-spec/specs-go/v1"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if root, err := sharedTree(); err == nil {
			os.RemoveAll(root)
		}
		os.Exit(code)
	}))
}

// sharedTree is a root for scripts that only read.
var sharedTree = sync.OnceValues(func() (string, error) {
	root, err := os.MkdirTemp("", "starlib")
	if err != nil {
		return "", err
	}
	return root, makeTree(root)
})

// TestRun runs testdata/run/*.star through a Runtime, as proj/build.star of a root of its own (see makeTree), with two registries (see seed). What they can use
// besides the language is in runhelpers_test.go.
func TestRun(t *testing.T) {
	runScripts(t, "testdata/run/*.star", func(t *testing.T, filename, source string) error {
		t.Parallel()
		w := newWorld(t, source)
		_, err := w.run(t.Context(), "proj/build.star", source)
		return renamed(err, "proj/build.star", filename)
	})
}

// renamed gives the places in one file another file's name, so that they are found in the file that the test was read from.
func renamed(err error, from, to string) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	for _, frames := range [][]Frame{e.Step, e.Needed} {
		for i := range frames {
			if frames[i].File == from {
				frames[i].File = to
			}
		}
	}
	for _, more := range e.More {
		_ = renamed(more, from, to)
	}
	return e
}

// world is what one script runs in.
type world struct {
	t          testing.TB
	root       string
	reg, other *registrytest.Server
	files      *httptest.Server // for fetch
	secure     *httptest.Server // with a certificate that nobody knows
	engine     *build.Engine
	opts       Options
	printed    []string
	warnings   []string
	built      int              // layers
	thread     *starlark.Thread // that last called one of predeclared
}

// newWorld makes a world for a script, with those of the servers that its text names. Scripts that write nothing share a root.
func newWorld(t testing.TB, script string) *world {
	w := &world{t: t, engine: newTestEngine(t, 0)}
	if strings.Contains(script, "write(") || strings.Contains(script, "oci:") {
		w.root = t.TempDir()
		must(t, makeTree(w.root))
	} else {
		root, err := sharedTree()
		must(t, err)
		w.root = root
	}
	if strings.Contains(script, "REG") {
		w.reg = registrytest.New(t, nil)
		seed(w.reg)
	}
	if strings.Contains(script, "OTHER") {
		w.other = registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBasic, Users: map[string]string{"ann": "s3cr3t-pw"}})
		seed(w.other)
	}
	if strings.Contains(script, "FILES") {
		w.files = httptest.NewServer(http.HandlerFunc(serveFile))
		t.Cleanup(w.files.Close)
	}
	if strings.Contains(script, "SECURE") {
		w.secure = httptest.NewUnstartedServer(http.NotFoundHandler())
		w.secure.Config.ErrorLog = log.New(io.Discard, "", 0)
		w.secure.StartTLS()
		t.Cleanup(w.secure.Close)
	}
	w.opts = Options{
		Root: w.root, Engine: w.engine, Predeclared: w.predeclared(), Vars: map[string]string{},
		Secrets: map[string]func(context.Context) ([]byte, error){
			"pw":  func(context.Context) ([]byte, error) { return []byte("s3cr3t-pw"), nil },
			"bad": func(context.Context) ([]byte, error) { return nil, errors.New("the variable X is not set") },
		},
		Print: func(_ syntax.Position, line string) { w.printed = append(w.printed, line) },
		Events: func(e build.Event) {
			switch {
			case e.Kind == build.Warning:
				w.warnings = append(w.warnings, e.At.String()+": "+e.Text)
			case e.Kind == build.TaskEnd && e.How == "built":
				w.built++
			}
		},
		Modules: map[string]starlark.StringDict{
			"host/tools": {"answer": starlark.MakeInt(42)},
		},
	}
	return w
}

// newTestEngine is an engine with an empty temporary cache and no credentials of this machine.
func newTestEngine(t testing.TB, jobs int) *build.Engine {
	engine, err := build.NewEngine(&build.EngineOptions{Jobs: jobs, Keychain: auth.Chain(), Backoff: registry.Backoff{First: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

// run runs a script; src is its text, or nil for a file of the root. Scripts use a --var when their text has it.
func (w *world) run(ctx context.Context, file string, src any) (*Result, error) {
	opts := w.opts
	opts.Vars = map[string]string{}
	if text, ok := src.(string); ok && strings.Contains(text, "greeting") {
		opts.Vars["greeting"] = "hello"
	}
	rt, err := New(&opts)
	if err != nil {
		w.t.Fatal(err)
	}
	result, err := rt.ExecFile(ctx, file, src)
	if err == nil {
		return result, nil
	}
	return result, err
}

// makeTree fills the root that scripts run in.
func makeTree(root string) error {
	files := map[string]string{
		"top.txt":                    "top\n",
		"proj/app/index.js":          "index\n",
		"proj/app/index.test.js":     "test\n",
		"proj/app/lib/util.js":       "util\n",
		"proj/app/lib/util.test.js":  "test\n",
		"proj/app/run.sh":            "#!/bin/sh\n",
		"proj/conf/a.json":           "{\"a\": 1}",
		"proj/conf/sub/b.json":       "{\"b\": 2}",
		"proj/conf/test/c.json":      "{}",
		"proj/ignored/.dockerignore": "*.log\n!keep.log\n",
		"proj/ignored/.gitignore":    "*.tmp\n",
		"proj/ignored/a.log":         "a",
		"proj/ignored/b.tmp":         "b",
		"proj/ignored/keep.log":      "keep",
		"proj/ignored/sub/a.log":     "a",
		"proj/ignored/sub/b.tmp":     "b",
		"proj/links/target.txt":      "target\n",
		"proj/one/file":              "file\n",
		"proj/wh/.wh.x":              "",
		"proj/latin1.txt":            "caf\xe9",
		"proj/größe.txt":             "ä",
	}
	for name, data := range files {
		if err := writeTestFile(filepath.Join(root, filepath.FromSlash(name)), []byte(data)); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Chmod(filepath.Join(root, "proj/app/run.sh"), 0o755), os.MkdirAll(filepath.Join(root, "proj/one/empty"), 0o755)); err != nil {
		return err
	}
	for link, to := range map[string]string{
		"proj/links/same":    "target.txt",
		"proj/links/away":    "../app/index.js",
		"proj/links/dangle":  "nowhere",
		"proj/outside":       "../../..",
		"proj/loops/a":       "b",
		"proj/loops/b":       "a",
		"proj/escapes/link":  "../../../etc",
		"proj/links/dirlink": "../app/lib",
	} {
		full := filepath.Join(root, filepath.FromSlash(link))
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.Symlink(to, full)); err != nil {
			return err
		}
	}
	return nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seed puts into "base" an OCI image (tag oci), one of schema 2 (docker), an index and a list of two platforms (index, list), a pretty-printed image (pretty), one
// with a health check and fields that nobody knows (unknown) and one whose history does not match its layers (history).
func seed(s *registrytest.Server) {
	layers := []map[string]string{{"/etc/motd": "hello\n"}, {"/bin/sh": "sh"}}
	config := map[string]any{"Env": []string{"PATH=/bin", "LANG=C"}, "Cmd": []string{"sh"}, "WorkingDir": "/base", "Labels": map[string]string{"a": "base"}}
	plain := registrytest.Image{Layers: layers, Config: config}
	s.PushImage("base", "oci", plain)
	docker := plain
	docker.Docker = true
	s.PushImage("base", "docker", docker)
	for _, isDocker := range []bool{false, true} {
		var children []content.Descriptor
		for _, arch := range []string{"amd64", "arm64"} {
			child := registrytest.Image{Docker: isDocker, Arch: arch, Config: config, Layers: []map[string]string{{"/arch": arch}}}
			desc := s.PushImage("base", "", child).Manifest
			desc.Platform = &specs.Platform{OS: "linux", Architecture: arch}
			children = append(children, desc)
		}
		s.PushIndex("base", map[bool]string{false: "index", true: "list"}[isDocker], isDocker, children...)
	}
	seedMany(s, config)
	pretty := plain
	pretty.Pretty = true
	s.PushImage("base", "pretty", pretty)
	s.PushImage("base", "unknown", registrytest.Image{Layers: layers, Extra: map[string]any{"x-top": map[string]any{"deep": 1.50}}, Config: map[string]any{
		"Healthcheck": map[string]any{"Test": []string{"CMD", "true"}, "Interval": 30_000_000_000}, "X-Unknown": []any{1, nil, "<&>"},
	}})
	s.PushImage("base", "history", registrytest.Image{Layers: layers, Extra: map[string]any{"history": []any{
		map[string]any{"created_by": "one"}, map[string]any{"created_by": "ENV", "empty_layer": true},
	}}})
	s.PushImage("library/other", "latest", registrytest.Image{Layers: []map[string]string{{"/other": "other"}}})
}

// seedMany puts into "many" an index of three platforms as BuildKit makes it: with annotations and attestations (tag v1).
func seedMany(s *registrytest.Server, config map[string]any) {
	var images, proofs []content.Descriptor
	for _, p := range []specs.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64", Variant: "v8"}, {OS: "linux", Architecture: "arm", Variant: "v7"}} {
		img := s.PushImage("many", "", registrytest.Image{Arch: p.Architecture, Config: config, Layers: []map[string]string{{"/etc/motd": "hello\n"}, {"/arch": p.Architecture}}}).Manifest
		img.Platform, img.Annotations = &p, map[string]string{"of": p.Architecture}
		proof := s.PushImage("many", "", registrytest.Image{Arch: "unknown", Extra: map[string]any{"os": "unknown"}, Layers: []map[string]string{{"/proof": p.Architecture}}}).Manifest
		proof.Platform = &specs.Platform{OS: "unknown", Architecture: "unknown"}
		proof.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": img.Digest.String()}
		images, proofs = append(images, img), append(proofs, proof)
	}
	s.PushIndex("many", "v1", false, append(images, proofs...)...)
}

// serveFile answers GET /text with a text, /slow later, and else 404.
func serveFile(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/text":
		fmt.Fprint(w, "fetched\n")
	case "/tar":
		w.Write(make([]byte, 1024))
	case "/redirect":
		http.Redirect(w, r, "/text", http.StatusFound)
	default:
		http.NotFound(w, r)
	}
}

func writeTestFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// stall lets the registry leave every request without an answer.
func (w *world) stall() { w.reg.SetFaults(registrytest.Fault{Times: -1, Stall: true}) }
