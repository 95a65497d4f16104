package layout_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/layout"
)

func openArchive(t *testing.T, file string, opts layout.ArchiveOptions) *layout.Archive {
	t.Helper()
	a, err := layout.OpenArchive(file, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// put saves an image of a store under names.
func put(t *testing.T, a *layout.Archive, src *content.Memory, root content.Descriptor, names ...string) {
	t.Helper()
	if err := content.Copy(t.Context(), a, src, root, &content.CopyOptions{WithoutRoot: true}); err != nil {
		t.Fatal(err)
	}
	if err := content.PushTagged(t.Context(), a, root, content.FromFetcher(src, root), names); err != nil {
		t.Fatal(err)
	}
}

// kinds are the archives that are written.
var kinds = map[string]struct {
	opts  layout.ArchiveOptions
	names []string // that mean one thing: the first is given
	other string
}{
	"oci":    {layout.ArchiveOptions{}, []string{"v1"}, "v2"},
	"docker": {layout.ArchiveOptions{Docker: true}, []string{"app:v1", "docker.io/library/app:v1", "library/app:v1"}, "reg.example.com/app"},
}

// TestArchive writes archives and reads them back: the same images by the same names, the same bytes however often they are written.
func TestArchive(t *testing.T) {
	for kind, k := range kinds {
		t.Run(kind, func(t *testing.T) {
			src := new(content.Memory)
			one, two := contenttest.Image(t, src, content.OCIManifest, 2), contenttest.Image(t, src, content.DockerManifest, 3)
			read := k.opts
			read.ReadOnly = true
			var before []byte
			for range 2 {
				file := filepath.Join(t.TempDir(), "new", "a.tar")
				a := openArchive(t, file, k.opts)
				put(t, a, src, one, k.names[0], "moves")
				put(t, a, src, two, k.other, "moves")
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if before != nil && !bytes.Equal(before, data) {
					t.Error("the same images made other bytes")
				}
				before = data
				back := openArchive(t, file, read)
				for _, name := range append(slices.Clone(k.names), one.Digest.String()) {
					wantImage(t, back, src, name, one)
				}
				wantImage(t, back, src, k.other, two)
				wantImage(t, back, src, "moves", two)
				if tags, err := back.Tags(t.Context()); err != nil || len(tags) != 3 {
					t.Errorf("tags %q, %v", tags, err)
				}
				if err := back.Push(t.Context(), one, content.FromFetcher(src, one)); !errors.Is(err, content.ErrUnsupported) {
					t.Errorf("a push to an archive that is only read: %v", err)
				}
				if names, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(names) != 1 {
					t.Errorf("left beside the archive: %q", names)
				}
			}
		})
	}
}

// wantImage resolves a name and reads all of the image.
func wantImage(t *testing.T, from content.Repository, src *content.Memory, name string, want content.Descriptor) {
	t.Helper()
	desc, err := from.Resolve(t.Context(), name)
	if err != nil || desc.Digest != want.Digest || desc.Size != want.Size || desc.MediaType != want.MediaType {
		t.Errorf("%q is %+v, %v", name, desc, err)
		return
	}
	if err := content.Copy(t.Context(), new(content.Memory), from, desc, nil); err != nil {
		t.Errorf("%q: %v", name, err)
	}
}

// TestArchiveReplaced writes another archive in the place of one: nothing of the old one stays.
func TestArchiveReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.tar")
	src := new(content.Memory)
	one, two := contenttest.Image(t, src, content.OCIManifest, 1), contenttest.Image(t, src, content.OCIManifest, 2)
	put(t, openArchive(t, file, layout.ArchiveOptions{}), src, one, "one")
	reader := openArchive(t, file, layout.ArchiveOptions{ReadOnly: true})
	wantImage(t, reader, src, "one", one)
	next := openArchive(t, file, layout.ArchiveOptions{})
	if _, err := next.Resolve(t.Context(), "one"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("an archive that is to be written has %v", err)
	}
	put(t, next, src, two, "two")
	wantImage(t, reader, src, "two", two)
	if _, err := reader.Resolve(t.Context(), "one"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("the image of the old archive: %v", err)
	}
}

// TestArchiveOverSomethingElse refuses to write over a file that is no archive of images.
func TestArchiveOverSomethingElse(t *testing.T) {
	src := new(content.Memory)
	root := contenttest.Image(t, src, content.OCIManifest, 1)
	for name, c := range map[string]struct {
		before []byte
		ok     bool
	}{
		"a script":         {[]byte("img = image('scratch')\n"), false},
		"another archive":  {oneFile(t, "source.go", "package main"), false},
		"an empty file":    {nil, true},
		"docker save's":    {oneFile(t, "manifest.json", "[]"), true},
		"a layout, zipped": {zipped(t, oneFile(t, "index.json", "{}")), true},
	} {
		file := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(file, c.before, 0o644); err != nil {
			t.Fatal(err)
		}
		a := openArchive(t, file, layout.ArchiveOptions{})
		if err := content.Copy(t.Context(), a, src, root, &content.CopyOptions{WithoutRoot: true}); err != nil {
			t.Fatal(err)
		}
		err := content.PushTagged(t.Context(), a, root, content.FromFetcher(src, root), []string{"v1"})
		if c.ok != (err == nil) || !c.ok && !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if data, readErr := os.ReadFile(file); !c.ok && (readErr != nil || !bytes.Equal(data, c.before)) {
			t.Errorf("%s: it was written over", name)
		}
	}
}

// TestArchiveFails leaves what was there when an image cannot be read, or is damaged.
func TestArchiveFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.tar")
	src := new(content.Memory)
	root := contenttest.Image(t, src, content.OCIManifest, 1)
	put(t, openArchive(t, file, layout.ArchiveOptions{}), src, root, "one")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blob := content.Of(content.OCILayer, []byte("layer"))
	config := content.Of(content.OCIConfig, []byte("{}"))
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": content.OCIManifest, "config": config, "layers": []content.Descriptor{blob}})
	if err != nil {
		t.Fatal(err)
	}
	bad := content.Of(content.OCIManifest, manifest)
	for name, data := range map[string]string{"damaged": "rayel", "short": "lay", "missing": ""} {
		a := openArchive(t, file, layout.ArchiveOptions{})
		if err := a.Push(t.Context(), config, content.FromBytes([]byte("{}"))); err != nil {
			t.Fatal(err)
		}
		if data != "" {
			if err := a.Push(t.Context(), blob, content.FromBytes([]byte(data))); !errors.Is(err, content.ErrVerification) {
				t.Errorf("%s: %v", name, err)
			}
		}
		err := content.PushTagged(t.Context(), a, bad, content.FromBytes(manifest), []string{"v1"})
		if !errors.Is(err, content.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the archive changed: %v", name, err)
		}
		if names, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(names) > 0 {
			t.Errorf("%s: left beside it: %q", name, names)
		}
	}
}

