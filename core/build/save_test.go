package build_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// do runs f with a new engine in a root with files and fails the test when it fails.
func do(t *testing.T, files map[string]string, f func(r *build.Run) error) *build.Report {
	t.Helper()
	report, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: tree(t, files)}, f)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestUnchangedIndexKeepsItsBytes: an image that nobody changed is copied with all platforms, byte for byte, to another registry and to a layout.
func TestUnchangedIndexKeepsItsBytes(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	for _, docker := range []bool{false, true} {
		var children []content.Descriptor
		for _, arch := range []string{"amd64", "arm64"} {
			child := src.PushImage("base", "", registrytest.Image{Docker: docker, Arch: arch, Pretty: true, Layers: []map[string]string{{"/arch": arch}}}).Manifest
			children = append(children, child)
		}
		index := src.PushIndex("base", "multi", docker, children...)
		report := do(t, nil, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), src.Host+"/base:multi", &build.ImageOptions{Target: dst.Host + "/copy:multi"})
			if err != nil {
				return err
			}
			img.Save(at("line 2"), nil)
			img.Save(at("line 3"), &build.SaveOptions{To: "oci:out:multi"})
			return nil
		})
		for _, saved := range report.Saved {
			if saved.Digest != index.Digest || fmt.Sprint(saved.Platforms) != "[linux/amd64 linux/arm64]" {
				t.Errorf("docker %t: saved %s as %s %v, want %s", docker, saved.Target, saved.Digest, saved.Platforms, index.Digest)
			}
		}
		for _, child := range append(children, index) {
			if desc, _, ok := dst.Manifest("copy", child.Digest.String()); !ok || desc.Size != child.Size {
				t.Errorf("docker %t: %s is missing in the copy", docker, child.Digest)
			}
		}
	}
}

// TestCopyOfWhatIsThereSendsNothing counts the requests of a copy whose target has everything.
func TestCopyOfWhatIsThereSendsNothing(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	base(t, src)
	for n := range 2 {
		src.Reset()
		dst.Reset()
		do(t, nil, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), src.Host+"/base:v1", &build.ImageOptions{Target: dst.Host + "/copy:v1"})
			if err != nil {
				return err
			}
			img.Save(at("line 2"), nil)
			return nil
		})
		if got := len(src.Lines()) + len(dst.Lines()); n == 1 && got > 3 {
			t.Errorf("%d requests:\n%s\n%s", got, strings.Join(src.Lines(), "\n"), strings.Join(dst.Lines(), "\n"))
		}
	}
}

// TestRegistryThatLosesBlobs: what a registry calls unknown when a manifest comes is sent again, once; of an index and of an image, under one tag and several.
func TestRegistryThatLosesBlobs(t *testing.T) {
	src := registrytest.New(t, nil)
	child := base(t, src).Manifest
	src.PushIndex("base", "multi", false, child)
	for _, tag := range []string{"v1", "multi"} {
		for nth := 1; nth <= 4; nth++ { // one of two manifests by digest, or one of two tags
			dst := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Method: "PUT", Class: registrytest.ClassManifest, Nth: nth,
				Status: 400, Body: `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}`}}})
			do(t, nil, func(r *build.Run) error {
				img, err := r.Image(at("line 1"), src.Host+"/base:"+tag, &build.ImageOptions{Target: dst.Host + "/copy"})
				if err != nil {
					return err
				}
				img.Save(at("line 2"), &build.SaveOptions{Tags: []string{"a", "b"}})
				return nil
			})
			if got := fmt.Sprint(dst.Tags("copy")); got != "[a b]" {
				t.Errorf("%s, refused at manifest %d: the tags are %s", tag, nth, got)
			}
			if n := dst.Count("PUT", registrytest.ClassSession); nth == 1 && n != 6 {
				t.Errorf("%s, refused at manifest %d: %d uploads, want each of the three blobs twice", tag, nth, n)
			}
			dst.SetFaults(registrytest.Fault{Method: "PUT", Class: registrytest.ClassManifest, Nth: nth, Status: 400, Body: `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}`})
			do(t, nil, func(r *build.Run) error {
				r.Copy(at("line 1"), src.Host+"/base:"+tag, dst.Host+"/other", nil)
				return nil
			})
			if got := fmt.Sprint(dst.Tags("other")); got != "["+tag+"]" {
				t.Errorf("%s, refused at manifest %d of a copy: the tags are %s", tag, nth, got)
			}
		}
	}
}

// TestBlobGoesToARegistryOnce: repositories that need one blob get it from the first, by mounts.
func TestBlobGoesToARegistryOnce(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	seeded := src.PushImage("base", "v1", registrytest.Image{Layers: []map[string]string{{"/big": strings.Repeat("big", 100_000)}}})
	report := do(t, map[string]string{"shared/f": "shared"}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), src.Host+"/base:v1", nil)
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/shared", Local: "shared"}}, nil)
		for k := range 6 {
			fork, err := img.Fork(fmt.Sprintf("%s/svc%d", dst.Host, k), nil)
			if err != nil {
				return err
			}
			fork.Save(at(fmt.Sprintf("line %d", 10+k)), nil)
		}
		return nil
	})
	uploaded, mounted := 0, 0
	for _, saved := range report.Saved {
		uploaded, mounted = uploaded+saved.Uploaded, mounted+saved.Mounted
	}
	// Two layers and one config, which the six images share, go out once and are mounted five times each.
	if uploaded != 3 || mounted != 15 {
		t.Errorf("%d blobs uploaded and %d mounted, want 3 and 15", uploaded, mounted)
	}
	if n := src.Count("GET", registrytest.ClassBlob); n != 2 {
		t.Errorf("the base's config and layer were read in %d requests, want 2 (%s)", n, seeded.Layers[0].Digest)
	}
}

