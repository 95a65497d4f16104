package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/atomicfile"
)

// usePrecision is how exactly last uses are known: the time of a file is set at most that often, so that a use costs nothing mostly.
const usePrecision = time.Hour

// runsDir has a file for each run that is under way. Its time is that of the beginning of the run; it is locked while the process lives.
const runsDir = "runs"

// guardFile is the lock under which files are removed. Who notes a use, gives a blob its name or begins a run takes it too: what was found after that is not removed.
const guardFile = "guard"

// guarded does something while no process removes anything. Where the disk takes no file for the lock it is done without: what is removed then is a miss.
func (c *Cache) guarded(do func()) {
	c.guard.Lock()
	defer c.guard.Unlock()
	unlock, err := atomicfile.Lock(context.Background(), c.root, guardFile) // held for microseconds
	if err == nil {
		defer unlock()
	}
	do()
}

// use notes that a file is used now. The time of modification of a blob or record is that of its last use: unlike the time of access, every file system keeps
// it, and no backup program changes it. set says whether the time was changed. The error is fs.ErrNotExist if the file was removed.
func (c *Cache) use(name string, info fs.FileInfo) (set bool, err error) {
	now := time.Now()
	if now.Sub(info.ModTime()).Abs() < usePrecision {
		return false, nil
	}
	c.guarded(func() { err = c.root.Chtimes(name, now, now) })
	if errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return err == nil, nil // where it cannot be set, as on a disk that is read-only, nothing is removed either
}

// useBlob is use for the open blob d. The new time is no reason to hash a file again that was verified.
func (c *Cache) useBlob(f *os.File, name string, d digest.Digest) error {
	info, err := f.Stat()
	if err != nil {
		return c.wrap(err)
	}
	set, err := c.use(name, info)
	if err != nil {
		return notFound(name)
	}
	if now, err := f.Stat(); set && err == nil && c.isVerified(d, info) {
		c.setVerified(d, now)
	}
	return nil
}

// Used notes that the blob d, if it is there, is of use though nobody reads it, as that of a layer which its target has: others are to be pruned before it.
func (c *Cache) Used(d digest.Digest) {
	if f, err := c.Open(d); err == nil {
		f.Close()
	}
}

// Hold keeps what is used from now on from being pruned, by any process, until release is called: what a run has found in the cache, or has
// put there, stays until its end. Where the disk takes no file more, nothing is held: what is pruned then is a miss. release may be called once.
func (c *Cache) Hold() (release func()) {
	var f *atomicfile.File
	var err error
	c.guarded(func() { f, err = atomicfile.Create(c.root, runsDir, 0o600) })
	if err != nil {
		return func() {}
	}
	return f.Discard
}

// firstRun is when the first of the runs that are under way began; ok is false if there is none. Those of processes that are gone are removed once they are a
// minute old: a younger one may not have its lock yet.
func (c *Cache) firstRun() (began time.Time, ok bool) {
	atomicfile.Sweep(c.root, runsDir, time.Minute)
	entries, err := c.readDir(runsDir)
	if err != nil {
		return time.Time{}, true // nobody knows: then all that was ever used is in use
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && (!ok || info.ModTime().Before(began)) {
			began, ok = info.ModTime(), true
		}
	}
	return began, ok
}
