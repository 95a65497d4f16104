package image_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
)

// shelf is an index as others write it, with the images that it lists.
type shelf struct {
	index  *image.Index
	images map[string]*image.Image
	texts  map[string]string // of the entries, by name
}

// shelved names the entries of a shelf in their order; those that end in "proof" are attestations of BuildKit.
const shelved = "amd64,arm64,arm,windows,amd64 proof,arm proof,lost proof,artifact"

// newShelf is an index of four platforms, two attestations that speak of its images, one that speaks of none, and what is no image. Keys are in no usual order, and some are known to nobody.
func newShelf(t *testing.T, mediaType string) *shelf {
	t.Helper()
	s := &shelf{images: map[string]*image.Image{}, texts: map[string]string{}}
	for name, platform := range map[string]string{
		"amd64":   `{"architecture":"amd64","os":"linux"}`,
		"arm64":   `{"os":"linux", "architecture":"arm64", "variant":"v8"}`,
		"arm":     `{"architecture":"arm","os":"linux","variant":"v6"}`,
		"windows": `{"architecture":"amd64","os":"windows","os.version":"10.0.20348.1","os.features":["win32k"]}`,
	} {
		img := withConfig(t, content.OCIManifest, configFor(name))
		s.images[name] = img
		s.texts[name] = entryText(img, `{"x-own": [1, 2],"platform":`+platform+`, "annotations":{"of":"`+name+`"}, "data":"e30="}`)
	}
	for name, about := range map[string]digest.Digest{
		"amd64 proof": s.images["amd64"].Descriptor().Digest, "arm proof": s.images["arm"].Descriptor().Digest, "lost proof": digest.FromString("nothing"),
	} {
		s.texts[name] = fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":7,"platform":{"architecture":"unknown","os":"unknown"},`+
			`"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q}}`, content.OCIManifest, digest.FromString(name), about)
	}
	s.texts["artifact"] = fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":8,"artifactType":"x/y"}`, content.OCIManifest, digest.FromString("artifact"))
	var err error
	if s.index, err = image.ParseIndex(mediaType, []byte(s.text(mediaType, shelved, nil))); err != nil {
		t.Fatal(err)
	}
	return s
}

// configFor is the config of an image of a shelf. That for arm does not say for which, as many do not.
func configFor(name string) string {
	os, arch := "linux", name
	if name == "windows" {
		os, arch = "windows", "amd64"
	}
	return `{"architecture":"` + arch + `","os":"` + os + `","config":{},"rootfs":{"type":"layers","diff_ids":[]},"x-name":"` + name + `"}`
}

// entryText is an entry for an image, with more in it.
func entryText(img *image.Image, more string) string {
	desc := img.Descriptor()
	return fmt.Sprintf(`{ "mediaType":%q,"digest":%q,"size":%d, %s`, desc.MediaType, desc.Digest, desc.Size, more[1:])
}

// text is the index with some entries, some of which are others.
func (s *shelf) text(mediaType, names string, changed map[string]string) string {
	var list []string
	for name := range strings.SplitSeq(names, ",") {
		entry := s.texts[name]
		if other, ok := changed[name]; ok {
			entry = other
		}
		if name != "" {
			list = append(list, entry)
		}
	}
	return `{"schemaVersion":2,"x-own":{"b": 1,"a":"<&>"},"mediaType":"` + mediaType + `","manifests":[` + strings.Join(list, ",") + `],"annotations":{"index":"yes"}}`
}

// members are images of the shelf, of which some became others.
func (s *shelf) members(t *testing.T, names string, after map[string]*image.Image) []image.Member {
	t.Helper()
	var members []image.Member
	for name := range strings.SplitSeq(names, ",") {
		m := image.Member{Before: s.images[name], After: s.images[name]}
		if after[name] != nil {
			m.After = after[name]
		}
		for _, e := range s.index.Entries() {
			if e.Digest == m.Before.Descriptor().Digest {
				m.Entry = e
			}
		}
		members = append(members, m)
	}
	return members
}

