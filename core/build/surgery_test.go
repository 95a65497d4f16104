package build_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/lock"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// cut is a program that does something to an image, and saves it.
func cut(base, target string, opts build.ImageOptions, f func(r *build.Run, img *build.Image) error) func(*build.Run) error {
	return func(r *build.Run) error {
		opts.Target = target
		img, err := r.Image(at("line 1"), base, &opts)
		if err != nil {
			return err
		}
		if err := f(r, img); err != nil {
			return err
		}
		img.Save(at("line 9"), nil)
		return nil
	}
}

// rebase is what cut does: from one reference to another.
func rebase(from, to string) func(*build.Run, *build.Image) error {
	return func(_ *build.Run, img *build.Image) error {
		old, err := img.Other(at("line 5"), from)
		if err != nil {
			return err
		}
		base, err := img.Other(at("line 5"), to)
		if err != nil {
			return err
		}
		return img.Rebase(at("line 5"), old, base)
	}
}

func appendTo(reference string) func(*build.Run, *build.Image) error {
	return func(_ *build.Run, img *build.Image) error {
		other, err := img.Other(at("line 5"), reference)
		if err == nil {
			img.Append(at("line 5"), other)
		}
		return err
	}
}

func flatten(_ *build.Run, img *build.Image) error {
	img.Flatten(at("line 5"))
	return nil
}

func removeFiles(patterns ...string) func(*build.Run, *build.Image) error {
	return func(_ *build.Run, img *build.Image) error {
		_, err := img.RemoveFiles(at("line 5"), patterns, nil)
		return err
	}
}

// savedImage is the manifest and the config of what a registry has under a tag, and the history in short.
func savedImage(t *testing.T, reg *registrytest.Server, repository, tag string) (layers []digest.Digest, history []string, config specs.Image) {
	t.Helper()
	_, data, ok := reg.Manifest(repository, tag)
	if !ok {
		t.Fatalf("there is no %s:%s", repository, tag)
	}
	var manifest specs.Manifest
	must(t, json.Unmarshal(data, &manifest))
	for _, l := range manifest.Layers {
		layers = append(layers, l.Digest)
	}
	text, ok := reg.Blob(repository, manifest.Config.Digest)
	if !ok {
		t.Fatalf("%s:%s has no config", repository, tag)
	}
	must(t, json.Unmarshal(text, &config))
	for _, h := range config.History {
		history = append(history, h.CreatedBy)
	}
	return layers, history, config
}

// layersRead are the layers that were read from a registry, of those that it has.
func layersRead(reg *registrytest.Server, seeded ...registrytest.Seeded) (read []digest.Digest) {
	for _, r := range reg.Requests() {
		for _, s := range seeded {
			isLayer := slices.ContainsFunc(s.Layers, func(l content.Descriptor) bool { return l.Digest.String() == r.Reference })
			if r.Method == http.MethodGet && r.Class == registrytest.ClassBlob && isLayer {
				read = append(read, digest.Digest(r.Reference))
				break
			}
		}
	}
	return read
}

// onBase is an image of a base's layers and its own.
func onBase(base registrytest.Image, more ...map[string]string) registrytest.Image {
	base.Layers = slices.Concat(base.Layers, more)
	return base
}

func oldBase() registrytest.Image {
	return registrytest.Image{Layers: []map[string]string{{"/etc/os": "1", "/etc/keep": "x"}, {"/bin/sh": "old"}}, Config: map[string]any{"Env": []string{"PATH=/bin", "V=1"}, "Cmd": []string{"sh"}}}
}

func newBase() registrytest.Image {
	return registrytest.Image{Layers: []map[string]string{{"/etc/os": "2", "/etc/keep": "x"}}, Config: map[string]any{"Env": []string{"PATH=/bin", "V=2"}, "Cmd": []string{"bash"}}}
}

