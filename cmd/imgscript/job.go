package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/starlib"
)

// job is one call of run, understood.
type job struct {
	cmd    *cobra.Command
	flags  *runFlags
	arg    string // the script as it was given
	script script
	lock   lockFile
	opts   starlib.Options

	planned *plannedFlags // of run alone
	twice   *twiceFlags   // of run alone
}

func newJob(cmd *cobra.Command, arg string, flags *runFlags) (*job, error) {
	if err := flags.check(cmd.Flags().Changed); err != nil {
		return nil, err
	}
	found, err := findScript(arg, flags.root)
	if err != nil {
		return nil, err
	}
	j := &job{cmd: cmd, flags: flags, arg: arg, script: found, opts: starlib.Options{Root: found.root, Platform: flags.platform, Limits: flags.limits.limits, Inputs: flags.report.file != ""}}
	if j.opts.Vars, err = variables(flags.vars); err != nil {
		return nil, err
	}
	if j.opts.Secrets, err = secrets(flags.secrets); err != nil {
		return nil, err
	}
	if j.opts.Policy, err = policyOf(flags.permit.lists(), found.root); err != nil {
		return nil, err
	}
	j.opts.Epoch, err = epoch(flags.epoch, os.Getenv("SOURCE_DATE_EPOCH"))
	return j, err
}

// opened does something with an engine, and closes it. do closes the display before it tells its outcome.
func (j *job) opened(ctx context.Context, do func(ctx context.Context, engine *build.Engine, display progress.Display) error) error {
	display := j.flags.output.display(j.cmd.ErrOrStderr())
	ctx, stop := stopOnSignal(ctx, display)
	defer stop()
	engine, err := j.openEngine(display)
	if err != nil {
		display.Close()
		return tellError(ctx, err)
	}
	err = do(ctx, engine, display)
	if closing := engine.Close(); err == nil {
		err = closing
	}
	return err
}

func (j *job) exec(ctx context.Context, engine *build.Engine, display progress.Display) (*starlib.Result, error) {
	opts := j.opts
	opts.Engine = engine
	opts.Events = display.Event
	opts.Print = func(pos syntax.Position, line string) { display.Print(pos.String(), line) }
	if err := j.useLock(&opts); err != nil {
		return &starlib.Result{Report: &build.Report{}}, starlib.Explain(err)
	}
	rt, err := starlib.New(&opts)
	if err != nil {
		return &starlib.Result{Report: &build.Report{}}, err
	}
	defer j.flags.limits.lastResort(j.cmd.ErrOrStderr(), j.flags.output.jsonErrors())()
	if j.script.function != "" {
		return rt.Call(ctx, j.script.name, j.script.function, nil)
	}
	return rt.ExecFile(ctx, j.script.name, nil)
}

// openEngine opens the engine with its cache.
func (j *job) openEngine(display progress.Display) (*build.Engine, error) {
	opts, err := j.engineOptions(display)
	if err != nil {
		return nil, err
	}
	return j.flags.cache.openEngine(opts, warnOn(display))
}

// engineOptions are those of the run's engine, but for where its cache is.
func (j *job) engineOptions(display progress.Display) (opts *build.EngineOptions, err error) {
	opts = j.flags.registry.engine(warnOn(display))
	opts.Jobs = j.flags.jobs
	j.flags.limits.engine(opts)
	if j.flags.lock.offline {
		opts.Transport = build.NoNetwork()
	}
	opts.CacheSize, err = j.flags.cache.limit(j.cmd.Flags().Changed)
	return opts, err
}
