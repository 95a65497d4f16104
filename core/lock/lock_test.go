package lock_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/lock"
)

// d is the digest of a text.
func d(text string) digest.Digest { return digest.FromString(text) }

// indexed is an entry of an index, which is i, and for one platform has m.
func indexed(reference, platform, i, m string) lock.Entry {
	e := lock.Entry{Reference: reference, Platform: platform, Index: d(i), MediaType: content.OCIIndex}
	if m != "" {
		e.Manifest = d(m)
	}
	return e
}

func plain(reference, platform, m string) lock.Entry {
	return lock.Entry{Reference: reference, Platform: platform, Manifest: d(m), MediaType: content.DockerManifest}
}

func fileOf(t *testing.T, entries ...lock.Entry) *lock.File {
	t.Helper()
	f, err := (*lock.File)(nil).Set(entries...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const (
	alpine = "docker.io/library/alpine:3"
	app    = "reg.example.com:5000/team/app:v1"
	six    = "[::1]:5000/app:latest"
)

// TestBytes: the form of the file is a promise to version control.
func TestBytes(t *testing.T) {
	f := fileOf(t, plain(app, "linux/amd64", "app"), indexed(alpine, "linux/arm64", "alpine", "arm"), indexed(alpine, "linux/amd64", "alpine", "amd"),
		indexed(six, lock.All, "six", ""))
	want := fmt.Sprintf(`{
  "[::1]:5000/app:latest all": {"index": "%s", "media_type": "application/vnd.oci.image.index.v1+json"},
  "docker.io/library/alpine:3 linux/amd64": {"index": "%s", "manifest": "%s", "media_type": "application/vnd.oci.image.index.v1+json"},
  "docker.io/library/alpine:3 linux/arm64": {"index": "%s", "manifest": "%s", "media_type": "application/vnd.oci.image.index.v1+json"},
  "reg.example.com:5000/team/app:v1 linux/amd64": {"manifest": "%s", "media_type": "application/vnd.docker.distribution.manifest.v2+json"},
  "version": 1
}
`, d("six"), d("alpine"), d("amd"), d("alpine"), d("arm"), d("app"))
	if diff := cmp.Diff(want, string(f.Bytes())); diff != "" {
		t.Error(diff)
	}
	parsed, err := lock.Parse("imgscript.lock", f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.Entries(), parsed.Entries()); diff != "" {
		t.Error(diff)
	}
	if got, want := string((*lock.File)(nil).Bytes()), "{\n  \"version\": 1\n}\n"; got != want {
		t.Errorf("an empty file is %q, want %q", got, want)
	}
}

// TestOneLineMore: adding an entry changes no other line, wherever it stands, so that git merges two additions.
func TestOneLineMore(t *testing.T) {
	before := strings.SplitAfter(string(fileOf(t, indexed(alpine, "linux/amd64", "alpine", "amd"), plain("docker.io/library/node:lts", "linux/amd64", "node")).Bytes()), "\n")
	for _, name := range []string{"docker.io/library/aaa:1", "docker.io/library/busybox:1", "zzz.example.com/last:1"} {
		f := fileOf(t, indexed(alpine, "linux/amd64", "alpine", "amd"), plain("docker.io/library/node:lts", "linux/amd64", "node"), plain(name, "linux/amd64", "x"))
		after := strings.SplitAfter(string(f.Bytes()), "\n")
		after = slices.DeleteFunc(after, func(line string) bool { return strings.Contains(line, name) })
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestParseAnyLayout: a file that a formatter went over, or whose lines a merge put out of order, says the same.
func TestParseAnyLayout(t *testing.T) {
	text := fmt.Sprintf(`{"version":1,"%s linux/amd64":{"media_type":"%s","manifest":"%s"},"%s all":{"index":"%s",
		"media_type":"%s"}}`, app, content.OCIManifest, d("app"), alpine, d("alpine"), content.DockerList)
	f, err := lock.Parse("imgscript.lock", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []lock.Entry{
		{Reference: alpine, Platform: lock.All, Index: d("alpine"), MediaType: content.DockerList},
		{Reference: app, Platform: "linux/amd64", Manifest: d("app"), MediaType: content.OCIManifest},
	}
	if diff := cmp.Diff(want, f.Entries()); diff != "" {
		t.Error(diff)
	}
}

func TestLookup(t *testing.T) {
	amd, arm := indexed(alpine, "linux/amd64", "alpine", "amd"), indexed(alpine, "linux/arm/v7", "alpine", "arm")
	f := fileOf(t, arm, plain(app, "linux/amd64", "app"), amd)
	if e, ok := f.Find(alpine, "linux/arm/v7"); !ok || e != arm {
		t.Errorf("Find: %v, %v", e, ok)
	}
	if e, ok := f.Find(alpine, "linux/s390x"); ok {
		t.Errorf("Find of a platform that is not there: %v", e)
	}
	if diff := cmp.Diff([]lock.Entry{amd, arm}, f.Of(alpine)); diff != "" {
		t.Error(diff)
	}
	if of := f.Of("docker.io/library/alpine:3.1"); len(of) != 0 {
		t.Errorf("Of another tag: %v", of)
	}
	if amd.Root() != d("alpine") || amd.Digest() != d("amd") {
		t.Errorf("root %s, digest %s", amd.Root(), amd.Digest())
	}
	var none *lock.File
	if _, ok := none.Find(alpine, "linux/amd64"); ok || len(none.Of(alpine)) != 0 || len(none.Entries()) != 0 {
		t.Error("a nil file has entries")
	}
}

func TestSetAddWithout(t *testing.T) {
	amd, arm := indexed(alpine, "linux/amd64", "alpine", "amd"), indexed(alpine, "linux/arm64", "alpine", "arm")
	newer := indexed(alpine, "linux/amd64", "alpine 2", "amd 2")
	f := fileOf(t, amd)

	next, left, err := f.Add(arm, newer, amd, indexed(alpine, "linux/s390x", "alpine 2", "s390x"), plain(app, "linux/amd64", "app"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]lock.Entry{amd, arm, plain(app, "linux/amd64", "app")}, next.Entries()); diff != "" {
		t.Errorf("Add changes what is there: %s", diff)
	}
	if diff := cmp.Diff([]lock.Entry{newer, indexed(alpine, "linux/s390x", "alpine 2", "s390x")}, left); diff != "" {
		t.Errorf("left: %s", diff)
	}
	if diff := cmp.Diff([]lock.Entry{amd}, f.Entries()); diff != "" {
		t.Errorf("the file itself changed: %s", diff)
	}

	if next, err = f.Set(newer); err != nil || !slices.Equal(next.Entries(), []lock.Entry{newer}) {
		t.Errorf("Set: %v, %v", next.Entries(), err)
	}
	if _, err := next.Set(arm); !errors.Is(err, content.ErrInvalid) {
		t.Errorf("Set of an entry with another index: %v", err)
	}
	if rest := next.Without(func(e lock.Entry) bool { return e.Reference == alpine }); len(rest.Entries()) != 0 {
		t.Errorf("Without: %v", rest.Entries())
	}
}

// TestMalformedEntry: what no file may have, none can be given.
func TestMalformedEntry(t *testing.T) {
	good := indexed(alpine, "linux/amd64", "i", "m")
	for what, change := range map[string]func(*lock.Entry){
		"no reference":           func(e *lock.Entry) { e.Reference = "" },
		"a short reference":      func(e *lock.Entry) { e.Reference = "alpine:3" },
		"no tag":                 func(e *lock.Entry) { e.Reference = "docker.io/library/alpine" },
		"a digest":               func(e *lock.Entry) { e.Reference += "@" + d("x").String() },
		"a line break":           func(e *lock.Entry) { e.Reference = "docker.io/a\nb:3" },
		"no platform":            func(e *lock.Entry) { e.Platform = "" },
		"a bad platform":         func(e *lock.Entry) { e.Platform = "linux" },
		"no digests":             func(e *lock.Entry) { e.Index, e.Manifest = "", "" },
		"no manifest":            func(e *lock.Entry) { e.Manifest = "" },
		"a manifest for all":     func(e *lock.Entry) { e.Platform = lock.All },
		"a bad index":            func(e *lock.Entry) { e.Index = "sha256:123" },
		"a bad manifest":         func(e *lock.Entry) { e.Manifest = "md5:123" },
		"the wrong media type":   func(e *lock.Entry) { e.MediaType = content.OCIManifest },
		"an unknown media type":  func(e *lock.Entry) { e.MediaType = "text/plain" },
		"an index as a manifest": func(e *lock.Entry) { e.Index = "" },
	} {
		e := good
		change(&e)
		if _, err := (*lock.File)(nil).Set(e); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
		if _, _, err := (*lock.File)(nil).Add(e); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%s, added: %v", what, err)
		}
	}
}
