package build_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// copyOf copies in a run of its own.
func copyOf(t *testing.T, root, src, dst string, opts *build.CopyOptions) (*build.Report, error) {
	t.Helper()
	return newEngine(t, 2).Do(t.Context(), &build.Options{Root: root}, func(r *build.Run) error {
		r.Copy(at("copy"), src, dst, opts)
		return nil
	})
}

// mustCopy is copyOf for what must work, and returns what was copied.
func mustCopy(t *testing.T, root, src, dst string, opts *build.CopyOptions) []build.Copied {
	t.Helper()
	report, err := copyOf(t, root, src, dst, opts)
	if err != nil {
		t.Fatalf("copy %s to %s: %v", src, dst, err)
	}
	return report.Copied
}

// ten is an image of ten layers.
func ten(docker bool) registrytest.Image {
	img := registrytest.Image{Docker: docker, Pretty: true, Extra: map[string]any{"x-own": map[string]any{"b": 1, "a": "<&>"}}}
	for n := range 10 {
		img.Layers = append(img.Layers, map[string]string{fmt.Sprintf("/layer%d", n): strings.Repeat("x", 100*n)})
	}
	return img
}

// multi puts an index of three platforms, with attestations of two, into a registry.
func multi(t *testing.T, reg *registrytest.Server, repository, tag string) (index content.Descriptor, children []content.Descriptor) {
	t.Helper()
	for _, arch := range []string{"amd64", "arm64", "s390x"} {
		child := reg.PushImage(repository, "", registrytest.Image{Arch: arch, Layers: []map[string]string{{"/arch": arch}}}).Manifest
		child.Platform = platformOf("linux", arch)
		children = append(children, child)
	}
	for _, about := range children[:2] {
		proof := reg.PushImage(repository, "", registrytest.Image{Arch: "unknown", Layers: []map[string]string{{"/proof": about.Digest.String()}}}).Manifest
		proof.Platform = platformOf("unknown", "unknown")
		proof.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about.Digest.String()}
		children = append(children, proof)
	}
	return reg.PushIndex(repository, tag, false, children...), children
}

// TestCopyIsExact copies an image and an index between registries and layouts, byte for byte, and reads everything back.
func TestCopyIsExact(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	for _, docker := range []bool{false, true} {
		image := src.PushImage("one", "v1", ten(docker))
		index, _ := multi(t, src, "many", "v1")
		for name, want := range map[string]content.Descriptor{"one": image.Manifest, "many": index} {
			root := t.TempDir()
			back := fmt.Sprintf("back/%s-%t", name, docker)
			for _, step := range [][2]string{
				{src.Host + "/" + name + ":v1", "oci:layout:v2"},
				{"oci:layout:v2", "oci:other:v3"},
				{"oci:other", dst.Host + "/" + back + ":v4"},
			} {
				got := mustCopy(t, root, step[0], step[1], nil)
				if len(got) != 1 || got[0].Digest != want.Digest || got[0].MediaType != want.MediaType {
					t.Errorf("%s to %s: got %+v, want %s", step[0], step[1], got, want.Digest)
				}
			}
			_, before, _ := src.Manifest(name, "v1")
			if _, after, ok := dst.Manifest(back, "v4"); !ok || !bytes.Equal(before, after) {
				t.Errorf("%s: the manifest is\n%s\nand was\n%s", name, after, before)
			}
			mustCopy(t, root, dst.Host+"/"+back+":v4", "oci:whole", nil) // every blob is there
		}
	}
}

