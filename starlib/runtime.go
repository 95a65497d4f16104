package starlib

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/lock"
)

// Options says what scripts can see and do. The zero value runs scripts of the file system with an engine of their own, without variables and secrets.
type Options struct {
	// Root is the directory outside of which scripts read and write nothing, unless the policy allows it. Without Root and Files it is found for each script as
	// FindRoot does.
	Root string
	// Files takes the place of Root: scripts and what they read come from it, and layouts cannot be written.
	Files fs.FS
	// Engine is shared by all runs; nil makes one for each run, with a temporary cache.
	Engine *build.Engine
	// Policy is asked before anything outside the root, the network or a repository is touched; nil is build.DefaultPolicy.
	Policy *build.Policy
	// Vars are what var() gives.
	Vars map[string]string
	// SharedVars says that Vars are for other scripts too, so that one that a script does not ask for is no error.
	SharedVars bool
	// Secrets are what secret() stands for; each is read when it is first used.
	Secrets map[string]func(context.Context) ([]byte, error)
	// Platform is what indexes are picked by; "" is linux/amd64.
	Platform string
	// Epoch is the time of files and of changed images; zero is 1970-01-01.
	Epoch time.Time
	// Plan makes runs that write nothing but the cache: Report.Plan of a result says what they would write.
	Plan bool
	// Limits bound what each run may do.
	Limits Limits
	// Inputs has the report list all that a run read; see build.Options.
	Inputs bool
	// Shuffle has directories seem to be in an order that chance makes; see build.Options.
	Shuffle bool
	// Predeclared adds names of the embedding program to those of api.star, or replaces them.
	Predeclared starlark.StringDict
	// Modules are what load("@host/name", …) finds, by "host/name".
	Modules map[string]starlark.StringDict
	// Print is given each line that a script prints, with its place; nil drops it.
	Print func(pos syntax.Position, line string)
	// Events is told what goes on; nil drops it.
	Events func(build.Event)
	// Lock says what the tags of bases stand for; nil locks nothing. After a run that succeeded, Lock.Add(result.Report.Lock.Added...) is what is to be kept.
	Lock *lock.File
	// LockMode says what becomes of bases that the lock lacks: see build.LockOptions.Mode.
	LockMode lock.Mode
	// LockRefresh tells the references that are resolved anew: see build.LockOptions.Refresh.
	LockRefresh func(reference string) bool
	// Offline opens no connection: what is read comes from the engine's cache.
	Offline bool
	// Download brings the locked bases into the engine's cache in full, for runs that are Offline.
	Download bool
	// Script is how hints name the script in commands to be typed; "" is its path below the root.
	Script string
}

// Runtime runs scripts. It does not change and may be used by many goroutines at once; each run is on its own.
type Runtime struct {
	opts Options
}

// Result is what a run did. It is there after a failure too, with what had been done by then.
type Result struct {
	// Globals are the names of the script; its values may be used only while the run lasts, but for plain data.
	Globals starlark.StringDict
	// Value is what the function of a Call returned.
	Value starlark.Value
	// Report tells of what was saved, or, with Options.Plan, would be.
	Report *build.Report
}

// New returns a runtime; nil is the zero Options.
func New(opts *Options) (*Runtime, error) {
	rt := &Runtime{}
	if opts != nil {
		rt.opts = *opts
	}
	if rt.opts.Root != "" && rt.opts.Files != nil {
		return nil, errors.New("starlib: Root and Files are two ways to say one thing: give one")
	}
	if _, err := loadAPI(); err != nil {
		return nil, err
	}
	return rt, nil
}

// ExecFile runs a script to its end. name is its path: slash-separated from the root, or, without Root and Files, a path of the file
// system. src is its text (string or []byte), or nil to read it. The error is an *[Error].
func (rt *Runtime) ExecFile(ctx context.Context, name string, src any) (*Result, error) {
	return rt.exec(ctx, name, func(s *session) error { return s.runFile(src) })
}

// Call loads a file as a module and calls one of its functions. The error is an *[Error].
func (rt *Runtime) Call(ctx context.Context, name, function string, args starlark.Tuple) (*Result, error) {
	return rt.exec(ctx, name, func(s *session) error { return s.runFunction(function, args) })
}

func (rt *Runtime) exec(ctx context.Context, name string, f func(*session) error) (*Result, error) {
	root, file, err := rt.locate(name)
	if err != nil {
		return &Result{Report: &build.Report{}}, &Error{Kind: KindUsage, Msg: err.Error(), err: err}
	}
	engine := rt.opts.Engine
	if engine == nil {
		if engine, err = build.NewEngine(&build.EngineOptions{Requests: rt.opts.Limits.Requests}); err != nil {
			return &Result{Report: &build.Report{}}, &Error{Kind: KindScript, Msg: err.Error(), err: err}
		}
		defer engine.Close()
	}
	s := newSession(rt, file)
	report, err := engine.Do(ctx, &build.Options{
		Root: root, Files: rt.opts.Files, Dir: path.Dir(file), Platform: rt.opts.Platform, Epoch: rt.opts.Epoch,
		Policy: rt.opts.Policy, Plan: rt.opts.Plan, Events: rt.opts.Events, Limits: rt.opts.Limits.ofRun(), Inputs: rt.opts.Inputs,
		Lock:    rt.lockOptions(file),
		Shuffle: rt.opts.Shuffle,
	}, func(run *build.Run) error {
		s.run = run
		return s.stopped(s.on(s.newThread(file), func() error { return f(s) }))
	})
	result := &Result{Globals: s.globals, Value: s.value, Report: report}
	if err == nil {
		return result, nil
	}
	return result, s.explain(err)
}

// lockOptions are those of the engine for a script.
func (rt *Runtime) lockOptions(file string) *build.LockOptions {
	o := rt.opts
	return &build.LockOptions{
		File: o.Lock, Mode: o.LockMode, Refresh: o.LockRefresh, Offline: o.Offline, Download: o.Download, Script: cmp.Or(o.Script, file),
	}
}

// locate finds the root and the file's name below it.
func (rt *Runtime) locate(name string) (root, file string, err error) {
	switch {
	case rt.opts.Files == nil && rt.opts.Root == "":
		return FindRoot(name)
	case rt.opts.Root != "" && filepath.IsAbs(name):
		return rt.opts.Root, "", fmt.Errorf("%s: want a path relative to the root %s", name, rt.opts.Root)
	}
	file = path.Clean(filepath.ToSlash(name))
	if file == ".." || strings.HasPrefix(file, "../") {
		return "", "", fmt.Errorf("%s is outside the root", name)
	}
	return rt.opts.Root, file, nil
}

// FindRoot returns the root for a script of the file system, and the script's path below it, slash-separated. The root is the nearest directory at or above
// the script's that holds imgscript.lock, else one that holds .git, else the script's own.
func FindRoot(script string) (root, name string, err error) {
	full, err := filepath.Abs(script)
	if err != nil {
		return "", "", err
	}
	if full, err = filepath.EvalSymlinks(full); err != nil {
		return "", "", fmt.Errorf("%s: %w", script, reasonOf(err))
	}
	root = filepath.Dir(full)
	for _, mark := range []string{lock.Name, ".git"} {
		if dir, ok := above(filepath.Dir(full), mark); ok {
			root = dir
			break
		}
	}
	rel, err := filepath.Rel(root, full)
	return root, filepath.ToSlash(rel), err
}

func above(dir, mark string) (string, bool) {
	for {
		if _, err := os.Lstat(filepath.Join(dir, mark)); err == nil {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// reasonOf is the reason of a file system's error without the path, which the message has already.
func reasonOf(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
