package build_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry/registrytest"
	"github.com/imgscript/imgscript/core/rootfs"
)

// noise is data that does not compress.
func noise(n int) string {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return string(data)
}

// layered is an image of three layers, of which the topmost ends with a file of size bytes.
func layered(reg *registrytest.Server, size int) registrytest.Seeded {
	return reg.PushImage("app", "v1", registrytest.Image{Layers: []map[string]string{
		{"/etc/": "", "/etc/motd": "hello\n", "/etc/old": "old", "/etc/ssl/": "", "/etc/ssl/openssl.cnf": "conf", "/z": "1"},
		{"/etc/": "", "/etc/.wh.old": "", "/z": "22"},
		{"/app/": "", "/app/main": "main", "/z": noise(size)},
	}})
}

// inRun does something with an image in a run of an engine.
func inRun(t *testing.T, e *build.Engine, ref string, f func(img *build.Image) error) error {
	t.Helper()
	_, err := e.Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), ref, nil)
		if err != nil {
			return err
		}
		return f(img)
	})
	return err
}

// TestLookRequests pins what looking into an image asks a registry for.
func TestLookRequests(t *testing.T) {
	const config = 1 // a blob too
	for _, job := range []struct {
		name  string
		look  func(img *build.Image) error
		blobs int
		again int // with what the cache keeps
	}{
		{"a file of the top layer", read("/app/main", "main"), config + 1, 1},
		{"a file of the lowest layer", read("/etc/motd", "hello\n"), config + 3, 1},
		{"a file of the lowest layer, whose layers are known", read("/etc/motd", "hello\n"), 1, 1},
		{"all files", func(img *build.Image) error {
			_, err := img.Tree(at("line 2"), "files")
			return err
		}, config + 3, 0},
		{"an export", func(img *build.Image) error { return img.Export(at("line 2"), io.Discard) }, config + 3, 0},
	} {
		t.Run(job.name, func(t *testing.T) {
			reg := registrytest.New(t, nil)
			layered(reg, 2000)
			dir := t.TempDir()
			for try, want := range []int{job.blobs, job.again} {
				e, err := build.NewEngine(&build.EngineOptions{CacheDir: dir, Keychain: auth.Chain()})
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(job.name, "known") && try == 0 {
					if err := inRun(t, e, reg.Host+"/app:v1", func(img *build.Image) error {
						_, err := img.Tree(at("line 2"), "files")
						return err
					}); err != nil {
						t.Error(err)
					}
				}
				reg.Reset()
				if err := inRun(t, e, reg.Host+"/app:v1", job.look); err != nil {
					t.Error(err)
				}
				if got := reg.Count("GET", registrytest.ClassBlob); got != want {
					t.Errorf("try %d: %d blobs were asked for, want %d:\n%s", try+1, got, want, strings.Join(reg.Lines(), "\n"))
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// read is a look at a file that has these contents.
func read(name, want string) func(img *build.Image) error {
	return func(img *build.Image) error {
		data, err := img.ReadFile(at("line 2"), name, 1000)
		if err == nil && string(data) != want {
			err = errors.New("other contents: " + string(data))
		}
		return err
	}
}

// countingTransport counts the bytes of bodies that are read.
type countingTransport struct{ n atomic.Int64 }

// RoundTrip implements http.RoundTripper.
func (c *countingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		resp.Body = &countedBody{resp.Body, &c.n}
	}
	return resp, err
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

// Read implements io.Reader.
func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// TestLookBytes: of the layer that has the file no more is read than up to it.
func TestLookBytes(t *testing.T) {
	reg := registrytest.New(t, nil)
	seeded := layered(reg, 4<<20)
	counted := new(countingTransport)
	e, err := build.NewEngine(&build.EngineOptions{Keychain: auth.Chain(), Transport: counted})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if err := inRun(t, e, reg.Host+"/app:v1", read("/app/main", "main")); err != nil {
		t.Fatal(err)
	}
	if got, most := counted.n.Load(), seeded.Layers[2].Size/4; got > most {
		t.Errorf("%d bytes were read of a layer of %d, want at most %d", got, seeded.Layers[2].Size, most)
	}
}

// TestReadFile: what cannot be read, and what to do about it.
func TestReadFile(t *testing.T) {
	reg := registrytest.New(t, nil)
	layered(reg, 2000)
	for name, c := range map[string]struct{ want, hint string }{
		"/etc/motdd":            {`read: "/etc/motdd": no such file in the image`, `did you mean "/etc/motd"?`},
		"/etc/old":              {`read: "/etc/old": no such file in the image`, ``},
		"/ect/ssl/openssl.cnf":  {`read: "/ect/ssl/openssl.cnf": no such file in the image`, `did you mean "/etc/ssl/openssl.cnf"?`},
		"/etc/slls/openssl.cnf": {`read: "/etc/slls/openssl.cnf": no such file in the image`, ``},
		"etc/ssl/opensl.cnf":    {`read: "etc/ssl/opensl.cnf": no such file in the image`, `did you mean "/etc/ssl/openssl.cnf"?`},
		"/etc":                  {`read: "/etc": invalid: it is a directory`, ``},
		"/":                     {`read: "/": invalid: it is a directory`, ``},
		"/z":                    {`read: "/z" has more than 1000 bytes, which is the limit`, `--max-blob-bytes sets the limit`},
	} {
		err := inRun(t, newEngine(t, 1), reg.Host+"/app:v1", read(name, ""))
		var step *build.StepError
		if !errors.As(err, &step) || err.Error() != c.want || step.At != at("line 2") {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		var hinted interface{ Hint() string }
		hint := ""
		if errors.As(err, &hinted) {
			hint = hinted.Hint()
		}
		if hint != c.hint {
			t.Errorf("%s: hint %q, want %q", name, hint, c.hint)
		}
		if missing := strings.Contains(c.want, "no such file"); missing != errors.Is(err, rootfs.ErrNotFound) {
			t.Errorf("%s: %v is ErrNotFound: %t", name, err, !missing)
		}
	}
}

// TestLooks: an image is looked into as it is at the call, its changes are not lost then, and the layers that the run builds are among those that it has.
func TestLooks(t *testing.T) {
	reg := registrytest.New(t, nil)
	layered(reg, 2000)
	err := inRun(t, newEngine(t, 2), reg.Host+"/app:v1", func(img *build.Image) error {
		add := func(target, text string) {
			img.AddFiles(at("line 2"), []build.File{{Target: target, Custom: &layer.Custom{}, Data: build.BytesBlob("text", []byte(text))}}, nil)
		}
		add("/new", "1")
		first, err := img.Tree(at("line 3"), "files")
		if err != nil {
			return err
		}
		add("/new", "22")
		add("/newer", "333")
		var out bytes.Buffer
		if err := errors.Join(read("/newer", "333")(img), img.WriteFile(at("line 4"), "cat", "/new", &out), img.WriteFile(at("line 4"), "cat", "/etc/motd", &out)); err != nil {
			return err
		}
		if out.String() != "22hello\n" {
			t.Errorf("got %q", &out)
		}
		f, err := first.Lookup("/new", false)
		if _, newer := first.Lookup("/newer", false); err != nil || f.Size != 1 || newer == nil {
			t.Errorf("the first look shows %+v, %v, %v", f, err, newer)
		}
		out.Reset()
		if err := img.Export(at("line 5"), &out); err != nil {
			return err
		}
		if diff := cmp.Diff([]string{"app/", "etc/", "etc/ssl/", "etc/motd", "etc/ssl/openssl.cnf", "app/main", "z", "new", "newer"}, namesIn(t, &out)); diff != "" {
			t.Errorf("exported: (-want +got):\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLookIntoPlanned: in a plan, what would be saved can be looked into.
func TestLookIntoPlanned(t *testing.T) {
	_, err := newEngine(t, 1).Do(t.Context(), &build.Options{Root: t.TempDir(), Plan: true}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: "oci:base"})
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/f", Custom: &layer.Custom{}, Data: build.BytesBlob("text", []byte("planned"))}}, nil)
		img.Save(at("line 3"), nil)
		planned, err := r.Image(at("line 4"), "oci:base", nil)
		if err != nil {
			return err
		}
		return errors.Join(read("/f", "planned")(planned), planned.Export(at("line 5"), io.Discard))
	})
	if err != nil {
		t.Error(err)
	}
}

func namesIn(t *testing.T, archive io.Reader) (names []string) {
	t.Helper()
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

// TestNotLookedInto: what is no image, and layers that are not what they should be.
func TestNotLookedInto(t *testing.T) {
	reg := registrytest.New(t, nil)
	seeded := layered(reg, 2000)
	blob := reg.PushBlob("chart", []byte("{}"))
	blob.MediaType = "application/vnd.cncf.helm.config.v1+json"
	data := []byte(`{"schemaVersion":2,"mediaType":"` + content.OCIManifest + `","config":{"mediaType":"` + blob.MediaType + `","digest":"` + blob.Digest.String() + `","size":2},"layers":[]}`)
	reg.PushManifest("chart", "v1", content.OCIManifest, data)
	tree := func(img *build.Image) error {
		_, err := img.Tree(at("line 2"), "files")
		return err
	}
	err := inRun(t, newEngine(t, 1), reg.Host+"/chart:v1", tree)
	if !errors.Is(err, image.ErrArtifact) || !strings.Contains(err.Error(), reg.Host+`/chart:v1: not an image: it is a "application/vnd.cncf.helm.config.v1+json"`) {
		t.Errorf("a chart: %v", err)
	}
	reg.SetFaults(registrytest.Fault{Class: registrytest.ClassBlob, Match: seeded.Layers[1].Digest.Encoded(), Status: 404, Times: -1})
	for _, look := range []func(img *build.Image) error{tree, read("/etc/motd", "")} {
		if err := inRun(t, newEngine(t, 1), reg.Host+"/app:v1", look); !errors.Is(err, content.ErrNotFound) || errors.Is(err, rootfs.ErrNotFound) || !strings.Contains(err.Error(), "layer 2, "+seeded.Layers[1].Digest.String()) {
			t.Errorf("a layer that is missing: %v", err)
		}
	}
	if err := inRun(t, newEngine(t, 1), reg.Host+"/app:v1", read("/app/main", "main")); err != nil {
		t.Errorf("a file above it: %v", err)
	}
}

// TestFullOutput: who cannot write what was asked for says so, and how far it came does not matter.
func TestFullOutput(t *testing.T) {
	reg := registrytest.New(t, nil)
	layered(reg, 2000)
	full := errors.New("full")
	for name, look := range map[string]func(img *build.Image, w io.Writer) error{
		"cat":    func(img *build.Image, w io.Writer) error { return img.WriteFile(at("line 2"), "cat", "/z", w) },
		"export": func(img *build.Image, w io.Writer) error { return img.Export(at("line 2"), w) },
	} {
		err := inRun(t, newEngine(t, 1), reg.Host+"/app:v1", func(img *build.Image) error { return look(img, &limitedWriter{1000, full}) })
		if !errors.Is(err, full) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type limitedWriter struct {
	left int
	err  error
}

// Write implements io.Writer.
func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, w.err
	}
	return len(p), nil
}

// TestLookEvents: each layer that is read is a task, which ends however far it was read.
func TestLookEvents(t *testing.T) {
	reg := registrytest.New(t, nil)
	seeded := layered(reg, 2000)
	var began, ended []string
	_, err := newEngine(t, 1).Do(t.Context(), &build.Options{Root: t.TempDir(), Events: func(e build.Event) {
		switch {
		case e.What != build.ReadWork:
		case e.Kind == build.TaskStart:
			began = append(began, e.Name())
		case e.Kind == build.TaskEnd:
			ended = append(ended, e.Name())
		}
	}}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/app:v1", nil)
		if err != nil {
			return err
		}
		return errors.Join(read("/app/main", "main")(img), read("/etc/motd", "hello\n")(img))
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(began)
	slices.Sort(ended)
	if len(began) < 3 || !slices.Equal(began, ended) || !slices.Contains(began, "read "+seeded.Layers[2].Digest.String()[:19]) {
		t.Errorf("began %q, ended %q", began, ended)
	}
}
