package build_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// labelled saves an image that differs from others by a label.
func labelled(r *build.Run, target, label string) (*build.Future[build.Saved], error) {
	img, err := r.Image(at("label "+label), "scratch", &build.ImageOptions{Target: target})
	if err != nil {
		return nil, err
	}
	changes := image.Changes{Labels: map[string]string{"is": label}}
	return img.Save(at("save "+label), &build.SaveOptions{Changes: changes}), nil
}

// TestBaseThatWasJustSaved: a base by a tag is what the program saved there before, also where the tag named something else when the run began.
func TestBaseThatWasJustSaved(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Latency: 20 * time.Millisecond})
	reg.PushImage("base", "old", registrytest.Image{})
	for _, base := range []string{reg.Host + "/base:new", reg.Host + "/base:old", reg.Host + "/base", "oci:layout:v1", "oci:layout", "oci:./more/../again:v1"} {
		do(t, nil, func(r *build.Run) error {
			first, err := labelled(r, base, "first")
			if err != nil {
				return err
			}
			second, err := labelled(r, base, "second")
			if err != nil {
				return err
			}
			img, err := r.Image(at("image"), strings.Replace(base, "./more/../", "//", 1), &build.ImageOptions{Target: reg.Host + "/copy"})
			if err != nil {
				return err
			}
			copied, err := img.Save(at("copy"), nil).Wait()
			if err != nil {
				return fmt.Errorf("%s: %w", base, err)
			}
			if want, err := second.Wait(); err != nil || copied.Digest != want.Digest {
				t.Errorf("%s: got %s, want %s (%v)", base, copied.Digest, want.Digest, err)
			}
			_, err = first.Wait()
			return err
		})
	}
}

// TestBaseByDigestThatWasJustSaved: it may be there already, so nothing is waited for; if it is not, an earlier save may bring it.
func TestBaseByDigestThatWasJustSaved(t *testing.T) {
	known := registrytest.New(t, nil)
	var want build.Saved
	do(t, nil, func(r *build.Run) error {
		saved, err := labelled(r, known.Host+"/base", "one")
		if err == nil {
			want, err = saved.Wait()
		}
		return err
	})
	reg := registrytest.New(t, &registrytest.Options{Latency: 20 * time.Millisecond})
	report := do(t, nil, func(r *build.Run) error {
		if _, err := labelled(r, reg.Host+"/base", "one"); err != nil {
			return err
		}
		img, err := r.Image(at("image"), reg.Host+"/base@"+want.Digest.String(), &build.ImageOptions{Target: reg.Host + "/copy"})
		if err == nil {
			img.Save(at("copy"), nil)
		}
		return err
	})
	if got := report.Saved[1].Digest; got != want.Digest {
		t.Errorf("got %s, want %s", got, want.Digest)
	}
}

// TestBaseWaitsForItsTagAlone: what is saved under other tags of the repository is not waited for.
func TestBaseWaitsForItsTagAlone(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("app", "base", registrytest.Image{})
	do(t, nil, func(r *build.Run) error {
		slow, err := r.Image(at("slow"), "scratch", &build.ImageOptions{Target: reg.Host + "/app:slow"})
		if err != nil {
			return err
		}
		released := make(chan struct{})
		defer close(released)
		wait := func(ctx context.Context) (io.ReadCloser, error) {
			select {
			case <-released:
			case <-ctx.Done():
			}
			return io.NopCloser(strings.NewReader("")), ctx.Err()
		}
		slow.AddFiles(at("add"), []build.File{{Target: "/f", Custom: &layer.Custom{Data: wait}}}, nil)
		slow.Save(at("save"), nil)
		img, err := r.Image(at("image"), reg.Host+"/app:base", nil)
		if err != nil {
			return err
		}
		_, err = img.Layers(at("layers")) // while the save goes on
		return err
	})
}
