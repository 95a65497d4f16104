package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groupAnnotation marks a flag that stands below a heading of its own in the help.
const groupAnnotation = "imgscript_group"

// groupFlag puts a flag below a heading in the help.
func groupFlag(cmd *cobra.Command, flag, heading string) {
	_ = cmd.Flags().SetAnnotation(flag, groupAnnotation, []string{heading}) // the error is about a flag that does not exist
}

// writeFlags writes the flags of a command: those without a heading first, then each group in the order of its first flag.
func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	const width = 100
	headings := []string{"Flags"}
	groups := map[string]*pflag.FlagSet{"Flags": newGroup()}
	flags.VisitAll(func(f *pflag.Flag) {
		heading := "Flags"
		if named := f.Annotations[groupAnnotation]; len(named) > 0 {
			heading = named[0]
		}
		if groups[heading] == nil {
			headings, groups[heading] = append(headings, heading), newGroup()
		}
		groups[heading].AddFlag(f)
	})
	for _, heading := range headings {
		if groups[heading].HasAvailableFlags() {
			fmt.Fprintf(b, "\n%s:\n%s", heading, groups[heading].FlagUsagesWrapped(width))
		}
	}
}

func newGroup() *pflag.FlagSet {
	group := pflag.NewFlagSet("", pflag.ContinueOnError)
	group.SortFlags = false
	return group
}
