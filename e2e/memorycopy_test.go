package e2e_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// movePeak is how much memory the program may use to move a layer that is there already, whatever its size.
const movePeak = 48 << 20

// TestMoveMemory copies a big layer from one registry to another, and pushes one that lies in a layout.
func TestMoveMemory(t *testing.T) {
	size := int64(256 << 20)
	if os.Getenv("IMGSCRIPT_E2E_FULL") != "" {
		size = 4 << 30
	}
	dgst, err := digest.SHA256.FromReader(noise(size))
	if err != nil {
		t.Fatal(err)
	}
	src := newStream(t, size, dgst)
	w := newWorld(t, nil)
	w.measure = true
	w.layoutOf(src)
	script := `image("oci:layout", var("to"), platform = "linux/amd64").save()`
	for _, c := range []struct {
		name string
		run  func(dst string) outcome
	}{
		{"copy between registries", func(dst string) outcome { return w.program("copy", src.host+"/app:source", dst, "--progress", "quiet") }},
		{"copy from a layout", func(dst string) outcome {
			return w.program("copy", "oci:"+w.path("layout"), dst, "--progress", "plain")
		}},
		{"save from a layout", func(dst string) outcome { return w.try(script, "--var", "to="+dst) }},
		{"save between registries", func(dst string) outcome {
			return w.try(`image(var("from"), var("to")).save()`, "--var", "from="+src.host+"/app:source", "--var", "to="+dst)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := newStream(t, 0, digest.FromString(""))
			began := time.Now()
			out := c.run(dst.host + "/app:v1")
			if out.code != 0 {
				t.Fatalf("exit code %d\n%s", out.code, out.stderr)
			}
			dst.complete(t, src, "v1")
			t.Logf("a layer of %d MiB: peak of memory %.1f MiB, %.1f s", size>>20, float64(out.peak)/(1<<20), time.Since(began).Seconds())
			if out.peak > movePeak {
				t.Errorf("peak of memory: %d MiB, want at most %d", out.peak>>20, movePeak>>20)
			}
		})
	}
}

// layoutOf writes the image of a stream into the directory layout.
func (w *world) layoutOf(s *stream) {
	w.t.Helper()
	blob := func(d digest.Digest) string { return filepath.Join("layout/blobs/sha256", d.Encoded()) }
	w.write("layout/oci-layout", `{"imageLayoutVersion":"1.0.0"}`)
	w.write(blob(digest.FromBytes(s.config)), string(s.config))
	w.write(blob(digest.FromBytes(s.manifest)), string(s.manifest))
	w.write("layout/index.json", fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":%d,`+
		`"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`, digest.FromBytes(s.manifest), len(s.manifest)))
	f, err := os.Create(w.path(blob(s.layer.Digest)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, noise(s.layer.Size)); err != nil {
		w.t.Fatal(err)
	}
}