func with(t *testing.T, img *image.Image, c image.Changes) *image.Image {
	t.Helper()
	changed, err := img.With(&c)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

const platforms = "amd64,arm64,arm,windows"

// TestRewrite: an index of images that became others keeps its order and all bytes but those of the entries that changed; attestations of changed images go, those of others
// stay.
func TestRewrite(t *testing.T) {
	s := newShelf(t, content.OCIIndex)
	user := func(name string) *image.Image { return with(t, s.images[name], image.Changes{User: text("u")}) }
	entry := func(img *image.Image, more string) string {
		return strings.ReplaceAll(strings.ReplaceAll(entryText(img, more), "{ ", "{"), ", ", ",")
	}
	amd, arm := user("amd64"), user("arm")
	changedAmd := entry(amd, `{"x-own":[1, 2],"platform":{"architecture":"amd64","os":"linux"},"annotations":{"of":"amd64"}}`)
	changedAmd = strings.Replace(changedAmd, "[1,2]", "[1, 2]", 1)
	changedArm := strings.Replace(entry(arm, `{"x-own":[1, 2],"platform":{"architecture":"arm","os":"linux","variant":"v6"},"annotations":{"of":"arm"}}`), "[1,2]", "[1, 2]", 1)
	for _, c := range []struct {
		what, members string
		rest          bool
		after         map[string]*image.Image
		want          string // entries
		changed       map[string]string
	}{
		{"all of it", platforms, true, nil, shelved, nil},
		{"some", "arm,amd64", false, nil, "amd64,arm,amd64 proof,arm proof", nil},
		{"one that changed", platforms, true, map[string]*image.Image{"amd64": amd}, "amd64,arm64,arm,windows,arm proof,lost proof,artifact", map[string]string{"amd64": changedAmd}},
		{"all of some changed", "arm,amd64", false, map[string]*image.Image{"amd64": amd, "arm": arm}, "amd64,arm", map[string]string{"amd64": changedAmd, "arm": changedArm}},
	} {
		got, err := s.index.Rewrite(s.members(t, c.members, c.after), c.rest)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if diff := cmp.Diff(s.text(content.OCIIndex, c.want, c.changed), string(got.Bytes())); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", c.what, diff)
		}
		if desc := got.Descriptor(); desc.Digest != digest.FromBytes(got.Bytes()) || desc.MediaType != content.OCIIndex || desc.Size != int64(len(got.Bytes())) {
			t.Errorf("%s: descriptor %v", c.what, desc)
		}
	}
}

// TestRewriteOfNothing: an index in which nothing changed is the same, white space and all.
func TestRewriteOfNothing(t *testing.T) {
	img := withConfig(t, content.DockerManifest, configFor("amd64"))
	text := "{ \"schemaVersion\" : 2,\n \"manifests\": [ " + entryText(img, `{"platform":{"architecture":"amd64","os":"linux"}}`) + " ] }\n"
	index, err := image.ParseIndex(content.DockerList, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	again, err := index.Rewrite([]image.Member{{Entry: index.Entries()[0], Before: img, After: img}}, true)
	if err != nil || string(again.Bytes()) != text {
		t.Errorf("%v: %q", err, again.Bytes())
	}
	changed, err := index.Rewrite([]image.Member{{Entry: index.Entries()[0], Before: img, After: with(t, img, image.Changes{User: new(string), Author: &text})}}, true)
	if err != nil || changed.Descriptor().MediaType != content.DockerList || !strings.Contains(string(changed.Bytes()), `"mediaType":"`+content.DockerList+`"`) {
		t.Errorf("a list that changed says its type: %v, %s", err, changed.Bytes())
	}
}

// TestEntryFollowsThePlatform: what the config says takes the place of the entry's platform only when it was changed.
func TestEntryFollowsThePlatform(t *testing.T) {
	s := newShelf(t, content.OCIIndex)
	config := strings.Replace(configFor("arm64"), `"arm64"`, `"riscv64"`, 1)
	other, err := s.images["arm64"].WithJSON(nil, []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.members(t, "arm64,arm", map[string]*image.Image{"arm64": other, "arm": with(t, s.images["arm"], image.Changes{Author: text("a")})}) {
		e, err := m.Entry.For(m.Before, m.After)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := e.Platform()
		if want := map[string]string{"arm64": "linux/riscv64", "arm": "linux/arm/v6"}[m.Entry.Annotations["of"]]; got.String() != want {
			t.Errorf("%s: got %s, want %s", m.Entry.Annotations["of"], got, want)
		}
	}
}

// TestNewIndex lists images that no index had, with all that their configs say of the platform.
func TestNewIndex(t *testing.T) {
	arm := image.Scratch(image.Platform{OS: "linux", Architecture: "arm"}, image.FormatOCI, time.Time{})
	windows := withConfig(t, content.OCIManifest,
		`{"architecture":"amd64","os":"windows","os.version":"10.0.1","os.features":["win32k"],"config":{},"rootfs":{"type":"layers","diff_ids":[]}}`)
	var entries []image.Entry
	for _, img := range []*image.Image{arm, windows} {
		e, err := image.NewEntry(img)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	for f, mediaType := range map[image.Format]string{image.FormatOCI: content.OCIIndex, image.FormatDocker: content.DockerList} {
		index, err := image.NewIndex(f).With(entries)
		if err != nil {
			t.Fatal(err)
		}
		a, w := arm.Descriptor(), windows.Descriptor()
		want := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"platform":{"architecture":"arm","os":"linux","variant":"v7"}},`+
			`{"mediaType":%q,"digest":%q,"size":%d,"platform":{"architecture":"amd64","os":"windows","os.version":"10.0.1","os.features":["win32k"]}}]}`,
			mediaType, a.MediaType, a.Digest, a.Size, w.MediaType, w.Digest, w.Size)
		if diff := cmp.Diff(want, string(index.Bytes())); diff != "" || index.Format() != f {
			t.Errorf("%s: (-want +got):\n%s", f, diff)
		}
	}
}

// TestIndexAnnotations: what images say of their entry and of their index is in the index and not in them.
func TestIndexAnnotations(t *testing.T) {
	s := newShelf(t, content.OCIIndex)
	noted := with(t, s.images["arm64"], image.Changes{EntryAnnotations: map[string]string{"e": "<1>", "of": "me"}, IndexAnnotations: map[string]string{"i": "2"}})
	if noted.Descriptor().Digest != s.images["arm64"].Descriptor().Digest {
		t.Error("the image is another one")
	}
	noted = with(t, noted, image.Changes{EntryAnnotations: map[string]string{"f": "3"}})
	got, err := s.index.Rewrite(s.members(t, platforms, map[string]*image.Image{"arm64": noted}), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"annotations":{"of":"me","e":"<1>","f":"3"}`, `"annotations":{"index":"yes","i":"2"}`} {
		if !strings.Contains(string(got.Bytes()), want) {
			t.Errorf("%s is not in %s", want, got.Bytes())
		}
	}
	changed := with(t, noted, image.Changes{User: text("u")})
	if attribute, needs := changed.NeedsIndex(); !needs || attribute != "index_annotations" {
		t.Errorf("the change lost what is said of the index: %s, %t", attribute, needs)
	}
	docker := newShelf(t, content.DockerList)
	for _, c := range []image.Changes{{EntryAnnotations: map[string]string{"a": "b"}}, {IndexAnnotations: map[string]string{"a": "b"}}} {
		noted := map[string]*image.Image{"arm": with(t, docker.images["arm"], c)}
		if _, err := docker.index.Rewrite(docker.members(t, platforms, noted), false); !errors.Is(err, content.ErrUnsupported) {
			t.Errorf("of a Docker list: %v", err)
		}
	}
	if _, err := s.images["arm"].With(&image.Changes{EntryAnnotations: map[string]string{"": "x"}, IndexAnnotations: map[string]string{"a": "\x00"}}); !errors.Is(err, content.ErrInvalid) {
		t.Errorf("an empty key and a NUL byte: %v", err)
	}
}

