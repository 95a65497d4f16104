package build_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestSurgeryOfForeignLayers keeps layers that are not to be distributed where they are, and reads one only to flatten it, from where the policy allows.
func TestSurgeryOfForeignLayers(t *testing.T) {
	f := newForeign(t)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	must(t, w.WriteHeader(&tar.Header{Name: "windows", Typeflag: tar.TypeReg, Mode: 0o644, Size: 7}))
	_, err := w.Write([]byte("foreign"))
	must(t, errors.Join(err, w.Close()))
	f.layer = archive.Bytes()
	f.desc = content.Of(content.DockerForeignLayer, f.layer)
	f.push(t, "https://files.example/1")
	f.Handle("files.example", f.give)
	f.dst.PushImage("base", "1", oldBase())
	run := func(policy *build.Policy, change func(*build.Run, *build.Image) error) (saved build.Saved, err error) {
		err = f.do(t.Context(), policy, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), "src.example/base:v1", &build.ImageOptions{Target: "dst.example/app:v1"})
			if err == nil {
				err = change(r, img)
			}
			if err != nil {
				return err
			}
			saved, err = img.Save(at("line 9"), &build.SaveOptions{LeaveForeign: true}).Wait()
			return err
		})
		return saved, err
	}
	urls := func() (found int) {
		_, data, _ := f.dst.Manifest("app", "v1")
		var manifest specs.Manifest
		must(t, json.Unmarshal(data, &manifest))
		for _, l := range manifest.Layers {
			found += len(l.URLs)
		}
		return found
	}
	for name, change := range map[string]func(*build.Run, *build.Image) error{
		"rebase": rebase("scratch", "dst.example/base:1"), "append": appendTo("dst.example/base:1"), "append itself": appendTo("src.example/base:v1"),
	} {
		if _, err := run(nil, change); err != nil || urls() == 0 || len(f.lines("files.example")) > 0 {
			t.Errorf("%s: %v, %d URLs, requests %q", name, err, urls(), f.lines("files.example"))
		}
	}
	policy := build.DefaultPolicy("")
	policy.Net = func(host string) error {
		if host == "files.example" {
			return errors.New("not there")
		}
		return nil
	}
	if _, err := run(policy, flatten); !errors.Is(err, build.ErrPolicy) || !strings.Contains(err.Error(), "foreign layer "+f.desc.Digest.String()) || len(f.lines("files.example")) > 0 {
		t.Errorf("flatten where it is forbidden: %v", err)
	}
	if _, err := run(nil, flatten); err != nil || urls() != 0 || len(f.lines("files.example")) == 0 {
		t.Errorf("flatten: %v, %d URLs", err, urls())
	}
}

// TestSurgeryOfZstd reads zstd layers, and puts none into an image of Docker's.
func TestSurgeryOfZstd(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "docker", registrytest.Image{Docker: true, Layers: oldBase().Layers})
	root := tree(t, map[string]string{"f": "f", "g": "g"})
	runFor(t, root, cut("scratch", reg.Host+"/zstd:1", build.ImageOptions{}, func(_ *build.Run, img *build.Image) error {
		img.AddFiles(at("line 2"), []build.File{{Target: "/f", Local: "f"}}, &layer.Options{Compression: layer.Zstd})
		img.AddFiles(at("line 3"), []build.File{{Target: "/g", Local: "g"}}, &layer.Options{Compression: layer.Zstd})
		return nil
	}), reg)
	runFor(t, root, cut(reg.Host+"/zstd:1", reg.Host+"/flat:1", build.ImageOptions{}, flatten), reg)
	if doc := remoteIndex(t, reg, "flat", "1"); len(doc.Layers) != 1 || doc.Layers[0].MediaType != content.OCILayerGzip {
		t.Errorf("flattened: %v", doc.Layers)
	}
	for op, change := range map[string]func(*build.Run, *build.Image) error{"append": appendTo(reg.Host + "/zstd:1"), "rebase": rebase(reg.Host+"/base:docker", reg.Host+"/zstd:1")} {
		_, err := newEngine(t, 2).Do(t.Context(), nil, cut(reg.Host+"/base:docker", reg.Host+"/app:1", build.ImageOptions{}, change))
		var step *build.StepError
		if !errors.As(err, &step) || step.Op != op || !errors.Is(err, content.ErrUnsupported) || !strings.Contains(err.Error(), `use gzip, or format = "oci"`) {
			t.Errorf("%s: %v", op, err)
		}
	}
	runFor(t, root, cut(reg.Host+"/base:docker", reg.Host+"/app:1", build.ImageOptions{Format: "oci"}, appendTo(reg.Host+"/zstd:1")), reg)
	if doc := remoteIndex(t, reg, "app", "1"); len(doc.Layers) != 4 || doc.Layers[3].MediaType != content.OCILayerZstd {
		t.Errorf("appended: %v", doc.Layers)
	}
}
