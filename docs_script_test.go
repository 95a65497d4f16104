package imgscript_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	specs "github.com/opencontainers/image-spec/specs-go/v1"
	"go.starlark.net/syntax"
	"golang.org/x/tools/txtar"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
	"github.com/imgscript/imgscript/starlib"
)

// given are names that a block which is a part of a script may use.
const given = `img, base, tag, SERVICES = image("alpine:3", "reg.example.com/part"), image("alpine:3"), "v1.2.0", ["auth"]` + "\n"

// distant matches what would need the Internet: a key that Google exchanges for a token, a file behind a URL.
var distant = regexp.MustCompile(`"credentials"|"keyFilename"|fetch\(`)

var secretName = regexp.MustCompile(`secret\("(\w+)"\)`)

// runScript runs a block with the registries of the world in the place of one server. A block whose error follows as a text must end with it. One
// that needs the Internet is only parsed and its names are resolved.
func runScript(t *testing.T, b block) {
	text := given + b.text
	if !strings.Contains(b.text, "save(") {
		text += "\nimg.save()\n"
	}
	switch {
	case b.next != "":
		text = b.text
	case distant.MatchString(b.text):
		text = "def unused():\n    " + strings.ReplaceAll(text, "\n", "\n    ") + "pass\n"
	}
	var in http.RoundTripper
	if b.file == cookbook || b.file == comingFrom {
		in = newStock(t)
	} else {
		in = newWorld(t)
	}
	err := execScript(t, directory(t), in, text, func(line string) { t.Log(line) })
	var failed *starlib.Error
	switch {
	case err == nil && b.next != "":
		t.Error("it has no error, but the document says so")
	case errors.As(err, &failed) && failed.Detail() != b.next:
		t.Errorf("got:\n%s\nwant:\n%s", failed.Detail(), b.next)
	}
}

// vars are the values of variables that have no other: of --var, which scripts ask for.
var vars = map[string]string{"commit": "4f2c9d1", "version": "v1.4.2"}

var varName = regexp.MustCompile(`var\("(\w+)"\)`)

// execScript runs a script in a directory, with the secrets that it asks for. What it prints is given to print.
func execScript(t *testing.T, dir string, transport http.RoundTripper, text string, print func(line string)) error {
	t.Helper()
	secrets := map[string]func(context.Context) ([]byte, error){}
	for _, m := range secretName.FindAllStringSubmatch(text, -1) {
		secrets[m[1]] = func(context.Context) ([]byte, error) { return []byte("s3cret"), nil }
	}
	return execute(t, text, transport, starlib.Options{Root: dir, Secrets: secrets, Print: func(_ syntax.Position, line string) { print(line) }})
}

// execOver runs a script whose requests go over a transport.
func execOver(t *testing.T, text string, secrets map[string]func(context.Context) ([]byte, error), transport http.RoundTripper) error {
	t.Helper()
	return execute(t, text, transport, starlib.Options{Root: directory(t), Secrets: secrets, Print: func(_ syntax.Position, line string) { t.Log(line) }})
}

// execute runs a script with an engine of its own and the variables that it asks for.
func execute(t *testing.T, text string, transport http.RoundTripper, opts starlib.Options) error {
	t.Helper()
	engine, err := build.NewEngine(&build.EngineOptions{Keychain: auth.Chain(), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	opts.Engine, opts.Vars = engine, map[string]string{}
	for _, m := range varName.FindAllStringSubmatch(text, -1) {
		opts.Vars[m[1]] = vars[m[1]]
	}
	rt, err := starlib.New(&opts)
	if err != nil {
		t.Fatal(err)
	}
	_, err = rt.ExecFile(t.Context(), "build.star", text)
	return err
}

// world is one registry in the place of all.
type world struct{ host string }

func newWorld(t *testing.T) world {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{RelativeLocation: true}})
	files := []map[string]string{{"/bin/sh": "sh", "/etc/motd": "hi", "/bin/node": "node", "/usr/share/doc/sh/README": "sh", "/srv/x.pyc": "x"}}
	for _, image := range []string{
		"library/node:lts-slim", "library/alpine:3", "library/debian:12.5", "library/debian:12.6", "project1/app:v1", "app:v1", "certificates:v3",
	} {
		repository, tag, _ := strings.Cut(image, ":")
		reg.PushImage(repository, tag, registrytest.Image{Layers: files, Config: map[string]any{"Env": []string{"PATH=/bin"}}})
	}
	var platforms []content.Descriptor
	for _, arch := range []string{"amd64", "arm64"} {
		desc := reg.PushImage("library/debian", "", registrytest.Image{Arch: arch, Layers: files}).Manifest
		desc.Platform = &specs.Platform{OS: "linux", Architecture: arch}
		platforms = append(platforms, desc)
	}
	reg.PushIndex("library/debian", "12-slim", false, platforms...)
	return world{reg.Host}
}

// RoundTrip implements http.RoundTripper.
func (w world) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", w.host
	return http.DefaultTransport.RoundTrip(req)
}

// directory makes the local files that documents speak of.
func directory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := archive(t, "testdata/docs.txtar")
	for _, name := range []string{"rootfs.tar.gz", "layer.tar.gz", "more.tar.gz"} {
		files = append(files, txtar.File{Name: name, Data: tarball(t, name)})
	}
	unpack(t, dir, files, 0o644)
	return dir
}

// archive reads a txtar archive.
func archive(t *testing.T, name string) []txtar.File {
	t.Helper()
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return a.Files
}

// unpack writes files below a directory.
func unpack(t *testing.T, dir string, files []txtar.File, mode os.FileMode) {
	t.Helper()
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, f.Data, mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// tarball is a tar.gz of one file.
func tarball(t *testing.T, name string) []byte {
	t.Helper()
	var data bytes.Buffer
	zipped := gzip.NewWriter(&data)
	packed := tar.NewWriter(zipped)
	err := packed.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg})
	if err := errors.Join(err, packed.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}
