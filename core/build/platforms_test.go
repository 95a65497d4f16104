package build_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/lock"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// threePlatforms are those of attestedBase.
var threePlatforms = []string{"linux/amd64", "linux/arm64", "linux/arm/v6"}

// attestedBase puts into "base" under "many" an index as BuildKit makes it: three platforms, each with an attestation, annotations on entries and on the index.
func attestedBase(t *testing.T, reg *registrytest.Server, docker bool) content.Descriptor {
	t.Helper()
	var images, proofs []content.Descriptor
	for _, p := range []specs.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64", Variant: "v8"}, {OS: "linux", Architecture: "arm", Variant: "v6"}} {
		img := reg.PushImage("base", "", registrytest.Image{Docker: docker, Arch: p.Architecture, Pretty: true, Layers: []map[string]string{
			{"/etc/motd": "hello\n"}, {"/arch": p.Architecture + p.Variant},
		}, Config: map[string]any{"Env": []string{"PATH=/bin", "ARCH=" + p.Architecture}}}).Manifest
		img.Platform = &p
		if !docker {
			img.Annotations = map[string]string{"of": p.Architecture}
			proof := reg.PushImage("base", "", registrytest.Image{Arch: "unknown", Extra: map[string]any{"os": "unknown"}, Layers: []map[string]string{{"/proof": p.Architecture}}}).Manifest
			proof.Platform = &specs.Platform{OS: "unknown", Architecture: "unknown"}
			proof.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": img.Digest.String()}
			proofs = append(proofs, proof)
		}
		images = append(images, img)
	}
	return reg.PushIndex("base", "many", docker, append(images, proofs...)...)
}

// several makes an image of some platforms of attestedBase.
func several(r *build.Run, reg *registrytest.Server, target string, platforms ...string) (*build.Image, error) {
	return r.Image(at("line 1"), reg.Host+"/base:many", &build.ImageOptions{Target: target, Platforms: platforms})
}

// addText adds a layer of one file.
func addText(img *build.Image, line, path, text string) *build.Layer {
	return img.AddFiles(at(line), []build.File{{Target: path, Custom: &layer.Custom{}, Data: build.BytesBlob(path, []byte(text))}}, nil)
}

