package build_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/lock"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// pushIndex puts an index of images into "base", whose layers have a text, and returns it with its manifests by architecture.
func pushIndex(reg *registrytest.Server, tag, text string, archs ...string) (content.Descriptor, map[string]content.Descriptor) {
	manifests := map[string]content.Descriptor{}
	var children []content.Descriptor
	for _, arch := range archs {
		desc := reg.PushImage("base", "", registrytest.Image{Arch: arch, Layers: []map[string]string{{"/etc/" + arch: text}}}).Manifest
		desc.Platform = &specs.Platform{OS: "linux", Architecture: arch}
		manifests[arch] = desc
		children = append(children, desc)
	}
	return reg.PushIndex("base", tag, false, children...), manifests
}

// fileOf is a lock of entries.
func fileOf(t *testing.T, entries ...lock.Entry) *lock.File {
	t.Helper()
	f, err := (*lock.File)(nil).Set(entries...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// entry locks a tag of "base" to an index.
func entry(reg *registrytest.Server, tag, platform string, index content.Descriptor, manifest digest.Digest) lock.Entry {
	return lock.Entry{Reference: reg.Host + "/base:" + tag, Platform: platform, Index: index.Digest, Manifest: manifest, MediaType: index.MediaType}
}

// changedTo saves an image with a file more than a base.
func changedTo(base, target string, opts build.ImageOptions) func(*build.Run) error {
	return func(r *build.Run) error {
		opts.Target = target
		img, err := r.Image(at("line 1"), base, &opts)
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/f", Custom: &layer.Custom{}, Data: build.BytesBlob("f", []byte("f"))}}, nil)
		img.Save(at("line 3"), nil)
		return nil
	}
}

// locked runs f with a lock, in a root of its own.
func locked(t *testing.T, e *build.Engine, opts build.LockOptions, f func(*build.Run) error) (*build.Report, error) {
	t.Helper()
	return e.Do(t.Context(), &build.Options{Root: t.TempDir(), Lock: &opts}, f)
}

func mustLocked(t *testing.T, e *build.Engine, opts build.LockOptions, f func(*build.Run) error) *build.Report {
	t.Helper()
	report, err := locked(t, e, opts, f)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// tagsAsked are the requests for tags, of all that a registry was asked.
func tagsAsked(reg *registrytest.Server) (list []string) {
	for _, r := range reg.Requests() {
		if _, err := content.ParseDigest(r.Reference); r.Class == registrytest.ClassManifest && err != nil {
			list = append(list, r.String())
		}
	}
	return list
}

// baseOf is the digest of the lowest layer of what was saved.
func baseOf(t *testing.T, report *build.Report) digest.Digest {
	t.Helper()
	known, err := report.Saved[0].Layers[0].Wait()
	if err != nil {
		t.Fatal(err)
	}
	return known.Descriptor.Digest
}

// TestLock: a run says what it started from, and with that as its lock the next one starts from the same and does not ask for the tag, wherever that is now.
func TestLock(t *testing.T) {
	reg := registrytest.New(t, nil)
	index, manifests := pushIndex(reg, "v1", "one", "amd64", "arm64")
	run := changedTo(reg.Host+"/base:v1", "oci:out", build.ImageOptions{})
	first := mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t)}, run)
	want := []lock.Entry{entry(reg, "v1", "linux/amd64", index, manifests["amd64"].Digest)}
	if diff := cmp.Diff(&build.LockReport{Used: want, Added: want}, first.Lock); diff != "" {
		t.Error(diff)
	}

	pushIndex(reg, "v1", "two", "amd64", "arm64")
	for _, mode := range []lock.Mode{lock.Add, lock.Locked} {
		reg.Reset()
		again := mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t, want...), Mode: mode}, run)
		if again.Saved[0].Digest != first.Saved[0].Digest {
			t.Error("the image is another one")
		}
		if asked := tagsAsked(reg); len(asked) > 0 {
			t.Errorf("asked for tags: %v", asked)
		}
		if diff := cmp.Diff(&build.LockReport{Used: want}, again.Lock); diff != "" {
			t.Error(diff)
		}
	}

	without, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir()}, run)
	if err != nil || without.Lock != nil || baseOf(t, without) == baseOf(t, first) {
		t.Errorf("without a lock: %v, %v", without.Lock, err)
	}
}

