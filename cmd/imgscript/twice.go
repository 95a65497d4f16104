package main

import (
	"context"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/starlib"
)

// twiceFlags have a run show first that it can be reproduced.
type twiceFlags struct{ on bool }

func (f *twiceFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.on, "twice", false, "build everything twice first, the second time with another --jobs, without the cache and with directories in another order, and write nothing if anything differs")
}

// checkTwice plans twice, where that was asked for, and tells what differs. It closes the display if it returns an error. What the script prints and warns of is for the run.
func (j *job) checkTwice(ctx context.Context, engine *build.Engine, display progress.Display) error {
	if j.twice == nil || !j.twice.on {
		return nil
	}
	first := *j
	first.opts.Plan, first.opts.Inputs = true, false
	second := first
	second.opts.Shuffle = true
	fresh, err := second.freshEngine(display)
	if err != nil {
		display.Close()
		return tellError(ctx, err)
	}
	defer fresh.Close()
	found, err := compareRuns(ctx, display, run{&first, engine}, run{&second, fresh})
	switch {
	case err != nil:
		display.Close()
		return j.tell(&build.Report{}, err)
	case len(found) == 0:
		return nil
	}
	display.Close()
	return showError(&starlib.Error{
		Kind: starlib.KindScript,
		Msg:  "nothing was written: built twice, it is not the same\n" + strings.Join(found, "\n"),
		Hint: "files that change meanwhile, what a client reads by tag, and built-ins of an embedding program may be why",
	}, "")
}

// run is a job and the engine that it is for.
type run struct {
	job    *job
	engine *build.Engine
}

// compareRuns runs two jobs, one after the other, and returns what differs between what they make.
func compareRuns(ctx context.Context, display progress.Display, first, second run) ([]string, error) {
	var reports [2]*build.Report
	for i, r := range []run{first, second} {
		result, err := r.job.exec(ctx, r.engine, silent{display})
		if err != nil {
			return nil, err
		}
		reports[i] = result.Report
	}
	return build.Compare(ctx, reports[0], reports[1])
}

// freshEngine is an engine that knows nothing of earlier layers, and has other jobs than the run's. It has no cache, unless there is no network: then bases come from there.
func (j *job) freshEngine(display progress.Display) (*build.Engine, error) {
	opts, err := j.engineOptions(display)
	if err != nil {
		return nil, err
	}
	opts.Jobs, opts.Rebuild = otherJobs(j.flags.jobs), true
	if j.flags.lock.offline {
		return j.flags.cache.openEngine(opts, warnOn(display))
	}
	return build.NewEngine(opts)
}

// otherJobs is another number of processors: one, unless that is the number of the run.
func otherJobs(jobs int) int {
	if jobs == 1 || jobs == 0 && runtime.GOMAXPROCS(0) == 1 {
		return 4
	}
	return 1
}
