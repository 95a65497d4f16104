package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/imgscript/imgscript/starlib"
)

// The exit codes of the program; doc.go lists them.
const (
	exitDone        = 0
	exitScript      = 1
	exitUsage       = 2
	exitRegistry    = 3
	exitCredentials = 4
	exitPolicy      = 5
	exitInterrupted = 130 // as a shell reports SIGINT
	exitNobodyReads = 141 // as it reports SIGPIPE
)

func main() {
	collectLate()
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and returns the exit code.
func execute(args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errDiffer):
		return exitScript
	case errors.Is(err, errNobodyReads):
		return exitNobodyReads
	}
	failed := failureOf(err)
	failed.show(stderr, wantsJSON(args))
	return exitCode(failed.shown.Kind)
}

// exitCode is what a kind of error makes the program end with.
func exitCode(kind starlib.Kind) int {
	switch kind {
	case starlib.KindUsage:
		return exitUsage
	case starlib.KindRegistry:
		return exitRegistry
	case starlib.KindCredentials:
		return exitCredentials
	case starlib.KindPolicy:
		return exitPolicy
	case starlib.KindInterrupted:
		return exitInterrupted
	}
	return exitScript
}
