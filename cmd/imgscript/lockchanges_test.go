package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/lock"
)

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
