package layer

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/bmatcuk/doublestar/v4"
)

func testTree(t *testing.T) *Tree {
	top := t.TempDir()
	dir := filepath.Join(top, "root")
	must(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("inside"), 0o644))
	must(t, os.WriteFile(filepath.Join(top, "secret"), []byte("secret"), 0o644))
	must(t, os.Symlink("b/file", filepath.Join(dir, "a/link")))
	must(t, os.Symlink("../../secret", filepath.Join(dir, "a/out")))
	must(t, os.Symlink(filepath.Join(top, "secret"), filepath.Join(dir, "abs")))
	return openTree(t, dir)
}

func TestTreeOpen(t *testing.T) {
	tree := testTree(t)
	for _, name := range []string{"a/b/file", "a/link"} {
		f, err := tree.Open(name)
		must(t, err)
		data, err := io.ReadAll(f)
		must(t, errors.Join(err, f.Close()))
		if string(data) != "inside" {
			t.Errorf("%s: %q", name, data)
		}
	}
	for _, name := range []string{"a/out", "abs", "missing", "a/b/file/x"} {
		if _, err := tree.Open(name); err == nil {
			t.Errorf("opened %s", name)
		}
	}
	for _, name := range []string{"", "/", "/a", "..", "../secret", "a/../a", "a/", "./a", "a\x00"} {
		_, err1 := tree.Open(name)
		_, err2 := tree.ReadDir(name)
		_, err3 := tree.Lstat(name)
		_, err4 := tree.Stat(name)
		_, err5 := tree.ReadLink(name)
		for _, err := range []error{err1, err2, err3, err4, err5} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
}

func TestTreeLooks(t *testing.T) {
	tree := testTree(t)
	list, err := tree.ReadDir("a")
	must(t, err)
	names := []string{}
	for _, e := range list {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"b", "link", "out"}) || list[1].Type() != fs.ModeSymlink {
		t.Errorf("%v", list)
	}
	if text, err := tree.ReadLink("a/link"); err != nil || text != "b/file" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := tree.Lstat("a/link"); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("%v, %v", info, err)
	}
	if info, err := tree.Stat("a/link"); err != nil || info.Size() != 6 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := tree.Stat("a/out"); err == nil {
		t.Error("looked outside")
	}
	if _, err := tree.Lstat("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if matches, err := doublestar.Glob(tree, "**/fil*"); err != nil || !slices.Equal(matches, []string{"a/b/file"}) {
		t.Errorf("%q, %v", matches, err)
	}
}

// TestTreeFSConforms holds a Tree to what io/fs asks of a file system.
func TestTreeFSConforms(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("inside"), 0o644))
	must(t, fstest.TestFS(openTree(t, dir), "a/b/file"))
	must(t, fstest.TestFS(TreeFS(fstest.MapFS{"a/b": {Data: []byte("1")}}), "a/b"))
}

func TestOpenTreeErrors(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	for _, name := range []string{"missing", "file"} {
		if tree, err := OpenTree(filepath.Join(dir, name)); err == nil {
			tree.Close()
			t.Errorf("opened %s", name)
		}
	}
}

// TestTreeOf: a tree of a directory that is open already stays in it when its path is another one's.
func TestTreeOf(t *testing.T) {
	top := t.TempDir()
	must(t, os.Mkdir(filepath.Join(top, "dir"), 0o755))
	must(t, os.WriteFile(filepath.Join(top, "dir/file"), []byte("first"), 0o644))
	root, err := os.OpenRoot(filepath.Join(top, "dir"))
	must(t, err)
	tree, err := TreeOf(root)
	must(t, err)
	must(t, os.Rename(filepath.Join(top, "dir"), filepath.Join(top, "moved")))
	must(t, os.Mkdir(filepath.Join(top, "dir"), 0o755))
	must(t, os.WriteFile(filepath.Join(top, "dir/file"), []byte("second"), 0o644))
	data, err := fs.ReadFile(tree, "file")
	if string(data) != "first" || err != nil {
		t.Errorf("got %q, %v", data, err)
	}
	must(t, tree.Close())
	if _, err := root.Stat("."); err == nil {
		t.Error("Close left the directory open")
	}
}
