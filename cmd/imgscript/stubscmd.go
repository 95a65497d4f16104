package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/starlib"
	"github.com/imgscript/imgscript/starlib/manual"
)

// stubsDir is where editors that know Python look for stubs, below the directory that is opened.
const stubsDir = "typings"

func newStubsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stubs [DIR|-]",
		Short: "Write a stub of the language for editors",
		Long: `stubs writes ` + manual.StubsFile + `, with which editors that know Python complete the names of the language, show their documentation, and check calls. It goes to DIR, which
is made; without one to ` + stubsDir + `, where Visual Studio Code with Pylance, and pyright, look for it. - is stdout. The name of the file is printed. A stub that is there is replaced.`,
		Example: `  imgscript stubs
  imgscript stubs - >imgscript.pyi`,
		Args: atMostOne("a directory"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := stubsDir
			if len(args) > 0 {
				dir = args[0]
			}
			entries, err := starlib.API()
			if err != nil {
				return err
			}
			return writeStubs(cmd.OutOrStdout(), dir, manual.Stubs(entries))
		},
	}
}

// writeStubs writes a stub into a directory, or to stdout.
func writeStubs(stdout io.Writer, dir, text string) error {
	if dir == "-" {
		_, err := io.WriteString(stdout, text)
		return err
	}
	if dir == "" {
		return usagef("imgscript stubs: want a directory")
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("stubs: %s: %w", dir, reason(err))
	}
	file := filepath.Join(dir, manual.StubsFile)
	if err := replaceFile("stubs:", file, []byte(text)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(stdout, file)
	return err
}
