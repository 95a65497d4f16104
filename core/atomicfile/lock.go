package atomicfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Lock takes the lock that the file name below root stands for, and waits for it until ctx ends. unlock gives it back, and root must stay
// open until then. The file exists only while somebody holds the lock or wants it, and means nothing by itself: one that a killed process left behind is free.
//
// The order in which those who wait get it is not defined. A symbolic link in the place of the file is an error.
func Lock(ctx context.Context, root *os.Root, name string) (unlock func(), err error) {
	pause := time.Millisecond
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		f, err := take(root, name)
		if err != nil {
			return nil, fmt.Errorf("lock %q in %q: %w", name, root.Name(), err)
		}
		if f != nil {
			return func() {
				root.Remove(name) // before the lock ends: who waits for this file sees that it is gone and makes another
				f.Close()
			}, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause = min(2*pause, 20*time.Millisecond)
		}
	}
}

// take tries once; nil without an error means that somebody else has the lock.
func take(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	locked, err := tryLock(f)
	if errors.Is(err, errors.ErrUnsupported) {
		return f, nil
	}
	if locked && current(root, name, f) {
		return f, nil
	}
	f.Close()
	if info, odd := root.Lstat(name); odd == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, errLink // whatever it points to is never the file of that name
	}
	return nil, err
}

var errLink = errors.New("it is a symbolic link")

// current reports whether f is still the file of that name and not one that its last holder removed.
func current(root *os.Root, name string, f *os.File) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := root.Lstat(name)
	return err == nil && os.SameFile(mine, now)
}
