package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/starlib"
)

// plannedFlags hold a run to a plan.
type plannedFlags struct {
	path string
	plan *build.Plan // read by read; nil is none
}

func (f *plannedFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "planned", "", "`FILE` that imgscript plan --out wrote: plan again first, and write nothing if anything differs")
	_ = cmd.MarkFlagFilename("planned", "json")
}

// read reads the plan, before anything is done.
func (f *plannedFlags) read(given func(flag string) bool) error {
	if !given("planned") {
		return nil
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return usagef("--planned %q: %v", f.path, reason(err)).withHint("imgscript plan FILE.star --out FILE makes one")
	}
	if f.plan, err = build.ParsePlan(data); err != nil {
		return usagef("--planned %q: %v", f.path, err).withHint("imgscript plan FILE.star --out FILE makes one")
	}
	return nil
}

// checkPlan plans again, where a plan was given, and tells what differs. It closes the display if it returns an error. What the script prints and
// warns of is for the run.
func (j *job) checkPlan(ctx context.Context, engine *build.Engine, display progress.Display) error {
	if j.planned == nil || j.planned.plan == nil {
		return nil
	}
	again := *j
	again.opts.Plan = true
	result, err := again.exec(ctx, engine, silent{display})
	report := &build.Report{Inputs: result.Report.Inputs, Unsaved: result.Report.Unsaved} // nothing was made
	if err != nil {
		display.Close()
		return j.finish(ctx, report, err)
	}
	diff := j.planned.plan.Diff(result.Report.Plan)
	if len(diff) == 0 {
		return nil
	}
	display.Close()
	return j.finish(ctx, report, &starlib.Error{
		Kind: starlib.KindScript,
		Msg:  fmt.Sprintf("nothing was written: it would be something else than %s says\n%s", j.planned.path, strings.Join(diff, "\n")),
		Hint: fmt.Sprintf("lines with - are those of the plan; if those with + are right, plan again: imgscript plan %s --out %s", j.cmd.Flags().Arg(0), j.planned.path),
	})
}

// silent shows what goes on, and nothing of what a script says.
type silent struct{ progress.Display }

// Event implements progress.Display.
func (s silent) Event(e build.Event) {
	if e.Kind != build.Warning {
		s.Display.Event(e)
	}
}

// Print implements progress.Display.
func (s silent) Print(string, string) {}

// Line implements progress.Display.
func (s silent) Line(string, progress.Kind) {}
