package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// tagged lists the digests of all tags of the repositories that begin with a side, by "SIDE/REPOSITORY:TAG"; "" is both sides.
func (b *both) tagged(side string) map[string]string {
	all := map[string]string{}
	for _, r := range b.reg.Requests() {
		if r.Repository == "" || !strings.HasPrefix(r.Repository, side) {
			continue
		}
		for _, tag := range b.reg.Tags(r.Repository) {
			desc, _, _ := b.reg.Manifest(r.Repository, tag)
			all[r.Repository+":"+tag] = desc.Digest.String()
		}
	}
	return all
}

// images describes what a side changed in the registry, by "REPOSITORY:TAG". A tag that is gone is described by "". What has no tag and belongs to no index is "REPOSITORY@".
func (b *both) images(side string) map[string]string {
	b.t.Helper()
	all, now, named := map[string]string{}, b.tagged(side+"/"), map[string]bool{}
	for name, dgst := range now {
		repository, tag, _ := strings.Cut(name, ":")
		desc, data, _ := b.reg.Manifest(repository, tag)
		named[repository+dgst] = true
		doc, err := content.ParseDocument(desc.MediaType, data)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, child := range doc.Manifests {
			named[repository+child.Digest.String()] = true
		}
		if b.before[name] != dgst {
			all[strings.TrimPrefix(name, side+"/")] = b.describe(side, repository, dgst)
		}
	}
	for name := range b.before {
		if _, ok := now[name]; !ok && strings.HasPrefix(name, side+"/") {
			all[strings.TrimPrefix(name, side+"/")] = ""
		}
	}
	for _, r := range b.reg.Requests() {
		if r.Class == registrytest.ClassManifest && r.Method == "PUT" && strings.HasPrefix(r.Repository, side+"/") && strings.HasPrefix(r.Reference, "sha256:") && !named[r.Repository+r.Reference] {
			all[strings.TrimPrefix(r.Repository, side+"/")+"@"] = b.describe(side, r.Repository, r.Reference)
		}
	}
	return all
}

// describe says what an image or an index is, but for its digests and times: media types, annotations, config, the number of layers in the history, and all files.
func (b *both) describe(side, repository, dgst string) string {
	b.t.Helper()
	desc, data, ok := b.reg.Manifest(repository, dgst)
	if !ok {
		b.t.Fatalf("%s has no %s", repository, dgst)
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		b.t.Fatal(err)
	}
	var out strings.Builder
	annotations, _ := json.Marshal(doc.Annotations) // texts alone
	fmt.Fprintf(&out, "%s\nannotations %s\n", desc.MediaType, b.neutral(side, string(annotations)))
	for _, child := range doc.Manifests {
		fmt.Fprintf(&out, "platform %v\n%s", *child.Platform, b.describe(side, repository, child.Digest.String()))
	}
	if doc.Config == nil {
		return out.String()
	}
	config, _ := b.reg.Blob(repository, doc.Config.Digest)
	fmt.Fprintf(&out, "%s %s\n", doc.Config.MediaType, plainConfig(b.t, config))
	for _, layer := range doc.Layers {
		fmt.Fprintf(&out, "%s\n", layer.MediaType)
	}
	b.sh("crane", "export", "$REG/"+repository+"@"+dgst, b.path("export.tar"))
	for _, line := range tarLines(b.t, readFile(b.t, b.path("export.tar"))) {
		fmt.Fprintln(&out, line)
	}
	return out.String()
}

