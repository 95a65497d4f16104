package image_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/image"
)

func TestRebaseLayersAndHistory(t *testing.T) {
	for _, c := range []struct {
		name           string
		img, was, now  parts
		layers, histor string
	}{
		{"one for one", parts{layers: "ab"}, parts{layers: "a"}, parts{layers: "c"}, "cb", `[{"created_by":"C"},{"created_by":"B"}]`},
		{"two for one", parts{layers: "ab"}, parts{layers: "a"}, parts{layers: "cd"}, "cdb", `[{"created_by":"C"},{"created_by":"D"},{"created_by":"B"}]`},
		{"one for two", parts{layers: "abd"}, parts{layers: "ab"}, parts{layers: "c"}, "cd", `[{"created_by":"C"},{"created_by":"D"}]`},
		{"an image that adds no layer", parts{layers: "a"}, parts{layers: "a"}, parts{layers: "c"}, "c", `[{"created_by":"C"}]`},
		{"from nothing", parts{layers: "ab"}, parts{}, parts{layers: "c"}, "cab", `[{"created_by":"C"},{"created_by":"A"},{"created_by":"B"}]`},
		{"to nothing", parts{layers: "ab"}, parts{layers: "a"}, parts{}, "b", `[{"created_by":"B"}]`},
		{"the same layer in both bases", parts{layers: "abd"}, parts{layers: "ab"}, parts{layers: "ac"}, "acd", `[{"created_by":"A"},{"created_by":"C"},{"created_by":"D"}]`},
		{"compressed otherwise", parts{layers: "ab"}, parts{layers: "a", layerType: content.OCILayerZstd}, parts{layers: "c"}, "cb", `[{"created_by":"C"},{"created_by":"B"}]`},
		{"entries of no layer",
			parts{layers: "ab", history: `[{"created_by":"ARG","empty_layer":true},{"created_by":"A"},{"created_by":"CMD","empty_layer":true},{"created_by":"ENV mine","empty_layer":true},{"created_by":"B"},{"created_by":"USER","empty_layer":true}]`},
			parts{layers: "a", history: `[{"created_by":"ARG","empty_layer":true},{"created_by":"A"},{"created_by":"CMD","empty_layer":true}]`},
			parts{layers: "c", history: `[{"created_by":"C"},{"created_by":"CMD new","empty_layer":true}]`},
			"cb", `[{"created_by":"C"},{"created_by":"CMD new","empty_layer":true},{"created_by":"ENV mine","empty_layer":true},{"created_by":"B"},{"created_by":"USER","empty_layer":true}]`},
		{"times set anew by a builder",
			parts{layers: "ab", history: `[{"created":"1970-01-01T00:00:00Z","created_by":"A"},{"created":"1970-01-01T00:00:00Z","created_by":"CMD","empty_layer":true},{"created_by":"B"}]`},
			parts{layers: "a", history: `[{"created":"2020-01-01T00:00:00Z","created_by":"A"},{"created":"2020-01-01T00:00:00Z","created_by":"CMD","empty_layer":true}]`},
			parts{layers: "c"}, "cb", `[{"created_by":"C"},{"created_by":"B"}]`},
		{"the same command twice",
			parts{layers: "a", history: `[{"created_by":"A"},{"created_by":"ENV X=1","empty_layer":true},{"created_by":"ENV X=1","empty_layer":true}]`},
			parts{layers: "a", history: `[{"created_by":"A"},{"created_by":"ENV X=1","empty_layer":true}]`},
			parts{layers: "c"}, "c", `[{"created_by":"C"},{"created_by":"ENV X=1","empty_layer":true}]`},
		{"histories that don't match", parts{layers: "ab", history: `[]`}, parts{layers: "a", history: `[]`}, parts{layers: "c", history: `[]`}, "cb", `[` + padding + `,` + padding + `]`},
		{"OCI on a Docker base", parts{layers: "ab"}, parts{layers: "a"}, parts{layers: "c", mediaType: content.DockerManifest}, "cb", `[{"created_by":"C"},{"created_by":"B"}]`},
		{"Docker on an OCI base", parts{layers: "ab", mediaType: content.DockerManifest}, parts{layers: "a"}, parts{layers: "c"}, "cb", `[{"created_by":"C"},{"created_by":"B"}]`},
	} {
		img, was := c.img.image(t), c.was.image(t)
		moved, err := img.Rebase(&image.Rebasing{Old: was, New: c.now.image(t)})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := letters(t, reloaded(t, moved)); got != c.layers {
			t.Errorf("%s: layers %s, want %s", c.name, got, c.layers)
		}
		if diff := cmp.Diff(c.histor, history(moved)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if moved.Format() != img.Format() || moved.Platform() != img.Platform() {
			t.Errorf("%s: it became %s for %s", c.name, moved.Format(), moved.Platform())
		}
		if got := letters(t, img); got != c.img.layers {
			t.Errorf("%s: the image itself has %s", c.name, got)
		}
	}
}

// Rebasing back brings back the image, but for nothing.
func TestRebaseThereAndBack(t *testing.T) {
	was, now := parts{layers: "ab", config: `{"Env":["PATH=/bin","V=1"],"Cmd":["sh"],"Labels":{"v":"1"}}`}, parts{layers: "c", config: `{"Env":["PATH=/usr/bin","V=2","W=1"],"User":"x"}`}
	img := parts{layers: "abd", config: `{"Env":["PATH=/bin","V=1","MINE=1"],"Cmd":["sh"],"Labels":{"v":"1","mine":""},"WorkingDir":"/app"}`}.image(t)
	there, err := img.Rebase(&image.Rebasing{Old: was.image(t), New: now.image(t)})
	if err != nil {
		t.Fatal(err)
	}
	back, err := there.Rebase(&image.Rebasing{Old: now.image(t), New: was.image(t)})
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := errors.Join(json.Unmarshal(img.Config(), &a), json.Unmarshal(back.Config(), &b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
	same, err := img.Rebase(&image.Rebasing{Old: was.image(t), New: was.image(t)})
	if err != nil || same.Descriptor().Digest != img.Descriptor().Digest {
		t.Errorf("onto the base that it has: %v, %s", err, same.Config())
	}
}

func TestRebaseConfig(t *testing.T) {
	for _, c := range []struct{ name, was, img, now, want string }{
		{"as the base has it", `{"User":"a","WorkingDir":"/a"}`, `{"User":"a","WorkingDir":"/a"}`, `{"User":"b"}`, `{"User":"b"}`},
		{"set by the image", `{"User":"a"}`, `{"User":"mine"}`, `{"User":"b"}`, `{"User":"mine"}`},
		{"taken away by the image", `{"User":"a"}`, `{}`, `{"User":"b"}`, `{}`},
		{"taken away, as nothing", `{"User":"a"}`, `{"User":""}`, `{"User":"b"}`, `{"User":""}`},
		{"new in the base", `{}`, `{"User":""}`, `{"User":"b"}`, `{"User":"b"}`},
		{"gone from the base", `{"StopSignal":"SIGQUIT"}`, `{"StopSignal":"SIGQUIT","User":"mine"}`, `{}`, `{"User":"mine"}`},
		{"null is nothing", `{"Cmd":null}`, `{"Cmd":[]}`, `{"Cmd":["x"]}`, `{"Cmd":["x"]}`},
		{"unknown fields", `{"x":{"a":1.0}}`, `{"x":{"a":1},"y":[1.0]}`, `{"x":{"a":2.50}}`, `{"x":{"a":2.50},"y":[1.0]}`},
		{"another case", `{"env":["A=1"]}`, `{"env":["A=1"],"user":"u"}`, `{"Env":["A=2"],"User":"v"}`, `{"env":["A=2"],"user":"u"}`},

		{"env by name", `{"Env":["PATH=/bin","V=1","OLD=1"]}`, `{"Env":["PATH=/bin","V=1","OLD=1","MINE=1"]}`, `{"Env":["PATH=/usr/bin","V=2","NEW=1"]}`, `{"Env":["PATH=/usr/bin","V=2","NEW=1","MINE=1"]}`},
		{"env that the image changed", `{"Env":["PATH=/bin"]}`, `{"Env":["PATH=/app:/bin"]}`, `{"Env":["PATH=/usr/bin"]}`, `{"Env":["PATH=/app:/bin"]}`},
		{"env that the image took away", `{"Env":["A=1","B=1"]}`, `{"Env":["B=1"]}`, `{"Env":["A=2","B=2"]}`, `{"Env":["B=2"]}`},
		{"env twice", `{"Env":["A=1","A=2"]}`, `{"Env":["A=1","A=2"]}`, `{"Env":["A=3"]}`, `{"Env":["A=3"]}`},
		{"env gone", `{"Env":["A=1"]}`, `{"Env":["A=1"]}`, `{}`, `{}`},
		{"env that both set to one value", `{}`, `{"Env":["A=1"]}`, `{"Env":["A=1"]}`, `{"Env":["A=1"]}`},

		{"labels by name", `{"Labels":{"v":"1","old":"1"}}`, `{"Labels":{"v":"1","old":"1","mine":"1","V":"2"}}`, `{"Labels":{"v":"2","new":""}}`, `{"Labels":{"v":"2","mine":"1","V":"2","new":""}}`},
		{"an empty label is one", `{"Labels":{"v":""}}`, `{"Labels":{}}`, `{"Labels":{"v":""}}`, `{"Labels":{}}`},
		{"ports and volumes", `{"ExposedPorts":{"80/tcp":{}},"Volumes":{"/old":{}}}`, `{"ExposedPorts":{"80/tcp":{},"8080/tcp":{}},"Volumes":{"/old":{}}}`, `{"ExposedPorts":{"443/tcp":{}}}`,
			`{"ExposedPorts":{"8080/tcp":{},"443/tcp":{}}}`},

		{"cmd of the base", `{"Entrypoint":["e"],"Cmd":["c"]}`, `{"Entrypoint":["e"],"Cmd":["c"]}`, `{"Entrypoint":["e2"],"Cmd":["c2"]}`, `{"Entrypoint":["e2"],"Cmd":["c2"]}`},
		{"the image's cmd, the base's entrypoint", `{"Entrypoint":["e"],"Cmd":["c"]}`, `{"Entrypoint":["e"],"Cmd":["mine"]}`, `{"Entrypoint":["e2"],"Cmd":["c2"]}`, `{"Entrypoint":["e2"],"Cmd":["mine"]}`},
		{"the image's entrypoint takes no cmd of the base", `{}`, `{"Entrypoint":["mine"]}`, `{"Cmd":["bash"]}`, `{"Entrypoint":["mine"]}`},
		{"the image's entrypoint with the cmd that it kept", `{"Cmd":["c"]}`, `{"Entrypoint":["mine"],"Cmd":["c"]}`, `{"Cmd":["c2"]}`, `{"Entrypoint":["mine"],"Cmd":["c"]}`},
		{"a health check", `{"Healthcheck":{"Test":["CMD","a"]}}`, `{"Healthcheck":{"Test":["CMD","a"]}}`, `{"Healthcheck":{"Test":["CMD","b"],"Retries":3}}`, `{"Healthcheck":{"Test":["CMD","b"],"Retries":3}}`},
	} {
		img := parts{layers: "ab", config: c.img}.image(t)
		moved, err := img.Rebase(&image.Rebasing{Old: parts{layers: "a", config: c.was}.image(t), New: parts{layers: "c", config: c.now}.image(t)})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got struct {
			Config json.RawMessage `json:"config"`
		}
		if err := json.Unmarshal(reloaded(t, moved).Config(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, orEmpty(string(got.Config))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// What stands beside the object "config" has the same rule, but for what says what the image is.
func TestRebaseRestOfTheConfig(t *testing.T) {
	img := parts{layers: "ab", more: `"created":"2024-01-01T00:00:00Z","author":"base","variant":"v2","os.version":"1","x":1,`}.image(t)
	moved, err := img.Rebase(&image.Rebasing{
		Old: parts{layers: "a", more: `"created":"2024-01-01T00:00:00Z","author":"base","os.version":"1","x":2,`}.image(t),
		New: parts{layers: "c", more: `"created":"2025-01-01T00:00:00Z","author":"new","variant":"v1","os.version":"2","x":3,"y":4,`}.image(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(moved.Config()), `"config"`)
	want := `{"architecture":"amd64","os":"linux","created":"2024-01-01T00:00:00Z","author":"new","variant":"v2","os.version":"2","x":1,`
	if before != want || !strings.HasSuffix(string(moved.Config()), `,"y":4}`) {
		t.Errorf("got %s", moved.Config())
	}
}

// On Windows, names of variables know no case.
func TestRebaseEnvOfWindows(t *testing.T) {
	of := func(layers, env string) *image.Image {
		linux := parts{layers: layers, config: `{"Env":[` + env + `]}`}.image(t)
		img, err := linux.WithJSON(nil, []byte(strings.Replace(string(linux.Config()), `"os":"linux"`, `"os":"windows"`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	moved, err := of("ab", `"Path=C:","MINE=1","path2=x"`).Rebase(&image.Rebasing{Old: of("a", `"PATH=D:","PATH2=x"`), New: of("c", `"path=E:","mine=2","Path2=y"`)})
	if err != nil {
		t.Fatal(err)
	}
	if want := `"Env":["Path=C:","MINE=1","path2=x"]`; !strings.Contains(string(moved.Config()), want) {
		t.Errorf("got %s, want %s", moved.Config(), want)
	}
}

func TestRebaseAnnotations(t *testing.T) {
	const name, dgst = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
	id := digest.FromString("new base")
	for _, c := range []struct{ name, was, img, now, newName, want string }{
		{"none", "", "", "", "reg/b:2", ""},
		{"by name", `{"v":"1","old":""}`, `{"v":"1","old":"","mine":"x"}`, `{"v":"2","new":""}`, "reg/b:2", `{"v":"2","mine":"x","new":""}`},
		{"of the base are set", "", `{"` + name + `":"reg/b:1","` + dgst + `":"sha256:x"}`, "", "reg/b:2", `{"` + name + `":"reg/b:2","` + dgst + `":"` + id.String() + `"}`},
		{"one of the base", "", `{"` + name + `":"reg/b:1"}`, "", "reg/b:2", `{"` + name + `":"reg/b:2","` + dgst + `":"` + id.String() + `"}`},
		{"a base without a name", "", `{"` + name + `":"reg/b:1","x":"1"}`, "", "", `{"x":"1","` + dgst + `":"` + id.String() + `"}`},
		{"the base's base is not the image's", `{"` + name + `":"root"}`, `{"` + name + `":"root","x":"1"}`, `{"` + name + `":"root2"}`, "reg/b:2", `{"` + name + `":"root2","x":"1"}`},
	} {
		r := &image.Rebasing{Old: parts{layers: "a", annotations: c.was}.image(t), New: parts{layers: "c", annotations: c.now}.image(t), NewName: c.newName, NewDigest: id}
		moved, err := parts{layers: "ab", annotations: c.img}.image(t).Rebase(r)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		_, got, _ := strings.Cut(string(moved.Manifest()), `"annotations":`)
		if diff := cmp.Diff(c.want, strings.TrimSuffix(got, "}")); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	docker := parts{layers: "ab", mediaType: content.DockerManifest}.image(t)
	moved, err := docker.Rebase(&image.Rebasing{Old: parts{layers: "a"}.image(t), New: parts{layers: "c", annotations: `{"a":"1"}`}.image(t), NewName: "x"})
	if err != nil || strings.Contains(string(moved.Manifest()), "annotations") {
		t.Errorf("a Docker image: %v, %s", err, moved.Manifest())
	}
}

func TestRebaseNotesItself(t *testing.T) {
	moved, err := parts{layers: "ab"}.image(t).Rebase(&image.Rebasing{
		Old: parts{layers: "a"}.image(t), New: parts{layers: "c"}.image(t), CreatedBy: `rebase("a", "c")`, Created: time.Unix(0, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"created_by":"C"},{"created_by":"B"},{"created":"1970-01-01T00:00:00Z","created_by":"rebase(\"a\", \"c\")","empty_layer":true}]`
	if diff := cmp.Diff(want, history(moved)); diff != "" {
		t.Error(diff)
	}
	if got := moved.Layers()[1].CreatedBy; got != "B" {
		t.Errorf("the image's own layer was created by %q", got)
	}
}

func TestRebaseRefuses(t *testing.T) {
	id := func(text string) string { return digest.FromString(text).String() }
	arm := func(layers string) *image.Image {
		src := parts{layers: layers}.image(t)
		img, err := src.WithJSON(nil, []byte(strings.Replace(string(src.Config()), `"amd64"`, `"arm64"`, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	of := func(layers string) *image.Image { return parts{layers: layers}.image(t) }
	for _, c := range []struct {
		name          string
		img, was, now *image.Image
		kind          error
		want          string
	}{
		{"another first layer", of("ab"), of("c"), of("d"), image.ErrNotBased, "they differ from layer 1 of the base's 1 on, which is " + id("C") + ` ("C"), and in the image ` + id("A") + ` ("A")`},
		{"another second layer", of("abd"), of("ac"), of("d"), image.ErrNotBased, "from layer 2 of the base's 2 on"},
		{"fewer layers", of("a"), of("ab"), of("d"), image.ErrNotBased, "the base has 2 layers, and the image only 1"},
		{"another platform", of("ab"), of("a"), arm("c"), content.ErrInvalid, "the new base is for linux/arm64, and the image for linux/amd64"},
		{"an artifact", artifact(t), of("a"), of("c"), image.ErrArtifact, "helm"},
		{"an artifact as the old base", of("a"), artifact(t), of("c"), image.ErrArtifact, "helm"},
		{"an artifact as the new base", of("a"), of("a"), artifact(t), image.ErrArtifact, "helm"},
		{"zstd in a Docker image", parts{layers: "a", mediaType: content.DockerManifest}.image(t), of("a"), parts{layers: "c", layerType: content.OCILayerZstd}.image(t), content.ErrUnsupported, "use gzip"},
	} {
		if _, err := c.img.Rebase(&image.Rebasing{Old: c.was, New: c.now}); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %v with %q", c.name, err, c.kind, c.want)
		}
	}
	// The empty image has no platform of its own.
	if _, err := arm("ab").Rebase(&image.Rebasing{Old: of("a"), New: image.Scratch(amd64(), image.FormatOCI, time.Time{})}); err != nil {
		t.Errorf("onto scratch: %v", err)
	}
}

// The layers of the new base are mounted from where that is.
func TestSourcesOfARebasedImage(t *testing.T) {
	two := registry{new(content.Memory), "reg.example/two"}
	now := load(t, two, contenttest.Image(t, two, content.OCIManifest, 2))
	moved, err := parts{layers: "ab"}.image(t).Rebase(&image.Rebasing{Old: parts{layers: "a"}.image(t), New: now})
	if err != nil {
		t.Fatal(err)
	}
	if got := moved.Sources(moved.Layers()[0].Descriptor); !slices.Equal(got, []string{"reg.example/two"}) {
		t.Errorf("got %v", got)
	}
}
