package lock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/imgscript/imgscript/core/atomicfile"
)

// Read reads the lock file at a path. One that is not there is fs.ErrNotExist; what Parse refuses is an *[Error].
func Read(path string) (*File, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if info.Size() > maxSize {
		return make([]byte, maxSize+1), nil // for Parse to refuse
	}
	return os.ReadFile(path)
}

// Update changes the lock file at a path, whole and in one step: change is given what is there at the moment, nil where there is no file, and returns what is to
// be there. Other processes that use Update meanwhile wait, until ctx ends, so that none undoes what another wrote. Bytes that do not change are
// not written. The errors are those of change, of Parse and of the file system.
func Update(ctx context.Context, path string, change func(*File) (*File, error)) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link to a file elsewhere stays one
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(path)
	unlock, err := atomicfile.Lock(ctx, dir, "."+name+"~")
	if err != nil {
		return err
	}
	defer unlock()
	var now *File
	before, err := read(path)
	switch {
	case err == nil:
		if now, err = Parse(path, before); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	next, err := change(now)
	if err != nil {
		return err
	}
	if after := next.Bytes(); !bytes.Equal(before, after) {
		return atomicfile.WriteFile(dir, ".", name, after, 0o666)
	}
	return nil
}
