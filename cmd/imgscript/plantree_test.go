package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/build"
)

// treePlan is a plan with one of everything.
func treePlan() *build.Plan {
	a, b, c := digest.FromString("a"), digest.FromString("b"), digest.FromString("c")
	return &build.Plan{Version: 1, Writes: []build.Write{
		{
			Op: "save", Target: "reg.example/app", From: "node:lts-slim", Digest: a, MediaType: "m", Size: 78_000_000, Platforms: []string{"linux/amd64", "linux/arm64"},
			Blobs: []build.PlannedBlob{
				{Action: "mount", Kind: "layer", Digest: b, Size: 76_543_210, Source: "node:lts-slim"},
				{Action: "upload", Kind: "layer", Digest: c, Size: 1234, Source: "add_files({\"/app\": \"//\u001b[31m\"})"},
				{Action: "skip", Kind: "config", Digest: a, Size: 12},
			},
			Tags: []build.PlannedTag{{Name: "latest", Old: b, New: a}, {Name: "v1", New: a}, {Name: "v2", Old: a, New: a}},
		},
		{Op: "sync", Target: "reg.example/app", From: "node:lts-slim", Blobs: []build.PlannedBlob{{Action: "skip", Kind: "layer", Digest: b, Size: 5}}},
		{Op: "copy", Target: "reg.example/mirror", From: "alpine:3", Digest: b, Referrers: 2, Unchanged: true},
		{Op: "upload", Target: "reg.example/app", Blobs: []build.PlannedBlob{{Action: "upload", Kind: "blob", Digest: a, Size: 7, Source: "text"}}},
		{Op: "mount", Target: "reg.example/app", From: "base", Blobs: []build.PlannedBlob{{Action: "mount", Kind: "blob", Digest: a, Size: -1}}},
		{Op: "delete", Target: "reg.example/app", Tags: []build.PlannedTag{{Name: "old", Old: c}}},
		{Op: "delete", Target: "reg.example/app", Digest: c},
	}}
}

const wideTree = `save reg.example/app  sha256:ca978112ca1b, linux/amd64, linux/arm64, 78.0 MB
├─ mount   layer   sha256:3e23e8160039   76.5 MB  node:lts-slim
├─ upload  layer   sha256:2e7d2c03a950    1.2 kB  add_files({"/app": "//\x1b[31m"})
├─ skip    config  sha256:ca978112ca1b      12 B
├─ tag     latest  sha256:3e23e8160039 → sha256:ca978112ca1b
├─ tag     v1  (new) → sha256:ca978112ca1b
└─ tag     v2  sha256:ca978112ca1b (unchanged)
sync reg.example/app
└─ skip    layer   sha256:3e23e8160039       5 B
copy reg.example/mirror from alpine:3  sha256:3e23e8160039, 2 referrers, unchanged
upload reg.example/app
└─ upload  blob    sha256:ca978112ca1b       7 B  text
mount reg.example/app from base
└─ mount   blob    sha256:ca978112ca1b   unknown
delete reg.example/app
└─ tag     old  sha256:2e7d2c03a950 → (deleted)
delete reg.example/app  sha256:2e7d2c03a950, with every tag that it has
`

func TestPlanTree(t *testing.T) {
	if diff := cmp.Diff(wideTree, strings.Join(planTree(treePlan(), 0), "\n")+"\n"); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"nothing would be written"}, planTree(&build.Plan{}, 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, width := range []int{20, 60, 80} {
		narrow := planTree(treePlan(), width)
		for i, line := range strings.Split(strings.TrimSpace(wideTree), "\n") {
			whole := runewidth.StringWidth(line) <= width
			if got := narrow[i]; runewidth.StringWidth(got) > width || whole != (got == line) || !whole && !strings.HasSuffix(got, "…") {
				t.Errorf("width %d: %q", width, got)
			}
		}
	}
}

func TestPlanSummary(t *testing.T) {
	want := "planned 7 writes in 1.5s: 2 blobs to upload (1.2 kB), 2 to mount, 2 there already, 1 new tag, 1 tag to move, 1 tag to delete, 1 manifest to delete"
	if got := planSummary(treePlan(), 1500*time.Millisecond); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := planSummary(&build.Plan{}, 0), "planned 0 writes in 0.0s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
