// Package imgscript_test holds the project to the rules of its house: which package may know which, what is documented, and how long files and functions are.
package imgscript_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/imgscript/imgscript"

// arrows says which of our packages each of ours may import; "core/…" is all below core. The lowest come first: no package knows one that is below it here.
var arrows = []struct {
	pkg     string
	imports []string
}{
	{"core/content", nil},
	{"core/atomicfile", nil},
	{"core/nearest", nil},
	{"core/auth", []string{"core/atomicfile"}},
	{"core/lock", []string{"core/atomicfile", "core/content"}},
	{"core/cache", []string{"core/atomicfile", "core/content"}},
	{"core/layer", []string{"core/content", "core/nearest"}},
	{"core/image", []string{"core/content", "core/layer", "core/nearest"}},
	{"core/registry", []string{"core/auth", "core/content"}},
	{"core/registry/registryconfig", []string{"core/auth", "core/nearest", "core/registry"}},
	{"core/layout", []string{"core/atomicfile", "core/content", "core/layer"}},
	{"core/rootfs", []string{"core/content", "core/layer"}},
	{"core/inspect", []string{"core/content", "core/image", "core/rootfs"}},
	{"core/transport", []string{"core/content", "core/layout", "core/registry"}},
	{"core/build", []string{"core/atomicfile", "core/auth", "core/cache", "core/content", "core/image", "core/layer", "core/layout", "core/lock", "core/nearest", "core/registry", "core/rootfs", "core/transport"}},
	{"starlib", []string{"core/auth", "core/build", "core/content", "core/image", "core/layer", "core/lock", "core/nearest", "core/registry", "core/rootfs"}}, // core/build and what it hands out
	{"starlib/check", []string{"core/nearest", "starlib"}},
	{"starlib/format", []string{"starlib"}},
	{"starlib/manual", []string{"core/nearest", "starlib"}},
	{"cmd/imgscript/internal/progress", []string{"core/build"}},
	{"cmd/imgscript/internal/table", []string{"cmd/imgscript/internal/progress"}},
	{"cmd/imgscript", []string{"cmd/imgscript/internal/progress", "cmd/imgscript/internal/table", "core/atomicfile", "core/auth", "core/build", "core/cache", "core/content", "core/image", "core/inspect", "core/layer", "core/lock", "core/nearest", "core/registry/registryconfig", "core/rootfs", "core/transport", "starlib", "starlib/check", "starlib/format", "starlib/manual"}},

	// What tests share.
	{"core/content/contenttest", []string{"core/content"}},
	{"core/registry/registrytest", []string{"core/content"}},
	{"docs/doctest", nil},
	{"bench", nil}, // what it measures, it runs
	{"e2e", nil},
	{"examples", nil},
	{".", nil},
}

// keepers says which of our packages alone may import a package of others, or one of Go's, and what is below it. Tests may too.
var keepers = []struct {
	pkg string
	by  []string
}{
	{"go.starlark.net", []string{"starlib", "starlib/check", "starlib/format", "cmd/imgscript"}},
	{"github.com/bazelbuild/buildtools", []string{"starlib/format"}},
	{"golang.org/x/oauth2", []string{"core/auth"}},
	{"github.com/docker/docker-credential-helpers", []string{"core/auth"}},
	{"github.com/klauspost/compress", []string{"core/layer", "bench"}},
	{"github.com/moby/patternmatcher", []string{"core/layer"}},
	{"github.com/spf13", []string{"cmd/imgscript"}},
	{"go.yaml.in/yaml", []string{"core/registry/registryconfig"}},
	{"github.com/vbauerster/mpb", []string{"cmd/imgscript/internal/progress"}},
	{"github.com/olareg/olareg", []string{"core/registry/registrytest"}},
	{"net/http", []string{"core/auth", "core/registry", "core/registry/registrytest", "core/build", "core/layout", "bench"}}, // core/build: fetch; core/layout: Docker's daemon
	{"os/exec", []string{"core/auth", "bench"}},                                                                              // credential helpers
	{"archive/tar", []string{"core/layer", "core/layout", "core/rootfs", "core/registry/registrytest", "bench"}},
	{"testing", []string{"core/content/contenttest"}},
}

// pkg is a package as go list knows it.
type pkg struct {
	ImportPath, Dir                    string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
}

// name is the import path within the module.
func (p *pkg) name() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}

// packages lists all of the module.
func packages(t *testing.T) []*pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []*pkg
	for list := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := new(pkg)
		if err := list.Decode(p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestArrows holds the imports among our packages to the table. What two packages may not import from each other, such as core/image and core/registry, they
// don't know by way of a third one either, since the table has no such way.
func TestArrows(t *testing.T) {
	allowed := map[string][]string{}
	for _, a := range arrows {
		for _, imported := range a.imports {
			if _, lower := allowed[imported]; !lower {
				t.Errorf("arrows: %s stands above %s, which it may import", a.pkg, imported)
			}
		}
		allowed[a.pkg] = a.imports
	}
	for _, p := range packages(t) {
		may, ok := allowed[p.name()]
		if !ok {
			t.Errorf("%s is not in the table of arrows: say there what it may import", p.name())
		}
		delete(allowed, p.name())
		for _, path := range p.Imports {
			if own, ok := strings.CutPrefix(path, module+"/"); ok && !slices.Contains(may, own) {
				t.Errorf("%s may not import %s", p.name(), own)
			}
		}
	}
	for name := range allowed {
		t.Errorf("the table of arrows has %s, which does not exist", name)
	}
}

// TestKeepers holds packages of others to the places where they are known.
func TestKeepers(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		for _, k := range keepers {
			below := func(path string) bool { return path == k.pkg || strings.HasPrefix(path, k.pkg+"/") }
			if !slices.ContainsFunc(p.Imports, below) {
				continue
			}
			used[k.pkg+" by "+p.name()] = true
			if !slices.Contains(k.by, p.name()) {
				t.Errorf("%s may not import %s", p.name(), k.pkg)
			}
		}
	}
	for _, k := range keepers {
		for _, by := range k.by {
			if !used[k.pkg+" by "+by] {
				t.Errorf("the table of keepers has %s by %s, which does not import it", k.pkg, by)
			}
		}
	}
}

// TestCoreKnowsNoStarlark looks at what core needs in all, its tests included.
func TestCoreKnowsNoStarlark(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-test", "./core/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "go.starlark.net") || strings.HasPrefix(line, module+"/starlib") {
			t.Errorf("core needs %s", strings.TrimSpace(line))
		}
	}
}
