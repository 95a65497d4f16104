package main

import (
	"slices"

	"github.com/spf13/cobra"
)

// outputFlags are the flags of commands that write images: how they show what goes on, what was done, and what went wrong.
type outputFlags struct {
	progress string
	format   string
	errors   string // see wantsJSON
}

// add adds the flags; done is what becomes of an image: "saved".
func (f *outputFlags) add(cmd *cobra.Command, done string) {
	flags := cmd.Flags()
	flags.StringVar(&f.progress, "progress", "auto", "`MODE`: auto, tty (bars), plain (lines) or quiet (no progress: prints, warnings and errors alone)")
	flags.StringVar(&f.format, "output", "text", "`FORMAT` of the line for each "+done+" image: text (reference@digest) or json (an object)")
	flags.StringVar(&f.errors, "error-format", "text", "`FORMAT` of an error: text (for people) or json (an object in a line)")
	complete(cmd, "progress", progressModes()...)
	complete(cmd, "output", outputs()...)
	complete(cmd, "error-format", outputs()...)
}

func progressModes() []string { return []string{"auto", "tty", "plain", "quiet"} }

func outputs() []string { return []string{"text", "json"} }

// check refuses values that no command could use.
func (f *outputFlags) check() error {
	switch {
	case !slices.Contains(progressModes(), f.progress):
		return usagef("--progress %q: want auto, tty, plain or quiet", f.progress)
	case !slices.Contains(outputs(), f.format):
		return usagef("--output %q: want text or json", f.format)
	case !slices.Contains(outputs(), f.errors):
		return usagef("--error-format %q: want text or json", f.errors)
	}
	return nil
}

// complete lets shells complete the value of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	// The error is about a flag that does not exist or has a completion already.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