// remoteIndex reads an index of a registry.
func remoteIndex(t *testing.T, reg *registrytest.Server, repository, ref string) *content.Document {
	t.Helper()
	desc, data, ok := reg.Manifest(repository, ref)
	if !ok {
		t.Fatalf("there is no %s in %s", ref, repository)
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// listed is an index as a list: each entry with its platform and its number of layers.
func listed(t *testing.T, reg *registrytest.Server, repository, ref string) (list []string) {
	t.Helper()
	for _, desc := range remoteIndex(t, reg, repository, ref).Manifests {
		child := remoteIndex(t, reg, repository, desc.Digest.String())
		p := desc.Platform
		list = append(list, strings.TrimSuffix(fmt.Sprintf("%s/%s/%s", p.OS, p.Architecture, p.Variant), "/")+fmt.Sprint(" ", len(child.Layers)))
	}
	return list
}

// configOf reads the config of one platform of an index.
func configOf(t *testing.T, reg *registrytest.Server, repository, ref, arch string) (config specs.Image) {
	t.Helper()
	for _, desc := range remoteIndex(t, reg, repository, ref).Manifests {
		if desc.Platform.Architecture != arch {
			continue
		}
		data, ok := reg.Blob(repository, remoteIndex(t, reg, repository, desc.Digest.String()).Config.Digest)
		if err := json.Unmarshal(data, &config); !ok || err != nil {
			t.Fatalf("config of %s: %v", arch, err)
		}
		return config
	}
	t.Fatalf("there is no %s in %s:%s", arch, repository, ref)
	return config
}

// TestSeveralPlatforms: what is done to an image of several is done to each, in an index of the base's kind and order, whatever the number of jobs. A layer for all is built and sent once, and those of the
// base that they share too.
func TestSeveralPlatforms(t *testing.T) {
	for _, docker := range []bool{false, true} {
		var digests []digest.Digest
		for _, jobs := range []int{1, 2, 16} {
			from, to := registrytest.New(t, nil), registrytest.New(t, nil)
			attestedBase(t, from, docker)
			built := 0
			report, err := newEngine(t, jobs).Do(t.Context(), &build.Options{Root: t.TempDir(), Events: func(e build.Event) {
				if e.Kind == build.TaskEnd && e.How == "built" {
					built++
				}
			}}, func(r *build.Run) error {
				img, err := several(r, from, to.Host+"/app:v1", "linux/arm/v6", "linux/amd64", "linux/arm64/v8")
				if err != nil {
					return err
				}
				names, err := img.Platforms(at("line 2"))
				if err != nil || !slices.Equal(names, []string{"linux/arm/v6", "linux/amd64", "linux/arm64"}) {
					t.Errorf("platforms %v, %v", names, err)
				}
				addText(img, "line 3", "/app/f", strings.Repeat("f", 1000))
				img.Configure(at("line 4"), "setting user", image.Changes{User: new("web"), Labels: map[string]string{"a": "b"}})
				img.Save(at("line 5"), &build.SaveOptions{Changes: image.Changes{Cmd: []string{"run"}}})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			saved := report.Saved[0]
			digests = append(digests, saved.Digest)
			if want := []string{"linux/amd64 3", "linux/arm64/v8 3", "linux/arm/v6 3"}; !slices.Equal(listed(t, to, "app", "v1"), want) {
				t.Errorf("docker %t: got %v, want %v", docker, listed(t, to, "app", "v1"), want)
			}
			for _, arch := range []string{"amd64", "arm64", "arm"} {
				c := configOf(t, to, "app", "v1", arch)
				if c.Config.User != "web" || c.Config.Labels["a"] != "b" || !slices.Equal(c.Config.Cmd, []string{"run"}) || !slices.Contains(c.Config.Env, "ARCH="+arch) || c.Created.Unix() != 0 {
					t.Errorf("docker %t: %s: config %+v", docker, arch, c)
				}
			}
			doc := remoteIndex(t, to, "app", "v1")
			if wantType := map[bool]string{false: content.OCIIndex, true: content.DockerList}[docker]; doc.MediaType != wantType || saved.MediaType != wantType {
				t.Errorf("docker %t: the index is %s, saved as %s", docker, doc.MediaType, saved.MediaType)
			}
			if !docker && doc.Manifests[2].Annotations["of"] != "arm" {
				t.Errorf("annotations %v", doc.Manifests[2].Annotations)
			}
			// Each once: a layer that all share and one of each of the base, the new one, three configs.
			if uploads := to.Count("POST", registrytest.ClassUpload); uploads != 1+3+1+3 || saved.Uploaded != 8 || built != 1 {
				t.Errorf("docker %t: %d uploads, %d blobs, %d layers built\n%s", docker, uploads, saved.Uploaded, built, strings.Join(to.Lines(), "\n"))
			}
			if want := []string{"linux/amd64", "linux/arm64", "linux/arm/v6"}; !slices.Equal(saved.Platforms, want) || len(saved.Layers) != 5 {
				t.Errorf("docker %t: platforms %v, %d layers", docker, saved.Platforms, len(saved.Layers))
			}
			last := to.Requests()[len(to.Requests())-1]
			if last.Method != "PUT" || last.Reference != "v1" {
				t.Errorf("the last request is %s, not the tag", last)
			}
		}
		if digests[0] != digests[1] || digests[0] != digests[2] {
			t.Errorf("docker %t: the digest depends on the jobs: %v", docker, digests)
		}
	}
}

// TestViews: what is done to a view is done to its platform, in program order with what is done to all. Platforms that nothing was done to keep their bytes and attestations.
func TestViews(t *testing.T) {
	reg := registrytest.New(t, nil)
	base := attestedBase(t, reg, false)
	before := remoteIndex(t, reg, "base", "many")
	do(t, nil, func(r *build.Run) error {
		img, err := several(r, reg, reg.Host+"/app:view", build.AllPlatforms)
		if err != nil {
			return err
		}
		view, err := img.On(at("line 2"), "linux/arm64/v8")
		if err != nil {
			return err
		}
		addText(view, "line 3", "/only", "arm64")
		img.Save(at("line 4"), nil)
		img.Save(at("line 5"), &build.SaveOptions{Tags: []string{"again"}})

		addText(img, "line 6", "/all", "all")
		addText(view, "line 7", "/late", "arm64")
		layers, err := view.Layers(at("line 8"))
		if err != nil {
			return err
		}
		var made []string
		for _, l := range layers[2:] {
			made = append(made, l.CreatedBy())
		}
		want := []string{`add_files({"/only": "custom_file"})`, `add_files({"/all": "custom_file"})`, `add_files({"/late": "custom_file"})`}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Error(diff)
		}
		img.Save(at("line 9"), &build.SaveOptions{Tags: []string{"all"}})
		view.Save(at("line 10"), &build.SaveOptions{Tags: []string{"alone"}})
		return nil
	})
	after := remoteIndex(t, reg, "app", "view")
	var kept, changed []content.Descriptor
	for _, desc := range before.Manifests {
		switch {
		case desc.Platform.Architecture == "arm64":
			changed = append(changed, desc)
		case desc.Annotations["vnd.docker.reference.digest"] == changed0(changed): // the attestation of arm64
		default:
			kept = append(kept, desc)
		}
	}
	var same []content.Descriptor
	for _, desc := range after.Manifests {
		if desc.Platform.Architecture != "arm64" {
			same = append(same, desc)
		} else if desc.Digest == changed[0].Digest || desc.Platform.Variant != "v8" || desc.Annotations["of"] != "arm64" {
			t.Errorf("arm64: %+v", desc)
		}
	}
	if diff := cmp.Diff(kept, same); diff != "" || len(after.Manifests) != len(kept)+1 {
		t.Errorf("what was not changed (-before +after):\n%s", diff)
	}
	if want := []string{"linux/amd64 3", "linux/arm64/v8 5", "linux/arm/v6 3"}; !slices.Equal(listed(t, reg, "app", "all"), want) {
		t.Errorf("got %v, want %v", listed(t, reg, "app", "all"), want)
	}
	alone := remoteIndex(t, reg, "app", "alone")
	all := remoteIndex(t, reg, "app", "all")
	if alone.Config == nil || !slices.ContainsFunc(all.Manifests, func(d content.Descriptor) bool {
		desc, _, _ := reg.Manifest("app", "alone")
		return d.Digest == desc.Digest
	}) {
		t.Error("the view was not saved as what the index has")
	}
	if base.Digest == content.Of("", mustManifest(t, reg, "app", "again")).Digest {
		t.Error("nothing changed")
	}
}

func changed0(list []content.Descriptor) string {
	if len(list) == 0 {
		return "none"
	}
	return list[0].Digest.String()
}

func mustManifest(t *testing.T, reg *registrytest.Server, repository, ref string) []byte {
	t.Helper()
	_, data, ok := reg.Manifest(repository, ref)
	if !ok {
		t.Fatalf("there is no %s in %s", ref, repository)
	}
	return data
}

// TestAllUnchanged: nothing changed, and all platforms: the index is copied byte for byte, attestations and all, and so is what is no index.
func TestAllUnchanged(t *testing.T) {
	from, to := registrytest.New(t, nil), registrytest.New(t, nil)
	index := attestedBase(t, from, false)
	single := from.PushImage("base", "single", layersOf(2)).Manifest
	report := do(t, nil, func(r *build.Run) error {
		for _, tag := range []string{"many", "single"} {
			img, err := r.Image(at("line 1"), from.Host+"/base:"+tag, &build.ImageOptions{Target: to.Host + "/copy:" + tag, Platforms: []string{build.AllPlatforms}})
			if err != nil {
				return err
			}
			if tag == "many" { // looking changes nothing
				if names, err := img.Platforms(at("line 2")); err != nil || !slices.Equal(names, threePlatforms) {
					t.Errorf("platforms %v, %v", names, err)
				}
			}
			img.Save(at("line 3"), nil)
		}
		return nil
	})
	if report.Saved[0].Digest != index.Digest || report.Saved[1].Digest != single.Digest {
		t.Errorf("saved %s and %s, want %s and %s", report.Saved[0].Digest, report.Saved[1].Digest, index.Digest, single.Digest)
	}
	if !slices.Equal(report.Saved[0].Platforms, threePlatforms) {
		t.Errorf("platforms %v", report.Saved[0].Platforms)
	}
}

// TestAllOfASingleImage: a base without an index is its one platform, and saved as such.
func TestAllOfASingleImage(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "single", registrytest.Image{Arch: "arm64", Layers: []map[string]string{{"/f": "f"}}})
	report := do(t, nil, func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/base:single", &build.ImageOptions{Target: reg.Host + "/app", Platforms: []string{build.AllPlatforms}})
		if err != nil {
			return err
		}
		addText(img, "line 2", "/f", "f")
		if layers, err := img.Layers(at("line 3")); err != nil || len(layers) != 2 {
			t.Errorf("%d layers, %v", len(layers), err)
		}
		img.Save(at("line 4"), nil)
		return nil
	})
	if saved := report.Saved[0]; saved.MediaType != content.OCIManifest || !slices.Equal(saved.Platforms, []string{"linux/arm64"}) {
		t.Errorf("saved %s of %v", saved.MediaType, saved.Platforms)
	}
}

// TestLockOfSeveral: each platform has its entry in the lock; all of them are the index. What is locked is what is started from, and without its entries it is an error.
func TestLockOfSeveral(t *testing.T) {
	reg := registrytest.New(t, nil)
	index := attestedBase(t, reg, false)
	before := remoteIndex(t, reg, "base", "many")
	of := func(p string, k int) lock.Entry { return entry(reg, "many", p, index, before.Manifests[k].Digest) }
	run := changedTo(reg.Host+"/base:many", "oci:out", build.ImageOptions{Platforms: []string{"linux/arm64", "linux/amd64"}})
	all := changedTo(reg.Host+"/base:many", "oci:out", build.ImageOptions{Platforms: []string{build.AllPlatforms}})
	first := mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t)}, run)
	want := []lock.Entry{of("linux/amd64", 0), of("linux/arm64", 1)}
	if diff := cmp.Diff(want, first.Lock.Added); diff != "" {
		t.Error(diff)
	}
	whole := []lock.Entry{entry(reg, "many", lock.All, index, "")}
	if diff := cmp.Diff(whole, mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t)}, all).Lock.Added); diff != "" {
		t.Error(diff)
	}
	_, err := locked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t, want[:1]...), Mode: lock.Locked}, run)
	lockError(t, err, build.ErrLocked, "line 1", "/base:many is not in imgscript.lock for linux/arm64", "imgscript update")

	e := newEngine(t, 2)
	mustLocked(t, e, build.LockOptions{File: fileOf(t, want...), Download: true}, run)
	mustLocked(t, e, build.LockOptions{File: fileOf(t, whole...), Download: true}, all)
	reg.PushImage("base", "many", layersOf(1))
	reg.Reset()
	for _, c := range []struct {
		run   func(*build.Run) error
		lock  []lock.Entry
		saved digest.Digest
	}{{run, want, first.Saved[0].Digest}, {all, whole, ""}} {
		report := mustLocked(t, e, build.LockOptions{File: fileOf(t, c.lock...), Mode: lock.Locked, Offline: true}, c.run)
		if c.saved != "" && report.Saved[0].Digest != c.saved {
			t.Error("the image is another one")
		}
		if diff := cmp.Diff(c.lock, report.Lock.Used); diff != "" {
			t.Error(diff)
		}
	}
	if lines := reg.Lines(); len(lines) > 0 {
		t.Errorf("offline it asked %v", lines)
	}
}

