package build_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// TestManyLayersCostAsMuchEach: an image of four times as many layers takes about four times as much memory to put together, and so work; it is not worked out anew for
// each layer.
func TestManyLayersCostAsMuchEach(t *testing.T) {
	allocated := func(n int) float64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		report := do(t, nil, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: "oci:out"})
			if err != nil {
				return err
			}
			for i := range n {
				text := build.File{Target: fmt.Sprint("/f", i), Custom: &layer.Custom{}, Data: build.BytesBlob("text", []byte(fmt.Sprint(i)))}
				img.AddFiles(at("line 2"), []build.File{text}, nil)
			}
			img.Save(at("line 3"), nil)
			return nil
		})
		runtime.ReadMemStats(&after)
		if layers := report.Saved[0].Layers; len(layers) != n {
			t.Fatalf("%d layers, want %d", len(layers), n)
		}
		return float64(after.TotalAlloc - before.TotalAlloc)
	}
	allocated(10)
	few, many := allocated(100), allocated(400)
	t.Logf("100 layers: %.1f MB, 400 layers: %.1f MB", few/1e6, many/1e6)
	if many > 6*few {
		t.Errorf("400 layers took %.1f times the memory of 100, want about 4", many/few)
	}
}

// TestBadLayerAmongMany: layers are put on an image together, and still the error is that of the call whose layer the image cannot have.
func TestBadLayerAmongMany(t *testing.T) {
	_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: tree(t, map[string]string{"f": "f"})}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: "oci:out", Format: "docker"})
		if err != nil {
			return err
		}
		for i, compression := range []string{layer.Gzip, layer.Gzip, layer.Zstd, layer.Gzip, layer.Zstd} {
			img.AddFiles(at(fmt.Sprint("line ", 10+i)), []build.File{{Target: fmt.Sprint("/", i), Local: "f"}}, &layer.Options{Compression: compression})
		}
		img.Save(at("line 20"), nil)
		return nil
	})
	var step *build.StepError
	if !errors.As(err, &step) || step.At != at("line 12") || !errors.Is(err, content.ErrUnsupported) {
		t.Errorf("%v; want that of line 12", err)
	}
}
