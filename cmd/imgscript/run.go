package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/starlib"
)

func newRunCommand() *cobra.Command {
	var flags runFlags
	var planned plannedFlags
	var twice twiceFlags
	cmd := &cobra.Command{
		Use:   "run FILE.star[:FUNCTION]",
		Short: "Run a script",
		Long: `run runs a script, or loads it and calls one of its functions. It prints "reference@digest" for each saved image.

Exit codes: 0 done, 1 the script failed, 2 usage, 3 registry or network, 4 credentials refused,
5 lock, hermeticity or permission, 130 interrupted.

--error-format json writes an error as one object in a line on stderr: kind, exit_code, message, hint, position (file, line, column, end_line,
end_column, source), frames, needed_by (what, frames), undone, more (message, hint, position).`,
		Example: `  imgscript run build.star
  imgscript run build.star:release --var version=1.4.2 --secret token=env:REGISTRY_TOKEN`,
		Args:              exactlyOne("a script's file"),
		ValidArgsFunction: completeScript,
	}
	flags.add(cmd)
	planned.add(cmd)
	twice.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := planned.read(cmd.Flags().Changed); err != nil {
			return err
		}
		job, err := newJob(cmd, args[0], &flags)
		if err != nil {
			return err
		}
		job.planned, job.twice = &planned, &twice
		return job.opened(cmd.Context(), job.run)
	}
	return cmd
}

// completeScript lets shells complete the argument of commands that take a script.
func completeScript(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"star"}, cobra.ShellCompDirectiveFilterFileExt
}

// run runs the script and tells its outcome: results on stdout, everything else on stderr.
func (j *job) run(ctx context.Context, engine *build.Engine, display progress.Display) error {
	if err := j.checkPlan(ctx, engine, display); err != nil {
		return err
	}
	if err := j.checkTwice(ctx, engine, display); err != nil {
		return err
	}
	start := time.Now()
	result, err := j.exec(ctx, engine, display)
	if err == nil {
		err = j.keepLock(ctx, result.Report, display)
	}
	if saved := result.Report.Saved; err == nil && len(saved) > 0 {
		var all blobs
		for _, s := range saved {
			all.add(s.Uploaded, s.Mounted, s.Skipped, s.UploadedBytes)
		}
		display.Line(all.summary("saved", len(saved), time.Since(start)), progress.Summary)
	}
	display.Close()
	return j.finish(ctx, result.Report, err)
}

// finish writes the report, what was saved, and what went wrong.
func (j *job) finish(ctx context.Context, report *build.Report, err error) error {
	reporting := j.writeReport(report, err)
	if err := j.tell(report, err); err != nil {
		return err
	}
	return tellError(ctx, reporting)
}

// tell writes what was saved, and what went wrong.
func (j *job) tell(report *build.Report, err error) error {
	writing := writeResults(j.cmd.OutOrStdout(), j.flags.output.format, report.Saved, savedLine)
	if err == nil {
		return writing
	}
	var failed *starlib.Error
	if !errors.As(err, &failed) {
		failed = starlib.Explain(err)
	}
	return showError(failed, unsaved(report, failed.Kind))
}

// unsaved says which saves were left undone, unless the error is about the only one.
func unsaved(report *build.Report, kind starlib.Kind) string {
	if len(report.Unsaved) == 0 || kind != starlib.KindInterrupted && len(report.Saved)+len(report.Unsaved) < 2 {
		return ""
	}
	return "not saved: " + strings.Join(slices.Compact(slices.Clone(report.Unsaved)), ", ")
}
