package imgscript_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/tools/txtar"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
	"github.com/imgscript/imgscript/docs/doctest"
)

const cookbook = "docs/cookbook.md"

var update = flag.Bool("update", false, "write testdata/cookbook.txtar anew")

// TestCookbook runs every recipe of the cookbook that is a script. What it prints, and what it leaves in registries and files, is in testdata/cookbook.txtar under its heading.
func TestCookbook(t *testing.T) {
	const golden = "testdata/cookbook.txtar"
	want := map[string]string{}
	for _, f := range archive(t, golden) {
		want[f.Name] = string(f.Data)
	}
	all := &txtar.Archive{Comment: []byte("What the recipes of docs/cookbook.md print and save; go test -run TestCookbook . -update writes it.\n")}
	for _, b := range doctest.Blocks(read(t, cookbook)) {
		if b.Lang != "python" {
			continue
		}
		t.Run(b.Heading, func(t *testing.T) {
			got := outcome(t, b.Text)
			all.Files = append(all.Files, txtar.File{Name: b.Heading, Data: []byte(got)})
			if got != want[b.Heading] && !*update {
				t.Errorf("got:\n%s\nwant:\n%s", got, want[b.Heading])
			}
		})
		delete(want, b.Heading)
	}
	if *update {
		if err := os.WriteFile(golden, txtar.Format(all), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for heading := range want {
		t.Errorf("%s has a recipe that is not in the cookbook: %s", golden, heading)
	}
	if len(all.Files) < 20 {
		t.Errorf("%d recipes, want at least 20", len(all.Files))
	}
}

// outcome runs a script that must succeed and says in words what came of it.
func outcome(t *testing.T, script string) string {
	t.Helper()
	s, dir := newStock(t), directory(t)
	if err := os.Symlink("/usr/local/bin/python3", filepath.Join(dir, "venv/bin/python")); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	before := names(t, dir)
	err := execScript(t, dir, s, script, func(line string) { fmt.Fprintf(&out, "prints %s\n", line) })
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range s.written() {
		s.describe(t, &out, name)
	}
	for _, name := range names(t, dir) {
		if !slices.Contains(before, name) {
			describeArchive(t, &out, dir, name)
		}
	}
	return digests.ReplaceAllString(out.String(), "sha256:…")
}

// digests are left out: those of compressed layers change with the compressor.
var digests = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// names lists the files below a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			name, _ := filepath.Rel(dir, path)
			list = append(list, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// written lists the tags, "REPOSITORY:TAG", of the repositories that the script wrote manifests to or deleted them from, and the manifests, "REPOSITORY@DIGEST", that it
// wrote by digest and no index has.
func (s stock) written() (list []string) {
	repositories, single := map[string]bool{}, map[string]bool{}
	for _, r := range s.reg.Requests() {
		if r.Class != registrytest.ClassManifest || r.Method != "PUT" && r.Method != "DELETE" || r.Status >= 300 {
			continue
		}
		repositories[r.Repository] = true
		if r.Method == "PUT" && strings.HasPrefix(r.Reference, "sha256:") {
			single[r.Repository+"@"+r.Reference] = true
		}
	}
	for _, repository := range slices.Sorted(maps.Keys(repositories)) {
		for _, tag := range s.reg.Tags(repository) {
			list = append(list, repository+":"+tag)
			desc, data, _ := s.reg.Manifest(repository, tag)
			delete(single, repository+"@"+desc.Digest.String())
			if doc, err := content.ParseDocument(desc.MediaType, data); err == nil {
				for _, child := range doc.Manifests {
					delete(single, repository+"@"+child.Digest.String())
				}
			}
		}
	}
	return append(list, slices.Sorted(maps.Keys(single))...)
}

// describe says what an image or an index is: "REPOSITORY:TAG" or "REPOSITORY@DIGEST".
func (s stock) describe(t *testing.T, out io.Writer, name string) {
	t.Helper()
	repository, ref, tagged := strings.Cut(name, ":")
	if before, dgst, ok := strings.Cut(name, "@"); ok {
		repository, ref, tagged = before, dgst, false
	}
	desc, data, ok := s.reg.Manifest(repository, ref)
	if !ok {
		t.Fatalf("%s is not there", name)
	}
	if !tagged {
		name = repository + " without a tag"
	}
	if was, ok := s.seeded[desc.Digest.String()]; ok {
		fmt.Fprintf(out, "%s is %s\n", name, was)
		return
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "%s %s\n", name, desc.MediaType)
	s.describeDocument(t, out, repository, doc)
	s.name(desc, name)
}

func (s stock) describeDocument(t *testing.T, out io.Writer, repository string, doc *content.Document) {
	t.Helper()
	show(t, out, "annotations", doc.Annotations, len(doc.Annotations) > 0)
	show(t, out, "artifact type", doc.ArtifactType, doc.ArtifactType != "")
	for _, child := range doc.Manifests {
		show(t, out, "platform", child.Platform, true)
		show(t, out, "entry annotations", child.Annotations, len(child.Annotations) > 0)
		desc, data, _ := s.reg.Manifest(repository, child.Digest.String())
		inner, err := content.ParseDocument(desc.MediaType, data)
		if err != nil {
			t.Fatal(err)
		}
		s.describeDocument(t, out, repository, inner)
	}
	if doc.Config == nil {
		return
	}
	data, _ := s.reg.Blob(repository, doc.Config.Digest)
	var config struct {
		Architecture, Created string
		Config                any
	}
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	show(t, out, "created", config.Created, config.Created > "1970-01-01T00:00:00Z" && config.Created != "2020-01-01T00:00:00Z")
	show(t, out, "config", config.Config, config.Config != nil)
	for _, layer := range doc.Layers {
		s.describeLayer(t, out, repository, layer)
	}
}

func show(t *testing.T, out io.Writer, what string, value any, is bool) {
	t.Helper()
	if !is {
		return
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "  %s %s\n", what, data)
}

// describeLayer lists the entries of a layer, or says whose layer it is.
func (s stock) describeLayer(t *testing.T, out io.Writer, repository string, desc content.Descriptor) {
	t.Helper()
	if of, ok := s.seeded[desc.Digest.String()]; ok {
		fmt.Fprintf(out, "  layer of %s\n", of)
		return
	}
	data, ok := s.reg.Blob(repository, desc.Digest)
	if !ok || digest.FromBytes(data) != desc.Digest {
		t.Fatalf("%s has no blob %s", repository, desc.Digest)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		fmt.Fprintf(out, "  blob %s %q\n", desc.MediaType, data)
		return
	}
	fmt.Fprintf(out, "  layer %s\n", desc.MediaType)
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		what := ""
		switch h.Typeflag {
		case tar.TypeReg:
			what = fmt.Sprintf(" %q", body)
		case tar.TypeSymlink, tar.TypeLink:
			what = " -> " + h.Linkname
		}
		fmt.Fprintf(out, "    %s %d:%d %s%s\n", h.FileInfo().Mode(), h.Uid, h.Gid, h.Name, what)
	}
}

// describeArchive says which images an archive has for docker load; of other files it says the name.
func describeArchive(t *testing.T, out io.Writer, dir, name string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "writes %s\n", name)
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err != nil {
			return
		}
		if h.Name != "manifest.json" {
			continue
		}
		var images []struct{ RepoTags, Layers []string }
		if err := json.NewDecoder(r).Decode(&images); err != nil {
			t.Fatal(err)
		}
		for _, image := range images {
			fmt.Fprintf(out, "  %s of %d layers\n", strings.Join(image.RepoTags, ", "), len(image.Layers))
		}
	}
}