// plainConfig is a config without what is empty, without times and digests. crane leaves the platform of an image without a base empty; imgscript says linux/amd64.
func plainConfig(t *testing.T, data []byte) string {
	t.Helper()
	var config map[string]any
	decode(t, string(data), &config)
	layers := 0
	history, _ := config["history"].([]any)
	for _, entry := range history {
		if entry, _ := entry.(map[string]any); entry["empty_layer"] != true {
			layers++
		}
	}
	config["history"] = fmt.Sprintf("%d layers", layers)
	delete(config, "created")
	delete(config, "rootfs")
	if config["architecture"] == "" {
		config["architecture"], config["os"] = "amd64", "linux"
	}
	return neutralJSON(string(mustJSON(t, config)))
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// neutralJSON is a JSON text with sorted keys, without spaces and without what is empty; another text is returned as it is.
func neutralJSON(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	data, err := json.Marshal(withoutEmpty(v))
	if err != nil {
		return text
	}
	return string(data)
}

func withoutEmpty(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for key, value := range object {
		if key != "ExposedPorts" && key != "Volumes" { // sets, whose values are empty objects
			value = withoutEmpty(value)
		}
		if s := fmt.Sprint(value); s == "" || s == "map[]" || s == "[]" || s == "<nil>" {
			delete(object, key)
		}
	}
	return object
}

// files describes what a side wrote into its directory: trees of files, images for docker load, layouts.
func (b *both) files(side string) map[string]string {
	b.t.Helper()
	entries, err := os.ReadDir(b.path(side))
	if err != nil {
		b.t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		at := filepath.Join(b.path(side), e.Name())
		switch {
		case e.Name() == "build.star" || strings.HasSuffix(e.Name(), ".tar.gz"):
		case e.IsDir():
			var index struct{ Manifests []struct{ Digest string } }
			decode(b.t, readFile(b.t, filepath.Join(at, "index.json")), &index)
			all[e.Name()] = fmt.Sprint(index.Manifests)
		default:
			all[e.Name()] = b.archive(side, readFile(b.t, at))
		}
	}
	return all
}

// archive describes an archive: the image in it, if it is one for docker load, or its files.
func (b *both) archive(side, data string) string {
	b.t.Helper()
	files := map[string]string{}
	for r := tar.NewReader(strings.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			b.t.Fatal(err)
		}
		files[h.Name] = string(body)
	}
	manifest, ok := files["manifest.json"]
	if !ok {
		return strings.Join(tarLines(b.t, data), "\n")
	}
	var images []struct {
		Config           string
		RepoTags, Layers []string
	}
	decode(b.t, manifest, &images)
	out := ""
	for _, image := range images {
		out += fmt.Sprintf("%s\n%s\n", b.neutral(side, strings.Join(image.RepoTags, " ")), plainConfig(b.t, []byte(files[image.Config])))
		for _, layer := range image.Layers {
			out += strings.Join(tarLines(b.t, unzipped(b.t, files[layer])), "\n") + "\n"
		}
	}
	return out
}

func unzipped(t *testing.T, data string) string {
	t.Helper()
	if !strings.HasPrefix(data, "\x1f\x8b") {
		return data
	}
	r, err := gzip.NewReader(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// tarLines lists the files of an archive, sorted, in whatever order they are in it: mode, owner, time, extended attributes and content. A hard link is the file that it names, and a
// directory that has no entry is one of root.
func tarLines(t *testing.T, data string) []string {
	t.Helper()
	entries, links := map[string]string{}, map[string]string{}
	for r := tar.NewReader(strings.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean("/" + h.Name)
		owner := fmt.Sprintf("%04o %d:%d", h.Mode&0o7777, h.Uid, h.Gid)
		switch h.Typeflag {
		case tar.TypeDir:
			entries[name] = "directory " + owner
		case tar.TypeLink:
			links[name] = path.Clean("/" + h.Linkname)
		case tar.TypeSymlink:
			entries[name] = "symlink " + owner + " " + h.Linkname
		default:
			dgst, err := digest.FromReader(r)
			if err != nil {
				t.Fatal(err)
			}
			entries[name] = fmt.Sprintf("%c %s %d %s", h.Typeflag, owner, h.ModTime.Unix(), dgst)
		}
		for key, value := range h.PAXRecords {
			if strings.HasPrefix(key, "SCHILY.xattr.") {
				entries[name] += fmt.Sprintf(" %s=%q", key, value)
			}
		}
		for dir := path.Dir(name); ; dir = path.Dir(dir) {
			if _, ok := entries[dir]; !ok {
				entries[dir] = "directory 0755 0:0"
			}
			if dir == "/" {
				break
			}
		}
	}
	for name, to := range links {
		entries[name] = entries[to]
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		lines = append(lines, name+" "+entries[name])
	}
	return lines
}

// tarball is a compressed archive of a directory and a file in it, both of a name.
func tarball(t *testing.T, name string) string {
	t.Helper()
	var data bytes.Buffer
	zipped := gzip.NewWriter(&data)
	packed := tar.NewWriter(zipped)
	err := errors.Join(
		packed.WriteHeader(&tar.Header{Name: name + "/", Mode: 0o750, Typeflag: tar.TypeDir}),
		packed.WriteHeader(&tar.Header{Name: name + "/file", Mode: 0o640, Uid: 1000, Gid: 50, Typeflag: tar.TypeReg, Size: int64(len(name))}),
	)
	if err == nil {
		_, err = packed.Write([]byte(name))
	}
	if err := errors.Join(err, packed.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return data.String()
}