// TestCopyRequests counts what a copy sends: of ten layers to an empty repository, and when all is there.
// TestBigCopyRequests: blobs that are dear to send are looked for one by one only where something could be.
func TestBigCopyRequests(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	img := ten(false)
	for n := range img.Layers {
		data := make([]byte, 3<<20)
		rand.NewChaCha8([32]byte{byte(n)}).Read(data)
		img.Layers[n]["/big"] = string(data)
	}
	src.PushImage("app", "v1", img)
	for _, most := range []int{37, 3} {
		src.Reset()
		dst.Reset()
		mustCopy(t, t.TempDir(), src.Host+"/app:v1", dst.Host+"/app:v1", nil)
		if lines := append(src.Lines(), dst.Lines()...); len(lines) > most {
			t.Errorf("%d requests, want at most %d:\n%s", len(lines), most, strings.Join(lines, "\n"))
		}
		expectComplete(t, dst, "app", "v1")
	}
	dst.Reset()
	do(t, nil, func(r *build.Run) error { return save(r, src.Host+"/app:v1", dst.Host+"/saved", []string{"v1"}, nil) })
	if lines := dst.Lines(); len(lines) > 25 {
		t.Errorf("%d requests, want at most 25:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	expectComplete(t, dst, "saved", "v1")
}

func TestCopyRequests(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	src.PushImage("app", "v1", ten(false))
	multi(t, src, "many", "v1")
	for _, c := range []struct {
		from, to string
		most     int
	}{
		{"app:v1", "app:v1", 37}, {"app:v1", "app:v1", 3}, {"app:v1", "app:v2", 3 + 22},
		{"many:v1", "many:v1", 60}, {"many:v1", "many:v1", 2},
	} {
		src.Reset()
		dst.Reset()
		mustCopy(t, t.TempDir(), src.Host+"/"+c.from, dst.Host+"/"+c.to, nil)
		lines := append(src.Lines(), dst.Lines()...)
		t.Logf("%s to %s: %d requests", c.from, c.to, len(lines))
		if len(lines) > c.most {
			t.Errorf("%s to %s: %d requests, want at most %d:\n%s", c.from, c.to, len(lines), c.most, strings.Join(lines, "\n"))
		}
	}
}

// TestCopyMounts copies within a registry without reading a layer.
func TestCopyMounts(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("app", "v1", ten(false))
	got := mustCopy(t, t.TempDir(), reg.Host+"/app:v1", reg.Host+"/copy", nil)
	if got[0].Mounted != 11 || got[0].Uploaded != 0 || got[0].Tag != "v1" {
		t.Errorf("got %+v, want 11 mounted", got[0])
	}
	if n := reg.Count("GET", registrytest.ClassBlob); n != 0 {
		t.Errorf("%d blobs were read", n)
	}
}

// TestCopyNames: which tag a copy has, and what a digest in the target means.
func TestCopyNames(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	v1 := src.PushImage("app", "v1", registrytest.Image{}).Manifest.Digest
	latest := src.PushImage("app", "latest", registrytest.Image{Arch: "arm64"}).Manifest.Digest
	for i, c := range []struct {
		from, to, tag string
		digest        digest.Digest
	}{
		{"app:v1", "", "v1", v1},
		{"app", "", "latest", latest},
		{"app", ":new", "new", latest},
		{"app@" + v1.String(), "", "", v1},
		{"app:v1@" + v1.String(), "", "v1", v1},
		{"app:latest@" + v1.String(), ":pinned", "pinned", v1},
		{"app:v1", "@" + v1.String(), "", v1},
		{"app:v1", ":both@" + v1.String(), "both", v1},
	} {
		repository := fmt.Sprintf("copy%d", i)
		got := mustCopy(t, t.TempDir(), src.Host+"/"+c.from, dst.Host+"/"+repository+c.to, nil)
		want := build.Copied{Target: dst.Host + "/" + repository, Tag: c.tag, Digest: c.digest, MediaType: content.OCIManifest, UploadedBytes: got[0].UploadedBytes, Uploaded: 1}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s to %s: got %+v, want %+v", c.from, c.to, got, want)
		}
		if tags := strings.Join(dst.Tags(repository), " "); tags != c.tag {
			t.Errorf("%s to %s: tags %q, want %q", c.from, c.to, tags, c.tag)
		}
		if _, _, ok := dst.Manifest(repository, c.digest.String()); !ok {
			t.Errorf("%s to %s: %s is not there", c.from, c.to, c.digest)
		}
	}
}

// TestCopyRefused: what makes no sense is an error before anything is sent.
func TestCopyRefused(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	src.PushImage("app", "v1", registrytest.Image{})
	multi(t, src, "many", "v1")
	other := digest.FromString("other")
	root := t.TempDir()
	mustCopy(t, root, src.Host+"/app:v1", "oci:named:some/name", nil)
	mustCopy(t, root, src.Host+"/app:v1", "oci:named:good", nil)
	all := &build.CopyOptions{AllTags: true}
	for _, c := range []struct {
		from, to string
		opts     *build.CopyOptions
		want     string
		is       error
	}{
		{src.Host + "/app:v1", dst.Host + "/app@" + other.String(), nil, "it is sha256:", content.ErrVerification},
		{src.Host + "/app:v2", dst.Host + "/app", nil, "404", content.ErrNotFound},
		{"scratch", dst.Host + "/app", nil, `"scratch" is neither`, nil},
		{src.Host + "/app", "scratch", nil, `"scratch" is neither`, nil},
		{src.Host + "/app", "Upper", nil, "lower case", content.ErrInvalid},
		{"oci:named:some/name", dst.Host + "/app", nil, "name one there", content.ErrInvalid},
		{"oci:named", dst.Host + "/app", all, "some/name", content.ErrInvalid},
		{src.Host + "/app:v1", dst.Host + "/app", all, "without a tag", nil},
		{src.Host + "/app", dst.Host + "/app:v1", all, "without a tag", nil},
		{src.Host + "/nothing", dst.Host + "/app", all, "no tags", registry.ErrUnreachable},
		{"oci:missing", dst.Host + "/app", all, "no such directory", content.ErrNotFound},
		{src.Host + "/many:v1", dst.Host + "/app", &build.CopyOptions{Platforms: []string{"linux/ppc64le"}}, "the index has linux/amd64, linux/arm64, linux/s390x", content.ErrNotFound},
		{src.Host + "/many:v1", dst.Host + "/app", &build.CopyOptions{Platforms: []string{"linux/amd64", "plan9/386"}}, "platform plan9/386", content.ErrNotFound},
		{src.Host + "/app:v1", dst.Host + "/app", &build.CopyOptions{Platforms: []string{"linux/arm64"}}, "it is one image, for linux/amd64", content.ErrNotFound},
		{src.Host + "/app:v1", dst.Host + "/app", &build.CopyOptions{Platforms: []string{"linux"}}, "want OS/ARCHITECTURE", content.ErrInvalid},
	} {
		report, err := copyOf(t, root, c.from, c.to, c.opts)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s to %s: got %v, want an error with %q that is %v", c.from, c.to, err, c.want, c.is)
		}
		if len(report.Copied) != 0 {
			t.Errorf("%s to %s: %v is said to be copied", c.from, c.to, report.Copied)
		}
	}
	if n := dst.Count("PUT", "") + dst.Count("POST", ""); n != 0 {
		t.Errorf("something was sent:\n%s", strings.Join(dst.Lines(), "\n"))
	}
}