// TestRebase replaces the layers of a base by mounting those of the new one: no layer is read.
func TestRebase(t *testing.T) {
	reg := registrytest.New(t, nil)
	old, base := reg.PushImage("base", "1", oldBase()), reg.PushImage("base", "2", newBase())
	app := onBase(oldBase(), map[string]string{"/app": "app"})
	app.Config = map[string]any{"Env": []string{"PATH=/bin", "V=1", "MINE=1"}, "Cmd": []string{"sh"}, "WorkingDir": "/app"}
	img := reg.PushImage("app", "1", app)
	reg.Reset()
	runFor(t, "", cut(reg.Host+"/app:1", reg.Host+"/app:2", build.ImageOptions{}, rebase(reg.Host+"/base:1", reg.Host+"/base:2")), reg)
	if read := layersRead(reg, old, base, img); len(read) > 0 {
		t.Errorf("layers were read: %v", read)
	}
	got, _ := tally(reg)
	if want := []string{
		"GET blob 200: 3", "GET manifest 200: 3", "GET manifest 404: 1", "POST upload 201: 2", "POST upload 202: 1", "PUT manifest 201: 1", "PUT session 201: 1",
	}; !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
	layers, history, config := savedImage(t, reg, "app", "2")
	if want := []digest.Digest{base.Layers[0].Digest, img.Layers[2].Digest}; !slices.Equal(layers, want) {
		t.Errorf("layers %v, want %v", layers, want)
	}
	if want := []string{"seed layer 1", "seed layer 3", fmt.Sprintf("rebase(%q, %q)", reg.Host+"/base:1", reg.Host+"/base:2")}; !slices.Equal(history, want) {
		t.Errorf("history %q, want %q", history, want)
	}
	if !slices.Equal(config.Config.Env, []string{"PATH=/bin", "V=2", "MINE=1"}) || !slices.Equal(config.Config.Cmd, []string{"bash"}) || config.Config.WorkingDir != "/app" {
		t.Errorf("config %+v", config.Config)
	}
}

// TestRebaseWhatTheProgramSet: attributes that the program sets are the image's own, whether they were set before or after.
func TestRebaseWhatTheProgramSet(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "1", oldBase())
	reg.PushImage("base", "2", newBase())
	var digests []digest.Digest
	for _, before := range []bool{true, false} {
		report := runFor(t, "", cut(reg.Host+"/base:1", reg.Host+"/app:1", build.ImageOptions{}, func(r *build.Run, img *build.Image) error {
			if before {
				img.Configure(at("line 2"), "setting env", image.Changes{Env: []string{"V=mine"}})
			}
			err := rebase(reg.Host+"/base:1", reg.Host+"/base:2")(r, img)
			if !before {
				img.Configure(at("line 6"), "setting env", image.Changes{Env: []string{"V=mine"}})
			}
			return err
		}), reg)
		digests = append(digests, report.Saved[0].Digest)
		if _, _, config := savedImage(t, reg, "app", "1"); !slices.Equal(config.Config.Env, []string{"PATH=/bin", "V=mine"}) {
			t.Errorf("env %v", config.Config.Env)
		}
	}
	if digests[0] != digests[1] {
		t.Errorf("the order matters: %v", digests)
	}
}

// TestSurgeryPicksThePlatform: of references to several platforms, the image's own is taken.
func TestSurgeryPicksThePlatform(t *testing.T) {
	reg := registrytest.New(t, nil)
	_, old := pushIndex(reg, "old", "old", "amd64", "arm64")
	_, base := pushIndex(reg, "new", "new", "amd64", "arm64")
	layerOf := func(of map[string]content.Descriptor, arch string) digest.Digest {
		_, data, _ := reg.Manifest("base", of[arch].Digest.String())
		var manifest specs.Manifest
		must(t, json.Unmarshal(data, &manifest))
		return manifest.Layers[0].Digest
	}
	for _, arch := range []string{"amd64", "arm64"} {
		opts := build.ImageOptions{Platform: "linux/" + arch}
		runFor(t, "", cut(reg.Host+"/base:old", reg.Host+"/app:rebased", opts, rebase(reg.Host+"/base:old", reg.Host+"/base:new")), reg)
		if layers, _, config := savedImage(t, reg, "app", "rebased"); !slices.Equal(layers, []digest.Digest{layerOf(base, arch)}) || config.Architecture != arch {
			t.Errorf("rebased: %s has layers %v", config.Architecture, layers)
		}
		runFor(t, "", cut(reg.Host+"/base:old", reg.Host+"/app:joined", opts, appendTo(reg.Host+"/base:new")), reg)
		if layers, _, config := savedImage(t, reg, "app", "joined"); !slices.Equal(layers, []digest.Digest{layerOf(old, arch), layerOf(base, arch)}) || config.Architecture != arch {
			t.Errorf("appended: %s has layers %v", config.Architecture, layers)
		}
	}
	_, err := newEngine(t, 2).Do(t.Context(), nil, cut(reg.Host+"/base:old", reg.Host+"/app:x", build.ImageOptions{Platform: "linux/arm64"}, func(r *build.Run, img *build.Image) error {
		other, err := r.Image(at("line 4"), reg.Host+"/base:new", &build.ImageOptions{Platform: "linux/amd64"})
		if err != nil {
			return err
		}
		old, err := img.Other(at("line 5"), reg.Host+"/base:old")
		if err != nil {
			return err
		}
		return img.Rebase(at("line 5"), old, other)
	}))
	if err == nil || !strings.Contains(err.Error(), "rebase: invalid: the new base is for linux/amd64, and the image for linux/arm64") {
		t.Errorf("onto another platform: %v", err)
	}
}

