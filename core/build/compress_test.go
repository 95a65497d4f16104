package build_test

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

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// tarOf is an archive of files.
func tarOf(t testing.TB, names []string, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		must(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(files[name])), Mode: 0o644}))
		_, err := w.Write(files[name])
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

// dockerSave is an archive as docker save writes it, of an image of layers that are not compressed, and the digest of its config.
func dockerSave(t testing.TB, tags ...string) (archive []byte, config digest.Digest) {
	t.Helper()
	files := map[string][]byte{}
	var names, layers []string
	var diffIDs []digest.Digest
	for _, name := range []string{"one", "two"} {
		archive := tarOf(t, []string{name}, map[string][]byte{name: []byte(strings.Repeat(name, 5000))})
		files[name+"/layer.tar"] = archive
		names, layers, diffIDs = append(names, name+"/layer.tar"), append(layers, name+"/layer.tar"), append(diffIDs, digest.FromBytes(archive))
	}
	data, err := json.Marshal(map[string]any{
		"os": "linux", "architecture": "amd64", "config": map[string]any{"Cmd": []string{"sh"}}, "rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
		"history": []map[string]string{{"created_by": "one"}, {"created_by": "two"}},
	})
	must(t, err)
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": tags, "Layers": layers}})
	must(t, err)
	files["config.json"], files["manifest.json"] = data, manifest
	return tarOf(t, append(names, "config.json", "manifest.json"), files), digest.FromBytes(data)
}

// saveRoot is a root with such an archive, save.tar of app:v1, and the digest of its config.
func saveRoot(t *testing.T) (root string, config digest.Digest) {
	root = planRoot(t)
	_, config = dockerSave(t, "app:v1")
	return root, config
}

