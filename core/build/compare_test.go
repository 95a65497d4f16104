package build_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestCompare: what differs between two runs of a program that is not the same each time: what a stream gives, what the embedding program says, what it does.
func TestCompare(t *testing.T) {
	type program func(r *build.Run, img *build.Image, again bool)
	either := func(again bool, one, two string) string {
		if again {
			return two
		}
		return one
	}
	level := func(n int) *layer.Options { return &layer.Options{Level: &n} }
	for name, c := range map[string]struct {
		program program
		want    []string
	}{
		"the same": {func(_ *build.Run, img *build.Image, _ bool) {
			img.AddFiles(at("line"), []build.File{{Target: "/a", Local: "a"}}, nil)
			img.Save(at("line"), nil)
		}, nil},
		"a stream": {func(_ *build.Run, img *build.Image, again bool) {
			stream := &build.Blob{Name: "stream", Size: 3, Open: func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(either(again, "one", "two"))), nil
			}}
			img.AddFiles(at("line"), []build.File{{Target: "/d/x", Custom: &layer.Custom{}, Data: stream}}, nil)
			img.Save(at("line"), nil)
		}, []string{
			`REG/app: layer 3 add_files({"/d/x": "custom_file"}): /d/x: other contents: sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed (3 bytes), then sha256:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3 (3 bytes)`,
		}},
		"what the host says": {func(_ *build.Run, img *build.Image, again bool) {
			text := either(again, "/one", "/two")
			img.Configure(at("line"), "working_dir", image.Changes{WorkingDir: &text})
			img.Save(at("line"), nil)
		}, []string{`REG/app: config: config.WorkingDir: "/one", then "/two"`}},
		"compression": {func(_ *build.Run, img *build.Image, again bool) {
			img.AddFiles(at("line"), []build.File{{Target: "/a", Local: "a"}}, level(map[bool]int{false: 1, true: 9}[again]))
			img.Save(at("line"), nil)
		}, []string{`REG/app: layer 3 add_files({"/a": "//a"}): compressed otherwise: SHA, then SHA`}},
		"layers": {func(_ *build.Run, img *build.Image, again bool) {
			if again {
				img.AddFiles(at("line"), []build.File{{Target: "/a", Local: "a"}}, nil)
			}
			img.Save(at("line"), nil)
		}, []string{
			`REG/app: config: created: "2020-01-01T00:00:00Z", then "1970-01-01T00:00:00Z"`, `REG/app: config: history[2].created: nothing, then "1970-01-01T00:00:00Z"`,
			`REG/app: config: history[2].created_by: nothing, then "add_files({\"/a\": \"//a\"})"`, "REG/app: 2 layers, then 3",
		}},
		"tags": {func(_ *build.Run, img *build.Image, again bool) {
			img.Save(at("line"), &build.SaveOptions{Tags: []string{either(again, "a", "b")}})
		}, []string{"REG/app: saved as REG/app [a], then as REG/app [b]"}},
		"saves": {func(_ *build.Run, img *build.Image, again bool) {
			img.Save(at("line"), nil)
			if again {
				img.Save(at("line"), &build.SaveOptions{Tags: []string{"second"}})
			}
		}, []string{"REG/app: only the second run saves it"}},
		"a client's writes": {func(r *build.Run, _ *build.Image, again bool) {
			client, err := r.Client(strings.TrimSuffix(regOf(t, r), "/")+"/app", nil, true)
			if err == nil {
				_, err = client.Upload(at("line"), build.BytesBlob("x", []byte(either(again, "one", "two"))), -1, "")
			}
			if err != nil {
				t.Error(err)
			}
		}, []string{"REG/app: upload SHA, then REG/app: upload SHA"}},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, nil)
			base(t, reg)
			root := tree(t, map[string]string{"a": strings.Repeat("a text that can be compressed, ", 1000), "reg": reg.Host})
			var reports [2]*build.Report
			for i := range reports {
				var err error
				reports[i], err = newEngine(t, i+1).Do(t.Context(), &build.Options{Root: root, Plan: true, Shuffle: i == 1}, func(r *build.Run) error {
					img, err := r.Image(at("line 1"), reg.Host+"/base:v1", &build.ImageOptions{Target: reg.Host + "/app"})
					if err == nil {
						c.program(r, img, i == 1)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			got, err := build.Compare(t.Context(), reports[0], reports[1])
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range got {
				got[i] = withoutDigests(strings.ReplaceAll(line, reg.Host, "REG"), strings.Contains(strings.Join(c.want, ""), "SHA"))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// regOf is the host of the registry, of which the file reg tells.
func regOf(t *testing.T, r *build.Run) string {
	t.Helper()
	host, err := r.ReadFile("reg", 100)
	if err != nil {
		t.Error(err)
	}
	return string(host)
}

// withoutDigests puts SHA in the place of digests, if that is wanted.
func withoutDigests(line string, wanted bool) string {
	for wanted {
		before, after, ok := strings.Cut(line, "sha256:")
		if !ok {
			break
		}
		line = before + "SHA" + after[64:]
	}
	return line
}

// TestCompareIndexes: images that nobody changed are compared by what they name.
func TestCompareIndexes(t *testing.T) {
	reg := registrytest.New(t, nil)
	var reports [2]*build.Report
	engine := newEngine(t, 2)
	for i := range reports {
		var children []content.Descriptor
		for k, arch := range []string{"amd64", "arm64"} {
			files := map[string]string{"/x": "same"}
			if i == 1 && k == 1 {
				files["/x"] = "other"
			}
			child := reg.PushImage("base", "", registrytest.Image{Layers: []map[string]string{files}, Config: map[string]any{}}).Manifest
			child.Platform = platformOf("linux", arch)
			children = append(children, child)
		}
		reg.PushIndex("base", "v1", false, children...)
		var err error
		reports[i], err = engine.Do(t.Context(), &build.Options{Root: t.TempDir(), Plan: true}, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), reg.Host+"/base:v1", &build.ImageOptions{Target: reg.Host + "/app"})
			if err == nil {
				img.Save(at("line 2"), nil)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := build.Compare(t.Context(), reports[0], reports[1])
	if err != nil || len(got) != 1 || !strings.HasPrefix(got[0], reg.Host+"/app: linux/arm64: layer 1 seed layer 1: /x: other contents: ") {
		t.Errorf("got %q, %v", got, err)
	}
}