// TestSurgeryFails: the error is that of the call, wherever it is found, and not of the save.
func TestSurgeryFails(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "1", oldBase())
	reg.PushImage("base", "2", newBase())
	config := reg.PushBlob("base", []byte("{}"))
	config.MediaType = "application/vnd.cncf.helm.config.v1+json"
	chart, err := json.Marshal(specs.Manifest{MediaType: content.OCIManifest, Config: config, Layers: []specs.Descriptor{}})
	must(t, err)
	reg.PushManifest("base", "chart", content.OCIManifest, []byte(strings.Replace(string(chart), `"schemaVersion":0`, `"schemaVersion":2`, 1)))
	for name, c := range map[string]struct {
		f    func(*build.Run, *build.Image) error
		op   string
		want string
		hint string
	}{
		"not that base":         {rebase(reg.Host+"/base:2", reg.Host+"/base:1"), "rebase", "base:2: the image is not built on that base: they differ from layer 1 of the base's 1 on", "name the old base by the digest"},
		"no such base":          {rebase(reg.Host+"/base:1", reg.Host+"/base:3"), "image", `/base: tag "3": 404`, ""},
		"no such image":         {appendTo(reg.Host + "/base:3"), "image", `/base: tag "3": 404`, ""},
		"an artifact appended":  {appendTo(reg.Host + "/base:chart"), "append", image.ErrArtifact.Error(), ""},
		"an artifact as a base": {rebase(reg.Host+"/base:1", reg.Host+"/base:chart"), "rebase", image.ErrArtifact.Error(), ""},
		"nothing matches":       {removeFiles("/etc/os", "/nothing", "/no/**"), "remove_files", `no file of the image matches "/nothing", "/no/**"`, "allow_empty"},
	} {
		_, err := newEngine(t, 2).Do(t.Context(), nil, cut(reg.Host+"/base:1", reg.Host+"/app:1", build.ImageOptions{}, c.f))
		var step *build.StepError
		if !errors.As(err, &step) || step.Op != c.op || step.At != at("line 5") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v (%+v), want %s: … %s", name, err, step, c.op, c.want)
		}
		var hint interface{ Hint() string }
		if c.hint != "" && (!errors.As(err, &hint) || !strings.Contains(hint.Hint(), c.hint)) {
			t.Errorf("%s: no hint %q", name, c.hint)
		}
	}
	if tags := reg.Tags("app"); len(tags) > 0 {
		t.Errorf("tags %v", tags)
	}
}

// TestRemoveFilesRefuses what is malformed at the call.
func TestRemoveFilesRefuses(t *testing.T) {
	_, err := newEngine(t, 1).Do(t.Context(), nil, cut("scratch", "oci:out", build.ImageOptions{}, removeFiles("/ok", "/[", "/")))
	if !errors.Is(err, content.ErrInvalid) || !strings.Contains(err.Error(), `"/["`) || !strings.Contains(err.Error(), "the root can't be removed") {
		t.Errorf("got %v", err)
	}
}