// TestIndexFormat: a Docker list has neither annotations nor attestations; an OCI index that comes of one has all that it had.
func TestIndexFormat(t *testing.T) {
	s := newShelf(t, content.OCIIndex)
	docker, err := s.index.WithFormat(image.FormatDocker)
	if err != nil {
		t.Fatal(err)
	}
	text := string(docker.Bytes())
	if docker.Descriptor().MediaType != content.DockerList || len(docker.Entries()) != 5 || strings.Contains(text, "annotations") || !strings.Contains(text, `"os.features":["win32k"]`) {
		t.Errorf("got %s", text)
	}
	oci, err := docker.WithFormat(image.FormatOCI)
	if err != nil || oci.Format() != image.FormatOCI || len(oci.Entries()) != 5 {
		t.Errorf("got %v, %s", err, oci.Bytes())
	}
	if same, err := oci.WithFormat(image.FormatOCI); err != nil || same != oci {
		t.Errorf("it is another one: %v", err)
	}
}

func TestParseIndexRefuses(t *testing.T) {
	for _, text := range []string{`{`, `{"schemaVersion":2,"mediaType":"` + content.OCIManifest + `"}`, `{"manifests":[1]}`, `{"manifests":[],"manifests":[]}`} {
		if _, err := image.ParseIndex("", []byte(text)); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestNames tells the ways to write a platform from other platforms.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		p, have string
		want    bool
	}{
		{"linux/arm64", "linux/arm64/v8", true}, {"linux/arm", "linux/arm/v7", true}, {"linux/arm/v7", "linux/arm/v6", false}, {"linux/amd64/v3", "linux/amd64", false},
		{"windows/amd64", "windows(10.0.17763.1)/amd64", true}, {"windows(10.0.17763)/amd64", "windows(10.0.17763.1)/amd64", true}, {"windows(10.0.2)/amd64", "windows(10.0.17763.1)/amd64", false},
		{"linux/amd64", "windows/amd64", false},
	} {
		p, err := image.ParsePlatform(c.p)
		have, err2 := image.ParsePlatform(c.have)
		if err := errors.Join(err, err2); err != nil || p.Names(have) != c.want {
			t.Errorf("%s names %s: %t, %v", c.p, c.have, !c.want, err)
		}
	}
}