// TestCopyPlatforms takes one platform of an index, or several with what attests to them.
func TestCopyPlatforms(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	index, children := multi(t, src, "many", "v1")
	for _, c := range []struct {
		platforms string
		want      digest.Digest // "" is a new index
		children  []int
	}{
		{"linux/arm64", children[1].Digest, nil},
		{"linux/amd64 linux/s390x", "", []int{0, 2, 3}},
		{"linux/amd64 linux/arm64 linux/s390x", index.Digest, []int{0, 1, 2, 3, 4}},
	} {
		name := strings.ReplaceAll(strings.ReplaceAll(c.platforms, " ", "-"), "/", "-")
		got := mustCopy(t, t.TempDir(), src.Host+"/many:v1", dst.Host+"/"+name, &build.CopyOptions{Platforms: strings.Fields(c.platforms)})[0]
		if c.want != "" && got.Digest != c.want {
			t.Errorf("%s: got %s, want %s", c.platforms, got.Digest, c.want)
		}
		_, data, _ := dst.Manifest(name, "v1")
		var doc struct{ Manifests []content.Descriptor }
		if err := json.Unmarshal(data, &doc); err != nil || got.Digest != digest.FromBytes(data) {
			t.Errorf("%s: %v, %s", c.platforms, err, data)
		}
		if len(doc.Manifests) != len(c.children) {
			t.Fatalf("%s: got %s", c.platforms, data)
		}
		for i, n := range c.children {
			if _, _, ok := dst.Manifest(name, children[n].Digest.String()); !ok || doc.Manifests[i].Digest != children[n].Digest {
				t.Errorf("%s: entry %d is not the index's %d, or is missing", c.platforms, i, n)
			}
		}
	}
	mustCopy(t, t.TempDir(), src.Host+"/many@"+children[0].Digest.String(), dst.Host+"/one:v1", &build.CopyOptions{Platforms: []string{"linux/amd64", "linux/amd64/v2"}})
}

