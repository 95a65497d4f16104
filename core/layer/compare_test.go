package layer

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// packed is the blob of a layer of entries.
func packed(t *testing.T, compression string, entries ...Entry) io.Reader {
	t.Helper()
	var blob bytes.Buffer
	_, err := Build(t.Context(), ingesterFunc(func(write func(io.Writer) error) error { return write(&blob) }), entries, &Options{Compression: compression})
	must(t, err)
	return &blob
}

// TestCompare: every difference between two layers, by path; how they are compressed is none.
func TestCompare(t *testing.T) {
	text := func(path, data string) Entry {
		return Entry{Path: path, Type: TypeFile, Mode: 0o644, ModTime: epoch(time.Time{}), Size: int64(len(data)), Data: content.FromBytes([]byte(data))}
	}
	same := []Entry{text("a", "same"), text("b", "one"), text("c", "first"), text("e", "x"), text("f", "x"), {Path: "g", Type: TypeSymlink, Link: "a", Mode: 0o777, ModTime: epoch(time.Time{})}}
	other := slices.Clone(same)
	other[1] = text("b", "two")
	other[2] = text("d", "second")
	other[3].Mode, other[3].UID, other[3].Uname = 0o755, 5, "ann"
	other[4].ModTime, other[4].Xattrs = time.Unix(1, 0), map[string]string{"user.x": "y"}
	other[5].Link = "b"
	for _, compression := range []string{Gzip, Zstd} {
		got, err := Compare(packed(t, None, same...), packed(t, compression, same...))
		if err != nil || len(got) > 0 {
			t.Errorf("%s: got %v, %v", compression, got, err)
		}
	}
	got, err := Compare(packed(t, Gzip, same...), packed(t, Gzip, other...))
	must(t, err)
	want := []Difference{
		{"/b", "other contents: sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed (3 bytes), then sha256:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3 (3 bytes)"},
		{"/c", "only the first has it"},
		{"/d", "only the second has it"},
		{"/e", "mode 0644, then 0755"}, {"/e", "uid 0, then 5"}, {"/e", "user , then ann"},
		{"/f", "time 1970-01-01T00:00:00Z, then 1970-01-01T00:00:01Z"}, {"/f", `SCHILY.xattr.user.x "", then "y"`},
		{"/g", "link a, then b"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	if _, err := Compare(bytes.NewReader([]byte("no archive, and not short")), packed(t, Gzip, same...)); err == nil {
		t.Error("what is no archive was read")
	}
}

// TestShuffled: the order in which a directory is read shows nowhere.
func TestShuffled(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"a/1": "x", "a/2": "x", "b/c/d/3": "x", "b/4": "x", "e/5": "x", "f": "x", "g": "x", "h": "x"}
	for name, text := range files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	want, err := Scan(t.Context(), []File{{Target: "/in", Tree: openTree(t, dir), Local: "."}}, nil)
	must(t, err)
	for range 20 {
		tree := openTree(t, dir).Shuffled()
		got, err := Scan(t.Context(), []File{{Target: "/in", Tree: tree, Local: "."}}, nil)
		must(t, err)
		paths := func(list []Entry) (all []string) {
			for _, e := range list {
				all = append(all, e.Path)
			}
			return all
		}
		if !slices.Equal(paths(got), paths(want)) {
			t.Errorf("got %v, want %v", paths(got), paths(want))
		}
		entries, err := tree.ReadDir(".")
		if err != nil || len(entries) != 6 || entries[0].Name() != "a" {
			t.Errorf("got %v, %v", entries, err)
		}
	}
}
