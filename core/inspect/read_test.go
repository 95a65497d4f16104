package inspect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/inspect"
)

func read(t *testing.T, s *shelf, desc content.Descriptor, opts *inspect.Options) *inspect.Object {
	t.Helper()
	o, err := inspect.Read(t.Context(), s, desc, opts)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestImage reads an image of each family: the config as it is, layers with all that is known of them, the history in step.
func TestImage(t *testing.T) {
	for _, docker := range []bool{false, true} {
		t.Run(fmt.Sprintf("docker %t", docker), func(t *testing.T) {
			s := new(shelf)
			p := picture{
				docker: docker,
				config: map[string]any{"Env": []string{"A=1"}, "Healthcheck": map[string]any{"Test": []string{"CMD", "x"}}},
				extra:  map[string]any{"x-own": map[string]any{"b": "<&>"}},
				layers: []layer{{"a": "text"}, {"b": "more text"}},
				history: []any{
					map[string]any{"created": "2024-05-01T12:00:00Z", "created_by": "ADD a", "author": "Ann", "comment": "first"},
					map[string]any{"created_by": "CMD x", "empty_layer": true},
					map[string]any{"created_by": "COPY b"},
				},
			}
			if !docker {
				p.annotations = map[string]string{"who": "we"}
			}
			desc := s.image(t, p)
			o := read(t, s, desc, nil)
			if got := s.reads(); got != "1 documents, 1 configs, 0 layers" {
				t.Errorf("it read %s", got)
			}
			if o.Kind != inspect.Image || o.Platform != "linux/amd64" || o.Digest != desc.Digest || o.MediaType != desc.MediaType || o.Size != desc.Size || o.Problem != "" {
				t.Errorf("got %+v", o)
			}
			if want := o.ConfigBlob.Size + o.Layers[0].Size + o.Layers[1].Size; o.TotalSize != want {
				t.Errorf("total size %d, want %d", o.TotalSize, want)
			}
			if digest.FromBytes(o.Config) != o.ConfigBlob.Digest {
				t.Error("the config is not as it was written")
			}
			if !docker && o.Annotations["who"] != "we" {
				t.Errorf("annotations %v", o.Annotations)
			}
			for i, l := range o.Layers {
				plain := p.layers[i].tar(t)
				if l.DiffID != digest.FromBytes(plain) || l.Digest == "" || l.Size == 0 || !strings.Contains(l.MediaType, "gzip") || l.CreatedBy != []string{"ADD a", "COPY b"}[i] {
					t.Errorf("layer %d: %+v", i+1, l)
				}
			}
			want := []inspect.Step{
				{Created: "2024-05-01T12:00:00Z", CreatedBy: "ADD a", Author: "Ann", Comment: "first", Layer: 1}, {CreatedBy: "CMD x", Empty: true}, {CreatedBy: "COPY b", Layer: 2},
			}
			if diff := cmp.Diff(want, o.History); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHistoryThatDoesNotMatch tells of no layer how it was made.
func TestHistoryThatDoesNotMatch(t *testing.T) {
	s := new(shelf)
	o := read(t, s, s.image(t, picture{layers: []layer{{"a": "1"}, {"b": "2"}}, history: []any{map[string]any{"created_by": "only one"}}}), nil)
	if len(o.History) != 1 || o.History[0].Layer != 0 || o.Layers[0].CreatedBy != "" || len(o.Layers) != 2 {
		t.Errorf("got %+v and %+v", o.History, o.Layers)
	}
}

// multi is an index of two images, which share a layer, with an attestation of the first.
func multi(t *testing.T, s *shelf) (index content.Descriptor, images []content.Descriptor) {
	t.Helper()
	for _, arch := range []string{"amd64", "arm64"} {
		images = append(images, entry(s.image(t, picture{arch: arch, config: map[string]any{"Cmd": []string{arch}}, layers: []layer{{"data": "the same"}, {"arch": arch}}}), arch))
	}
	images[1].Annotations = map[string]string{"entry": "yes"}
	proof := s.attestation(t, images[0], "https://slsa.dev/provenance/v1", "https://spdx.dev/Document")
	return s.index(t, false, map[string]string{"on": "the index"}, images[0], images[1], proof), images
}

// TestIndex reads an index with all its images, and what they share.
func TestIndex(t *testing.T) {
	s := new(shelf)
	desc, images := multi(t, s)
	o := read(t, s, desc, nil)
	if got := s.reads(); got != "4 documents, 3 configs, 0 layers" {
		t.Errorf("it read %s", got)
	}
	if o.Kind != inspect.Index || o.Digest != desc.Digest || o.Annotations["on"] != "the index" || len(o.Manifests) != 3 {
		t.Fatalf("got %+v", o)
	}
	first, second, proof := o.Manifests[0], o.Manifests[1], o.Manifests[2]
	if first.Platform != "linux/amd64" || second.Platform != "linux/arm64" || second.EntryAnnotations["entry"] != "yes" || second.Digest != images[1].Digest {
		t.Errorf("got %+v and %+v", first, second)
	}
	if diff := cmp.Diff([]string{"linux/arm64"}, first.Layers[0].SharedWith); diff != "" || first.Layers[1].SharedWith != nil {
		t.Errorf("shared: %v, %v", first.Layers[0].SharedWith, first.Layers[1].SharedWith)
	}
	if proof.Kind != inspect.Attestation || proof.Attests != images[0].Digest || proof.Platform != "" || len(proof.History) > 0 ||
		!cmp.Equal(proof.Predicates, []string{"https://slsa.dev/provenance/v1", "https://spdx.dev/Document"}) {
		t.Errorf("got %+v", proof)
	}
	if total := first.TotalSize + second.TotalSize + proof.TotalSize - first.Layers[0].Size; o.TotalSize != total {
		t.Errorf("total size %d, want %d", o.TotalSize, total)
	}
}

// TestPlatform picks one image, also of an index in an index, and reads no other.
func TestPlatform(t *testing.T) {
	s := new(shelf)
	inner, images := multi(t, s)
	outer := s.index(t, true, nil, inner, entry(s.image(t, picture{arch: "s390x"}), "s390x"))
	arm, err := image.ParsePlatform("linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	o := read(t, s, inner, &inspect.Options{Platform: arm})
	if got := s.reads(); o.Digest != images[1].Digest || got != "2 documents, 1 configs, 0 layers" || o.EntryAnnotations["entry"] != "yes" {
		t.Errorf("got %s and read %s", o.Digest, got)
	}
	if o := read(t, s, outer, nil); o.Manifests[0].Kind != inspect.Index || len(o.Manifests[0].Manifests) != 3 {
		t.Errorf("got %+v", o.Manifests[0])
	}
	for _, desc := range []content.Descriptor{inner, images[0]} {
		desc.Platform = nil
		_, err := inspect.Read(t.Context(), s, desc, &inspect.Options{Platform: image.Platform{OS: "plan9", Architecture: "386"}})
		if !errors.Is(err, content.ErrNotFound) || !strings.Contains(err.Error(), "linux/amd64") {
			t.Errorf("got %v", err)
		}
	}
}

// TestArtifacts shows what is no image as what it is.
func TestArtifacts(t *testing.T) {
	empty := [2]string{"application/vnd.oci.empty.v1+json", "{}"}
	imageConfig := [2]string{content.OCIConfig, `{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":["` + digest.FromString("sig").String() + `"]}}`}
	for want, c := range map[string]struct {
		artifactType string
		config       [2]string
		blobs        [][2]string
		configField  string // a field that the config has
	}{
		"Helm chart":         {"", [2]string{"application/vnd.cncf.helm.config.v1+json", `{"name":"app","version":"1.2"}`}, [][2]string{{"application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart"}}, "name"},
		"cosign signature":   {"", imageConfig, [][2]string{{"application/vnd.dev.cosign.simplesigning.v1+json", "sig"}}, "architecture"},
		"Notation signature": {"application/vnd.cncf.notary.signature", empty, [][2]string{{"application/jose+json", "sig"}}, ""},
		"SPDX SBOM":          {"", empty, [][2]string{{"text/spdx+json", "{}"}}, ""},
		"":                   {"application/x-of-my-own", [2]string{"application/x-config", "no JSON"}, nil, ""},
	} {
		s := new(shelf)
		o := read(t, s, s.artifact(t, c.artifactType, c.config, c.blobs...), &inspect.Options{Files: true})
		if o.Kind != inspect.Artifact || o.Type != want || o.ArtifactType != c.artifactType || len(o.Layers) != len(c.blobs) || o.Problem != "" || o.Platform != "" || o.Files != nil {
			t.Errorf("%s: got %+v", want, o)
		}
		if (o.Config != nil) != (c.configField != "") || !strings.Contains(string(o.Config), c.configField) {
			t.Errorf("%s: config %s", want, o.Config)
		}
		if c.config == empty && s.configs.Load() > 0 {
			t.Errorf("%s: an empty config was read", want)
		}
	}
}

// TestSubject tells what an artifact refers to.
func TestSubject(t *testing.T) {
	s := new(shelf)
	of := s.image(t, picture{})
	desc := s.putJSON(t, content.OCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": content.OCIManifest, "artifactType": "application/sarif+json", "subject": of,
		"config": s.put(t, "application/vnd.oci.empty.v1+json", []byte("{}")), "layers": []any{},
	})
	o := read(t, s, desc, nil)
	if o.Subject == nil || o.Subject.Digest != of.Digest || o.Type != "SARIF report" {
		t.Errorf("got %+v", o)
	}
}

// TestProblems tells what is wrong with a part and reads the rest.
func TestProblems(t *testing.T) {
	s := new(shelf)
	good := entry(s.image(t, picture{}), "amd64")
	missing := entry(content.Of(content.OCIManifest, []byte("missing")), "arm64")
	broken := entry(s.image(t, picture{arch: "s390x", layers: []layer{{"a": "1"}}, diffIDs: 2}), "s390x")
	junk := entry(s.put(t, content.OCIManifest, []byte("junk")), "386")
	noConfig := s.putJSON(t, content.OCIManifest, map[string]any{
		"schemaVersion": 2, "mediaType": content.OCIManifest, "config": content.Of(content.OCIConfig, []byte("missing")), "layers": []any{},
	})
	other := content.Of("application/x-something", []byte("x"))
	o := read(t, s, s.index(t, false, nil, good, missing, broken, junk, entry(noConfig, "arm"), other), nil)
	for i, want := range []struct {
		kind              inspect.Kind
		platform, problem string
	}{
		{inspect.Image, "linux/amd64", ""},
		{inspect.Other, "linux/arm64", "it is not there"},
		{inspect.Image, "linux/s390x", "invalid image: the manifest has 1 layers, but the config has 3 diff IDs"},
		{inspect.Other, "linux/386", "JSON"},
		{inspect.Image, "linux/arm/v7", "config"},
		{inspect.Other, "", ""},
	} {
		got := o.Manifests[i]
		if got.Kind != want.kind || got.Platform != want.platform || !strings.Contains(got.Problem, want.problem) || want.problem == "" && got.Problem != "" || got.Digest == "" {
			t.Errorf("entry %d: %+v", i, got)
		}
	}
	if len(o.Manifests[2].Layers) != 1 {
		t.Error("what is broken has no layers")
	}
	if _, err := inspect.Read(t.Context(), s, missing, nil); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("the root is missing: %v", err)
	}
	if _, err := inspect.Read(t.Context(), s, junk, nil); !errors.Is(err, content.ErrInvalid) {
		t.Errorf("the root is junk: %v", err)
	}
	if _, err := inspect.Read(t.Context(), s, other, nil); !errors.Is(err, content.ErrInvalid) {
		t.Errorf("the root is no manifest: %v", err)
	}
	alone := broken
	alone.Platform = nil
	if o := read(t, s, alone, nil); o.Problem == "" || o.Kind != inspect.Image {
		t.Errorf("a broken image: %+v", o)
	}
}

// TestDeepIndexes gives up on indexes within indexes.
func TestDeepIndexes(t *testing.T) {
	s := new(shelf)
	desc := s.image(t, picture{})
	for range 8 {
		desc = s.index(t, false, nil, desc)
	}
	o, depth := read(t, s, desc, nil), 0
	for ; len(o.Manifests) > 0; o = o.Manifests[0] {
		depth++
	}
	if !strings.Contains(o.Problem, "deep") || depth > 6 {
		t.Errorf("%d deep: %+v", depth, o)
	}
}

// TestEndlessIndexes gives up on an index that lists others again and again.
func TestEndlessIndexes(t *testing.T) {
	s := new(shelf)
	good := s.image(t, picture{})
	desc := good
	for range 3 {
		desc = s.index(t, false, nil, slices.Repeat([]content.Descriptor{desc}, 200)...)
	}
	if _, err := inspect.Read(t.Context(), s, desc, nil); !errors.Is(err, content.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	_, err := inspect.Compare(t.Context(), inspect.Named{Source: s, Descriptor: desc}, inspect.Named{Source: s, Descriptor: good}, nil)
	if !errors.Is(err, content.ErrTooLarge) {
		t.Errorf("compared: got %v", err)
	}
}

// TestFiles lists the files of images.
func TestFiles(t *testing.T) {
	s := new(shelf)
	o := read(t, s, s.image(t, picture{layers: []layer{{"etc/": "", "etc/a": "old"}, {"etc/a": "newer", "etc/b/c": "x"}}}), &inspect.Options{Files: true})
	var got []string
	for _, f := range o.Files {
		got = append(got, fmt.Sprintf("%s %s %s %d %d", f.Path, f.Type, f.Mode, f.Size, f.Layer))
	}
	want := []string{"/ directory 0755 0 0", "/etc directory 0755 0 1", "/etc/a file 0644 5 2", "/etc/b directory 0755 0 0", "/etc/b/c file 0644 1 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestJSON has the names that the documentation promises, the config as it was written, and nothing that has no value.
func TestJSON(t *testing.T) {
	s := new(shelf)
	desc, _ := multi(t, s)
	doc := &inspect.Document{Version: inspect.Version, Reference: "reg.example/app:v1", Object: *read(t, s, desc, nil)}
	text, err := doc.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Version                  int
		Reference, Kind, Digest  string
		MediaType                string `json:"media_type"`
		Manifests                []map[string]any
		Config, Layers, Platform any
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	if parsed.Version != 1 || parsed.Reference != "reg.example/app:v1" || parsed.Kind != "index" || parsed.Digest != desc.Digest.String() || parsed.MediaType != content.OCIIndex {
		t.Errorf("got %s", text)
	}
	if parsed.Config != nil || parsed.Layers != nil || parsed.Platform != nil {
		t.Errorf("an index has a config, layers or a platform: %s", text)
	}
	arm := parsed.Manifests[1]
	config := arm["config"].(map[string]any)["config"].(map[string]any)
	layer := arm["layers"].([]any)[0].(map[string]any)
	if fmt.Sprint(config["Cmd"]) != "[arm64]" || layer["created_by"] != "layer 1" || layer["diff_id"] == nil || fmt.Sprint(layer["shared_with"]) != "[linux/amd64]" {
		t.Errorf("got %v", arm)
	}
	again, err := doc.JSON()
	if err != nil || string(again) != string(text) {
		t.Error("two texts of one document differ")
	}
}
