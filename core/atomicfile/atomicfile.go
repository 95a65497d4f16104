package atomicfile

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// Prefix is how the names of temporary files begin.
const Prefix = ".tmp-"

// File is a file that is being written under a temporary name. It ends with Commit or Discard.
type File struct {
	root *os.Root
	file *os.File
	name string
}

// Create begins a file in the directory dir of root ("." is root itself), which is made if it is missing. The file's mode will be perm without
// the umask; directories get the x bits that go with it. root must stay open until the file has ended.
func Create(root *os.Root, dir string, perm fs.FileMode) (*File, error) {
	f := &File{root: root, name: path.Join(dir, Prefix+rand.Text())}
	err := inDirectory(root, f.name, perm, func() (err error) {
		f.file, err = root.OpenFile(f.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create in %q: %w", root.Name(), err)
	}
	tryLock(f.file) // where the file system has no locks, Sweep goes by age
	return f, nil
}

// inDirectory does what makes name, and again after making the directory of name if that was missing.
func inDirectory(root *os.Root, name string, perm fs.FileMode, do func() error) error {
	err := do()
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := root.MkdirAll(path.Dir(name), perm|perm>>2&0o111); err != nil {
		return err
	}
	return do()
}

// Name is the temporary name, relative to the root.
func (f *File) Name() string { return f.name }

// Stat describes the file as it is now.
func (f *File) Stat() (fs.FileInfo, error) { return f.file.Stat() }

// Write implements io.Writer.
func (f *File) Write(p []byte) (int, error) { return f.file.Write(p) }

// Fill appends what r has until its end. It returns soon after ctx ends unless r itself blocks.
func (f *File) Fill(ctx context.Context, r io.Reader) error {
	buf := make([]byte, 128<<10)
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := f.file.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Commit closes the file and gives it its name, below root, in place of what had it. Missing directories are made. When that fails, the
// file is discarded.
func (f *File) Commit(name string) error {
	info, err := f.file.Stat()
	if err == nil {
		err = f.file.Close()
	}
	if err == nil {
		err = inDirectory(f.root, name, info.Mode().Perm(), func() error { return f.root.Rename(f.name, name) })
	}
	if err != nil {
		f.Discard()
		return fmt.Errorf("write %q in %q: %w", name, f.root.Name(), err)
	}
	return nil
}

// Discard closes the file and removes it. It must not be called after a Commit that succeeded.
func (f *File) Discard() {
	f.file.Close()
	f.root.Remove(f.name)
}

// WriteFile puts data in the place of the file name below root. The temporary file is in the directory tmp of root.
func WriteFile(root *os.Root, tmp, name string, data []byte, perm fs.FileMode) error {
	f, err := Create(root, tmp, perm)
	if err != nil {
		return err
	}
	if err := f.Fill(context.Background(), bytes.NewReader(data)); err != nil {
		f.Discard()
		return fmt.Errorf("write %q in %q: %w", name, root.Name(), err)
	}
	return f.Commit(name)
}

// Sweep removes the temporary files in the directory dir of root whose writers are gone and that were last written to longer
// than age ago. What it cannot look at or remove stays; a missing directory is nothing to do.
func Sweep(root *os.Root, dir string, age time.Duration) {
	d, err := root.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(100)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), Prefix) && e.Type().IsRegular() {
				sweep(root, path.Join(dir, e.Name()), age)
			}
		}
		if err != nil {
			return
		}
	}
}

func sweep(root *os.Root, name string, age time.Duration) {
	info, err := root.Lstat(name)
	if err != nil || time.Since(info.ModTime()) < age {
		return
	}
	f, err := root.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	locked, err := tryLock(f)
	if locked || err != nil && time.Since(info.ModTime()) > unlockable {
		root.Remove(name)
	}
}

// unlockable is the age at which a temporary file is given up where the file system has no locks to ask.
const unlockable = 24 * time.Hour