// TestAppendImages of a program: the state at the call is taken, nothing that was done to it is lost, and the layers are built once.
func TestAppendImages(t *testing.T) {
	reg := registrytest.New(t, nil)
	base := reg.PushImage("base", "1", oldBase())
	root := tree(t, map[string]string{"f": "f", "g": "g"})
	report := runFor(t, root, cut(reg.Host+"/base:1", reg.Host+"/app:1", build.ImageOptions{}, func(r *build.Run, img *build.Image) error {
		data, err := r.Image(at("line 2"), "scratch", nil)
		if err != nil {
			return err
		}
		data.AddFiles(at("line 3"), []build.File{{Target: "/f", Local: "f"}}, nil)
		data.Configure(at("line 3"), "setting user", image.Changes{User: ptr("nobody")})
		img.Append(at("line 4"), data)
		data.AddFiles(at("line 5"), []build.File{{Target: "/g", Local: "g"}}, nil)
		data.Save(at("line 6"), &build.SaveOptions{To: reg.Host + "/data:1"})
		img.Append(at("line 7"), img)
		return nil
	}), reg)
	if len(report.Saved) != 2 {
		t.Fatal(report.Saved)
	}
	layers, history, config := savedImage(t, reg, "app", "1")
	data, _, _ := savedImage(t, reg, "data", "1")
	half := []digest.Digest{base.Layers[0].Digest, base.Layers[1].Digest, data[0]}
	if !slices.Equal(layers, append(half, half...)) || config.Config.User != "" {
		t.Errorf("layers %v, want %v twice; %+v", layers, half, config.Config)
	}
	if want := []string{"seed layer 1", "seed layer 2", `add_files({"/f": "//f"})`}; !slices.Equal(history, append(want, want...)) {
		t.Errorf("history %q", history)
	}
}

// TestSurgeryIsLocked: references of surgery are bases, for the lock, for the report, without a network, and for a plan.
func TestSurgeryIsLocked(t *testing.T) {
	reg := registrytest.New(t, nil)
	_, old := pushIndex(reg, "old", "old", "amd64")
	index, base := pushIndex(reg, "new", "new", "amd64")
	target := "oci:out"
	run := cut(reg.Host+"/base:old", target, build.ImageOptions{}, rebase(reg.Host+"/base:old", reg.Host+"/base:new"))
	cache := t.TempDir()
	e, err := build.NewEngine(&build.EngineOptions{CacheDir: cache, Jobs: 2, Keychain: auth.Chain()})
	must(t, err)
	first := mustLocked(t, e, build.LockOptions{File: fileOf(t), Download: true}, run)
	must(t, e.Close())
	var names []string
	for _, entry := range first.Lock.Added {
		names = append(names, entry.Name())
	}
	want := []lock.Entry{entry(reg, "new", "linux/amd64", index, base["amd64"].Digest)}
	if len(names) != 2 || first.Lock.Added[0] != want[0] || first.Lock.Added[1].Manifest != old["amd64"].Digest {
		t.Errorf("added %v, want %v and the old one", first.Lock.Added, want)
	}
	all := fileOf(t, first.Lock.Added...)
	again := mustLocked(t, offlineEngine(t, cache), build.LockOptions{File: all, Mode: lock.Locked, Offline: true}, run)
	if again.Saved[0].Digest != first.Saved[0].Digest {
		t.Errorf("offline it is %s and not %s", again.Saved[0].Digest, first.Saved[0].Digest)
	}
	_, err = locked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t, first.Lock.Added[1]), Mode: lock.Locked}, run)
	var locking *build.LockError
	if !errors.As(err, &locking) || locking.Reference != reg.Host+"/base:new" {
		t.Errorf("without the new base in the lock: %v", err)
	}
}

// sources are where the layers of a plan come from.
func sources(p *build.Plan) (list []string) {
	for _, blob := range p.Writes[0].Blobs {
		if blob.Kind == "layer" {
			list = append(list, blob.Source)
		}
	}
	return list
}

