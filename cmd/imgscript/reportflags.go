package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// reportFlags say where the report of a run goes.
type reportFlags struct{ file string }

func (f *reportFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "report", "", "`FILE` that is written with all that the run read and made, as JSON; of a failed run too")
	_ = cmd.MarkFlagFilename("report", "json")
}

// check refuses a file that could not be written, before anything is done.
func (f *reportFlags) check(given func(flag string) bool) error {
	if !given("report") {
		return nil
	}
	if f.file == "" {
		return usagef(`--report "": want a file`)
	}
	dir := filepath.Dir(f.file)
	switch info, err := os.Stat(dir); {
	case err != nil:
		return usagef("--report %s: %s: %v", f.file, dir, reason(err))
	case !info.IsDir():
		return usagef("--report %s: %s is not a directory", f.file, dir)
	}
	if info, err := os.Stat(f.file); err == nil && info.IsDir() {
		return usagef("--report %s: is a directory", f.file)
	}
	return nil
}