// TestOfflineOfSeveral: what nobody changed goes along without a network too, with its attestations.
func TestOfflineOfSeveral(t *testing.T) {
	reg := registrytest.New(t, nil)
	attestedBase(t, reg, false)
	run := func(r *build.Run) error {
		img, err := several(r, reg, "oci:out:v1", "linux/arm64", "linux/amd64")
		if err != nil {
			return err
		}
		view, err := img.On(at("line 2"), "linux/arm64")
		if err != nil {
			return err
		}
		addText(view, "line 3", "/f", "f")
		img.Save(at("line 4"), nil)
		return nil
	}
	e := newEngine(t, 2)
	first := mustLocked(t, e, build.LockOptions{File: fileOf(t), Download: true}, run)
	reg.Reset()
	again := mustLocked(t, e, build.LockOptions{File: fileOf(t, first.Lock.Added...), Mode: lock.Locked, Offline: true}, run)
	if lines := reg.Lines(); len(lines) > 0 || again.Saved[0].Digest != first.Saved[0].Digest {
		t.Errorf("saved %s, then %s, asking %v", first.Saved[0].Digest, again.Saved[0].Digest, lines)
	}
}

// TestScratchOfSeveral: one empty image each, and an index of them in the order of the list.
func TestScratchOfSeveral(t *testing.T) {
	for format, mediaType := range map[string]string{"": content.OCIIndex, "oci": content.OCIIndex, "docker": content.DockerList} {
		reg := registrytest.New(t, nil)
		report := do(t, nil, func(r *build.Run) error {
			img, err := r.Image(at("line 1"), "scratch", &build.ImageOptions{
				Target: reg.Host + "/app:v1", Format: format, Platforms: []string{"linux/arm64/v8", "windows(10.0.20348.1)/amd64", "linux/arm/v7"},
			})
			if err != nil {
				return err
			}
			addText(img, "line 2", "/f", "f")
			img.Save(at("line 3"), nil)
			return nil
		})
		if got := report.Saved[0].MediaType; got != mediaType {
			t.Errorf("format %q: got %s", format, got)
		}
		doc := remoteIndex(t, reg, "app", "v1")
		if want := []string{"linux/arm64 1", "windows/amd64 1", "linux/arm/v7 1"}; !slices.Equal(listed(t, reg, "app", "v1"), want) || doc.Manifests[1].Platform.OSVersion != "10.0.20348.1" {
			t.Errorf("format %q: got %v", format, listed(t, reg, "app", "v1"))
		}
	}
}

