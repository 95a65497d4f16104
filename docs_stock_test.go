package imgscript_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// stock is one registry in the place of all, with the images that the cookbook and its like speak of.
type stock struct {
	reg    *registrytest.Server
	seeded map[string]string // names, "REPOSITORY:TAG", of the manifests and layers that were there before, by digest
}

// RoundTrip implements http.RoundTripper.
func (s stock) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", s.reg.Host
	return http.DefaultTransport.RoundTrip(req)
}

// files are those of a layer, by path.
type files = map[string]string

var (
	small = files{"/bin/sh": "sh", "/etc/motd": "hi", "/bin/node": "node", "/etc/nginx/nginx.conf": "worker_processes 1;\n"}

	debian = files{
		"/etc/os-release": "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n", "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "/etc/motd": "hello\n",
		"/etc/ssl/certs/ca-certificates.crt": "-- root --\n", "/usr/share/zoneinfo/Europe/Berlin": "TZif", "/usr/share/doc/apt/README": "read me\n",
		"/var/cache/apt/": "", "/var/cache/apt/pkgcache.bin": "cache",
	}

	// singles are the images of one platform, by repository and tag, with the files of their layers.
	singles = map[string][]files{
		"library/node:lts-slim": {small}, "library/alpine:3": {small}, "project1/app:v1": {small}, "library/python:3-slim": {small},
		"library/eclipse-temurin:21-jre": {small}, "library/nginx:stable-alpine": {small}, "distroless/cc-debian12:latest": {small},
		"base:v1": {{"/base": "1"}}, "base:v2": {{"/base": "2"}}, "base:stable": {{"/base": "2"}},
		"app:v1": {{"/base": "1"}, {"/etc/motd": "hi"}, {"/app/server": "server"}}, "app:old": {{"/base": "1"}, {"/app/server": "old"}},
		"leaky:v1":    {{"/root/.netrc": "password", "/app": "app"}},
		"debian:v1":   {debian, {"/etc/.wh.motd": "", "/var/cache/apt/.wh..wh..opq": ""}},
		"shop:v1.2.0": {{"/version": "1.2.0"}}, "shop:v1.9.0": {{"/version": "1.9.0"}}, "shop:v1.10.0": {{"/version": "1.10.0"}}, "shop:v2.0.0-rc1": {{"/version": "2"}},
		"mirror/shop:v1.2.0": {{"/version": "1.2.0 before"}},
	}

	// indexes are those of two platforms, whose images have the same files.
	indexes = map[string]files{
		"library/debian:stable-slim": debian, "library/debian:12-slim": debian, "distroless/static-debian12:latest": {"/etc/motd": "hi"}, "multi:v1": {"/multi": "multi"}, "staging/shop:v1.4.2": {"/shop": "1.4.2"},
	}
)

// newStock makes a registry of its own for a script.
func newStock(t *testing.T) stock {
	s := stock{registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{RelativeLocation: true}}), map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(singles)) {
		s.push(name, name, registrytest.Image{Layers: slices.Clone(singles[name])})
	}
	base, _, _ := s.reg.Manifest("base", "v1")
	s.annotate(t, "app:v1", files{"org.opencontainers.image.base.name": "reg.example.com/base:stable", "org.opencontainers.image.base.digest": base.Digest.String()})
	for _, arch := range []string{"amd64", "arm64", "s390x"} {
		s.push("part:"+arch, "part:"+arch, registrytest.Image{Arch: arch, Layers: []files{{"/arch": arch}}})
	}
	for _, name := range slices.Sorted(maps.Keys(indexes)) {
		repository, tag, _ := strings.Cut(name, ":")
		var children []content.Descriptor
		for _, arch := range []string{"amd64", "arm64"} {
			child := s.push(repository, name, registrytest.Image{Arch: arch, Layers: []files{indexes[name]}})
			child.Platform = &specs.Platform{OS: "linux", Architecture: arch}
			children = append(children, child)
		}
		s.name(s.reg.PushIndex(repository, tag, false, children...), name)
	}
	return s
}

// push puts an image under a reference, "REPOSITORY[:TAG]"; name is what it and its layers are called afterwards.
func (s stock) push(ref, name string, image registrytest.Image) content.Descriptor {
	repository, tag, _ := strings.Cut(ref, ":")
	image.Config = map[string]any{"Env": []string{"PATH=/bin"}}
	if path.Dir(repository) == "library" || path.Dir(repository) == "distroless" { // no two bases have the same layer
		image.Layers[0] = maps.Clone(image.Layers[0])
		image.Layers[0]["/etc/base"] = name
	}
	pushed := s.reg.PushImage(repository, tag, image)
	for _, layer := range pushed.Layers {
		s.name(layer, name)
	}
	s.name(pushed.Manifest, name)
	return pushed.Manifest
}

// name gives what a descriptor stands for a name, if it has none.
func (s stock) name(desc content.Descriptor, name string) {
	if _, ok := s.seeded[desc.Digest.String()]; !ok {
		s.seeded[desc.Digest.String()] = name
	}
}

// annotate puts annotations into the manifest of an image.
func (s stock) annotate(t *testing.T, name string, annotations map[string]string) {
	t.Helper()
	repository, tag, _ := strings.Cut(name, ":")
	_, data, _ := s.reg.Manifest(repository, tag)
	var manifest map[string]any
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["annotations"] = annotations
	data, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	s.name(s.reg.PushManifest(repository, tag, content.OCIManifest, data), name)
}
