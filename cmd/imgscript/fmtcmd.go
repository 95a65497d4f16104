package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/starlib"
	"github.com/imgscript/imgscript/starlib/format"
)

func newFmtCommand() *cobra.Command {
	var diffs bool
	cmd := &cobra.Command{
		Use:   "fmt FILE.star…",
		Short: "Format scripts as buildifier does",
		Long: `fmt rewrites scripts in the format of buildifier, and prints the names of those that it changed. Of a directory it takes all .star files
below it; - formats stdin to stdout. A script keeps its meaning and its mode, and is replaced as a whole. One that does not parse stays as it was.

Exit codes: 0 done (with -d: nothing differs), 1 a script does not parse or cannot be written (with -d also: something differs), 2 usage.`,
		Example: `  imgscript fmt build.star
  imgscript fmt -d .
  imgscript fmt - <build.star`,
		Args:              scriptFiles,
		ValidArgsFunction: completeScripts,
	}
	cmd.Flags().BoolVarP(&diffs, "diff", "d", false, "write unified diffs to stdout and leave the files as they are")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f := &formatter{diffs: diffs, stdout: cmd.OutOrStdout()}
		if len(args) == 1 && args[0] == "-" {
			if err := f.end(f.stdin(cmd.InOrStdin())); err != nil {
				return err
			}
			return f.result()
		}
		if slices.Contains(args, "-") {
			return usagef("%s: - is stdin, and stands alone", cmd.CommandPath())
		}
		files, err := starFiles(args)
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := f.end(f.file(file)); err != nil {
				return err
			}
		}
		return f.result()
	}
	return cmd
}

// formatter formats files one after another.
type formatter struct {
	diffs     bool
	stdout    io.Writer
	failed    []*starlib.Error // files that do not parse or cannot be written
	differing int              // files, with diffs
}

// end notes what went wrong with a file. The error is one of writing to stdout, after which nothing is left to do.
func (f *formatter) end(err error) error {
	var script *starlib.Error
	var output *outputError
	switch {
	case err == nil:
	case errors.As(err, &output):
		return output.error
	case errors.As(err, &script):
		f.failed = append(f.failed, script)
	default:
		f.failed = append(f.failed, &starlib.Error{Kind: starlib.KindScript, Msg: err.Error()})
	}
	return nil
}

// result is the end of the program.
func (f *formatter) result() error {
	switch {
	case len(f.failed) > 0:
		all := *f.failed[0]
		all.More = f.failed[1:]
		return showError(&all, "")
	case f.differing > 0:
		return showError(&starlib.Error{Kind: starlib.KindScript, Msg: counted(f.differing, "file") + " to format"}, "")
	}
	return nil
}

// outputError is a failure to write to stdout.
type outputError struct{ error }

func (f *formatter) write(data []byte) error {
	if _, err := f.stdout.Write(data); err != nil {
		return &outputError{err}
	}
	return nil
}

func (f *formatter) stdin(r io.Reader) error {
	const name = "<stdin>"
	text, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	formatted, err := format.Source(name, text)
	switch {
	case err != nil:
		return err
	case f.diffs:
		return f.show(name, text, formatted)
	}
	return f.write(formatted)
}

// file formats one file. A link stays, and what it points to is rewritten.
func (f *formatter) file(name string) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: is not a regular file", name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, reason(err))
	}
	formatted, err := format.Source(name, text)
	switch {
	case err != nil:
		return err
	case f.diffs:
		return f.show(name, text, formatted)
	case bytes.Equal(text, formatted):
		return nil
	}
	if err := replace(name, formatted); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return f.write([]byte(name + "\n"))
}

// show writes how a file would change.
func (f *formatter) show(name string, text, formatted []byte) error {
	if bytes.Equal(text, formatted) {
		return nil
	}
	f.differing++
	return f.write(diff.Diff(name+".orig", text, name, formatted))
}

// replace puts data in the place of a file, whose mode stays.
func replace(name string, data []byte) error {
	full, err := realPath(name)
	if err != nil {
		return reason(err)
	}
	info, err := os.Stat(full)
	if err != nil {
		return reason(err)
	}
	dir, err := os.OpenRoot(filepath.Dir(full))
	if err != nil {
		return reason(err)
	}
	defer dir.Close()
	f, err := atomicfile.Create(dir, ".", info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = dir.Chmod(f.Name(), info.Mode().Perm()) // what the umask took
	}
	if err != nil {
		f.Discard()
		return reason(err)
	}
	return f.Commit(filepath.Base(full))
}
