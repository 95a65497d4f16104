package layer

import (
	"fmt"
	"runtime"
	"testing"
	"testing/fstest"
)

// TestMemoryOfEntries holds what a scan keeps of each file: a million of them, which the garbage collector may see twice over, fit into 600 MB.
func TestMemoryOfEntries(t *testing.T) {
	const n = 50_000
	fsys := fstest.MapFS{}
	file := &fstest.MapFile{Mode: 0o644}
	for i := range n {
		fsys[fmt.Sprintf("node_modules/package-with-a-name-%d/lib/file-%d.js", i/50, i)] = file
	}
	files := []File{{Target: "/app", Tree: TreeFS(fsys), Local: "."}}
	before := heap()
	plan, err := Prepare(t.Context(), files, nil)
	must(t, err)
	used := heap() - before
	runtime.KeepAlive(fsys)
	if got := used / n; got > 160 {
		t.Errorf("%d bytes for each file", got)
	}
	if plan.entries.len() < n {
		t.Errorf("%d entries", plan.entries.len())
	}
}

// heap is the memory that is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
