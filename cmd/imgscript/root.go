package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/nearest"
)

// newRootCommand makes the command tree. Nothing in it is shared, so that every call of execute stands alone.
func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "imgscript",
		Short: "Container images built and moved by a script",
		Long:  "imgscript builds and moves container images as a Starlark script says, without Docker, a daemon or root.",
		Example: `  imgscript run build.star
  imgscript run build.star:release --var version=1.4.2
  imgscript copy alpine:3 reg.example.com/mirror/alpine`,
		Args:              noSuchCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(writeUsage)
	root.SetHelpCommand(newHelpCommand())
	root.AddCommand(newRunCommand(), newPlanCommand(), newUpdateCommand(), newCopyCommand(), newInspectCommand(), newDiffCommand(), newLsCommand(), newCatCommand(), newExportCommand(), newLoginCommand(), newLogoutCommand(), newAuthCommand(), newCacheCommand(),
		newVersionCommand(), newCompletionCommand(), newCheckCommand(), newFmtCommand(), newDocCommand(), newStubsCommand())
	finish(root)
	return root
}

// finish gives a command and those below it what all have.
func finish(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	cmd.InitDefaultHelpFlag()
	cmd.Flags().Lookup("help").Usage = "show this help"
	for _, sub := range cmd.Commands() {
		finish(sub)
	}
}

// noSuchCommand refuses what is no command of the program.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := &usageError{msg: fmt.Sprintf("there is no command %q", args[0]), hint: "imgscript help lists the commands"}
	if cmd.HasParent() && cmd.HasSubCommands() {
		err = usagef("%s: there is no command %q", cmd.CommandPath(), args[0]).withHint("%s --help lists the commands", cmd.CommandPath())
	}
	script, _ := splitFunction(args[0])
	if strings.HasSuffix(script, ".star") {
		err.hint = "to run a script: imgscript run " + args[0]
	} else if near := nearest.Name(args[0], commandNames(cmd)); near != "" {
		err.hint = fmt.Sprintf("did you mean %q?", near)
	}
	return err
}

func commandNames(cmd *cobra.Command) []string {
	var names []string
	if !cmd.HasSubCommands() {
		cmd = cmd.Root()
	}
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return names
}

func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(cmd), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noSuchCommand(cmd, args)
			}
			return found.Help()
		},
	}
}

// writeUsage is the part of a help text below the description.
func writeUsage(cmd *cobra.Command) error {
	var b strings.Builder
	line := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		line += " COMMAND"
	}
	if cmd.HasAvailableLocalFlags() && cmd.HasParent() {
		line += " [flags]"
	}
	fmt.Fprintf(&b, "Usage:\n  %s\n", line)
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, sub := range cmd.Commands() {
			fmt.Fprintf(&b, "  %-*s  %s\n", cmd.Commands()[0].NamePadding(), sub.Name(), sub.Short)
		}
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableLocalFlags() {
		writeFlags(&b, cmd.LocalFlags())
	}
	_, err := io.WriteString(cmd.OutOrStdout(), b.String())
	return err
}
