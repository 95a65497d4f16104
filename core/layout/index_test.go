package layout

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
)

func TestBadIndex(t *testing.T) {
	desc, data := manifest(1)
	for text, want := range map[string]string{
		"":                                    "index.json: invalid JSON: it ends too early",
		"[]":                                  "it is no object",
		`{"schemaVersion":2}`:                 "no list of manifests",
		`{"manifests":{}}`:                    "manifests",
		`{"manifests":[],"manifests":[]}`:     `key "manifests" stands twice`,
		`{"manifests":[],"Manifests":[]}`:     `a key "Manifests"`,
		`{"manifests":[]}{}`:                  "something follows",
		`{"manifests":[]`:                     "it ends too early",
		`{"manifests":[1,]}`:                  "invalid",
		strings.Repeat("[", 100_000):          "nested more than 200 deep",
		`{"x":` + strings.Repeat("[", 20_000): "nested more than 200 deep",
		`{"manifests":[]}` + strings.Repeat(" ", content.MaxDocument): "limit",
	} {
		l := fresh(t)
		if err := l.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(l.Dir(), indexFile), text)
		_, err := l.Resolve(t.Context(), "v1")
		wantError(t, "Resolve with "+text[:min(len(text), 40)], err, content.ErrInvalid, want)
		err = l.Tag(t.Context(), desc, "v1")
		wantError(t, "Tag with "+text[:min(len(text), 40)], err, content.ErrInvalid, want)
		if got, err := os.ReadFile(filepath.Join(l.Dir(), indexFile)); err != nil || string(got) != text {
			t.Errorf("a bad index.json was changed")
		}
	}
}

func TestMissingIndex(t *testing.T) {
	l := fresh(t)
	writeFile(t, filepath.Join(l.Dir(), layoutFile), `{"imageLayoutVersion": "1.0.0"}`)
	_, err := l.Resolve(t.Context(), "")
	wantError(t, "Resolve", err, content.ErrNotFound, "no index.json")
	desc, data := manifest(1)
	if err := l.PushTagged(t.Context(), desc, content.FromBytes(data), "v1"); err != nil {
		t.Error(err)
	}
	wantResolves(t, l, "v1", desc)
}

// An index.json that nobody could read again is not written.
func TestIndexStaysReadable(t *testing.T) {
	l := fresh(t)
	desc, data := manifest(1)
	if err := l.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(l.Dir(), indexFile)
	full := `{"manifests":[],"x":"` + strings.Repeat("x", content.MaxDocument-50) + `"}`
	writeFile(t, file, full)
	if err := l.Tag(t.Context(), desc, "v1"); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("Tag: %v", err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != full {
		t.Error("index.json was changed")
	}
}

// Platform and artifact type are of the content; annotations of another place, its name among them, are not.
func TestEntryFields(t *testing.T) {
	l := fresh(t)
	desc, data := manifest(1)
	desc.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	desc.ArtifactType = "application/vnd.example"
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: "elsewhere"}
	desc.URLs, desc.Data = []string{"https://example.org"}, data
	if err := l.PushTagged(t.Context(), desc, content.FromBytes(data), "v1"); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(readIndex(t, l.Dir()).entries[0].raw, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"urls", "data"} {
		if got[key] != nil {
			t.Errorf("the entry has %s", key)
		}
	}
	resolved, err := l.Resolve(t.Context(), "v1")
	if err != nil || !reflect.DeepEqual(resolved.Platform, desc.Platform) || resolved.ArtifactType != desc.ArtifactType || resolved.Annotations != nil {
		t.Errorf("Resolve: %+v, %v", resolved, err)
	}
	if _, err := l.Resolve(t.Context(), "elsewhere"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("the name of another place: %v", err)
	}
}

func TestCheckName(t *testing.T) {
	good := []string{"latest", "v1.2.3_4-5", "UPPER", "a__b", "a.-b", "_x", "a+b", "docker.io/library/alpine:3.20", "a@b", "a--b/c", strings.Repeat("a", 128)}
	bad := []string{
		"", " ", "a b", "a/", "/a", "a//b", "a/../b", "../a", "a:", ":a", "-a", ".", "..", "a\n", "ä", "a/b\x00", strings.Repeat("a", 129) + "_", strings.Repeat("a", 513),
		"sha256:" + strings.Repeat("a", 64), "sha512:x",
	}
	for _, name := range good {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q): %v", name, err)
		}
	}
	l := fresh(t)
	desc, data := manifest(1)
	for _, name := range bad {
		if err := CheckName(name); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("CheckName(%q): %v, want ErrInvalid", name, err)
		}
		if err := l.PushTagged(t.Context(), desc, content.FromBytes(data), name); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("PushTagged %q: %v, want ErrInvalid", name, err)
		}
	}
	if _, err := os.Stat(l.Dir()); err == nil {
		t.Error("a bad name made the directory")
	}
}

func TestTagOfABlob(t *testing.T) {
	l := fresh(t)
	desc := content.Of(content.OCILayerGzip, []byte("layer"))
	if err := l.Push(t.Context(), desc, content.FromBytes([]byte("layer"))); err != nil {
		t.Fatal(err)
	}
	wantError(t, "Tag of a layer", l.Tag(t.Context(), desc, "v1"), content.ErrInvalid, "only manifests and indexes have names")
}

// FuzzIndex: an index.json that is read is written with the same entries and the same surroundings, also after a name was
// added and moved away again.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(emptyIndex))
	f.Add([]byte(`{"manifests":null}`))
	f.Add([]byte(` { "a" : [ {} ] , "manifests" : [ {"digest":"sha256:x"} , "b" ,3] , "z":"manifests" } `))
	f.Add([]byte(`{"manifests":[],"manifests":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := parseIndex(data)
		if err != nil {
			if !errors.Is(err, content.ErrInvalid) {
				t.Errorf("error %v is no ErrInvalid", err)
			}
			return
		}
		before := x.encode()
		if !json.Valid(before) {
			t.Fatalf("%q is written as %q, which is no JSON", data, before)
		}
		count := len(x.entries)
		one, _ := manifest(1)
		two, _ := manifest(2)
		const name = "a-name-that-no-fuzzer-finds"
		if err := errors.Join(x.name(t.Context(), nil, one, name), x.name(t.Context(), nil, two, name)); err != nil {
			t.Fatal(err)
		}
		again, err := parseIndex(x.encode())
		if err != nil || len(again.entries) != count+1 {
			t.Fatalf("%q with a name added is %q: %v", data, x.encode(), err)
		}
		again.entries = again.entries[:count]
		if string(again.encode()) != string(before) {
			t.Errorf("%q came back as %q", before, again.encode())
		}
	})
}
