package build_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/inspect"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// look looks at a reference in a run of its own, and does something with what is there.
func look(t *testing.T, ref string, with func(*build.Run, *build.Looked) error) error {
	t.Helper()
	_, err := newEngine(t, 1).Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
		found, err := r.Look(at("line 1"), "inspect", ref, nil).Wait()
		if err != nil {
			return err
		}
		return with(r, found)
	})
	return err
}

// TestLook reads what a reference names, whatever that is, and nothing else.
func TestLook(t *testing.T) {
	reg := registrytest.New(t, nil)
	index, children := multi(t, reg, "many", "v1")
	config := reg.PushBlob("chart", []byte(`{"name":"app"}`))
	chart := reg.PushManifest("chart", "v1", content.OCIManifest, []byte(`{"schemaVersion":2,"mediaType":"`+content.OCIManifest+
		`","config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"`+config.Digest.String()+`","size":14},"layers":[]}`))
	for ref, want := range map[string]content.Descriptor{"/many:v1": index, "/chart:v1": chart, "/many@" + children[1].Digest.String(): children[1]} {
		reg.Reset()
		err := look(t, reg.Host+ref, func(r *build.Run, found *build.Looked) error {
			if found.Reference != reg.Host+ref || found.Descriptor.Digest != want.Digest || found.Descriptor.MediaType != want.MediaType || found.Descriptor.Size != int64(len(found.Data)) {
				t.Errorf("%s: got %+v", ref, found)
			}
			if err := content.CheckBytes(want, found.Data); err != nil {
				t.Errorf("%s: %v", ref, err)
			}
			if diff := cmp.Diff([]string{"GET manifest 200: 1"}, first(tally(reg))); diff != "" {
				t.Errorf("%s: requests (-want +got):\n%s", ref, diff)
			}
			doc, err := content.ParseDocument(found.Descriptor.MediaType, found.Data)
			if err != nil {
				return err
			}
			_, err = content.ReadAll(r.Context(), found, doc.Children()[0])
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func first[A, B any](a A, _ B) A { return a }

// TestLookFails names the call and the reference.
func TestLookFails(t *testing.T) {
	reg := registrytest.New(t, nil)
	for ref, want := range map[string]string{
		reg.Host + "/none:v1": "inspect: read " + reg.Host + "/none: tag \"v1\"",
		"oci:none":            "inspect: oci:none: ",
		"Upper/Case":          "inspect: ",
		"scratch":             "inspect: ",
	} {
		err := look(t, ref, func(*build.Run, *build.Looked) error { return errors.New("it is there") })
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v", ref, err)
		}
	}
}

// TestLookAfterSave sees what the run saved before.
func TestLookAfterSave(t *testing.T) {
	root := tree(t, map[string]string{"f": "text"})
	_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{Target: "oci:out:v1"})
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/f", Local: "f"}}, nil)
		saved := img.Save(at("line 3"), nil)
		found, err := r.Look(at("line 4"), "inspect", "oci:out:v1", nil).Wait()
		if err != nil {
			return err
		}
		s, err := saved.Wait()
		if err == nil && found.Descriptor.Digest != s.Digest {
			t.Errorf("got %s, want %s", found.Descriptor.Digest, s.Digest)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLookEverywhere inspects one image over each transport, and compares it with itself: it has the same layers, config and files.
func TestLookEverywhere(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("app", "v1", ten(true))
	root := t.TempDir()
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/images/get" && r.URL.Query().Get("names") == "docker.io/library/app:v1" {
			http.ServeFile(w, r, filepath.Join(root, "d.tar"))
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(daemon.Close)
	engine, err := build.NewEngine(&build.EngineOptions{Keychain: auth.Chain(), Daemon: "tcp://" + daemon.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	refs := []string{reg.Host + "/app:v1", "oci:out:v1", "oci-archive:o.tar:v1", "docker-archive:d.tar:app:v1"}
	for _, to := range refs[1:] {
		mustCopy(t, root, refs[0], to, nil)
	}
	_, err = engine.Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error {
		first, err := r.Look(at("line 1"), "inspect", refs[0], nil).Wait()
		if err != nil {
			return err
		}
		for _, ref := range append(refs, "docker-daemon:app:v1") {
			found, err := r.Look(at("line 2"), "inspect", ref, nil).Wait()
			if err != nil {
				return fmt.Errorf("%s: %w", ref, err)
			}
			o, err := inspect.Read(r.Context(), found, found.Descriptor, &inspect.Options{Files: true, Lists: found.Lists()})
			if err != nil {
				return fmt.Errorf("%s: %w", ref, err)
			}
			if o.Kind != inspect.Image || o.Platform != "linux/amd64" || len(o.Layers) != 10 || len(o.Files) != 11 {
				t.Errorf("%s: got %s for %s, %d layers, %d files", ref, o.Kind, o.Platform, len(o.Layers), len(o.Files))
			}
			d, err := inspect.Compare(r.Context(), inspect.Named{Source: first, Descriptor: first.Descriptor}, inspect.Named{Source: found, Descriptor: found.Descriptor}, &inspect.CompareOptions{Files: true})
			if err != nil {
				return fmt.Errorf("%s: %w", ref, err)
			}
			if i := d.Images; !d.Same && (len(i) != 1 || len(i[0].Config) > 0 || i[0].ConfigBytes || i[0].Files == nil || len(i[0].Files.Changes) > 0) {
				t.Errorf("%s: %+v", ref, d)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
