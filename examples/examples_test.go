// Package examples_test runs every example to its end, against registries that it starts.
package examples_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layout"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
	"github.com/imgscript/imgscript/starlib"
)

// copied makes a copy of this directory for a run.
func copied(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs an example in a directory and returns what it printed.
func run(t *testing.T, dir, name string, opts starlib.Options) (printed string, err error) {
	t.Helper()
	engine, err := build.NewEngine(&build.EngineOptions{Keychain: auth.Chain(), Backoff: registry.Backoff{First: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	opts.Root, opts.Engine = dir, engine
	opts.Print = func(_ syntax.Position, line string) { printed += line + "\n" }
	rt, err := starlib.New(&opts)
	if err != nil {
		t.Fatal(err)
	}
	_, err = rt.ExecFile(t.Context(), name, nil)
	return printed, err
}

// mustRun runs an example that must succeed in a copy of this directory.
func mustRun(t *testing.T, name string, vars map[string]string) (dir, printed string) {
	t.Helper()
	dir = copied(t)
	printed, err := run(t, dir, name, starlib.Options{Vars: vars})
	if err != nil {
		t.Fatal(err)
	}
	return dir, printed
}

// picture is an image as it was saved.
type picture struct {
	digest   string
	manifest content.Document
	config   struct {
		Config struct {
			Env        []string
			Cmd        []string
			Entrypoint []string
			WorkingDir string
			Labels     map[string]string
		} `json:"config"`
	}
	layers [][]string // "path mode content" of each layer's entries
}

// look reads an image.
func look(t *testing.T, src content.Repository, name string) picture {
	t.Helper()
	desc, data, err := content.ReadDocument(t.Context(), src, name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		t.Fatal(err)
	}
	p := picture{digest: desc.Digest.String(), manifest: *doc}
	config, err := content.ReadAll(t.Context(), src, *doc.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(config, &p.config); err != nil {
		t.Fatal(err)
	}
	for _, l := range doc.Layers {
		p.layers = append(p.layers, entries(t, src, l))
	}
	return p
}

func entries(t *testing.T, src content.Fetcher, desc content.Descriptor) []string {
	t.Helper()
	data, err := content.ReadAll(t.Context(), src, desc)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %04o %s", h.Name, h.Mode, body)))
	}
}

func in(t *testing.T, reg *registrytest.Server, repository string) content.Repository {
	client := registry.New(nil)
	t.Cleanup(client.Close)
	return client.Repository(reg.Host, repository)
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func TestHello(t *testing.T) {
	dir, _ := mustRun(t, "hello.star", nil)
	out, err := layout.Open(filepath.Join(dir, "out/hello"), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := look(t, out, "latest")
	equal(t, "layers", p.layers, [][]string{{
		"app/ 0755", "app/hello.sh 0755 #!/bin/sh\ncat /etc/greeting", "etc/greeting 0644 hello from imgscript",
	}})
	equal(t, "cmd", p.config.Config.Cmd, []string{"/app/hello.sh"})
	equal(t, "working dir", p.config.Config.WorkingDir, "/app")
}

func TestNode(t *testing.T) {
	from, to := registrytest.New(t, nil), registrytest.New(t, nil)
	from.PushImage("library/node", "lts-slim", registrytest.Image{
		Layers: []map[string]string{{"/usr/bin/node": "node"}},
		Config: map[string]any{"Env": []string{"PATH=/usr/bin", "NODE_VERSION=22"}, "Cmd": []string{"node"}},
	})
	mustRun(t, "node.star", map[string]string{"base": from.Host + "/library/node:lts-slim", "target": to.Host + "/my-project/my-image"})
	p := look(t, in(t, to, "my-project/my-image"), "latest")
	equal(t, "layers", len(p.layers), 2)
	equal(t, "files", p.layers[1], []string{"app/ 0755", "app/.dockerignore 0644 notes", `app/index.js 0644 console.log("hello");`})
	equal(t, "env", p.config.Config.Env, []string{"PATH=/usr/bin", "NODE_VERSION=22", "NODE_ENV=production"})
	equal(t, "cmd", p.config.Config.Cmd, []string{"node", "index.js"})
}

func TestCopy(t *testing.T) {
	from, to := registrytest.New(t, nil), registrytest.New(t, nil)
	var children []content.Descriptor
	for _, arch := range []string{"amd64", "arm64"} {
		children = append(children, from.PushImage("alpine", "", registrytest.Image{Arch: arch, Layers: []map[string]string{{"/arch": arch}}}).Manifest)
	}
	index := from.PushIndex("alpine", "3", false, children...)
	_, printed := mustRun(t, "copy.star", map[string]string{"from": from.Host + "/alpine:3", "to": to.Host + "/mirror/alpine:3"})
	equal(t, "printed", printed, fmt.Sprintf("%s/mirror/alpine@%s for linux/amd64, linux/arm64\n", to.Host, index.Digest))
	if desc, _, ok := to.Manifest("mirror/alpine", "3"); !ok || desc.Digest != index.Digest {
		t.Errorf("the copy is %v", desc)
	}
}

// TestRequests bounds what two examples send, in all registries together: what is far away is as slow as it is asked often.
func TestRequests(t *testing.T) {
	from, to := registrytest.New(t, nil), registrytest.New(t, nil)
	var layers []map[string]string
	for i := range 10 {
		layers = append(layers, map[string]string{"/f": strings.Repeat("x", i)})
	}
	from.PushImage("alpine", "3", registrytest.Image{Layers: layers})
	vars := map[string]string{"from": from.Host + "/alpine:3", "to": to.Host + "/mirror/alpine:3"}
	for _, most := range []int{36, 3} { // the second time all is there
		mustRun(t, "copy.star", vars)
		lines := append(from.Lines(), to.Lines()...)
		if len(lines) > most {
			t.Errorf("copying 10 layers took %d requests, want at most %d:\n%s", len(lines), most, strings.Join(lines, "\n"))
		}
		from.Reset()
		to.Reset()
	}

	from.PushImage("node", "lts-slim", registrytest.Image{Layers: layers[:1]})
	mustRun(t, "node.star", map[string]string{"base": from.Host + "/node:lts-slim", "target": from.Host + "/app"})
	if lines := from.Lines(); len(lines) > 9 {
		t.Errorf("a layer on a base of the same registry took %d requests, want at most 9:\n%s", len(lines), strings.Join(lines, "\n"))
	}
}

func TestEnv(t *testing.T) {
	reg := registrytest.New(t, nil)
	seeded := reg.PushImage("app", "v1", registrytest.Image{
		Layers: []map[string]string{{"/app/bin/server": "server"}},
		Config: map[string]any{"Env": []string{"PATH=/usr/bin", "LOG_LEVEL=info"}, "Cmd": []string{"sh"}, "Entrypoint": []string{"/init"}},
	})
	mustRun(t, "env.star", map[string]string{"image": reg.Host + "/app:v1"})
	p := look(t, in(t, reg, "app"), "v1")
	equal(t, "env", p.config.Config.Env, []string{"PATH=/app/bin:/usr/bin", "LOG_LEVEL=debug"})
	equal(t, "entrypoint", p.config.Config.Entrypoint, []string{"/app/bin/server"})
	equal(t, "cmd", p.config.Config.Cmd, []string{"--port", "8080"})
	equal(t, "layers", p.manifest.Layers[0].Digest, seeded.Layers[0].Digest)
}

func TestAddLayer(t *testing.T) {
	from, to := registrytest.New(t, nil), registrytest.New(t, nil)
	from.PushImage("alpine", "3", registrytest.Image{Layers: []map[string]string{{"/bin/sh": "sh"}}})
	_, printed := mustRun(t, "add_layer.star", map[string]string{"base": from.Host + "/alpine:3", "target": to.Host + "/app"})
	if !strings.Contains(printed, "there now: True") {
		t.Errorf("printed %q", printed)
	}
	p := look(t, in(t, to, "app"), "latest")
	equal(t, "layers", len(p.layers), 2)
	equal(t, "added", p.layers[1], []string{"etc/build 0644 made by add_layer.star"})
}

// TestTwoProjects: each repository is asked with its own credential, and never with the other's.
func TestTwoProjects(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{
		Auth:   registrytest.AuthBasic,
		Users:  map[string]string{"reader": "r-secret", "writer": "w-secret"},
		Rights: []registrytest.Right{{User: "reader", Repository: "project1/image", Actions: "pull"}, {User: "writer", Repository: "project2/image", Actions: "pull,push"}},
	})
	seeded := reg.PushImage("project1/image", "latest", registrytest.Image{Layers: []map[string]string{{"/f": "f"}}})
	secret := func(s string) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { return []byte(s), nil }
	}
	_, err := run(t, copied(t), "two_projects.star", starlib.Options{
		Vars:    map[string]string{"host": reg.Host},
		Secrets: map[string]func(context.Context) ([]byte, error){"reader": secret("r-secret"), "writer": secret("w-secret")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if desc, _, ok := reg.Manifest("project2/image", "latest"); !ok || desc.Digest != seeded.Manifest.Digest {
		t.Errorf("the copy is %v", desc)
	}
	for _, r := range reg.Requests() {
		want := map[string]string{"project1/image": "reader", "project2/image": "writer"}[r.Repository]
		if r.User != "" && r.User != want {
			t.Errorf("%s asked as %q", r, r.User)
		}
	}
}

// services runs services.star for one or all services against a registry, in a tree in which broken, if not empty, has no files.
func services(t *testing.T, reg *registrytest.Server, only, broken string) (time.Duration, error) {
	t.Helper()
	reg.PushImage("alpine", "3", registrytest.Image{Layers: []map[string]string{{"/bin/sh": "sh"}}})
	dir := copied(t)
	if only != "" {
		script, err := os.ReadFile(filepath.Join(dir, "services.star"))
		if err != nil {
			t.Fatal(err)
		}
		less := strings.Replace(string(script), "for name in SERVICES:", "for name in ["+fmt.Sprintf("%q", only)+"]:", 1)
		if err := os.WriteFile(filepath.Join(dir, "services.star"), []byte(less), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if broken != "" {
		if err := os.RemoveAll(filepath.Join(dir, "services", broken)); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	_, err := run(t, dir, "services.star", starlib.Options{Vars: map[string]string{"base": reg.Host + "/alpine:3", "registry": reg.Host}})
	return time.Since(start), err
}

var names = []string{"auth", "billing", "cart", "catalog", "email", "gateway", "orders", "search", "stock", "users"}

// TestServicesTakeAsLongAsOne: with 200 ms before every answer, ten services are there about as soon as one. Their tags move one after the
// other, which costs an answer each. What counts is how many answers had to be waited for one after the other, since a busy computer may take any
// time; services one after the other wait for more than fifty.
func TestServicesTakeAsLongAsOne(t *testing.T) {
	slow := &registrytest.Options{Latency: 200 * time.Millisecond}
	alone := registrytest.New(t, slow)
	one, err := services(t, alone, "auth", "")
	if err != nil {
		t.Fatal(err)
	}
	reg := registrytest.New(t, slow)
	ten, err := services(t, reg, "", "")
	if err != nil {
		t.Fatal(err)
	}
	single, all := registrytest.Rounds(alone), registrytest.Rounds(reg)
	t.Logf("one service took %v and %d answers, ten took %v and %d answers", one, single, ten, all)
	if most := single + 2*len(names); all > most {
		t.Errorf("ten services waited for %d answers, want at most %d:\n%s", all, most, strings.Join(reg.Lines(), "\n"))
	}
	for _, name := range names {
		equal(t, name, reg.Tags(name), []string{"latest"})
	}
	p := look(t, in(t, reg, "users"), "latest")
	equal(t, "files of the last", p.layers[2], []string{"srv/run 0755 #!/bin/sh\necho users"})
}

// TestThirdServiceFails: the tags that moved are those of the first two.
func TestThirdServiceFails(t *testing.T) {
	reg := registrytest.New(t, nil)
	_, err := services(t, reg, "", names[2])
	var e *starlib.Error
	if !errors.As(err, &e) || !strings.Contains(e.Detail(), "lib/service.star:15:") || !strings.Contains(e.Detail(), "needed by save()") {
		t.Errorf("got %v", err)
	}
	for k, name := range names {
		if moved := slices.Contains(reg.Tags(name), "latest"); moved != (k < 2) {
			t.Errorf("%s has tags %v", name, reg.Tags(name))
		}
	}
}

func TestPromote(t *testing.T) {
	reg := registrytest.New(t, nil)
	var newest registrytest.Seeded
	for _, tag := range []string{"v1.2.0", "v1.10.0-rc1", "main", "v1.10.0"} {
		newest = reg.PushImage("app", tag, registrytest.Image{Layers: []map[string]string{{"/version": tag}}, Pretty: true})
	}
	for _, want := range []string{"stable is v1.10.0 now", "stable is v1.10.0 already"} {
		_, printed := mustRun(t, "promote.star", map[string]string{"repository": reg.Host + "/app"})
		if !strings.HasPrefix(printed, want) {
			t.Errorf("printed %q, want %q", printed, want)
		}
	}
	if desc, _, _ := reg.Manifest("app", "stable"); desc.Digest != newest.Manifest.Digest {
		t.Errorf("stable is %s, want %s", desc.Digest, newest.Manifest.Digest)
	}
}

func TestWhiteout(t *testing.T) {
	from, to := registrytest.New(t, nil), registrytest.New(t, nil)
	from.PushImage("debian", "stable-slim", registrytest.Image{Layers: []map[string]string{{"/etc/motd": "hi", "/var/cache/apt/pkgcache.bin": "x"}}})
	mustRun(t, "whiteout.star", map[string]string{"base": from.Host + "/debian:stable-slim", "target": to.Host + "/slim"})
	p := look(t, in(t, to, "slim"), "latest")
	equal(t, "files", p.layers[1], []string{
		"etc/.wh.motd 0644", "var/cache/apt/ 0755", "var/cache/apt/.wh..wh..opq 0644", "var/cache/apt/README 0644 emptied by whiteout.star",
	})
}

// TestEveryExampleIsRun: an example without a test would rot.
func TestEveryExampleIsRun(t *testing.T) {
	scripts, err := filepath.Glob("*.star")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("examples_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scripts {
		if !strings.Contains(string(tests), fmt.Sprintf("%q", name)) {
			t.Errorf("%s is run by no test", name)
		}
	}
}
