package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/lock"
)

// TestUpdateKeepsOthers: update changes what it found out, and leaves alone what another process locked meanwhile.
func TestUpdateKeepsOthers(t *testing.T) {
	entry := func(name, digit string) lock.Entry {
		d := digest.Digest("sha256:" + strings.Repeat(digit, 64))
		return lock.Entry{Reference: "reg.example.com/" + name + ":v1", Platform: "linux/amd64", Manifest: d, MediaType: content.OCIManifest}
	}
	file := func(entries ...lock.Entry) *lock.File {
		f, err := (*lock.File)(nil).Set(entries...)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	before := file(entry("refreshed", "1"), entry("kept", "1"), entry("unused", "1"), entry("changed", "1"))
	u := &update{
		prune: true, lock: lockFile{path: filepath.Join(t.TempDir(), lock.Name)}, refreshed: map[string]bool{"reg.example.com/refreshed:v1": true},
		now: file(entry("refreshed", "2"), entry("kept", "1"), entry("unused", "1"), entry("changed", "1"), entry("added", "2")), used: map[string]bool{},
	}
	for _, name := range []string{"refreshed", "kept", "changed", "added"} {
		u.used[entry(name, "").Name()] = true
	}
	meanwhile := file(entry("refreshed", "3"), entry("kept", "1"), entry("unused", "1"), entry("changed", "3"), entry("other", "3"))
	if err := os.WriteFile(u.lock.path, meanwhile.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := u.write(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	got, err := lock.Read(u.lock.path)
	if err != nil {
		t.Fatal(err)
	}
	want := file(entry("refreshed", "2"), entry("kept", "1"), entry("changed", "3"), entry("added", "2"), entry("other", "3"))
	if diff := cmp.Diff(want.Entries(), got.Entries()); diff != "" {
		t.Error(diff)
	}
}

// TestLockChanges: each change of an entry is a line, sorted, and those without a change are counted.
func TestLockChanges(t *testing.T) {
	d := func(c string) digest.Digest { return digest.Digest("sha256:" + strings.Repeat(c, 64)) }
	indexed := func(name, platform, index, manifest string) lock.Entry {
		e := lock.Entry{Reference: "reg.example.com/" + name + ":v1", Platform: platform, Index: d(index), MediaType: content.OCIIndex}
		if manifest != "" {
			e.Manifest = d(manifest)
		}
		return e
	}
	file := func(entries ...lock.Entry) *lock.File {
		f, err := (*lock.File)(nil).Set(entries...)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	before := file(indexed("same", "linux/amd64", "1", "2"), indexed("moved", "linux/amd64", "1", "2"), indexed("moved", lock.All, "1", ""),
		indexed("rebuilt", "linux/amd64", "1", "2"), indexed("gone", "linux/amd64", "1", "2"))
	after := file(indexed("same", "linux/amd64", "1", "2"), indexed("moved", "linux/amd64", "3", "4"), indexed("moved", lock.All, "3", ""),
		indexed("rebuilt", "linux/amd64", "3", "2"), indexed("new", "linux/arm64", "1", "2"))
	var text strings.Builder
	if err := writeLockChanges(&text, "text", lockChanges(before, after)); err != nil {
		t.Fatal(err)
	}
	want := `reg.example.com/gone:v1 linux/amd64: sha256:222222222222 → (dropped)
reg.example.com/moved:v1 all: sha256:111111111111 → sha256:333333333333
reg.example.com/moved:v1 linux/amd64: sha256:222222222222 → sha256:444444444444
reg.example.com/new:v1 linux/arm64: (new) → sha256:222222222222
reg.example.com/rebuilt:v1 linux/amd64: index sha256:111111111111 → sha256:333333333333
1 unchanged
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Error(diff)
	}
	text.Reset()
	if err := writeLockChanges(&text, "json", lockChanges(before, after)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	wants := []string{
		`{"reference":"reg.example.com/gone:v1","platform":"linux/amd64","status":"dropped","old":{"index":"` + d("1").String() + `","manifest":"` + d("2").String() + `","media_type":"` + content.OCIIndex + `"},"new":null}`,
		`{"reference":"reg.example.com/moved:v1","platform":"all","status":"changed","old":{"index":"` + d("1").String() + `","media_type":"` + content.OCIIndex + `"},"new":{"index":"` + d("3").String() + `","media_type":"` + content.OCIIndex + `"}}`,
	}
	if diff := cmp.Diff(wants, lines[:2]); diff != "" || len(lines) != 6 || !strings.Contains(lines[5], `"status":"unchanged"`) {
		t.Errorf("%s\n%s", diff, text.String())
	}
}