// TestLockedIsCached: what is locked is read from the registry once, and then from the cache.
func TestLockedIsCached(t *testing.T) {
	reg := registrytest.New(t, nil)
	index, manifests := pushIndex(reg, "v1", "one", "amd64")
	f, e := fileOf(t, entry(reg, "v1", "linux/amd64", index, manifests["amd64"].Digest)), newEngine(t, 2)
	look := func(r *build.Run) error {
		img, err := r.Image(at("line 1"), reg.Host+"/base:v1", nil)
		if err != nil {
			return err
		}
		_, err = img.Layers(at("line 2"))
		return err
	}
	for _, want := range []int{3, 0} { // the index, the manifest and the config
		reg.Reset()
		mustLocked(t, e, build.LockOptions{File: f}, look)
		if lines := reg.Lines(); len(lines) != want {
			t.Errorf("%d requests, want %d: %v", len(lines), want, lines)
		}
	}
}

// TestLockedWhole: an image that is not changed is saved as the index that is locked, and the lock needs no platform for that.
func TestLockedWhole(t *testing.T) {
	reg := registrytest.New(t, nil)
	index, manifests := pushIndex(reg, "v1", "one", "arm64")
	run := copyTo(reg.Host+"/base:v1", "oci:out")
	first := mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t)}, run)
	all := entry(reg, "v1", lock.All, index, "")
	if diff := cmp.Diff(&build.LockReport{Used: []lock.Entry{all}, Added: []lock.Entry{all}}, first.Lock); diff != "" {
		t.Error(diff)
	}
	pushIndex(reg, "v1", "two", "arm64")
	for _, e := range []lock.Entry{all, entry(reg, "v1", "linux/arm64", index, manifests["arm64"].Digest)} {
		report := mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t, e), Mode: lock.Locked}, run)
		if report.Saved[0].Digest != index.Digest {
			t.Errorf("%s: saved %s, want the locked index", e.Name(), report.Saved[0].Digest)
		}
		if diff := cmp.Diff(&build.LockReport{Used: []lock.Entry{e}}, report.Lock); diff != "" {
			t.Error(diff)
		}
	}

	// A tag that names a manifest.
	single := reg.PushImage("base", "single", layersOf(1)).Manifest
	report := mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t)}, copyTo(reg.Host+"/base:single", "oci:out"))
	want := lock.Entry{Reference: reg.Host + "/base:single", Platform: lock.All, Manifest: single.Digest, MediaType: single.MediaType}
	if diff := cmp.Diff([]lock.Entry{want}, report.Lock.Added); diff != "" {
		t.Error(diff)
	}
}

// TestLockAsksOnce: all images of a run that start from a tag start from the same, also for several platforms and with the tag spelled in two ways.
func TestLockAsksOnce(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{})
	index, manifests := pushIndex(reg, "latest", "one", "amd64", "arm64")
	report := mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t)}, func(r *build.Run) error {
		for i, base := range []string{"/base", "/base:latest", "/base"} {
			platform := []string{"linux/amd64", "linux/arm64", "linux/amd64"}[i]
			if err := changedTo(reg.Host+base, fmt.Sprint("oci:out", i), build.ImageOptions{Platform: platform})(r); err != nil {
				return err
			}
		}
		return nil
	})
	if asked := tagsAsked(reg); len(asked) != 1 {
		t.Errorf("asked for tags: %v", asked)
	}
	want := []lock.Entry{entry(reg, "latest", "linux/amd64", index, manifests["amd64"].Digest), entry(reg, "latest", "linux/arm64", index, manifests["arm64"].Digest)}
	if diff := cmp.Diff(want, report.Lock.Added); diff != "" {
		t.Error(diff)
	}
}

// TestAddedPlatform: a platform more is taken from the index that is locked, and not from what the tag names now.
func TestAddedPlatform(t *testing.T) {
	reg := registrytest.New(t, nil)
	index, manifests := pushIndex(reg, "v1", "one", "amd64", "arm64")
	amd := entry(reg, "v1", "linux/amd64", index, manifests["amd64"].Digest)
	pushIndex(reg, "v1", "two", "amd64", "arm64")
	report := mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t, amd)}, changedTo(reg.Host+"/base:v1", "oci:out", build.ImageOptions{Platform: "linux/arm64"}))
	arm := entry(reg, "v1", "linux/arm64", index, manifests["arm64"].Digest)
	if diff := cmp.Diff(&build.LockReport{Used: []lock.Entry{arm}, Added: []lock.Entry{arm}, Unused: []lock.Entry{amd}}, report.Lock); diff != "" {
		t.Error(diff)
	}
}

