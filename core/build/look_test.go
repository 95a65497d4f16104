package build_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
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
