package main

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
)

func newPlanCommand() *cobra.Command {
	var flags runFlags
	var out string
	cmd := &cobra.Command{
		Use:   "plan FILE.star[:FUNCTION]",
		Short: "Show what a script would write",
		Long: `plan runs a script as run does, and writes nothing but the cache: layers are really built, and what the script reads later is as if all before had
been written. It shows, for each save, sync, copy and call of a client, which blobs would be uploaded, mounted or are there, with their sources, and which
tags would be set (old digest → new digest) or deleted. A mount is taken to work. Of registries, rights to read are enough.

imgscript run --planned FILE writes only what the plan in FILE says.

Exit codes are those of imgscript run.`,
		Example: `  imgscript plan build.star
  imgscript plan build.star:release --out plan.json
  imgscript run build.star:release --planned plan.json`,
		Args:              exactlyOne("a script's file"),
		ValidArgsFunction: completeScript,
	}
	flags.add(cmd)
	cmd.Flags().Lookup("output").Usage = "`FORMAT` of the plan: text (a tree) or json (a document)"
	cmd.Flags().StringVar(&out, "out", "", "write the plan, as json, to `FILE` too")
	_ = cmd.MarkFlagFilename("out", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOut(cmd.Flags().Changed, out); err != nil {
			return err
		}
		job, err := newJob(cmd, args[0], &flags)
		if err != nil {
			return err
		}
		job.opts.Plan = true
		return job.opened(cmd.Context(), func(ctx context.Context, engine *build.Engine, display progress.Display) error {
			return job.plan(ctx, engine, display, out)
		})
	}
	return cmd
}

// checkOut refuses what could not be written after all.
func checkOut(given func(flag string) bool, out string) error {
	if !given("out") {
		return nil
	}
	if info, err := os.Stat(out); out == "" || err == nil && info.IsDir() {
		return usagef("--out %q: want a file", out)
	}
	if _, err := os.Stat(filepath.Dir(out)); err != nil {
		return usagef("--out %q: %v", out, reason(err))
	}
	return nil
}

// plan plans, and tells the plan on stdout, everything else on stderr.
func (j *job) plan(ctx context.Context, engine *build.Engine, display progress.Display, out string) error {
	start := time.Now()
	result, err := j.exec(ctx, engine, display)
	reporting := j.writeReport(result.Report, err)
	if err != nil {
		display.Close()
		return j.tell(&build.Report{}, err)
	}
	plan := result.Report.Plan
	display.Line(planSummary(plan, time.Since(start)), progress.Summary)
	display.Close()
	text, err := plan.JSON()
	if err != nil {
		return err
	}
	if out != "" {
		if err := replaceFile("--out", out, text); err != nil {
			return tellError(ctx, err)
		}
	}
	stdout := j.cmd.OutOrStdout()
	if j.flags.output.format != "json" {
		text = nil
		for _, line := range planTree(plan, progress.Width(stdout)) {
			text = append(append(text, line...), '\n')
		}
	}
	w := bufio.NewWriter(stdout)
	w.Write(text)
	if err := w.Flush(); err != nil {
		return err
	}
	return tellError(ctx, reporting)
}