// TestUploadWhileBuilding: a file of the layer is not read to its end before the registry has been sent the layer's beginning.
func TestUploadWhileBuilding(t *testing.T) {
	reg := registrytest.New(t, nil)
	base(t, reg)
	noise := make([]byte, 4<<20) // does not compress, so that much of it leaves the compressor at once
	src := rand.NewChaCha8([32]byte{})
	if _, err := src.Read(noise); err != nil {
		t.Fatal(err)
	}
	data := &build.Blob{Name: "noise", Size: int64(2 * len(noise)), Open: func(ctx context.Context) (io.ReadCloser, error) {
		second := readerFunc(func() error {
			return waitFor(ctx, func() bool { return reg.Count("POST", registrytest.ClassUpload) > 0 })
		})
		return io.NopCloser(io.MultiReader(bytes.NewReader(noise), second, bytes.NewReader(noise))), nil
	}}
	do(t, nil, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/base:v1", &build.ImageOptions{Target: reg.Host + "/app"})
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/noise", Custom: &layer.Custom{}, Data: data}}, nil)
		saved, err := img.Save(at("line 3"), nil).Wait()
		if err == nil && saved.UploadedBytes < int64(2*len(noise)) {
			t.Errorf("%d bytes uploaded", saved.UploadedBytes)
		}
		return err
	})
	if n := reg.Count("PATCH", registrytest.ClassSession); n != 1 {
		t.Errorf("%d PATCH requests, want the one of the stream:\n%s", n, strings.Join(reg.Lines(), "\n"))
	}
}

// readerFunc is an empty reader that calls a function first.
type readerFunc func() error

func (f readerFunc) Read([]byte) (int, error) {
	if err := f(); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

func waitFor(ctx context.Context, done func() bool) error {
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			return errors.New("nothing was sent while the layer was being built")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// TestStreamThatIsRefused: a registry that takes no PATCH gets the finished layer in one request.
func TestStreamThatIsRefused(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{RefusePatch: 405}})
	base(t, reg)
	do(t, map[string]string{"dist/f": strings.Repeat("f", 100_000)}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/base:v1", &build.ImageOptions{Target: reg.Host + "/app"})
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/app", Local: "dist"}}, nil)
		img.Save(at("line 3"), nil)
		return nil
	})
	if tags := reg.Tags("app"); len(tags) != 1 {
		t.Errorf("tags %v", tags)
	}
}

// TestSyncThenSave: what sync brought is not sent again.
func TestSyncThenSave(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	base(t, src)
	do(t, nil, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), src.Host+"/base:v1", &build.ImageOptions{Target: dst.Host + "/copy"})
		if err != nil {
			return err
		}
		if _, err := img.Sync(at("line 2"), nil).Wait(); err != nil {
			return err
		}
		if n := len(dst.Tags("copy")); n != 0 {
			t.Errorf("sync made %d tags", n)
		}
		before := dst.Count("", registrytest.ClassUpload)
		saved, err := img.Save(at("line 3"), nil).Wait()
		if after := dst.Count("", registrytest.ClassUpload); before == 0 || after != before || saved.Uploaded != 0 {
			t.Errorf("%d uploads began in sync, %d after it; save says %d", before, after-before, saved.Uploaded)
		}
		return err
	})
}

// TestNothingIsPushedWithABadTag: all tags are looked at before anything is sent.
func TestNothingIsPushedWithABadTag(t *testing.T) {
	reg := registrytest.New(t, nil)
	base(t, reg)
	reg.Reset()
	_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/base:v1", &build.ImageOptions{Target: reg.Host + "/app"})
		if err != nil {
			return err
		}
		_, err = img.Save(at("line 2"), &build.SaveOptions{Tags: []string{"good", "bad tag"}}).Wait()
		return err
	})
	if !errors.Is(err, content.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	for _, r := range reg.Requests() {
		if r.Repository == "app" {
			t.Errorf("sent %s", r)
		}
	}
}

// TestForgeries: what was asked for by digest and is something else is refused, and no tag moves.
func TestForgeries(t *testing.T) {
	for _, forged := range []string{"manifest", "config", "layer"} {
		t.Run(forged, func(t *testing.T) {
			src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
			seeded := base(t, src)
			victim := map[string]string{"manifest": seeded.Manifest.Digest.String(), "config": seeded.Config.Digest.String(), "layer": seeded.Layers[0].Digest.String()}[forged]
			src.SetQuirks(registrytest.Quirks{Forge: func(_ registrytest.Class, ref string, body []byte) []byte {
				if ref == victim {
					return bytes.Replace(body, body[len(body)/2:len(body)/2+1], []byte{'~'}, 1)
				}
				return body
			}})
			_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
				img, err := r.Image(at("line 1"), src.Host+"/base@"+seeded.Manifest.Digest.String(), &build.ImageOptions{Target: dst.Host + "/app"})
				if err != nil {
					return err
				}
				_, err = img.Save(at("line 2"), nil).Wait()
				return err
			})
			if !errors.Is(err, content.ErrVerification) {
				t.Errorf("got %v", err)
			}
			if tags := dst.Tags("app"); len(tags) > 0 {
				t.Errorf("tags %v", tags)
			}
		})
	}
}
