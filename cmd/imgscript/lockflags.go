package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/lock"
	"github.com/imgscript/imgscript/starlib"
)

// lockFlags say what a run does about tags, which may stand for something else tomorrow, and about the network.
type lockFlags struct {
	locked   bool
	offline  bool
	hermetic bool
}

func (f *lockFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.locked, "locked", false, "fail where a base's tag is not in "+lock.Name+", and where a client reads what may change")
	flags.BoolVar(&f.offline, "offline", false, "open no connection: bases and fetched files come from the cache (see imgscript update --download)")
	flags.BoolVar(&f.hermetic, "hermetic", false, "--locked, and no network but the hosts of "+lock.Name+" and the repositories that are pushed to")
	for _, flag := range []string{"locked", "offline", "hermetic"} {
		groupFlag(cmd, flag, "Lock and network")
	}
}

// strict reports whether the run keeps to the lock.
func (f *lockFlags) strict() bool { return f.locked || f.hermetic }

// lockFile is the lock of a root.
type lockFile struct {
	path string
	file *lock.File // nil: there is none
}

// openLock reads the lock of a root, if it has one. Messages name it from the working directory, if it is below that.
func openLock(root string) (lockFile, error) {
	path := filepath.Join(root, lock.Name)
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
			path = rel
		}
	}
	file, err := lock.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return lockFile{path, file}, err
}

// useLock makes the options of a run those that the flags and the lock file say. Options that have a lock keep it.
func (j *job) useLock(opts *starlib.Options) error {
	flags := &j.flags.lock
	if opts.Lock == nil {
		var err error
		if j.lock, err = openLock(j.script.root); err != nil {
			return err
		}
		opts.Lock = j.lock.file
	}
	opts.Script, opts.Offline = j.arg, flags.offline
	if flags.strict() {
		opts.LockMode = lock.Locked
	}
	if flags.hermetic {
		if opts.Policy == nil {
			opts.Policy = build.DefaultPolicy(j.script.root)
		}
		opts.Policy = build.Hermetic(opts.Policy, hostsOf(opts.Lock))
	}
	return nil
}

// hostsOf are the registries that a lock names.
func hostsOf(f *lock.File) []string {
	var hosts []string
	for _, e := range f.Entries() {
		hosts = append(hosts, build.HostOf(e.Reference))
	}
	return hosts
}

// keepLock adds to the lock file, if there is one, what a run that succeeded found out beside it. What is there never changes.
func (j *job) keepLock(ctx context.Context, report *build.Report, display progress.Display) error {
	if j.lock.file == nil || report.Lock == nil || len(report.Lock.Added) == 0 {
		return nil
	}
	var left []lock.Entry
	err := lock.Update(ctx, j.lock.path, func(now *lock.File) (next *lock.File, err error) {
		next, left, err = now.Add(report.Lock.Added...)
		return next, err
	})
	if err != nil {
		return starlib.Explain(err)
	}
	for _, e := range left {
		warnOn(display)(fmt.Sprintf("%s: %s was locked to something else while this run used %s", j.lock.path, e.Name(), e.Digest()))
	}
	if n := len(report.Lock.Added) - len(left); n > 0 {
		display.Line(fmt.Sprintf("locked %s in %s", count(n, "image"), j.lock.path), progress.Summary)
	}
	return nil
}
