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
	if err := l.writeScripts(); err != nil {
		return nil, err
	}
	return l, l.install(ctx)
}

// close removes what only measurements need. Tools, data and results stay for the next run.
func (l *lab) close() {
	if err := remove(l.work()); err != nil {
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

// work is for the states of tools and the data of registries.
func (l *lab) work() string { return filepath.Join(l.dir, "work") }

func (l *lab) progress(format string, args ...any) { fmt.Fprintf(l.out, format+"\n", args...) }

// takesPart tells whether a tool is one of those that are measured.
func (l *lab) takesPart(tool string) bool { return l.only == nil || slices.Contains(l.only, tool) }

var mountPoint = regexp.MustCompile(`(?m)^\d+ \d+ \d+:\d+ \S+ (\S+) `)

// remove removes a directory with all that is mounted below it, as daemons that are killed leave it.
func remove(dir string) error {
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
