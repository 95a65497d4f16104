//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"
)

// lab is what all jobs share.
type lab struct {
	dir      string // everything is below it
	bin      string // the tools that are built here
	quick    bool
	runs     int
	quiet    float64 // processors that may be busy when a measurement begins; 0: any number
	size     sizes
	only     []string // the tools that take part; nil: all
	versions map[string]string
	open     opener
	out      io.Writer // progress
	old      int       // directories that were put aside
}

// newLab makes the directories and installs the tools. It must be closed.
func newLab(ctx context.Context, o *options, out io.Writer) (*lab, error) {
	l := &lab{dir: o.dir, bin: filepath.Join(o.dir, "bin"), quick: o.quick, runs: o.runs, quiet: o.quiet, size: fullSizes, versions: map[string]string{}, out: out}
	if o.quick {
		l.size = quickSizes
	}
	l.open = openDistribution(l.bin)
	if err := errors.Join(os.MkdirAll(l.bin, 0o755), os.MkdirAll(l.data(), 0o755)); err != nil {
		return nil, err
	}
	if err := errors.Join(l.tidy(), l.writeScripts()); err != nil { // a run that was killed has left its work
		return nil, err
	}
	return l, l.install(ctx)
}

// close removes what only measurements need. Tools, data and results stay for the next run.
func (l *lab) close() {
	if err := l.tidy(); err != nil {
		l.progress("%v", err)
	}
}

// clean removes a directory of --dir, if it is one or does not exist.
func clean(dir string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, "bin")); err != nil {
			return fmt.Errorf("%s is no directory of this program: it has no bin", dir)
		}
	}
	return remove(dir)
}

const (
	// room is how many bytes have to be free on the disk when a job begins.
	room = 25 << 30
	// forgotten is how long ext4 remembers inodes that were removed, at most. Until then it passes over them one by one when it looks for
	// free ones: after the removal of many small files, a tool that makes many itself was seen to take three times as long.
	forgotten = 6 * time.Minute
)

// aside puts away what is not needed any more. It is not removed before space is short, since that would slow down who comes next.
func (l *lab) aside(dir string) error {
	if !exists(dir) {
		return nil
	}
	l.old++
	return errors.Join(os.MkdirAll(l.attic(), 0o755), os.Rename(dir, filepath.Join(l.attic(), fmt.Sprint(l.old))))
}

// attic is where they are.
func (l *lab) attic() string { return filepath.Join(l.work(), "old") }

// tidy removes all but tools, data and results, and notes when.
func (l *lab) tidy() error {
	if !exists(l.work()) {
		return nil
	}
	if err := remove(l.work()); err != nil {
		return err
	}
	return os.WriteFile(l.tidied(), nil, 0o644)
}

// tidied is a file whose time is that of the last removal.
func (l *lab) tidied() string { return filepath.Join(l.dir, "tidied") }

// makeRoom removes what was put aside if space is short, and waits until removals are forgotten.
func (l *lab) makeRoom(ctx context.Context) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(l.dir, &disk); err != nil {
		return err
	}
	if disk.Bavail*uint64(disk.Bsize) < room {
		if err := l.tidy(); err != nil {
			return err
		}
	}
	info, err := os.Stat(l.tidied())
	if err != nil || l.quick {
		return nil // nothing was removed, or nobody looks at the numbers
	}
	if wait := forgotten - time.Since(info.ModTime()); wait > 0 {
		l.progress("waiting %v until the file system has forgotten what was removed", wait.Round(time.Second))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// work is for the states of tools and the data of registries.
func (l *lab) work() string { return filepath.Join(l.dir, "work") }

func (l *lab) progress(format string, args ...any) { fmt.Fprintf(l.out, format+"\n", args...) }

// takesPart tells whether a tool is one of those that are measured.
func (l *lab) takesPart(tool string) bool { return l.only == nil || slices.Contains(l.only, tool) }

var mountPoint = regexp.MustCompile(`(?m)^\d+ \d+ \d+:\d+ \S+ (\S+) `)

// unmount unmounts all below a directory, as daemons that are killed and buildah leave it.
func unmount(dir string) error {
	mounts, _ := os.ReadFile("/proc/self/mountinfo") // without it, removing fails if something is mounted
	points := mountPoint.FindAllSubmatch(mounts, -1)
	slices.Reverse(points) // the last mounted first
	for _, m := range points {
		point := string(m[1])
		if rel, err := filepath.Rel(dir, point); err == nil && filepath.IsLocal(rel) {
			if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil {
				return fmt.Errorf("unmount %s: %w", point, err)
			}
		}
	}
	return nil
}

// remove removes a directory with all that is mounted below it.
func remove(dir string) error {
	if err := unmount(dir); err != nil {
		return err
	}
	err := os.RemoveAll(dir)
	if errors.Is(err, fs.ErrPermission) { // directories without w, as Go's module cache has them
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				_ = os.Chmod(path, 0o700)
			}
			return nil
		})
		err = os.RemoveAll(dir)
	}
	return err
}

// writeScripts writes the scripts and Dockerfiles of the jobs beside the data, since imgscript reads nothing outside of its root.
func (l *lab) writeScripts() error {
	dir := l.scripts()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(files[name]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) scripts() string { return filepath.Join(l.data(), "scripts") }