// layersIn are those of an image in a registry, which must be whole: compressed ones are read, and have the archives that the config says.
func layersIn(t *testing.T, reg *registrytest.Server, repository, ref string) (layers []content.Descriptor, config digest.Digest) {
	t.Helper()
	desc, data, ok := reg.Manifest(repository, ref)
	if !ok {
		t.Fatalf("there is no %s:%s", repository, ref)
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	must(t, err)
	var said struct {
		RootFS struct {
			DiffIDs []digest.Digest `json:"diff_ids"`
		}
	}
	raw, _ := reg.Blob(repository, doc.Config.Digest)
	must(t, json.Unmarshal(raw, &said))
	for i, l := range doc.Layers {
		blob, ok := reg.Blob(repository, l.Digest)
		if !ok || int64(len(blob)) != l.Size {
			t.Errorf("layer %d has %d bytes there, want %d", i, len(blob), l.Size)
		}
		if strings.HasSuffix(l.MediaType, "gzip") {
			z, err := gzip.NewReader(bytes.NewReader(blob))
			must(t, err)
			blob, err = io.ReadAll(z)
			must(t, err)
		}
		if got := digest.FromBytes(blob); got != said.RootFS.DiffIDs[i] {
			t.Errorf("layer %d has the diff ID %s, want %s", i, got, said.RootFS.DiffIDs[i])
		}
	}
	return doc.Layers, doc.Config.Digest
}

func isGzip(l content.Descriptor) bool { return strings.HasSuffix(l.MediaType, "gzip") }

// TestUnpackedLayersAreCompressed: what Docker unpacked goes to a registry compressed, with the same digest each time and the image's ID; to everything else, and from everything else, as it is.
func TestUnpackedLayersAreCompressed(t *testing.T) {
	reg := registrytest.New(t, nil)
	root, id := saveRoot(t)
	const save = "docker-archive:save.tar:app:v1"
	first := mustCopy(t, root, save, reg.Host+"/app:v1", nil)[0]
	layers, config := layersIn(t, reg, "app", "v1")
	if len(layers) != 2 || !isGzip(layers[0]) || !isGzip(layers[1]) || config != id {
		t.Errorf("layers %+v, config %s, want %s", layers, config, id)
	}
	if again := mustCopy(t, root, save, reg.Host+"/app:v2", nil)[0]; again.Digest != first.Digest || again.Uploaded != 0 {
		t.Errorf("a second copy is %+v, the first %+v", again, first)
	}

	plain := mustCopy(t, root, save, "oci:layout:v1", nil)[0]
	if plain.Digest == first.Digest || plain.MediaType != content.OCIManifest {
		t.Errorf("what went to a layout is %+v", plain)
	}
	if again := mustCopy(t, root, save, "oci-archive:o.tar:v1", nil)[0]; again.Digest != plain.Digest {
		t.Errorf("in a layout it is %s, in an archive of one %s", plain.Digest, again.Digest)
	}
	if back := mustCopy(t, root, "oci:layout:v1", reg.Host+"/plain:v1", nil)[0]; back.Digest != plain.Digest {
		t.Errorf("from a layout: %s, want %s", back.Digest, plain.Digest)
	}
	if layers, _ := layersIn(t, reg, "plain", "v1"); isGzip(layers[0]) {
		t.Error("what came from a layout was compressed")
	}

	// A copy by saving what is unchanged is the same, with a sync before it too, and a changed image has compressed layers wherever it goes.
	report := runFor(t, root, func(r *build.Run) error {
		img, err := r.Image(at("image"), save, &build.ImageOptions{Target: reg.Host + "/saved:v1"})
		if err != nil {
			return err
		}
		img.Sync(at("sync"), nil)
		img.Save(at("save"), nil)
		img.AddFiles(at("add_files"), []build.File{{Target: "/srv", Local: "svc1"}}, nil)
		for _, to := range []string{reg.Host + "/more:v1", "oci:more:v1", "docker-archive:more.tar:more:v1"} {
			img.Save(at("save"), &build.SaveOptions{To: to})
		}
		return nil
	}, reg)
	if got := report.Saved[0]; got.Digest != first.Digest {
		t.Errorf("saved as %s, copied as %s", got.Digest, first.Digest)
	}
	if got := report.Saved; got[1].Digest != got[2].Digest || got[1].Digest != got[3].Digest {
		t.Errorf("saved to three places: %s, %s, %s", got[1].Digest, got[2].Digest, got[3].Digest)
	}
	more, _ := layersIn(t, reg, "more", "v1")
	if len(more) != 3 || more[0].Digest != layers[0].Digest || more[1].Digest != layers[1].Digest {
		t.Errorf("on top of it: %+v, below %+v", more, layers)
	}
}

// TestCompressedOnce: a layer is compressed once in a run and, with a cache, once for all; without the blob that came of it, again.
func TestCompressedOnce(t *testing.T) {
	reg := registrytest.New(t, nil)
	root, _ := saveRoot(t)
	engine := newEngine(t, 2)
	var how []string
	run := func(target string) {
		t.Helper()
		how = nil
		opts := &build.Options{Root: root, Events: func(e build.Event) {
			if e.What == build.CompressWork && e.Kind == build.TaskEnd {
				how = append(how, e.How)
			}
		}}
		_, err := engine.Do(t.Context(), opts, func(r *build.Run) error {
			for _, tag := range []string{"a", "b"} {
				r.Copy(at("copy"), "docker-archive:save.tar:app:v1", reg.Host+"/"+target+":"+tag, nil)
			}
			return nil
		})
		must(t, err)
		slices.Sort(how)
	}
	run("one")
	if got := strings.Join(how, " "); got != "built built" {
		t.Errorf("the first run: %s", got)
	}
	run("two")
	if len(how) > 0 {
		t.Errorf("the second run: %s", how)
	}
	one, _, _ := reg.Manifest("one", "a")
	two, _, _ := reg.Manifest("two", "b")
	if one.Digest != two.Digest {
		t.Errorf("%s and %s", one.Digest, two.Digest)
	}
	layersIn(t, reg, "two", "b")
}

// TestOnlyTheBaseIsCompressed: a layer of the image's own that is not to be compressed stays so, by hand edited or not, and who only looks at an image compresses nothing.
func TestOnlyTheBaseIsCompressed(t *testing.T) {
	reg := registrytest.New(t, nil)
	root, _ := saveRoot(t)
	compressed := 0
	opts := &build.Options{Root: root, Events: func(e build.Event) {
		if e.What == build.CompressWork && e.Kind == build.TaskEnd {
			compressed++
		}
	}}
	_, err := newEngine(t, 2).Do(t.Context(), opts, func(r *build.Run) error {
		img, err := r.Image(at("image"), "docker-archive:save.tar:app:v1", &build.ImageOptions{Target: reg.Host + "/app:v1"})
		if err != nil {
			return err
		}
		layers, err := img.Layers(at("layers"))
		if err != nil || len(layers) != 2 {
			t.Errorf("%d layers, %v", len(layers), err)
		}
		data, err := img.Data(at("data"), "get_image_data")
		if err != nil {
			return err
		}
		if compressed > 0 {
			t.Error("looking at the image compressed it")
		}
		img.Replace(at("edit"), "edit", data, nil, bytes.Replace(data.Image.Config(), []byte(`"sh"`), []byte(`"bash"`), 1))
		img.AddFiles(at("add_files"), []build.File{{Target: "/srv", Local: "svc1"}}, &layer.Options{Compression: layer.None})
		img.Save(at("save"), nil)
		return nil
	})
	must(t, err)
	layers, _ := layersIn(t, reg, "app", "v1")
	if len(layers) != 3 || !isGzip(layers[0]) || !isGzip(layers[1]) || isGzip(layers[2]) {
		t.Errorf("layers %+v", layers)
	}
	if compressed != 2 {
		t.Errorf("%d layers were compressed", compressed)
	}
}

// TestSurgeryCompresses: layers of an image of Docker's come to another one compressed.
func TestSurgeryCompresses(t *testing.T) {
	reg := registrytest.New(t, nil)
	base(t, reg)
	root, _ := saveRoot(t)
	runFor(t, root, func(r *build.Run) error {
		saved, err := r.Image(at("docker"), "docker-archive:save.tar:app:v1", nil)
		if err != nil {
			return err
		}
		old, err := r.Image(at("old"), reg.Host+"/base:v1", nil)
		if err != nil {
			return err
		}
		for name, change := range map[string]func(img *build.Image) error{
			"append": func(img *build.Image) error { img.Append(at("append"), saved); return nil },
			"rebase": func(img *build.Image) error { return img.Rebase(at("rebase"), old, saved) },
		} {
			img, err := r.Image(at("image"), reg.Host+"/base:v1", &build.ImageOptions{Target: reg.Host + "/" + name + ":v1"})
			if err == nil {
				err = change(img)
			}
			if err != nil {
				return err
			}
			img.Save(at("save"), nil)
		}
		return nil
	}, reg)
	for name, n := range map[string]int{"append": 4, "rebase": 2} {
		layers, _ := layersIn(t, reg, name, "v1")
		if len(layers) != n || slices.ContainsFunc(layers, func(l content.Descriptor) bool { return !isGzip(l) }) {
			t.Errorf("%s: layers %+v", name, layers)
		}
	}
}

// TestDamagedArchive: a layer that is not what the config says is sent to nobody.
func TestDamagedArchive(t *testing.T) {
	reg := registrytest.New(t, nil)
	root, _ := saveRoot(t)
	file := filepath.Join(root, "save.tar")
	data, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, bytes.Replace(data, []byte("oneone"), []byte("onetwo"), 1), 0o644))
	_, err = copyOf(t, root, "docker-archive:save.tar:app:v1", reg.Host+"/app:v1", nil)
	if !errors.Is(err, content.ErrVerification) {
		t.Errorf("got %v", err)
	}
	if tags := reg.Tags("app"); len(tags) > 0 {
		t.Errorf("tags %q", tags)
	}
}
