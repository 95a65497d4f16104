package build_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// program is something that users do, with two registries.
type program struct {
	name string
	seed func(t *testing.T, from, to *registrytest.Server) // beside from/base:v1 and to/base:v1
	run  func(r *build.Run, from, to string) error
}

// withLayer puts a layer of local files on a base and saves the image.
func withLayer(r *build.Run, base, target, local string, opts *build.SaveOptions) error {
	img, err := r.Image(at("line 1"), base, &build.ImageOptions{Target: target})
	if err != nil {
		return err
	}
	img.AddFiles(at("line 2"), []build.File{{Target: "/srv", Local: local}}, nil)
	img.Save(at("line 3"), opts)
	return nil
}

// programs are what TestPlanThenRun plans and then does. In each, no blob could be given to two repositories of one registry in an order that only timing decides.
var programs = []program{
	{name: "a layer on a base of the same registry", run: func(r *build.Run, _, to string) error {
		return withLayer(r, to+"/base:v1", to+"/app:v1", "svc1", nil)
	}},
	{name: "a big layer, which a run would stream", run: func(r *build.Run, _, to string) error {
		return withLayer(r, "scratch", to+"/app:v1", "big", nil)
	}},
	{name: "a tag that moves", seed: func(t *testing.T, _, to *registrytest.Server) {
		to.PushImage("app", "v1", layersOf(2))
	}, run: func(r *build.Run, from, to string) error {
		return withLayer(r, from+"/base:v1", to+"/app:v1", "svc1", &build.SaveOptions{Tags: []string{"v1", "v2"}})
	}},
	{name: "by digest only", run: func(r *build.Run, from, to string) error {
		return withLayer(r, from+"/base:v1", to+"/app", "svc1", &build.SaveOptions{Tags: []string{}})
	}},
	{name: "although it is there", seed: func(t *testing.T, _, to *registrytest.Server) {
		to.PushImage("app", "v1", registrytest.Image{Layers: []map[string]string{{"/etc/motd": "hello\n"}}})
	}, run: func(r *build.Run, from, to string) error {
		return withLayer(r, from+"/base:v1", to+"/app:v1", "svc1", &build.SaveOptions{IgnorePresent: true})
	}},
	{name: "some of it is there", seed: func(t *testing.T, from, to *registrytest.Server) {
		to.PushImage("app", "old", registrytest.Image{Layers: []map[string]string{{"/etc/motd": "hello\n"}}})
	}, run: func(r *build.Run, from, to string) error {
		return withLayer(r, from+"/base:v1", to+"/app:v1", "svc1", nil)
	}},
	{name: "an index as it is", seed: func(t *testing.T, from, _ *registrytest.Server) {
		multi(t, from, "many", "v1")
	}, run: func(r *build.Run, from, to string) error { return copyTo(from+"/many:v1", to+"/many:v2")(r) }},
	{name: "several platforms", seed: func(t *testing.T, from, _ *registrytest.Server) {
		attestedBase(t, from, false)
	}, run: func(r *build.Run, from, to string) error {
		img, err := r.Image(at("line 1"), from+"/base:many", &build.ImageOptions{Target: to + "/app:v1", Platforms: threePlatforms})
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/srv", Local: "svc1"}}, nil)
		view, err := img.On(at("line 3"), "linux/arm64")
		if err != nil {
			return err
		}
		view.AddFiles(at("line 4"), []build.File{{Target: "/srv", Local: "svc2"}}, nil)
		img.Save(at("line 5"), nil)
		return nil
	}},
	{name: "an index of images", seed: func(t *testing.T, from, _ *registrytest.Server) {
		attestedBase(t, from, false)
	}, run: func(r *build.Run, from, to string) error {
		img, err := r.Image(at("line 1"), from+"/base:many", &build.ImageOptions{Platform: "linux/arm64"})
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/srv", Local: "svc1"}}, nil)
		index, err := r.Index(at("line 3"), to+"/app:v1", []build.IndexMember{{Image: img}, {Reference: to + "/base:v1"}}, nil)
		if err != nil {
			return err
		}
		index.Save(at("line 4"), nil)
		return nil
	}},
	{name: "a layout", run: func(r *build.Run, from, _ string) error {
		return withLayer(r, from+"/base:v1", "oci:out/app:v1", "svc1", nil)
	}},
	{name: "several names in one archive", run: func(r *build.Run, from, _ string) error {
		for _, target := range []string{"docker-archive:out/d.tar:app:v1", "docker-archive:./out/d.tar:web:v1", "docker-archive:out/d.tar:app:v2"} {
			img, err := r.Image(at("line 1"), from+"/base:v1", &build.ImageOptions{Target: target})
			if err != nil {
				return err
			}
			img.AddFiles(at("line 2"), []build.File{{Target: "/srv", Local: "svc1"}}, nil)
			if _, err := img.Save(at("line 3"), nil).Wait(); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "what docker save wrote, as it is and as a base", run: func(r *build.Run, _, to string) error {
		if err := copyTo("docker-archive:save.tar:app:v1", "oci:out/app:v1")(r); err != nil {
			return err
		}
		if err := withLayer(r, "docker-archive:save.tar:app:v1", "oci:out/more:v1", "svc1", nil); err != nil {
			return err
		}
		r.Copy(at("copy"), "docker-archive:save.tar:app:v1", to+"/copied:v1", nil)
		return nil
	}},
	{name: "on what was saved", run: func(r *build.Run, from, to string) error {
		if err := withLayer(r, from+"/base:v1", "oci:out", "svc1", nil); err != nil {
			return err
		}
		if err := withLayer(r, "oci:out", to+"/app:v1", "svc2", nil); err != nil {
			return err
		}
		return withLayer(r, to+"/app:v1", to+"/other:v1", "svc3", nil)
	}},
	{name: "sync and save", run: func(r *build.Run, from, to string) error {
		img, err := r.Image(at("line 1"), from+"/base:v1", &build.ImageOptions{Target: to + "/app:v1"})
		if err != nil {
			return err
		}
		if _, err := img.Sync(at("line 2"), nil).Wait(); err != nil {
			return err
		}
		img.AddFiles(at("line 3"), []build.File{{Target: "/srv", Local: "svc1"}}, nil)
		img.Save(at("line 4"), nil)
		return nil
	}},
	{name: "a copy with what refers to it", seed: func(t *testing.T, from, _ *registrytest.Server) {
		index, children := multi(t, from, "app", "v1")
		refer(t, from, index, "application/sbom")
		refer(t, from, children[0], "application/scan")
		signTag(from, index, ".sig")
	}, run: func(r *build.Run, from, to string) error {
		r.Copy(at("copy"), from+"/app:v1", to+"/mirror/app", &build.CopyOptions{Referrers: true})
		return nil
	}},
	{name: "a copy with what refers to it, to a registry that does not list it", seed: func(t *testing.T, from, to *registrytest.Server) {
		index, children := multi(t, from, "app", "v1")
		refer(t, from, index, "application/sbom")
		refer(t, from, children[0], "application/scan")
		to.SetQuirks(registrytest.Quirks{NoReferrers: true})
		there := to.PushImage("mirror/app", strings.Replace(index.Digest.String(), ":", "-", 1), registrytest.Image{}).Manifest
		to.PushIndex("mirror/app", strings.Replace(index.Digest.String(), ":", "-", 1), false, there) // somebody's list
	}, run: func(r *build.Run, from, to string) error {
		r.Copy(at("copy"), from+"/app:v1", to+"/mirror/app", &build.CopyOptions{Referrers: true})
		return nil
	}},
	{name: "a copy of all tags", seed: func(t *testing.T, from, to *registrytest.Server) {
		for n := range 7 {
			from.PushImage("app", fmt.Sprint("v", n), registrytest.Image{Layers: []map[string]string{{"/version": fmt.Sprint(n)}}})
		}
		to.PushImage("app", "v3", registrytest.Image{Layers: []map[string]string{{"/version": "3"}}})
	}, run: func(r *build.Run, from, to string) error {
		r.Copy(at("copy"), from+"/app", to+"/app", &build.CopyOptions{AllTags: true})
		return nil
	}},
	{name: "calls of a client", run: calls},
	{name: "an uploaded layer of another repository", run: uploaded},
}

// calls does all that a client can do, and says what it then finds.
func calls(r *build.Run, from, to string) error {
	c, err := r.Client(to+"/app", nil, true)
	if err != nil {
		return err
	}
	desc, err := c.Upload(at("line 1"), build.BytesBlob("text", []byte("some bytes")), -1, "")
	if err != nil || desc.Digest != digest.FromString("some bytes") || desc.Size != 10 {
		return fmt.Errorf("upload: %v, %w", desc, err)
	}
	if _, err := c.Upload(at("line 1"), build.BytesBlob("config", []byte("{}")), 2, digest.FromString("{}")); err != nil {
		return err
	}
	data, err := c.ReadBlob(at("line 2"), desc.Digest, 100)
	if err != nil || string(data) != "some bytes" {
		return fmt.Errorf("read: %q, %w", data, err)
	}
	base, err := r.Client(to+"/base", nil, false)
	if err != nil {
		return err
	}
	old, manifest, err := base.Manifest(at("line 3"), "v1")
	if err != nil {
		return err
	}
	doc, err := content.ParseDocument(old.MediaType, manifest)
	if err != nil {
		return err
	}
	if mounted, err := c.Mount(at("line 4"), doc.Layers[0].Digest, "base"); !mounted || err != nil {
		return fmt.Errorf("mount: %t, %w", mounted, err)
	}
	if mounted, err := c.Mount(at("line 4"), digest.FromString("nowhere"), "base"); mounted || err != nil {
		return fmt.Errorf("mount of what is nowhere: %t, %w", mounted, err)
	}
	for _, blob := range append(doc.Layers[1:], *doc.Config) {
		if _, err := c.CopyBlob(at("line 5"), blob.Digest, from+"/base"); err != nil {
			return err
		}
	}
	if how, err := c.CopyBlob(at("line 5"), doc.Config.Digest, "base"); err != nil || how != content.Mounted {
		return fmt.Errorf("copy_blob from a neighbour: %v, %w", how, err)
	}
	for _, blob := range doc.Children() {
		if there, err := c.BlobExists(at("line 6"), blob.Digest); !there || err != nil {
			return fmt.Errorf("blob_exists: %t, %w", there, err)
		}
	}
	for _, tag := range []string{"one", "two", ""} {
		if got, status, err := c.PutManifest(tag, old.MediaType, manifest); err != nil || got.Digest != old.Digest || status != http.StatusCreated {
			return fmt.Errorf("manifest_upload: %v, %d, %w", got, status, err)
		}
	}
	referrer := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"text/about","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},
		"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":%d}}`, content.OCIManifest, digest.FromString("{}"), old.MediaType, old.Digest, old.Size)
	about, _, err := c.PutManifest("", content.OCIManifest, referrer)
	if err != nil {
		return err
	}
	if list, err := c.Referrers(at("line 7"), old.Digest, "text/about"); err != nil || len(list) != 1 || list[0].Digest != about.Digest {
		return fmt.Errorf("referrers: %v, %w", list, err)
	}
	if tags, err := c.Tags(at("line 8")); err != nil || !slices.Equal(tags, []string{"one", "two"}) {
		return fmt.Errorf("tags: %v, %w", tags, err)
	}
	if err := c.Delete("one"); err != nil {
		return err
	}
	if err := c.Delete("one"); !errors.Is(err, content.ErrNotFound) {
		return fmt.Errorf("delete of what was deleted: %w", err)
	}
	if got, err := c.Resolve(at("line 9"), "two"); err != nil || got.Digest != old.Digest {
		return fmt.Errorf("resolve: %v, %w", got, err)
	}
	if _, err := c.Resolve(at("line 9"), "one"); !errors.Is(err, content.ErrNotFound) {
		return fmt.Errorf("resolve of a deleted tag: %w", err)
	}
	if err := c.Delete(about.Digest.String()); err != nil {
		return err
	}
	if tags, err := c.Tags(at("line 10")); err != nil || !slices.Equal(tags, []string{"two"}) {
		return fmt.Errorf("tags: %v, %w", tags, err)
	}
	return nil
}

// uploaded puts a layer that a client has just uploaded elsewhere on an image.
func uploaded(r *build.Run, _, to string) error {
	c, err := r.Client(to+"/layers", nil, true)
	if err != nil {
		return err
	}
	desc, err := c.Upload(at("line 1"), build.BytesBlob("layer", emptyLayer), -1, "")
	if err != nil {
		return err
	}
	img, err := r.Image(at("line 2"), to+"/base:v1", &build.ImageOptions{Target: to + "/app:v1"})
	if err != nil {
		return err
	}
	if _, err := img.AddLayerRef(at("line 3"), build.LayerRef{Digest: desc.Digest, Size: -1, From: "layers"}); err != nil {
		return err
	}
	img.Save(at("line 4"), nil)
	return nil
}

// emptyLayer is a tar without entries.
var emptyLayer = make([]byte, 1024)

// planRoot is a root with the files of all programs.
func planRoot(t *testing.T) string {
	root := serviceTree(t, 3)
	big := make([]byte, 3<<20) // incompressible, so that the layer is larger than what is finished before it is sent
	rand.Read(big)
	if err := os.MkdirAll(filepath.Join(root, "big"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "big", "noise"), big, 0o644); err != nil {
		t.Fatal(err)
	}
	archive, _ := dockerSave(t, "app:v1")
	if err := os.WriteFile(filepath.Join(root, "save.tar"), archive, 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}