// saved is an archive as docker save made it before it knew OCI layouts: two images share a layer, which the second one links to.
func saved(t *testing.T, compress bool) (data []byte, layer []byte) {
	t.Helper()
	layer = bytes.Repeat([]byte("a layer of no tar, "), 100)
	inArchive := layer
	if compress {
		inArchive = zipped(t, layer)
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": []digest.Digest{digest.FromBytes(layer)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal([]map[string]any{
		{"Config": "c.json", "RepoTags": []string{"app:v1", "app:latest"}, "Layers": []string{"one/layer.tar"}},
		{"Config": "c.json", "RepoTags": []string{"reg.example.com/other:v2"}, "Layers": []string{"two/layer.tar"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name, link string
		data       []byte
	}{
		{name: "one/layer.tar", data: inArchive}, {name: "two/layer.tar", link: "../one/layer.tar"}, {name: "c.json", data: config}, {name: "manifest.json", data: manifest},
	} {
		h := &tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: 0o644, Typeflag: tar.TypeReg}
		if f.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), inArchive
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDockerSave reads archives that have no manifests, plain and compressed, with compressed layers and without.
func TestDockerSave(t *testing.T) {
	for _, layers := range []bool{false, true} {
		data, layer := saved(t, layers)
		for name, archive := range map[string][]byte{"a.tar": data, "a.tar.gz": zipped(t, data)} {
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, archive, 0o600); err != nil {
				t.Fatal(err)
			}
			a := openArchive(t, file, layout.ArchiveOptions{Docker: true, ReadOnly: true})
			var digests []digest.Digest
			for _, name := range []string{"app:v1", "app", "docker.io/library/app:latest", "reg.example.com/other:v2"} {
				desc, err := a.Resolve(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				digests = append(digests, desc.Digest)
				into := new(content.Memory)
				if err := content.Copy(t.Context(), into, a, desc, nil); err != nil {
					t.Fatal(err)
				}
				if there, err := into.Exists(t.Context(), content.Descriptor{Digest: digest.FromBytes(layer), Size: int64(len(layer))}); err != nil || !there {
					t.Errorf("%s: the layer is not there as it was: %v", name, err)
				}
			}
			if digests[0] != digests[1] || digests[0] != digests[3] {
				t.Errorf("one image has digests %q", digests)
			}
			if _, err := a.Resolve(t.Context(), "app:v3"); !errors.Is(err, content.ErrNotFound) || !strings.Contains(err.Error(), "app:v1") {
				t.Errorf("a name that is not there: %v", err)
			}
			if desc, err := a.Resolve(t.Context(), ""); err != nil || desc.Digest != digests[0] {
				t.Errorf("without a name: %s, %v", desc.Digest, err)
			}
		}
	}
}

// TestNoArchive says what a file is that is not what it should be.
func TestNoArchive(t *testing.T) {
	dir := t.TempDir()
	data, _ := saved(t, false)
	write := func(name string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	src := new(content.Memory)
	root := contenttest.Image(t, src, content.OCIManifest, 1)
	oci := filepath.Join(dir, "oci.tar")
	put(t, openArchive(t, oci, layout.ArchiveOptions{}), src, root, "v1")
	for name, c := range map[string]struct {
		file   string
		docker bool
		want   string
	}{
		"missing":        {filepath.Join(dir, "nothing.tar"), false, "no such file"},
		"a directory":    {dir, false, "not a regular file"},
		"docker's":       {write("docker.tar", data), false, "docker-archive:"},
		"a layout":       {oci, true, "oci-archive:"},
		"no tar":         {write("text", []byte(strings.Repeat("text ", 500))), false, "tar archive"},
		"cut":            {write("cut", data[:1000]), true, "tar archive"},
		"empty":          {write("empty", nil), false, "index.json"},
		"damaged gzip":   {write("z", append([]byte{0x1f, 0x8b}, "nonsense"...)), false, "archive"},
		"damaged zstd":   {write("s", append([]byte{0x28, 0xb5, 0x2f, 0xfd}, "nonsense"...)), false, "archive"},
		"a cut gzip":     {write("cut.gz", zipped(t, data)[:100]), true, "archive"},
		"a bad manifest": {write("bad", oneFile(t, "manifest.json", "{}")), true, "manifest.json"},
		"a bad index":    {write("badindex", oneFile(t, "index.json", "[]")), false, "index.json"},
		"no config":      {write("noconfig", oneFile(t, "manifest.json", `[{"Config":"c","RepoTags":["a:b"],"Layers":[]}]`)), true, "config"},
		"outside":        {write("outside", oneFile(t, "manifest.json", `[{"Config":"../../etc/passwd","RepoTags":["a:b"],"Layers":[]}]`)), true, "config"},
	} {
		_, err := openArchive(t, c.file, layout.ArchiveOptions{Docker: c.docker, ReadOnly: true}).Resolve(t.Context(), "v1")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.file) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// oneFile is an archive with one file.
func oneFile(t *testing.T, name, data string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestArchiveConformance holds archives that are written to what every repository does.
func TestArchiveConformance(t *testing.T) {
	open := func(t *testing.T) *layout.Archive {
		return openArchive(t, filepath.Join(t.TempDir(), "a.tar"), layout.ArchiveOptions{})
	}
	contenttest.TestStore(t, func(t *testing.T) content.Store { return open(t) }, nil)
	contenttest.TestRepository(t, func(t *testing.T) content.Repository { return open(t) }, nil)
}