// TestNothingNewOfSeveral: a run that makes what is there already sends nothing, and asks little: what each platform has is known by what the tag has.
func TestNothingNewOfSeveral(t *testing.T) {
	reg := registrytest.New(t, nil)
	attestedBase(t, reg, false)
	e := newEngine(t, 2)
	run := func(text string) *build.Report {
		reg.Reset()
		report, err := e.Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
			img, err := several(r, reg, reg.Host+"/app:v1", threePlatforms...)
			if err != nil {
				return err
			}
			addText(img, "line 2", "/f", text)
			img.Save(at("line 3"), nil)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	first := run("f")
	again := run("f")
	got, _ := tally(reg)
	// The base's index, that of the tag and its three manifests; and whether the tag still has it.
	if want := []string{"GET manifest 200: 5", "HEAD manifest 200: 1"}; !slices.Equal(got, want) || again.Saved[0].Digest != first.Saved[0].Digest {
		t.Errorf("nothing new: %v", got)
	}
	run("g")
	got, _ = tally(reg)
	if want := []string{"GET manifest 200: 5", "POST upload 202: 4", "PUT manifest 201: 4", "PUT session 201: 4"}; !slices.Equal(got, want) {
		t.Errorf("one other layer: %v", got)
	}
}

// TestSeveralTakeAsLongAsOne: with a slow registry, three platforms wait for about as many answers one after the other as one does, since all of them go out at once. What one of a few tries did on a
// busy computer is what the program needs at most.
func TestSeveralTakeAsLongAsOne(t *testing.T) {
	waits := func(platforms ...string) int {
		from, to := registrytest.New(t, nil), registrytest.New(t, &registrytest.Options{Latency: 50 * time.Millisecond})
		attestedBase(t, from, false)
		do(t, nil, func(r *build.Run) error {
			img, err := several(r, from, to.Host+"/app:v1", platforms...)
			if err != nil {
				return err
			}
			addText(img, "line 2", "/f", "f")
			img.Save(at("line 3"), nil)
			return nil
		})
		return registrytest.Rounds(to)
	}
	one, three := 0, 0
	for range 4 {
		one, three = waits(threePlatforms[0]), waits(threePlatforms...)
		t.Logf("one platform waits for %d answers, three for %d", one, three)
		if three <= one+3 {
			return
		}
	}
	t.Errorf("three platforms wait for %d answers, one waits for %d", three, one)
}
