package main

import (
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
)

// outputFlags are the flags of commands that write images: how they show what goes on, what was done, and what went wrong.
type outputFlags struct {
	progressFlags
	format string
}

// add adds the flags; done is what becomes of an image: "saved".
func (f *outputFlags) add(cmd *cobra.Command, done string) {
	f.progressFlags.add(cmd, "auto")
	cmd.Flags().StringVar(&f.format, "output", "text", "`FORMAT` of the line for each "+done+" image: text (reference@digest) or json (an object)")
	complete(cmd, "output", outputs()...)
}

func outputs() []string { return []string{"text", "json"} }

// check refuses values that no command could use.
func (f *outputFlags) check() error {
	if !slices.Contains(outputs(), f.format) {
		return usagef("--output %q: want text or json", f.format)
	}
	return f.progressFlags.check()
}

// progressFlags are the flags of commands that may take a while: how they show what goes on, and what went wrong.
type progressFlags struct {
	progress string
	errors   string // see wantsJSON
}

// add adds the flags; auto is what that mode means.
func (f *progressFlags) add(cmd *cobra.Command, auto string) {
	cmd.Flags().StringVar(&f.progress, "progress", "auto", "`MODE`: "+auto+", tty (bars), plain (lines), json (an object a line, also of prints, warnings and the error) or quiet (no progress: prints, warnings and errors alone)")
	cmd.Flags().StringVar(&f.errors, "error-format", "", "`FORMAT` of an error: text (for people) or json (an object in a line) (default: text, and json with --progress json)")
	complete(cmd, "progress", progress.Modes()...)
	complete(cmd, "error-format", outputs()...)
}

// check refuses values that no command could use.
func (f *progressFlags) check() error {
	switch {
	case !slices.Contains(progress.Modes(), f.progress):
		return usagef("--progress %q: want auto, tty, plain, json or quiet", f.progress)
	case f.errors != "" && !slices.Contains(outputs(), f.errors):
		return usagef("--error-format %q: want text or json", f.errors)
	}
	return nil
}

// display starts what shows how things go on. The caller closes it.
func (f *progressFlags) display(stderr io.Writer) progress.Display {
	return progress.New(stderr, progress.Choose(f.progress, stderr))
}

// jsonErrors reports whether an error is to be an object; wantsJSON finds out the same of a command line that may be wrong.
func (f *progressFlags) jsonErrors() bool { return jsonErrors(f.errors, f.progress) }

func jsonErrors(format, mode string) bool {
	return format == "json" || format == "" && mode == "json"
}

// complete lets shells complete the value of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	// The error is about a flag that does not exist or has a completion already.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
