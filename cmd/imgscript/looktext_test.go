package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/inspect"
)

// sum is a digest that tests can tell from others.
func sum(text string) digest.Digest { return digest.FromString(text) }

// serverImage is an image with one of everything.
func serverImage(arch string) *inspect.Object {
	config := map[string]any{
		"created": "2024-05-01T12:30:00Z", "architecture": arch, "os": "linux", "author": "Ann <ann@example.com>",
		"config": map[string]any{
			"User": "app", "WorkingDir": "/srv", "Entrypoint": []string{"/usr/bin/tini", "--"}, "Cmd": []string{"server", "--listen", ":8080"},
			"Env":          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "ARCH=" + arch},
			"ExposedPorts": map[string]any{"8080/tcp": map[string]any{}, "9090/tcp": map[string]any{}},
			"Healthcheck":  map[string]any{"Test": []string{"CMD-SHELL", "curl -f http://localhost:8080/health"}, "Interval": 30e9},
			"Labels":       map[string]string{"org.opencontainers.image.source": "https://example.com/team/server", "trick": "\x1b[31mred\nline", "wide": "日本語のラベル"},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{}},
	}
	data, err := json.Marshal(config)
	if err != nil {
		panic(err)
	}
	o := &inspect.Object{
		Kind: inspect.Image, Platform: "linux/" + arch, Digest: sum(arch), MediaType: content.OCIManifest, Size: 1234, TotalSize: 61_234_567, Config: data,
		ConfigBlob:  &inspect.Blob{MediaType: content.OCIConfig, Digest: sum("config" + arch), Size: 4321},
		Annotations: map[string]string{"org.opencontainers.image.base.name": "docker.io/library/debian:12-slim"},
		Layers: []inspect.Layer{
			{Digest: sum("1" + arch), DiffID: sum("d1"), Size: 29_123_456, MediaType: content.OCILayerGzip},
			{Digest: sum("2"), DiffID: sum("d2"), Size: 32_100_000, MediaType: content.OCILayerGzip},
			{Digest: sum("3" + arch), DiffID: sum("d3"), Size: 1111, MediaType: content.OCILayerGzip},
		},
		History: []inspect.Step{
			{CreatedBy: "/bin/sh -c #(nop) ADD file:0123456789abcdef in / ", Layer: 1},
			{CreatedBy: "/bin/sh -c #(nop)  CMD [\"bash\"]", Empty: true},
			{CreatedBy: "RUN /bin/sh -c apt-get update &&     apt-get install -y curl tini # buildkit", Layer: 2},
			{CreatedBy: `add_files({"/srv": "//srv"})`, Layer: 3},
		},
	}
	return o
}

// serverIndex is an index of two images with an attestation, and of what is missing.
func serverIndex() *inspect.Document {
	amd, arm := serverImage("amd64"), serverImage("arm64")
	amd.Layers[1].SharedWith, arm.Layers[1].SharedWith = []string{"linux/arm64"}, []string{"linux/amd64"}
	return &inspect.Document{Version: 1, Reference: "reg.example.com/team/server:v1.4.2", Object: inspect.Object{
		Kind: inspect.Index, Digest: sum("index"), MediaType: content.OCIIndex, Size: 2345, TotalSize: 90_369_134,
		Annotations: map[string]string{"org.opencontainers.image.version": "1.4.2"},
		Manifests: []*inspect.Object{
			amd, arm,
			{Kind: inspect.Attestation, Digest: sum("proof"), MediaType: content.OCIManifest, Attests: amd.Digest, Predicates: []string{"https://slsa.dev/provenance/v1", "https://spdx.dev/Document", "https://example.com/own"}},
			{Kind: inspect.Other, Platform: "linux/s390x", Digest: sum("gone"), MediaType: content.OCIManifest, Problem: "it is not there"},
		},
	}}
}

