package build_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/build"
)

// A run that reads from two hosts, pushes below one path of one of them, and writes no files.
func ExamplePermissions() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	if root, err = filepath.EvalSymlinks(root); err != nil {
		log.Fatal(err)
	}
	policy, err := build.Permissions{
		Net:  []string{"docker.io", "reg.example.com"},
		Push: []string{"reg.example.com/team/*"},
		Out:  []string{},
	}.Policy(root)
	if err != nil {
		log.Fatal(err)
	}
	engine, err := build.NewEngine(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	_, err = engine.Do(context.Background(), &build.Options{Root: root, Policy: policy}, func(run *build.Run) error {
		img, err := run.Image(build.Caller(), "scratch", &build.ImageOptions{Target: "reg.example.com/other/app"})
		if err != nil {
			return err
		}
		img.Save(build.Caller(), nil)
		return nil
	})
	fmt.Println(err)
	var denied *build.PermissionError
	if errors.As(err, &denied) {
		fmt.Println(denied.Hint())
	}
	// Output:
	// save: not allowed: pushing to reg.example.com/other/app
	// run with --allow-push reg.example.com/other/app
}

// touching are the places that may touch what a policy is about: files by functions of package os, and the network by clients of their own. Whatever else wants to do so
// goes through them, and they ask.
var touching = map[string][]string{
	"os":       {"outside.go", "permissions.go", "source.go", "../../starlib/runtime.go"}, // the last one looks for the root
	"os/exec":  nil,
	"net":      {"fetch.go"}, // parses addresses
	"net/http": {"engine.go", "fetch.go", "offline.go", "planned.go"},
	"syscall":  {"outside.go"},
}

// TestOnePlaceAsks: only policy.go calls the functions of a policy, and few files know packages by which a file or a host can be reached. A new one is to be read
// with the question who asks before it joins the list.
func TestOnePlaceAsks(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.go", "../../starlib/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	asked := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if places, ok := touching[imported]; ok && !slices.Contains(places, name) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && isPolicy(s.X) && s.Sel.IsExported() {
				if asked++; name != "policy.go" {
					t.Errorf("%s uses Policy.%s", name, s.Sel.Name)
				}
			}
			return true
		})
	}
	if asked != 4 {
		t.Errorf("the policy is asked in %d places, want one for each of its functions", asked)
	}
}

// isPolicy reports whether an expression ends in ".Policy".
func isPolicy(x ast.Expr) bool {
	s, ok := x.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Policy"
}
