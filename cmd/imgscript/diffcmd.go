package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/inspect"
)

// diffFlags are the flags of diff as they were given.
type diffFlags struct {
	look     lookFlags
	files    bool
	noFiles  bool
	times    bool
	json     bool
	exitCode bool
}

func newDiffCommand() *cobra.Command {
	var flags diffFlags
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show how two images differ",
		Long: `diff shows what is different in B from A, wherever each of them is: what their configs say, their layers, and their files by mode, owner, size and contents. Of indexes
it compares the images platform by platform. Layers that both have at the bottom are read only if the files above them cannot be compared without; --no-files reads none.

The exit code is 0 whether or not they differ, and with --exit-code 1 if they do. The others are those of imgscript run.`,
		Example: `  imgscript diff node:22-slim node:24-slim
  imgscript diff reg.example.com/app:v1 oci:out --platform linux/arm64
  imgscript diff --no-files --exit-code reg.example.com/app:v1 reg.example.com/app:v2`,
		Args:              twoReferences,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.check(); err != nil {
			return err
		}
		return flags.diff(cmd, args[0], args[1])
	}
	return cmd
}

func (f *diffFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.files, "files", false, "list each file of directories that only one of them has, too")
	flags.BoolVar(&f.noFiles, "no-files", false, "do not compare files: no layer is read")
	flags.BoolVar(&f.times, "times", false, "show files that differ in their times alone, too")
	flags.BoolVar(&f.json, "json", false, "write all of it as a JSON document")
	flags.BoolVar(&f.exitCode, "exit-code", false, "end with 1 if they differ")
	f.look.add(cmd)
	flags.Lookup("platform").Usage = "of indexes, compare the images for `OS/ARCH` alone (default: all)"
}

// check refuses what makes no sense together.
func (f *diffFlags) check() error {
	if f.noFiles && (f.files || f.times) {
		return usagef("--no-files, and --files or --times: want one of them")
	}
	return f.look.check()
}

// twoReferences wants what to compare.
func twoReferences(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) < 2:
		what := "A and B are missing"
		if len(args) == 1 {
			what = "B is missing"
		}
		return usagef("%s: %s", cmd.CommandPath(), what).withHint("%s", cmd.UseLine())
	case len(args) > 2:
		return usagef("%s: too many arguments: %q", cmd.CommandPath(), args[2:]).withHint("%s", cmd.UseLine())
	}
	return nil
}

// errDiffer ends a command whose exit code says that two images differ, which it has shown.
var errDiffer = errors.New("they differ")

// diff compares, and writes to stdout when all was read.
func (f *diffFlags) diff(cmd *cobra.Command, a, b string) error {
	var diff *inspect.Diff
	err := f.look.run(cmd, func(ctx context.Context, run *build.Run) (err error) {
		const at = commandLine("imgscript diff")
		first, second := run.Look(at, "diff", a, nil), run.Look(at, "diff", b, nil)
		old, err := first.Wait()
		if err != nil {
			return err
		}
		new, err := second.Wait()
		if err != nil {
			return err
		}
		diff, err = f.compare(ctx, old, new)
		return diffError(err)
	})
	if err != nil {
		return err
	}
	text, err := f.text(diff, progress.Width(cmd.OutOrStdout()))
	if err != nil {
		return err
	}
	if err := writeAll(cmd, text); err != nil {
		return err
	}
	if f.exitCode && !diff.Same {
		return errDiffer
	}
	return nil
}

// diffError names the command in an error, and says what can be done without the layers.
func diffError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*inspect.FilesError)):
		return &filesError{fmt.Errorf("diff: %w", err)}
	}
	return fmt.Errorf("diff: %w", err)
}

// filesError is an error about files.
type filesError struct{ error }

// Unwrap makes it the error that it is.
func (e *filesError) Unwrap() error { return e.error }

// Hint says what works without the files.
func (e *filesError) Hint() string { return "--no-files compares everything else" }

func (f *diffFlags) compare(ctx context.Context, old, new *build.Looked) (*inspect.Diff, error) {
	platform, err := platformFlag(f.look.platform)
	if err != nil {
		return nil, err
	}
	named := func(l *build.Looked) inspect.Named {
		return inspect.Named{Reference: l.Reference, Source: l, Descriptor: l.Descriptor}
	}
	return inspect.Compare(ctx, named(old), named(new), &inspect.CompareOptions{Platform: platform, Files: !f.noFiles, Times: f.times})
}

func (f *diffFlags) text(diff *inspect.Diff, width int) ([]byte, error) {
	if f.json {
		return diff.JSON()
	}
	return joined(diffLines(diff, f.files, width)), nil
}