func documents() map[string]*inspect.Document {
	single := &inspect.Document{Version: 1, Reference: "oci:out:v1", Object: *serverImage("amd64")}
	odd := &inspect.Document{Version: 1, Reference: "docker-archive:old.tar", Object: *serverImage("amd64")}
	odd.MediaType, odd.Annotations, odd.Config = content.DockerManifest, nil, json.RawMessage(`{"architecture":"amd64","os":"linux","config":{"Cmd":["sh"]}}`)
	odd.History = []inspect.Step{{CreatedBy: "one step for three layers"}, {Comment: "imported"}}
	files := &inspect.Document{Version: 1, Reference: "oci:out:v1", Object: inspect.Object{
		Kind: inspect.Image, Platform: "linux/amd64", Digest: sum("files"), MediaType: content.OCIManifest, TotalSize: 1234,
		Layers: []inspect.Layer{{Digest: sum("l"), DiffID: sum("d"), Size: 1234, CreatedBy: "all"}},
		Files: []inspect.File{
			{Path: "/", Type: "directory", Mode: "0755"},
			{Path: "/bin", Type: "symlink", Mode: "0777", Link: "usr/bin", Layer: 1},
			{Path: "/dev", Type: "directory", Mode: "0755", Layer: 1},
			{Path: "/dev/null", Type: "char", Mode: "0666", Layer: 1},
			{Path: "/usr", Type: "directory", Mode: "0755", Layer: 1},
			{Path: "/usr/bin", Type: "directory", Mode: "0755", Layer: 1},
			{Path: "/usr/bin/perl", Type: "file", Mode: "0755", Size: 3_700_000, Layer: 1},
			{Path: "/usr/bin/perl5.36", Type: "hardlink", Mode: "0755", Size: 3_700_000, Link: "/usr/bin/perl", Layer: 1},
			{Path: "/usr/bin/with\x1b[31m a very long name that does not fit into narrow terminals.txt", Type: "file", Mode: "0644", Size: 12, Layer: 12},
		},
	}}
	return map[string]*inspect.Document{
		"index": serverIndex(), "image": single, "odd": odd, "files": files,
		"chart": {Version: 1, Reference: "reg.example.com/charts/app:1.2.0", Object: inspect.Object{
			Kind: inspect.Artifact, Type: "Helm chart", Digest: sum("chart"), MediaType: content.OCIManifest, TotalSize: 12_345,
			ConfigBlob:  &inspect.Blob{MediaType: "application/vnd.cncf.helm.config.v1+json"},
			Config:      json.RawMessage(`{"name":"app","version":"1.2.0","description":"A chart","apiVersion":"v2","keywords":["a","b"]}`),
			Annotations: map[string]string{"org.opencontainers.image.title": "app"},
			Layers:      []inspect.Layer{{Digest: sum("tgz"), Size: 12_000, MediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip"}},
		}},
		"signature": {Version: 1, Reference: "reg.example.com/app:sha256-0123.sig", Object: inspect.Object{
			Kind: inspect.Artifact, Digest: sum("own"), MediaType: content.OCIManifest, ArtifactType: "application/x-of-my-own", TotalSize: 5,
			ConfigBlob: &inspect.Blob{MediaType: "application/vnd.oci.empty.v1+json"}, Subject: &inspect.Blob{Digest: sum("index")},
			Layers: []inspect.Layer{{Digest: sum("blob"), Size: 5, MediaType: "text/plain", Annotations: map[string]string{"org.opencontainers.image.title": "notes.txt"}}},
		}},
	}
}

// checkLines compares lines with those in a file of testdata/look, and holds them to a width.
func checkLines(t *testing.T, name string, lines []string, width int) {
	t.Helper()
	for _, line := range lines {
		if width > 0 && runewidth.StringWidth(line) > width {
			t.Errorf("wider than %d: %q", width, line)
		}
		if strings.ContainsAny(line, "\x1b\n\r") || strings.TrimRight(line, " ") != line {
			t.Errorf("not a line for terminals: %q", line)
		}
	}
	file, got := filepath.Join("testdata", "look", name+".txt"), strings.Join(lines, "\n")+"\n"
	if *updateScripts {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestInspectLines shows each kind of thing in terminals of 40 and 80 columns, and whole.
func TestInspectLines(t *testing.T) {
	for name, doc := range documents() {
		for _, width := range []int{0, 40, 80} {
			t.Run(fmt.Sprintf("%s-%d", name, width), func(t *testing.T) {
				checkLines(t, fmt.Sprintf("inspect-%s-%d", name, width), inspectLines(doc, width), width)
			})
		}
		for width := 1; width < 200; width++ {
			for _, line := range inspectLines(doc, width) {
				if runewidth.StringWidth(line) > width {
					t.Errorf("%s: wider than %d: %q", name, width, line)
				}
			}
		}
	}
}

// TestInspectLinesWhole cuts nothing that is not for a terminal.
func TestInspectLinesWhole(t *testing.T) {
	for name, doc := range documents() {
		if text := strings.Join(inspectLines(doc, 0), "\n"); strings.Contains(text, "…") || !strings.Contains(text, doc.Digest.String()) {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// file is a file of one side of a diff.
func file(kind, mode string, size int64, change func(f *inspect.ChangedFile)) *inspect.ChangedFile {
	f := &inspect.ChangedFile{File: inspect.File{Type: kind, Mode: mode, Size: size, Layer: 1, MTime: "2024-05-01T12:00:00Z"}}
	if kind == "file" {
		f.Digest = sum(fmt.Sprint(size))
	}
	if change != nil {
		change(f)
	}
	return f
}

func fileChanges() []inspect.FileChange {
	plain := func(size int64) *inspect.ChangedFile { return file("file", "0644", size, nil) }
	changed := func(path string, old, new *inspect.ChangedFile, fields ...string) inspect.FileChange {
		return inspect.FileChange{Path: path, Change: inspect.Changed, Fields: fields, Old: old, New: new}
	}
	owned := func(f *inspect.ChangedFile) { f.UID, f.GID = 1000, 1000 }
	return []inspect.FileChange{
		{Path: "/app", Change: inspect.Added, New: file("directory", "0755", 0, nil)},
		{Path: "/app/index.js", Change: inspect.Added, New: plain(1200)},
		{Path: "/app/lib", Change: inspect.Added, New: file("directory", "0755", 0, nil)},
		{Path: "/app/lib/a.js", Change: inspect.Added, New: plain(34)},
		{Path: "/app.js", Change: inspect.Added, New: file("file", "0600", 5, owned)},
		changed("/etc/group", plain(100), plain(100), "digest", "mtime"),
		changed("/etc/hosts", plain(1_200_000), plain(1_200_001), "size", "digest"),
		changed("/etc/mtab", file("symlink", "0777", 0, func(f *inspect.ChangedFile) { f.Link = "/proc/mounts" }), file("file", "0644", 3, nil), "type", "size", "digest", "link"),
		changed("/etc/passwd", plain(1000), plain(2500), "size", "digest"),
		changed("/etc/shadow", file("file", "0644", 9, nil), file("file", "0640", 9, owned), "mode", "uid", "gid", "mtime"),
		changed("/etc/time", plain(1), file("file", "0644", 1, func(f *inspect.ChangedFile) { f.MTime = "2025-01-01T00:00:00Z" }), "mtime"),
		{Path: "/old", Change: inspect.Removed, Old: file("symlink", "0777", 0, func(f *inspect.ChangedFile) { f.Link = "/new" })},
		changed("/usr/bin/ping", plain(5), file("file", "0644", 5, func(f *inspect.ChangedFile) { f.Xattrs = map[string][]byte{"security.capability": {1, 0}} }), "xattrs"),
		{Path: "/var/empty", Change: inspect.Removed, Old: file("directory", "0700", 0, nil)},
	}
}

func diffs() map[string]*inspect.Diff {
	old, new := serverImage("amd64"), serverImage("amd64")
	new.Layers[2].Digest, new.Layers[2].Size = sum("other"), 2222
	text := func(s string) json.RawMessage {
		if s == "" {
			return nil
		}
		data, _ := json.Marshal(s)
		return data
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	image := &inspect.ImageDiff{
		Platform: "linux/amd64", Kind: inspect.Image, Change: inspect.Changed, Old: &inspect.Blob{Digest: sum("a")}, New: &inspect.Blob{Digest: sum("b")},
		Manifest: []inspect.FieldChange{{Name: "annotations", Key: "org.opencontainers.image.version", Old: text("1"), New: text("2")}},
		Config: []inspect.FieldChange{
			{Name: "user", New: text("app")}, {Name: "cmd", Old: json.RawMessage(`["a"]`), New: json.RawMessage(`["a","b"]`)},
			{Name: "env", Key: "PATH", Old: text(path), New: text(path + ":/opt/bin")}, {Name: "env", Key: "OLD", Old: text("1")},
			{Name: "labels", Key: "trick", Old: text("\x1b[31m"), New: text("日本語のラベル")},
		},
		Layers: []inspect.LayerChange{
			{Change: inspect.Kept, Old: &old.Layers[0], New: &new.Layers[0]}, {Change: inspect.Kept, Old: &old.Layers[1], New: &new.Layers[1]},
			{Change: inspect.Removed, Old: &old.Layers[2]}, {Change: inspect.Added, New: &new.Layers[2]},
			{Change: inspect.Recompressed, Old: &old.Layers[0], New: &new.Layers[1]},
		},
		History: []inspect.StepChange{{Change: inspect.Added, Step: inspect.Step{CreatedBy: "CMD x", Created: "2024-05-01T12:00:00Z", Empty: true}}, {Change: inspect.Added, Step: inspect.Step{CreatedBy: "a layer", Layer: 3}}},
		Files:   &inspect.FileDiff{Changes: fileChanges(), TimesOnly: 12},
	}
	side := func(ref string) inspect.Side {
		return inspect.Side{Reference: ref, Digest: sum(ref), MediaType: content.OCIIndex}
	}
	other := &inspect.ImageDiff{Platform: "linux/arm64", Kind: inspect.Image, Change: inspect.Kept, Old: &inspect.Blob{Digest: sum("c")}, New: &inspect.Blob{Digest: sum("c")}}
	return map[string]*inspect.Diff{
		"one": {Version: 1, Old: side("reg.example.com/app:v1"), New: side("oci:out"), Images: []*inspect.ImageDiff{image}},
		"index": {
			Version: 1, Old: side("reg.example.com/app:v1"), New: side("reg.example.com/app:v2"),
			Index: []inspect.FieldChange{{Name: "annotations", Key: "v", Old: text("1"), New: text("2")}},
			Images: []*inspect.ImageDiff{
				other,
				{Platform: "linux/s390x", Kind: inspect.Image, Change: inspect.Removed, Old: &inspect.Blob{Digest: sum("d")}},
				{Platform: "linux/amd64", Kind: inspect.Image, Change: inspect.Changed, Old: &inspect.Blob{Digest: sum("e")}, New: &inspect.Blob{Digest: sum("f")}, ConfigBytes: true},
				{Platform: "linux/amd64", Kind: inspect.Attestation, Change: inspect.Added, New: &inspect.Blob{Digest: sum("g")}},
			},
		},
		"same": {Version: 1, Old: side("a"), New: side("b"), Same: true},
	}
}

// TestDiffLines shows diffs in terminals of 40 and 80 columns, and whole.
func TestDiffLines(t *testing.T) {
	for name, d := range diffs() {
		for _, width := range []int{0, 40, 80} {
			t.Run(fmt.Sprintf("%s-%d", name, width), func(t *testing.T) {
				checkLines(t, fmt.Sprintf("diff-%s-%d", name, width), diffLines(d, false, width), width)
			})
		}
		for width := 1; width < 200; width++ {
			for _, line := range diffLines(d, true, width) {
				if runewidth.StringWidth(line) > width {
					t.Errorf("%s: wider than %d: %q", name, width, line)
				}
			}
		}
	}
}

// TestDiffEachFile lists what is in new directories only if asked.
func TestDiffEachFile(t *testing.T) {
	d := diffs()["one"]
	for each, want := range map[bool]int{false: 0, true: 1} {
		lines := diffLines(d, each, 0)
		if n := len(slices.DeleteFunc(lines, func(l string) bool { return !strings.Contains(l, "/app/lib/a.js") })); n != want {
			t.Errorf("each file %t: %d lines", each, n)
		}
	}
}

// TestDiffering leaves out what two long texts begin with alike.
func TestDiffering(t *testing.T) {
	long := strings.Repeat("x", 50)
	for _, c := range []struct {
		old, new string
		room     int
		want     [2]string
	}{
		{"a", "b", 10, [2]string{"a", "b"}},
		{long + "1", long + "2", 20, [2]string{"…xxxxxxxx1", "…xxxxxxxx2"}},
		{"1" + long, "2" + long, 20, [2]string{"1" + long, "2" + long}},
		{long, long + ":/new", 20, [2]string{"…xxxxxxxx", "…xxxxxxxx:/new"}},
	} {
		if a, b := differing(c.old, c.new, c.room); a != c.want[0] || b != c.want[1] {
			t.Errorf("%q, %q: got %q, %q", c.old, c.new, a, b)
		}
	}
}
