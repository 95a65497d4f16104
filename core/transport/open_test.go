package transport

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/layout"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An image goes from a layout to a registry and back by nothing but references.
func TestOpenAndCopy(t *testing.T) {
	server := registrytest.New(t, nil)
	client := registry.New(nil)
	t.Cleanup(client.Close)
	base := t.TempDir()
	path := func(p string) (string, error) { return filepath.Join(base, p), nil }
	open := func(ref string, write bool) content.Repository {
		t.Helper()
		r, err := Open(t.Context(), mustParse(t, ref), &Options{Registry: client, Path: path, Write: write})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	memory := new(content.Memory)
	desc := contenttest.Image(t, memory, content.OCIManifest, 2)
	mustCopy(t, open("oci:a:v1", true), memory, desc, "v1")
	repo := server.Host + "/app"
	mustCopy(t, open(repo, true), open("oci:a:v1", false), desc, "v2")
	mustCopy(t, open("oci:sub/b", true), open(repo+":v2", false), desc, "latest")
	for _, ref := range []string{"oci:a:v1", "oci:a", repo + ":v2", repo + ":v9@" + desc.Digest.String(), "oci:sub/b:latest", "oci:sub/b"} {
		got, err := open(ref, false).Resolve(t.Context(), mustParse(t, ref).Identifier())
		if err != nil || got.Digest != desc.Digest {
			t.Errorf("%s is %s, %v; want %s", ref, got.Digest, err, desc.Digest)
		}
	}
	if _, err := os.Stat(filepath.Join(base, "sub/b/index.json")); err != nil {
		t.Error(err)
	}
}

func mustCopy(t *testing.T, dst content.Repository, src content.Fetcher, desc content.Descriptor, tag string) {
	t.Helper()
	if err := content.Copy(t.Context(), dst, src, desc, nil); err != nil {
		t.Fatal(err)
	}
	if err := dst.Tag(t.Context(), desc, tag); err != nil {
		t.Fatal(err)
	}
}

func TestOpenForReading(t *testing.T) {
	server := registrytest.New(t, nil)
	client := registry.New(nil)
	t.Cleanup(client.Close)
	desc := content.Of(content.OCILayer, []byte("x"))
	for _, ref := range []string{server.Host + "/app", "oci:" + filepath.Join(t.TempDir(), "out")} {
		r, err := Open(t.Context(), mustParse(t, ref), &Options{Registry: client})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Push(t.Context(), desc, content.FromBytes([]byte("x"))); !errors.Is(err, content.ErrUnsupported) {
			t.Errorf("Push to %s: got error %v, want ErrUnsupported", ref, err)
		}
		desc.MediaType = content.OCIManifest
		if err := r.Tag(t.Context(), desc, "v1"); err == nil {
			t.Errorf("Tag in %s: no error", ref)
		}
		for _, able := range []bool{is[content.TagPusher](r), is[content.Mounter](r), is[content.Streamer](r)} {
			if able && !is[*layout.Layout](r) {
				t.Errorf("%s, opened for reading, can do more than read", ref)
			}
		}
	}
	r, err := Open(t.Context(), mustParse(t, "a.io/app"), &Options{Registry: client})
	if err != nil || !is[content.Locator](r) || !is[content.ManifestReader](r) {
		t.Errorf("a source lost its abilities: %T, %v", r, err)
	}
	if got := r.(content.Locator).Sources(desc); len(got) != 1 || got[0] != "a.io/app" {
		t.Errorf("Sources: %q", got)
	}
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

func TestOpenErrors(t *testing.T) {
	denied := errors.New("this path may not be read")
	for _, c := range []struct {
		ref  string
		opts *Options
		want error
	}{
		{"a.io/app", nil, content.ErrUnsupported},
		{"scratch", nil, content.ErrUnsupported},
		{"oci:secret", &Options{Path: func(string) (string, error) { return "", denied }}, denied},
	} {
		if r, err := Open(t.Context(), mustParse(t, c.ref), c.opts); !errors.Is(err, c.want) || r != nil {
			t.Errorf("Open %s: got %v, %v; want error %v", c.ref, r, err, c.want)
		}
	}
	if _, err := Open(t.Context(), Reference{}, nil); !errors.Is(err, content.ErrUnsupported) {
		t.Errorf("Open of the zero reference: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, mustParse(t, "oci:x"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with an ended context: %v", err)
	}
}
