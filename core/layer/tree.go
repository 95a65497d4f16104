package layer

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Tree is where local files come from: an OS directory or an fs.FS. Nothing outside of it is ever read, whatever its links say and
// whatever is swapped while it is read. It is immutable and may be used by many goroutines at once.
//
// A Tree is an [fs.ReadLinkFS] and an [fs.ReadDirFS], so that fs.WalkDir and glob packages work on it. Names are
// slash-separated and relative to its root, which is "."; unlike with other file systems they need not be UTF-8.
type Tree struct {
	fsys fs.FS    // nil for an OS directory
	root *os.Root // nil for an fs.FS
	dirs []string // absolute paths of an OS directory's root: as it was given and with its links resolved
	base *os.File // an OS directory's root again, whose descriptor views start from

	shuffled bool
}

// OpenTree opens the OS directory dir. The caller closes the Tree when no Scan, Build or reader uses it any more.
func OpenTree(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory %q: %w", dir, unwrapPath(err))
	}
	return TreeOf(root)
}

// TreeOf returns the Tree of an OS directory that is open already, with the path by which it was opened. It closes root where it fails, and Close does.
func TreeOf(root *os.Root) (*Tree, error) {
	base, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open directory %q: %w", root.Name(), unwrapPath(err))
	}
	t := &Tree{root: root, base: base}
	if abs, err := filepath.Abs(root.Name()); err == nil {
		t.dirs = append(t.dirs, filepath.ToSlash(abs))
		if real, err := filepath.EvalSymlinks(abs); err == nil && real != abs {
			t.dirs = append(t.dirs, filepath.ToSlash(real))
		}
	}
	return t, nil
}

// TreeFS returns a Tree of fsys. It has symbolic links when fsys is an [fs.ReadLinkFS]. How far links lead is up to fsys: os.DirFS
// lets them leave its root, so that a directory on disk is better opened by OpenTree.
func TreeFS(fsys fs.FS) *Tree { return &Tree{fsys: fsys} }

// Shuffled returns the same tree, whose directories seem to be in an order that chance makes, as file systems have one of their own: to show that what is made of it does not
// depend on that. Closing either closes both.
func (t *Tree) Shuffled() *Tree {
	c := *t
	c.shuffled = true
	return &c
}

func shuffle[T any](list []T) {
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// Close closes an OS directory; for an fs.FS it does nothing.
func (t *Tree) Close() error {
	if t.root == nil {
		return nil
	}
	t.base.Close()
	return t.root.Close()
}

// Open opens a file or a directory, following links inside the root. What is neither (a device, a named pipe, a socket) is an error and is not waited for. The
// caller closes the file.
func (t *Tree) Open(name string) (fs.File, error) {
	if err := checkLocal("open", name); err != nil {
		return nil, err
	}
	if t.root == nil {
		return t.fsys.Open(name)
	}
	f, err := t.root.OpenFile(name, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, t.pathError("open", name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = fmt.Errorf("is a %s", kindOf(info.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, t.pathError("open", name, err)
	}
	return f, nil
}

// ReadDir returns what is in a directory, sorted by name.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := checkLocal("readdir", name); err != nil {
		return nil, err
	}
	if t.root == nil {
		return fs.ReadDir(t.fsys, name)
	}
	v := t.view()
	defer v.close()
	names, err := v.readNames(name, stat{})
	if err != nil {
		return nil, t.pathError("readdir", name, err)
	}
	return t.dirEntries(name, names)
}

// dirEntries looks at each name; what vanished meanwhile is left out.
func (t *Tree) dirEntries(dir string, names []string) ([]fs.DirEntry, error) {
	entries := make([]fs.DirEntry, 0, len(names))
	for _, base := range names {
		info, err := t.Lstat(path.Join(dir, base))
		if isNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, fs.FileInfoToDirEntry(info))
	}
	return entries, nil
}

// Lstat describes a file without following a link in the last part of name.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) {
	if err := checkLocal("lstat", name); err != nil {
		return nil, err
	}
	if t.root == nil {
		return fs.Lstat(t.fsys, name)
	}
	info, err := t.root.Lstat(name)
	return info, t.pathError("lstat", name, err)
}

// Stat describes a file, following links inside the root.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	if err := checkLocal("stat", name); err != nil {
		return nil, err
	}
	if t.root == nil {
		return fs.Stat(t.fsys, name)
	}
	info, err := t.root.Stat(name)
	return info, t.pathError("stat", name, err)
}

// ReadLink returns the text of a symbolic link.
func (t *Tree) ReadLink(name string) (string, error) {
	if err := checkLocal("readlink", name); err != nil {
		return "", err
	}
	if t.root == nil {
		return fs.ReadLink(t.fsys, name)
	}
	text, err := t.root.Readlink(name)
	return text, t.pathError("readlink", name, err)
}

// inside returns the part of an absolute path that is below the root, for paths of the machine that the Tree is on.
func (t *Tree) inside(abs string) (string, bool) {
	for _, dir := range t.dirs {
		if abs == dir {
			return ".", true
		}
		if rest, ok := strings.CutPrefix(abs, strings.TrimSuffix(dir, "/")+"/"); ok {
			return rest, true
		}
	}
	return "", false
}

func (t *Tree) pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: unwrapPath(err)}
}

// checkLocal refuses names that are not slash-separated and relative to the root without "." and "..".
func checkLocal(op, name string) error {
	if name != "." && (name == "" || path.Clean(name) != name || !filepath.IsLocal(filepath.FromSlash(name)) || strings.Contains(name, "\x00")) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

func isBaseName(name string) bool {
	return name != "." && checkLocal("", name) == nil && !strings.Contains(name, "/")
}

// kindOf names a type of file that is neither a regular file, a directory nor a link.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeCharDevice != 0:
		return "character device"
	case mode&fs.ModeDevice != 0:
		return "block device"
	}
	return "special file"
}
