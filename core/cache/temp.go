package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/imgscript/imgscript/core/atomicfile"
)

// tempPrefix is how the names of temporary caches begin.
const tempPrefix = "imgscript-cache-"

// Temp opens a cache in a new temporary directory, which Close removes: for runs that shall neither use nor leave anything. The directories of
// processes that were killed are removed first.
func Temp() (*Cache, error) {
	sweepTemp(os.TempDir(), time.Minute)
	dir, err := os.MkdirTemp("", tempPrefix)
	if err != nil {
		return nil, fmt.Errorf("open cache: %w", err)
	}
	c, err := Open(dir, nil)
	if err == nil {
		// It is locked as long as this process lives, which is how others know that the directory is in use.
		if c.owner, err = atomicfile.Create(c.root, ".", 0o600); err != nil {
			c.root.Close()
		}
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("open cache: %w", err)
	}
	return c, nil
}

// sweepTemp removes the temporary caches in a directory whose processes are gone and that are older than age. What it cannot look at or remove
// stays.
func sweepTemp(parent string, age time.Duration) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.IsDir() || !strings.HasPrefix(e.Name(), tempPrefix) || time.Since(info.ModTime()) < age {
			continue
		}
		if dir := filepath.Join(parent, e.Name()); !inUse(dir, age) {
			os.RemoveAll(dir)
		}
	}
}

// inUse reports whether the process of a temporary cache may be alive.
func inUse(dir string, age time.Duration) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return true
	}
	defer root.Close()
	atomicfile.Sweep(root, ".", age)
	left, err := filepath.Glob(filepath.Join(dir, atomicfile.Prefix+"*"))
	return err != nil || len(left) > 0
}