// TestCopyAllTags moves every tag, in order, and sends no blob twice; doing it again sends nothing.
func TestCopyAllTags(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	src.PushImage("app", "v1", ten(false))
	src.PushImage("app", "v1.0", ten(false))
	multi(t, src, "app", "v2")
	src.PushImage("app", "latest", ten(true))
	all := &build.CopyOptions{AllTags: true}
	for round := range 2 {
		dst.Reset()
		got := mustCopy(t, t.TempDir(), src.Host+"/app", dst.Host+"/copy", all)
		var tags []string
		for _, one := range got {
			tags = append(tags, one.Tag)
			if desc, _, ok := dst.Manifest("copy", one.Tag); !ok || desc.Digest != one.Digest {
				t.Errorf("%s is %s and not %s", one.Tag, desc.Digest, one.Digest)
			}
		}
		if fmt.Sprint(tags) != "[latest v1 v1.0 v2]" || fmt.Sprint(dst.Tags("copy")) != fmt.Sprint(tags) {
			t.Errorf("tags %q, the registry has %q", tags, dst.Tags("copy"))
		}
		var order []string
		sent := map[string]int{}
		for _, r := range dst.Requests() {
			if r.Method == "PUT" && r.Class == registrytest.ClassManifest && !strings.Contains(r.Reference, ":") {
				order = append(order, r.Reference)
			}
			if r.Method == "PUT" && r.Class == registrytest.ClassSession {
				sent[r.Query]++
			}
		}
		if round == 0 && !slices.Equal(order, tags) {
			t.Errorf("tags moved in the order %q", order)
		}
		for blob, n := range sent {
			if round == 1 || n > 1 {
				t.Errorf("round %d: %s was sent %d times", round, blob, n)
			}
		}
		if n := len(dst.Lines()); round == 1 && n != 4 {
			t.Errorf("nothing to do took %d requests to the target, want one a tag:\n%s", n, strings.Join(dst.Lines(), "\n"))
		}
	}
	root := t.TempDir()
	mustCopy(t, root, src.Host+"/app", "oci:layout", all)
	if got := mustCopy(t, root, "oci:layout", dst.Host+"/back", all); len(got) != 4 || fmt.Sprint(dst.Tags("back")) != "[latest v1 v1.0 v2]" {
		t.Errorf("got %v by way of a layout", got)
	}
}

// TestCopyAllTagsFails: the first tag that fails ends the copy, what was tagged before stays and is told, nothing after it moves, and a second try
// completes.
func TestCopyAllTagsFails(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
	for n := range 9 {
		src.PushImage("app", fmt.Sprintf("v%d", n), registrytest.Image{Layers: []map[string]string{{"/n": fmt.Sprint(n)}}})
	}
	dst.SetFaults(registrytest.Fault{Method: "PUT", Match: "/manifests/v4", Status: 403, Times: -1})
	for _, want := range []string{"v0 v1 v2 v3", "v0 v1 v2 v3"} {
		report, err := copyOf(t, t.TempDir(), src.Host+"/app", dst.Host+"/copy", &build.CopyOptions{AllTags: true})
		if !errors.Is(err, registry.ErrDenied) || !strings.Contains(err.Error(), "tag v4") {
			t.Errorf("got %v", err)
		}
		var told []string
		for _, one := range report.Copied {
			told = append(told, one.Tag)
		}
		if got := strings.Join(told, " "); got != want || strings.Join(dst.Tags("copy"), " ") != want {
			t.Errorf("told are %q, tagged %q, want %q", got, dst.Tags("copy"), want)
		}
		if fmt.Sprint(report.Unsaved) != "["+dst.Host+"/copy]" {
			t.Errorf("not copied: %q", report.Unsaved)
		}
	}
	dst.SetFaults()
	if got := mustCopy(t, t.TempDir(), src.Host+"/app", dst.Host+"/copy", &build.CopyOptions{AllTags: true}); len(got) != 9 {
		t.Errorf("the second try copied %v", got)
	}
}

// TestCopyToImmutableTag: a tag that has the digest already is no reason to fail.
func TestCopyToImmutableTag(t *testing.T) {
	src, dst := registrytest.New(t, nil), registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{ImmutableTags: true}})
	src.PushImage("app", "v1", ten(false))
	for range 2 {
		mustCopy(t, t.TempDir(), src.Host+"/app:v1", dst.Host+"/app", nil)
	}
	src.PushImage("app", "v1", registrytest.Image{})
	if _, err := copyOf(t, t.TempDir(), src.Host+"/app:v1", dst.Host+"/app", nil); err == nil || !strings.Contains(err.Error(), "tag invalid") {
		t.Errorf("another image under the tag: %v", err)
	}
}

