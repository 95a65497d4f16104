package build_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// task is something that users do. It leaves repository:tag in the second registry for each of the tags.
type task struct {
	name       string
	repository string
	tags       []string
	run        func(r *build.Run, from, to string) error
}

// save makes an image of base, changed by change if there is one, and saves it.
func save(r *build.Run, base, target string, tags []string, change func(*build.Image)) error {
	img, err := r.Image(at("line 1"), base, &build.ImageOptions{Target: target})
	if err != nil {
		return err
	}
	if change != nil {
		change(img)
	}
	img.Save(at("line 2"), &build.SaveOptions{Tags: tags})
	return nil
}

// tasks are what every registry must be good for.
var tasks = []task{
	{"pull", "base", []string{"v1"}, func(r *build.Run, _, to string) error {
		return save(r, to+"/base:v1", "oci:out", []string{"v1"}, nil)
	}},
	{"copy", "team/copy", []string{"v1"}, func(r *build.Run, from, to string) error {
		return save(r, from+"/base:v1", to+"/team/copy", []string{"v1"}, nil)
	}},
	{"push of built layers", "team/built", []string{"v1"}, func(r *build.Run, _, to string) error {
		return save(r, "scratch", to+"/team/built", []string{"v1"}, func(img *build.Image) {
			img.AddFiles(at("line 1"), []build.File{{Target: "/big", Local: "big"}}, nil) // is streamed
			img.AddFiles(at("line 1"), []build.File{{Target: "/small", Local: "small"}}, nil)
		})
	}},
	{"mount", "team/derived", []string{"v1"}, func(r *build.Run, _, to string) error {
		return save(r, to+"/base:v1", to+"/team/derived", []string{"v1"}, func(img *build.Image) {
			img.Configure(at("line 1"), "cmd", image.Changes{Cmd: []string{"x"}})
		})
	}},
	{"multi-tag save", "team/tags", []string{"v1", "v2", "latest"}, func(r *build.Run, from, to string) error {
		return save(r, from+"/base:v1", to+"/team/tags", []string{"v1", "v2", "latest"}, func(img *build.Image) {
			img.AddFiles(at("line 1"), []build.File{{Target: "/small", Local: "small"}}, nil)
		})
	}},
}

// TestProfiles: every task succeeds on every registry, open, with passwords and with tokens, and on one with immutable tags once more.
func TestProfiles(t *testing.T) {
	noise := make([]byte, 5<<18) // more than is finished before it is sent
	src := rand.NewChaCha8([32]byte{})
	src.Read(noise)
	var succeeded atomic.Int64
	t.Run("all", func(t *testing.T) {
		for _, profile := range registrytest.Profiles() {
			for name, mode := range modes {
				for _, task := range tasks {
					t.Run(profile+"/"+name+"/"+task.name, func(t *testing.T) {
						t.Parallel()
						quirks, _ := registrytest.Profile(profile)
						opts := &registrytest.Options{Quirks: quirks, Auth: mode, Users: map[string]string{"ann": "secret"}}
						from, to := registrytest.New(t, opts), registrytest.New(t, opts)
						for _, reg := range []*registrytest.Server{from, to} {
							reg.PushImage("base", "v1", layersOf(3))
							reg.PushImage(task.repository, "seed", registrytest.Image{Arch: "arm64"}) // some want a repository to exist
						}
						root := tree(t, map[string]string{"big": string(noise), "small": "small"})
						runs := 1
						if quirks.ImmutableTags {
							runs = 2 // the tags have the images then
						}
						for range runs {
							runFor(t, root, func(r *build.Run) error { return task.run(r, from.Host, to.Host) }, from, to)
							for _, tag := range task.tags {
								expectComplete(t, to, task.repository, tag)
							}
						}
						if task.name == "pull" {
							expectPulled(t, filepath.Join(root, "out"), to)
						}
						if !t.Failed() {
							succeeded.Add(1)
						}
					})
				}
			}
		}
	})
	cells := int64(len(registrytest.Profiles()) * len(modes) * len(tasks))
	t.Logf("%d of %d cells succeeded", succeeded.Load(), cells)
	if n := succeeded.Load(); cells != 16*3*5 || n != cells {
		t.Errorf("%d of %d cells succeeded, want all of 240", n, cells)
	}
}

// expectComplete makes sure that a tag names an image of which nothing is missing.
func expectComplete(t *testing.T, reg *registrytest.Server, repository, tag string) {
	t.Helper()
	desc, data, ok := reg.Manifest(repository, tag)
	if !ok {
		t.Errorf("%s:%s is not there: %v\n%s", repository, tag, reg.Tags(repository), strings.Join(reg.Lines(), "\n"))
		return
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		t.Error(err)
		return
	}
	for _, child := range doc.Children() {
		if blob, ok := reg.Blob(repository, child.Digest); !ok || content.CheckBytes(child, blob) != nil {
			t.Errorf("%s:%s lacks %s", repository, tag, child.Digest)
		}
	}
}

// expectPulled makes sure that a layout has all of base:v1.
func expectPulled(t *testing.T, dir string, reg *registrytest.Server) {
	t.Helper()
	desc, data, _ := reg.Manifest("base", "v1")
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range append(doc.Children(), desc) {
		got, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", child.Digest.Encoded()))
		if err != nil || content.CheckBytes(child, got) != nil {
			t.Errorf("%s was not pulled: %v", child.Digest, err)
		}
	}
}

// TestImmutableTag: a tag that is another image already is an error that says so, at once, and stays what it is.
func TestImmutableTag(t *testing.T) {
	quirks, _ := registrytest.Profile("ecr")
	reg := registrytest.New(t, &registrytest.Options{Quirks: quirks})
	reg.PushImage("base", "v1", layersOf(1))
	before := reg.PushImage("app", "v1", registrytest.Image{Arch: "arm64"})
	_, err := newEngine(t, 2).Do(t.Context(), &build.Options{}, func(r *build.Run) error {
		return save(r, reg.Host+"/base:v1", reg.Host+"/app", []string{"v1"}, nil)
	})
	if err == nil || !strings.Contains(err.Error(), "immutable") {
		t.Errorf("got error %v", err)
	}
	if after, _, _ := reg.Manifest("app", "v1"); after.Digest != before.Manifest.Digest {
		t.Error("the tag has moved")
	}
	tries := slices.DeleteFunc(reg.Lines(), func(line string) bool { return !strings.HasPrefix(line, "PUT app manifest") })
	if len(tries) != 1 {
		t.Errorf("it was tried %d times", len(tries))
	}
}