// TestNotLocked: what the lock does not rule works although it lacks it.
func TestNotLocked(t *testing.T) {
	reg := registrytest.New(t, nil)
	index, _ := pushIndex(reg, "v1", "one", "amd64")
	other, _ := pushIndex(reg, "v2", "two", "amd64")
	base := reg.Host + "/base:v1"
	for name, run := range map[string]func(*build.Run) error{
		"a digest":          changedTo(base+"@"+other.Digest.String(), "oci:out", build.ImageOptions{}),
		"an image unlocked": changedTo(base, "oci:out", build.ImageOptions{Unlocked: true}),
		"scratch":           changedTo("scratch", "oci:out", build.ImageOptions{}),
		"what the run saved": func(r *build.Run) error {
			return errors.Join(changedTo("scratch", reg.Host+"/new:v1", build.ImageOptions{})(r), changedTo(reg.Host+"/new:v1", "oci:out", build.ImageOptions{})(r))
		},
		"a layout": func(r *build.Run) error {
			return errors.Join(changedTo("scratch", "oci:new:v1", build.ImageOptions{})(r), changedTo("oci:new:v1", "oci:out", build.ImageOptions{})(r))
		},
	} {
		wrong := entry(reg, "v1", "linux/amd64", index, d("wrong"))
		report := mustLocked(t, newEngine(t, 2), build.LockOptions{File: fileOf(t, wrong), Mode: lock.Locked}, run)
		if diff := cmp.Diff(&build.LockReport{Unused: []lock.Entry{wrong}}, report.Lock); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func d(text string) digest.Digest { return digest.FromString(text) }

// lockError wants an error of the lock at a line, with what it says and the command that it names.
func lockError(t *testing.T, err, kind error, line, msg, hint string) {
	t.Helper()
	var step *build.StepError
	var e *build.LockError
	if !errors.As(err, &e) || !errors.Is(err, kind) {
		t.Fatalf("got %v", err)
	}
	if errors.As(err, &step) && step.At.String() != line || step == nil && line != "" {
		t.Errorf("the error is one of %v, want %q", step, line)
	}
	if !strings.Contains(e.Error(), msg) {
		t.Errorf("the error %q does not say %q", e, msg)
	}
	if !strings.Contains(e.Hint(), hint) {
		t.Errorf("the hint %q does not say %q", e.Hint(), hint)
	}
}

// TestLockLacks: what the lock does not have, or has wrong, is an error that names the reference and what to type.
func TestLockLacks(t *testing.T) {
	reg := registrytest.New(t, nil)
	index, manifests := pushIndex(reg, "v1", "one", "amd64")
	gone, _ := pushIndex(reg, "v2", "two", "amd64")
	base := reg.Host + "/base:v1"
	in := func(e lock.Entry, mode lock.Mode) build.LockOptions {
		return build.LockOptions{File: fileOf(t, e), Mode: mode, Script: "sub/build.star:main"}
	}
	update := "`imgscript update sub/build.star:main " + base + "`"
	good := entry(reg, "v1", "linux/amd64", index, manifests["amd64"].Digest)
	arm := changedTo(base, "oci:out", build.ImageOptions{Platform: "linux/arm64"})
	amd := changedTo(base, "oci:out", build.ImageOptions{})

	_, err := locked(t, newEngine(t, 2), build.LockOptions{Mode: lock.Locked, Script: "sub/build.star:main"}, amd)
	lockError(t, err, build.ErrLocked, "line 1", base+" is not in imgscript.lock", update)
	_, err = locked(t, newEngine(t, 2), in(good, lock.Locked), arm)
	lockError(t, err, build.ErrLocked, "line 1", base+" is not in imgscript.lock for linux/arm64", update)
	_, err = locked(t, newEngine(t, 2), in(good, lock.Add), arm)
	lockError(t, err, build.ErrLocked, "line 1", base+" is locked to "+index.Digest.String()+": platform linux/arm64: not found: the index has linux/amd64", update)
	_, err = locked(t, newEngine(t, 2), in(entry(reg, "v1", "linux/amd64", index, d("strange")), lock.Add), amd)
	lockError(t, err, build.ErrLocked, "line 1", "does not have the manifest "+d("strange").String(), update)

	_, err = locked(t, newEngine(t, 2), in(good, lock.Locked), changedTo("docker-daemon:app:v1", "oci:out", build.ImageOptions{}))
	lockError(t, err, build.ErrLocked, "line 1", "what docker-daemon:app:v1 stands for may change, and this run keeps to its lock", "without --locked")

	client := registry.New(nil)
	t.Cleanup(client.Close)
	if err := client.Repository(reg.Host, "base").Delete(t.Context(), gone.Digest.String()); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []lock.Mode{lock.Add, lock.Locked} {
		_, err = locked(t, newEngine(t, 2), in(entry(reg, "v1", "linux/amd64", gone, manifests["amd64"].Digest), mode), amd)
		lockError(t, err, build.ErrLocked, "line 1", base+" is locked to "+gone.Digest.String()+", which its registry does not have any more", update)
	}
	if err := client.Repository(reg.Host, "base").Delete(t.Context(), manifests["amd64"].Digest.String()); err != nil {
		t.Fatal(err)
	}
	_, err = locked(t, newEngine(t, 2), in(good, lock.Locked), amd)
	lockError(t, err, build.ErrLocked, "line 1", base+" is locked to "+index.Digest.String()+", which its registry does not have any more", update)
}

// TestRefresh: a reference that is refreshed is so for all its platforms, since a tag stands for one thing.
func TestRefresh(t *testing.T) {
	reg := registrytest.New(t, nil)
	old, manifests := pushIndex(reg, "v1", "one", "amd64", "arm64", "s390x")
	other, others := pushIndex(reg, "v2", "one", "amd64", "riscv64")
	amd, arm, s390x := entry(reg, "v1", "linux/amd64", old, manifests["amd64"].Digest), entry(reg, "v1", "linux/arm64", old, manifests["arm64"].Digest), entry(reg, "v1", "linux/s390x", old, manifests["s390x"].Digest)
	all := entry(reg, "v1", lock.All, old, "")
	second := entry(reg, "v2", "linux/amd64", other, others["amd64"].Digest)
	index, manifests := pushIndex(reg, "v1", "two", "amd64", "arm64")
	pushIndex(reg, "v2", "two", "amd64")
	report := mustLocked(t, newEngine(t, 2), build.LockOptions{
		File:    fileOf(t, amd, arm, s390x, all, second),
		Refresh: func(reference string) bool { return reference == reg.Host+"/base:v1" },
	}, func(r *build.Run) error {
		return errors.Join(changedTo(reg.Host+"/base:v1", "oci:out", build.ImageOptions{})(r), changedTo(reg.Host+"/base:v2", "oci:two", build.ImageOptions{})(r))
	})
	newAmd := entry(reg, "v1", "linux/amd64", index, manifests["amd64"].Digest)
	want := &build.LockReport{
		Used:   []lock.Entry{newAmd, second},
		Added:  []lock.Entry{entry(reg, "v1", lock.All, index, ""), newAmd, entry(reg, "v1", "linux/arm64", index, manifests["arm64"].Digest)},
		Unused: []lock.Entry{all, arm, s390x},
		Gone:   []lock.Entry{s390x},
	}
	if diff := cmp.Diff(want, report.Lock); diff != "" {
		t.Error(diff)
	}
}

// TestLockJobs: the error of a run with several images that are not locked is the first one's, for every number of jobs.
func TestLockJobs(t *testing.T) {
	reg := registrytest.New(t, nil)
	for _, jobs := range []int{1, 2, 16} {
		_, err := locked(t, newEngine(t, jobs), build.LockOptions{Mode: lock.Locked}, func(r *build.Run) error {
			for _, tag := range []string{"c", "b", "a"} {
				if err := changedTo(reg.Host+"/base:"+tag, "oci:"+tag, build.ImageOptions{})(r); err != nil {
					return err
				}
			}
			return nil
		})
		lockError(t, err, build.ErrLocked, "line 1", "/base:c is not in", "/base:c`")
	}
}

// TestLockName: a lock takes every name that a reference to a tag in a registry has in it.
func TestLockName(t *testing.T) {
	for in, want := range map[string]string{
		"node": "docker.io/library/node:latest", "node:lts": "docker.io/library/node:lts", "docker://Reg.Example.com:5000/a/b__c:D_1.x": "reg.example.com:5000/a/b__c:D_1.x",
		"[::1]:5000/app": "[::1]:5000/app:latest", "localhost/a": "localhost/a:latest",
		"oci:dir": "", "scratch": "", "node@" + d("x").String(): "", "Node": "",
	} {
		got, err := build.LockName(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: got %q, %v, want %q", in, got, err, want)
		}
		if want != "" {
			fileOf(t, lock.Entry{Reference: got, Platform: lock.All, Manifest: d("x"), MediaType: content.OCIManifest})
		}
	}
}
