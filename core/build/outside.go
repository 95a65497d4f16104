package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/imgscript/imgscript/core/layer"
)

// anchors are the directories from which a run reaches what it reads outside of the root, and where it writes layouts: what the policy allows, opened once. From
// there on the kernel sees to it that no link leads out of them, whoever makes it, and when.
type anchors struct {
	mu    sync.Mutex
	dirs  map[string]*os.Root
	trees []*layer.Tree // below the anchors
}

// open opens a directory by its path, once. A path in which there is a link by now is an error: it would be another place than the one that was allowed.
func (a *anchors) open(dir string) (*os.Root, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if root := a.dirs[dir]; root != nil {
		return root, nil
	}
	root, err := openDirectly(dir)
	if err != nil {
		return nil, err
	}
	if a.dirs == nil {
		a.dirs = map[string]*os.Root{}
	}
	a.dirs[dir] = root
	return root, nil
}

// keep closes a tree when the run ends.
func (a *anchors) keep(tree *layer.Tree) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trees = append(a.trees, tree)
}

func (a *anchors) close() {
	for _, tree := range a.trees {
		tree.Close()
	}
	for _, root := range a.dirs {
		root.Close()
	}
}

// inside is what a path ends in so that what is opened is a directory: a named pipe in its place is an error and is not waited for.
const inside = string(filepath.Separator) + "."

func openDirectly(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir + inside)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil {
		err = sameDirectory(dir, opened)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// sameDirectory looks whether a path leads to a directory without a link.
func sameDirectory(dir string, want fs.FileInfo) error {
	there, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err == nil && (real != dir || !os.SameFile(there, want)) {
		err = &fs.PathError{Op: "open", Path: dir, Err: layer.ErrChanged}
	}
	return err
}

// reach is the highest directory that a function of the policy allows together with a path, as far as it can be opened.
func reach(path string, ask func(string) error) string {
	for {
		parent := filepath.Dir(path)
		if parent == path || ask(parent) != nil || !canOpen(parent) {
			return path
		}
		path = parent
	}
}

func canOpen(dir string) bool {
	f, err := os.Open(dir + inside)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	f.Close()
	return true
}

// from returns the open directory from which a path is reached whose anchor is top, and the path from there.
func (r *Run) from(top, path string) (*os.Root, string, error) {
	root, err := r.anchors.open(top)
	if errors.Is(err, syscall.ENOTDIR) { // a single file
		top = filepath.Dir(top)
		root, err = r.anchors.open(top)
	}
	if err != nil {
		return nil, "", err
	}
	name, err := filepath.Rel(top, path)
	return root, name, err
}

// makeDirectly makes a directory, and those above it that are missing, without following a link.
func makeDirectly(dir string) error {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent, err := openDirectly(filepath.Dir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDirectly(filepath.Dir(dir)); err != nil {
			return err
		}
		parent, err = openDirectly(filepath.Dir(dir))
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := parent.Mkdir(filepath.Base(dir), 0o755); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// layoutDir opens the directory of one layout, whose path outPath found, as often as it is needed. ask is what the policy says of it.
func (r *Run) layoutDir(ask func(string) error) func(dir string, create bool) (*os.Root, error) {
	var look sync.Once
	var top string
	return func(dir string, create bool) (*os.Root, error) {
		look.Do(func() { top = reach(dir, ask) })
		root, err := r.openLayout(top, dir, create)
		if errors.Is(err, layer.ErrOutside) {
			err = fmt.Errorf("%w: a link leads out of %s", ErrPolicy, top)
		}
		return root, err
	}
}

// openLayout opens a directory below top. With create it is made if it is missing.
func (r *Run) openLayout(top, dir string, create bool) (*os.Root, error) {
	if create {
		if err := makeDirectly(top); err != nil {
			return nil, err
		}
	}
	from, name, err := r.from(top, dir)
	if err != nil {
		return nil, err
	}
	if create && name != "." {
		if err := from.MkdirAll(name, 0o755); err != nil {
			return nil, reason(err)
		}
	}
	root, err := from.OpenRoot(name + inside)
	if err != nil {
		return nil, reason(err)
	}
	return root, nil
}

// elsewhere finds what is outside the root, where the policy allows it: a directory as a tree of its own, so that no link in it leads further, or a file alone. p is
// the path as the script writes it, full what it stands for.
func (r *Run) elsewhere(p, full string) (*layer.Tree, string, error) {
	if r.opts.Files != nil {
		return nil, "", fmt.Errorf("%w: %q is outside of the files of this run", ErrPolicy, p)
	}
	real, bad := realPath(full)
	switch {
	case bad == nil && within(r.opts.Root, real):
		name, err := filepath.Rel(r.opts.Root, real)
		return r.tree, filepath.ToSlash(name), err
	case bad != nil && within(r.opts.Root, full):
		return nil, "", fmt.Errorf("%w: %s %w", ErrPolicy, quoted(p), layer.ErrOutside) // what is there, if anything, is not told
	case bad != nil:
		real = full
	}
	if err := r.mayReadPath(real); err != nil {
		if p == real {
			return nil, "", err
		}
		return nil, "", fmt.Errorf("%s: %w", quoted(p), err)
	}
	if bad != nil {
		return nil, "", fmt.Errorf("%s: %w", quoted(p), reason(bad))
	}
	tree, name, err := r.treeOf(real)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", quoted(p), reason(err))
	}
	return tree, name, nil
}

// treeOf makes a tree of a directory that may be read, or of a file alone.
func (r *Run) treeOf(real string) (*layer.Tree, string, error) {
	from, name, err := r.from(reach(real, r.mayReadPath), real)
	if err != nil {
		return nil, "", err
	}
	info, err := from.Lstat(name)
	if err != nil {
		return nil, "", err
	}
	if !info.IsDir() {
		return layer.TreeFS(&oneFile{from, name, info}), info.Name(), nil
	}
	root, err := from.OpenRoot(name + inside)
	if err != nil {
		return nil, "", err
	}
	tree, err := layer.TreeOf(root)
	if err == nil {
		r.anchors.keep(tree)
	}
	return tree, ".", err
}

// oneFile is a file system of one file, and of no other that takes its place.
type oneFile struct {
	from *os.Root
	name string
	is   fs.FileInfo
}

// Open implements fs.FS.
func (f *oneFile) Open(name string) (fs.File, error) {
	fail := func(err error) (fs.File, error) { return nil, &fs.PathError{Op: "open", Path: name, Err: err} }
	switch {
	case name == ".":
		dir, err := f.from.OpenFile(filepath.Dir(f.name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return fail(reason(err))
		}
		return unlisted{dir}, nil
	case name != f.is.Name():
		return fail(fs.ErrNotExist)
	case !f.is.Mode().IsRegular():
		return fail(errors.New("is not a regular file"))
	}
	file, err := f.from.OpenFile(f.name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fail(reason(err))
	}
	info, err := file.Stat()
	if err == nil && !os.SameFile(info, f.is) {
		err = layer.ErrChanged
	}
	if err != nil {
		file.Close()
		return fail(reason(err))
	}
	return file, nil
}

// unlisted is a directory whose names are nobody's business.
type unlisted struct{ fs.File }