// TestCopyOfWhatWasJustSaved: a copy in a run waits for the saves before it, and what comes after it for the copy.
func TestCopyOfWhatWasJustSaved(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("base", "v1", registrytest.Image{})
	for _, opts := range []*build.CopyOptions{nil, {AllTags: true}} {
		report := do(t, nil, func(r *build.Run) error {
			if _, err := labelled(r, reg.Host+"/base:v1", "new"); err != nil {
				return err
			}
			tag := ":v1"
			if opts != nil {
				tag = ""
			}
			r.Copy(at("copy"), reg.Host+"/base"+tag, "oci:out"+tag, opts)
			img, err := r.Image(at("image"), "oci:out:v1", &build.ImageOptions{Target: reg.Host + "/last"})
			if err != nil {
				return err
			}
			_, err = img.Save(at("save"), nil).Wait()
			return err
		})
		if got, want := report.Saved[1].Digest, report.Saved[0].Digest; got != want || report.Copied[0].Digest != want {
			t.Errorf("saved %s, copied %s, saved %s", want, report.Copied[0].Digest, got)
		}
	}
}

// TestCopyIsAStep: a copy moves no tag when something before it failed, and asks the policy.
func TestCopyIsAStep(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("app", "v1", registrytest.Image{})
	_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
		r.Copy(at("first"), reg.Host+"/missing", reg.Host+"/copy:first", nil)
		r.Copy(at("second"), reg.Host+"/app:v1", reg.Host+"/copy:second", nil)
		return nil
	})
	if step := new(build.StepError); !errors.As(err, &step) || step.At != at("first") || step.Op != "copy" {
		t.Errorf("got %v", err)
	}
	if tags := reg.Tags("copy"); len(tags) != 0 {
		t.Errorf("tags %q moved", tags)
	}
	for _, policy := range []*build.Policy{{}, {Net: func(string) error { return nil }}} {
		_, err := newEngine(t, 2).Do(t.Context(), &build.Options{Root: t.TempDir(), Policy: policy}, func(r *build.Run) error {
			r.Copy(at("copy"), reg.Host+"/app:v1", reg.Host+"/copy", nil)
			return nil
		})
		if !errors.Is(err, build.ErrPolicy) {
			t.Errorf("got %v", err)
		}
	}
}

// TestCopyForeign reads a foreign layer from its URL, or leaves it where it is.
func TestCopyForeign(t *testing.T) {
	for _, leave := range []bool{false, true} {
		f := newForeign(t)
		f.dst = registrytest.New(t, &registrytest.Options{AllowMissing: true})
		f.Registry("dst.example", f.dst)
		f.Handle("files.example", f.give)
		f.push(t, "https://files.example/1")
		report, err := f.engine.Do(t.Context(), nil, func(r *build.Run) error {
			r.Copy(at("copy"), "src.example/base:v1", "dst.example/copy", &build.CopyOptions{LeaveForeign: leave})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want, _, _ := f.src.Manifest("base", "v1")
		if got := report.Copied[0]; got.Digest != want.Digest {
			t.Errorf("leave %t: got %+v, want %s", leave, got, want.Digest)
		}
		_, there := f.dst.Blob("copy", f.desc.Digest)
		if asked := len(f.lines("files.example")); there == leave || (asked == 0) != leave {
			t.Errorf("leave %t: the layer is at the target %t, its URL was asked %d times", leave, there, asked)
		}
		f.noLeak(t, nil)
	}
}

// TestCopyCancelled: a copy that stands still anywhere ends with its context, and no tag has moved.
func TestCopyCancelled(t *testing.T) {
	for _, class := range []registrytest.Class{registrytest.ClassManifest, registrytest.ClassUpload, registrytest.ClassSession} {
		src, dst := registrytest.New(t, nil), registrytest.New(t, nil)
		src.PushImage("app", "v1", ten(false))
		src.PushImage("app", "v2", ten(true))
		dst.SetFaults(registrytest.Fault{Class: class, Stall: true, Times: -1})
		for _, opts := range []*build.CopyOptions{nil, {AllTags: true, Referrers: true}} {
			from := src.Host + "/app"
			if opts == nil {
				from += ":v1"
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer cancel()
				_ = waitFor(ctx, func() bool { return dst.Count("", class) > 0 }) // it has a bound of its own
			}()
			_, err := newEngine(t, 2).Do(ctx, &build.Options{Root: t.TempDir()}, func(r *build.Run) error {
				r.Copy(at("copy"), from, dst.Host+"/copy", opts)
				return nil
			})
			if !errors.Is(err, build.ErrInterrupted) {
				t.Errorf("stalled %s: %v", class, err)
			}
			if tags := dst.Tags("copy"); len(tags) != 0 {
				t.Errorf("stalled %s: tags %q", class, tags)
			}
		}
	}
}