// TestPlanOfSurgery says what a run would do, and does nothing.
func TestPlanOfSurgery(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "1", oldBase())
	reg.PushImage("base", "2", newBase())
	one, two := reg.Host+"/base:1", reg.Host+"/base:2"
	want := map[string][]string{
		"rebase": {two}, "append": {one, one, two}, "flatten": {"flatten()"}, "remove_files": {one, one, `remove_files(["/etc/os"])`},
	}
	for name, f := range map[string]func(*build.Run, *build.Image) error{
		"rebase": rebase(one, two), "append": appendTo(two), "flatten": flatten, "remove_files": removeFiles("/etc/os"),
	} {
		run := cut(reg.Host+"/base:1", reg.Host+"/"+name+":1", build.ImageOptions{}, f)
		root := t.TempDir()
		planned := planOf(t, newEngine(t, 2), root, run, reg)
		did := runFor(t, root, run, reg)
		if planned.Plan.Writes[0].Digest != did.Saved[0].Digest {
			t.Errorf("%s: planned %s, did %s", name, planned.Plan.Writes[0].Digest, did.Saved[0].Digest)
		}
		wantPlanned(t, planned.Plan, did)
		if c := sources(planned.Plan); !slices.Equal(c, want[name]) {
			t.Errorf("%s: layers come from %q, want %q", name, c, want[name])
		}
		reg.Reset()
	}
}

// TestSurgeryOfTemplates starts when the image is used, and is no lost change.
func TestSurgeryOfTemplates(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "1", oldBase())
	reg.PushImage("base", "2", newBase())
	reg.Reset()
	program := func(use bool) func(*build.Run) error {
		return func(r *build.Run) error {
			img, err := r.Image(at("line 1"), reg.Host+"/base:1", &build.ImageOptions{Template: true})
			if err != nil {
				return err
			}
			err = errors.Join(rebase(reg.Host+"/base:1", reg.Host+"/base:2")(r, img), appendTo(reg.Host+"/base:2")(r, img), removeFiles("/etc/os")(r, img), flatten(r, img))
			if err != nil || !use {
				return err
			}
			fork, err := img.Fork(reg.Host+"/app:1", nil)
			if err == nil {
				fork.Save(at("line 9"), nil)
			}
			return err
		}
	}
	runFor(t, "", program(false), reg)
	if requests := reg.Requests(); len(requests) > 0 {
		t.Errorf("a template that nobody uses made requests: %v", requests)
	}
	runFor(t, "", program(true), reg)
	if layers, _, _ := savedImage(t, reg, "app", "1"); len(layers) != 1 {
		t.Errorf("layers %v", layers)
	}
}

// TestSurgeryThatNobodySaves is a lost change.
func TestSurgeryThatNobodySaves(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "1", oldBase())
	for op, f := range map[string]func(*build.Run, *build.Image) error{
		"rebase": rebase(reg.Host+"/base:1", "scratch"), "append": appendTo(reg.Host + "/base:1"), "flatten": flatten, "remove_files": removeFiles("/etc/os"),
	} {
		_, err := newEngine(t, 2).Do(t.Context(), nil, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), reg.Host+"/base:1", nil)
			if err != nil {
				return err
			}
			return f(r, img)
		})
		var lost *build.LostChangeError
		if !errors.As(err, &lost) || lost.Op != op || lost.At != at("line 5") {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// TestSurgeryOfLayouts keeps paths of this machine out of images.
func TestSurgeryOfLayouts(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "1", oldBase())
	root := t.TempDir()
	report := runFor(t, root, func(r *build.Run) error {
		for _, name := range []string{"oci:out/base:v1", "oci-archive:" + root + "/out/base.tar"} {
			if err := copyTo(reg.Host+"/base:1", name)(r); err != nil {
				return err
			}
		}
		return cut("oci:out/base:v1", reg.Host+"/app:1", build.ImageOptions{}, rebase("oci:out/base:v1", "oci-archive:"+root+"/out/base.tar"))(r)
	}, reg)
	if len(report.Saved) != 3 {
		t.Fatal(report.Saved)
	}
	_, history, _ := savedImage(t, reg, "app", "1")
	if last := history[len(history)-1]; last != `rebase("oci://out/base:v1", "oci-archive://out/base.tar")` {
		t.Errorf("history %q", last)
	}
}
