package layer

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
)

// view is one call's look at a Tree. It keeps directories open, so it must not outlive its call: later calls have to see the
// directories that are there then. It may be used by many goroutines at once.
type view interface {
	// readNames returns the names in a directory, sorted. It fails with ErrChanged when want is not zero and the directory is another one.
	readNames(dir string, want stat) ([]string, error)
	// readDir does what readNames does, and hands the names to use with a way to look at each.
	readDir(dir string, want stat, use func(names []string, lstat func(base string) (stat, error))) error
	lstat(name string) (stat, error)
	readLink(name string) (string, error)
	// open opens the regular file base in the directory dir and neither follows a link nor waits for what is no regular file.
	open(dir, base string) (file, error)
	close()
}

// file is an open file of a view.
type file interface {
	io.ReadCloser
	stat() (stat, error)
	// readAt reads bytes from an offset on, as io.ReaderAt does, but may give fewer of them; the view must be of a parallel Tree.
	readAt(p []byte, offset int64) (int, error)
}

// stat is what tells a file from another one and from itself at another time. Times are nanoseconds since 1970; what a file system does not know
// is zero.
type stat struct {
	mode         fs.FileMode // type and permission bits
	size         int64
	mtime, ctime int64
	dev, ino     uint64
	nlink        uint64
}

// same reports whether nothing happened to a file. Its count of links may change without its ctime only where there is no ctime.
func (s stat) same(o stat) bool {
	s.nlink, o.nlink = 0, 0
	return s == o
}

func (s stat) isDir() bool  { return s.mode.IsDir() }
func (s stat) isLink() bool { return s.mode.Type() == fs.ModeSymlink }

func statOf(info fs.FileInfo) stat {
	s := stat{mode: info.Mode(), size: info.Size()}
	if t := info.ModTime(); !t.IsZero() {
		s.mtime = t.UnixNano()
	}
	return s
}

// view opens a look at the tree; the caller closes it.
func (t *Tree) view() view {
	if t.root == nil {
		return fsView{t.fsys}
	}
	return t.osView()
}

// fsView is the view of an fs.FS.
type fsView struct{ fsys fs.FS }

func (v fsView) readNames(dir string, _ stat) ([]string, error) {
	entries, err := fs.ReadDir(v.fsys, dir)
	if err != nil {
		return nil, unwrapPath(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names, nil
}

func (v fsView) readDir(dir string, want stat, use func([]string, func(string) (stat, error))) error {
	names, err := v.readNames(dir, want)
	if err != nil {
		return err
	}
	use(names, func(base string) (stat, error) { return v.lstat(path.Join(dir, base)) })
	return nil
}

func (v fsView) lstat(name string) (stat, error) {
	info, err := fs.Lstat(v.fsys, name)
	if err != nil {
		return stat{}, unwrapPath(err)
	}
	return statOf(info), nil
}

func (v fsView) readLink(name string) (string, error) {
	text, err := fs.ReadLink(v.fsys, name)
	return text, unwrapPath(err)
}

func (v fsView) open(dir, base string) (file, error) {
	f, err := v.fsys.Open(path.Join(dir, base))
	if err != nil {
		return nil, unwrapPath(err)
	}
	return fsFile{f}, nil
}

func (v fsView) close() {}

type fsFile struct{ fs.File }

func (fsFile) readAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }

func (f fsFile) stat() (stat, error) {
	info, err := f.File.Stat()
	if err != nil {
		return stat{}, unwrapPath(err)
	}
	return statOf(info), nil
}

// unwrapPath takes the operation and path off an error whose path the caller says better.
func unwrapPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
