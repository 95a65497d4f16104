package inspect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/inspect"
)

func compare(t *testing.T, s *shelf, old, new content.Descriptor, opts *inspect.CompareOptions) *inspect.Diff {
	t.Helper()
	d, err := inspect.Compare(t.Context(), inspect.Named{Reference: "old", Source: s, Descriptor: old}, inspect.Named{Reference: "new", Source: s, Descriptor: new}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// told is a diff of images as lines.
func told(d *inspect.Diff) string {
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
	fields := func(what string, changes []inspect.FieldChange) {
		for _, c := range changes {
			add("  %s %s %s: %s → %s", what, c.Name, c.Key, orNull(c.Old), orNull(c.New))
		}
	}
	fields("index", d.Index)
	for _, i := range d.Images {
		add("%s %s %s", i.Change, i.Kind, i.Platform)
		fields("manifest", i.Manifest)
		fields("config", i.Config)
		if i.ConfigBytes {
			add("  config bytes")
		}
		for _, c := range i.Layers {
			by := c.New
			if by == nil {
				by = c.Old
			}
			add("  layer %s %s", c.Change, by.CreatedBy)
		}
		for _, c := range i.History {
			add("  history %s %s", c.Change, c.CreatedBy)
		}
		if i.Files != nil {
			for _, f := range i.Files.Changes {
				add("  file %s %s %s", f.Change, f.Path, strings.Join(f.Fields, ","))
			}
		}
		if i.Problem != "" {
			add("  problem %s", i.Problem)
		}
	}
	return strings.Join(lines, "\n")
}

func orNull(value json.RawMessage) string {
	if value == nil {
		return "null"
	}
	return string(value)
}

// step is an entry of a history.
func step(by string, empty bool) map[string]any {
	return map[string]any{"created_by": by, "empty_layer": empty}
}

// TestCompare compares images by everything that they say.
func TestCompare(t *testing.T) {
	base := layer{"etc/": "", "etc/passwd": "root"}
	first := picture{config: map[string]any{"Env": []string{"A=1", "B=2"}, "Labels": map[string]string{"x": "y"}, "Cmd": []string{"a"}}, layers: []layer{base, {"app/": "", "app/x": "1"}}}
	with := func(change func(p *picture)) picture {
		p := first
		p.layers = slices.Clone(p.layers)
		change(&p)
		return p
	}
	for name, c := range map[string]struct {
		new   picture
		want  string
		reads string
	}{
		"config": {
			with(func(p *picture) {
				p.config = map[string]any{"Env": []string{"B=3", "C=4"}, "Labels": map[string]string{"x": "y"}, "User": "app"}
			}),
			`changed image linux/amd64
  config cmd : ["a"] → null
  config env A: "1" → null
  config env B: "2" → "3"
  config user : null → "app"
  config env C: null → "4"
  layer kept layer 1
  layer kept layer 2`,
			"2 documents, 2 configs, 0 layers",
		},
		"a layer": {
			with(func(p *picture) { p.layers[1] = layer{"app/": "", "app/x": "22"} }),
			`changed image linux/amd64
  layer kept layer 1
  layer removed layer 2
  layer added layer 2
  file changed /app/x size,digest`,
			"2 documents, 2 configs, 2 layers",
		},
		"another file": {
			with(func(p *picture) { p.layers[1] = layer{"app/": "", "app/y": "1", "etc/": ""} }),
			`changed image linux/amd64
  layer kept layer 1
  layer removed layer 2
  layer added layer 2
  file removed /app/x
  file added /app/y`,
			"2 documents, 2 configs, 3 layers",
		},
		"more layers": {
			with(func(p *picture) { p.layers = append(p.layers, layer{"etc/passwd": "other"}, layer{"new": ""}) }),
			`changed image linux/amd64
  layer kept layer 1
  layer kept layer 2
  layer added layer 3
  layer added layer 4
  history added layer 3
  history added layer 4
  file changed /etc/passwd size,digest
  file added /new`,
			"2 documents, 2 configs, 4 layers",
		},
		"compression": {
			with(func(p *picture) { p.level = 1 }),
			`changed image linux/amd64
  layer recompressed layer 1
  layer recompressed layer 2`,
			"2 documents, 2 configs, 0 layers",
		},
		"history": {
			with(func(p *picture) {
				p.history = []any{step("layer 1", false), step("CMD b", true), step("layer 2", false)}
			}),
			`changed image linux/amd64
  layer kept layer 1
  layer kept layer 2
  history removed layer 1
  history removed layer 2
  history added layer 1
  history added CMD b
  history added layer 2`,
			"2 documents, 2 configs, 0 layers",
		},
		"other bytes": {
			with(func(p *picture) { p.extra = map[string]any{"author": ""} }),
			"changed image linux/amd64\n  config bytes\n  layer kept layer 1\n  layer kept layer 2",
			"2 documents, 2 configs, 0 layers",
		},
		"annotations": {
			with(func(p *picture) { p.annotations = map[string]string{"a": "b"} }),
			"changed image linux/amd64\n  manifest annotations a: null → \"b\"\n  layer kept layer 1\n  layer kept layer 2",
			"2 documents, 2 configs, 0 layers",
		},
		"format": {
			with(func(p *picture) { p.docker = true }),
			`changed image linux/amd64
  manifest media_type : "application/vnd.oci.image.manifest.v1+json" → "application/vnd.docker.distribution.manifest.v2+json"
  layer kept layer 1
  layer kept layer 2`,
			"2 documents, 2 configs, 0 layers",
		},
		"platform": {
			with(func(p *picture) { p.arch = "arm64" }),
			"changed image\n  config architecture : \"amd64\" → \"arm64\"\n  layer kept layer 1\n  layer kept layer 2",
			"2 documents, 2 configs, 0 layers",
		},
		"nothing": {first, "", "0 documents, 0 configs, 0 layers"},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(shelf)
			d := compare(t, s, s.image(t, first), s.image(t, c.new), &inspect.CompareOptions{Files: true})
			if diff := cmp.Diff(c.want, told(d)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := s.reads(); got != c.reads {
				t.Errorf("it read %s, want %s", got, c.reads)
			}
			if d.Same != (c.want == "") {
				t.Errorf("same: %t", d.Same)
			}
		})
	}
}

// TestCompareIndexes compares platform by platform, and reads nothing of what is the same.
func TestCompareIndexes(t *testing.T) {
	s := new(shelf)
	of := func(arch, text string) content.Descriptor {
		return entry(s.image(t, picture{arch: arch, layers: []layer{{"f": text}}}), arch)
	}
	amd, arm, newArm, s390, ppc := of("amd64", "x"), of("arm64", "x"), of("arm64", "y"), of("s390x", "x"), of("ppc64le", "x")
	old := s.index(t, false, map[string]string{"v": "1"}, amd, arm, s390, s.attestation(t, arm, "a"))
	new := s.index(t, false, map[string]string{"v": "2"}, newArm, amd, ppc, s.attestation(t, newArm, "b"))
	d := compare(t, s, old, new, &inspect.CompareOptions{Files: true})
	want := `  index annotations v: "1" → "2"
kept image linux/amd64
changed image linux/arm64
  layer removed layer 1
  layer added layer 1
  file changed /f digest
removed image linux/s390x
changed attestation linux/arm64
  layer removed
  layer added
added image linux/ppc64le`
	if diff := cmp.Diff(want, told(d)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := s.reads(); got != "6 documents, 4 configs, 2 layers" {
		t.Errorf("it read %s", got)
	}
	d = compare(t, s, old, new, &inspect.CompareOptions{Platform: image.Platform{OS: "linux", Architecture: "amd64"}})
	if !d.Same || len(d.Images) > 0 {
		t.Errorf("one platform: got %s", told(d))
	}
	_, err := inspect.Compare(t.Context(), inspect.Named{Reference: "old", Source: s, Descriptor: old}, inspect.Named{Reference: "new", Source: s, Descriptor: new},
		&inspect.CompareOptions{Platform: image.Platform{OS: "linux", Architecture: "s390x"}})
	if !errors.Is(err, content.ErrNotFound) || !strings.HasPrefix(err.Error(), "new: ") {
		t.Errorf("a platform that one lacks: %v", err)
	}
	single := newArm
	single.Platform = nil
	if got, want := told(compare(t, s, old, single, nil)), "removed image linux/amd64\nchanged image linux/arm64\n  layer removed layer 1\n  layer added layer 1\nremoved image linux/s390x\nremoved attestation linux/arm64"; got != want {
		t.Errorf("an index and an image: (-want +got):\n%s", cmp.Diff(want, got))
	}
}

// TestCompareWhatIsNoImage compares artifacts by their blobs, and an artifact with an image.
func TestCompareWhatIsNoImage(t *testing.T) {
	s := new(shelf)
	chart := func(version string) content.Descriptor {
		return s.artifact(t, "", [2]string{"application/vnd.cncf.helm.config.v1+json", `{"name":"app","version":"` + version + `"}`}, [2]string{"application/x-chart", version}, [2]string{"application/x-prov", "same"})
	}
	want := "changed artifact\n  config version : \"1\" → \"2\"\n  layer removed\n  layer added\n  layer kept"
	if got := told(compare(t, s, chart("1"), chart("2"), &inspect.CompareOptions{Files: true})); got != want {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
	d := compare(t, s, chart("1"), s.image(t, picture{layers: []layer{{"a": "b"}}}), &inspect.CompareOptions{Files: true})
	if len(d.Images) != 1 || d.Images[0].Change != inspect.Changed || d.Images[0].Files != nil || len(d.Images[0].Layers) != 3 {
		t.Errorf("got %s", told(d))
	}
}

// TestCompareProblems tells what is wrong and compares the rest; what is missing alone is an error.
func TestCompareProblems(t *testing.T) {
	s := new(shelf)
	broken := s.image(t, picture{layers: []layer{{"a": "1"}}, diffIDs: 1})
	good := s.image(t, picture{layers: []layer{{"a": "2"}}})
	d := compare(t, s, broken, good, &inspect.CompareOptions{Files: true})
	if d.Images[0].Problem == "" || d.Images[0].Files != nil || len(d.Images[0].Layers) != 2 {
		t.Errorf("got %s", told(d))
	}
	missing := content.Of(content.OCIManifest, []byte("missing"))
	_, err := inspect.Compare(t.Context(), inspect.Named{Reference: "old", Source: s, Descriptor: good}, inspect.Named{Reference: "new", Source: s, Descriptor: missing}, nil)
	if !errors.Is(err, content.ErrNotFound) || !strings.HasPrefix(err.Error(), "new: ") {
		t.Errorf("got %v", err)
	}
}

// TestCompareJSON has all of a changed file.
func TestCompareJSON(t *testing.T) {
	s := new(shelf)
	d := compare(t, s, s.image(t, picture{layers: []layer{{"a": "1"}}}), s.image(t, picture{layers: []layer{{"a": "22", "b": ""}}}), &inspect.CompareOptions{Files: true})
	text, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Version  int
		Old, New struct{ Reference, Digest string }
		Same     bool
		Images   []struct {
			Platform, Change string
			Files            struct{ Changes []map[string]any }
		}
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	if parsed.Version != 1 || parsed.Old.Reference != "old" || parsed.New.Digest == "" || parsed.Same || parsed.Images[0].Change != "changed" {
		t.Errorf("got %s", text)
	}
	a, b := parsed.Images[0].Files.Changes[0], parsed.Images[0].Files.Changes[1]
	old := a["old"].(map[string]any)
	if a["path"] != "/a" || a["change"] != "changed" || fmt.Sprint(a["fields"]) != "[size digest]" || old["size"] != 1.0 || old["mode"] != "0644" || old["digest"] == "" || old["layer"] != 1.0 {
		t.Errorf("got %v", a)
	}
	if b["change"] != "added" || b["old"] != nil || b["fields"] != nil {
		t.Errorf("got %v", b)
	}
}
