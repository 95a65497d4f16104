package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/layer"
)

func newExportCommand() *cobra.Command {
	flags := lookFlags{streams: true}
	cmd := &cobra.Command{
		Use:   "export REF [FILE]",
		Short: "Write all files of an image as one archive",
		Long: `export writes the files that the layers of an image make together, without whiteouts, as one tar archive: to FILE, compressed if that ends in .gz, .tgz, .zst or .tzst, or to
stdout. FILE appears when it is complete, or not at all.

Layers of registries are kept in the cache. One that is not what it should be is an error, at the end at the latest. Exit codes are those of imgscript run.`,
		Example: `  imgscript export alpine:3 alpine.tar.gz
  imgscript export reg.example.com/app:v1 | tar x -C rootfs`,
		Args: imageAndFile,
	}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.check(); err != nil {
			return err
		}
		if len(args) > 1 && args[1] != "-" {
			return exportTo(cmd, &flags, args[0], args[1])
		}
		if isTerminal(cmd.OutOrStdout()) {
			return usagef("%s: the archive is not for a terminal", cmd.CommandPath()).withHint("name a FILE, or write it to a pipe or a file: %s | tar t", cmd.CommandPath()+" "+args[0])
		}
		return streamed(cmd, func(stdout io.Writer) error { return export(cmd, &flags, args[0], stdout) })
	}
	return cmd
}

// imageAndFile wants a reference without a path, and perhaps a file.
func imageAndFile(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usagef("%s: REF is missing", cmd.CommandPath()).withHint("%s", cmd.UseLine())
	case len(args) > 2:
		return usagef("%s: too many arguments: %q", cmd.CommandPath(), args[2:]).withHint("%s", cmd.UseLine())
	}
	if ref, _, ok := splitPath(args[0]); ok {
		return usagef("%s: %q: it writes all files of %s", cmd.CommandPath(), args[0], ref).withHint("imgscript cat writes one file, tar takes some of an archive: imgscript export %s | tar x PATH", ref)
	}
	return nil
}

func export(cmd *cobra.Command, flags *lookFlags, ref string, w io.Writer) error {
	const at = commandLine("imgscript export")
	return flags.run(cmd, func(_ context.Context, run *build.Run) error {
		img, err := flags.image(run, at, ref)
		if err != nil {
			return err
		}
		return img.Export(at, w)
	})
}

// exportTo exports to a file, which appears whole or not at all. What is no regular file, such as a pipe, is written to as it is.
func exportTo(cmd *cobra.Command, flags *lookFlags, ref, path string) error {
	flags.streams = false
	out, err := createOutput(path)
	if err != nil {
		return usagef("%s: %s: %v", cmd.CommandPath(), path, reason(err))
	}
	defer out.discard()
	z, err := layer.Compress(out, compressionOf(path))
	if err != nil {
		return err
	}
	if err := export(cmd, flags, ref, z); err != nil {
		return err
	}
	err = z.Close()
	if err == nil {
		err = out.commit()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, reason(err))
	}
	return nil
}

// compressionOf tells by the name of an archive how it is to be compressed.
func compressionOf(path string) string {
	switch {
	case strings.HasSuffix(path, ".gz"), strings.HasSuffix(path, ".tgz"):
		return layer.Gzip
	case strings.HasSuffix(path, ".zst"), strings.HasSuffix(path, ".tzst"):
		return layer.Zstd
	}
	return layer.None
}

// output is a file that is being written. It ends with commit or discard; discard after commit does nothing.
type output struct {
	io.Writer
	commit  func() error
	discard func()
}

// createOutput begins a file.
func createOutput(path string) (*output, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, errors.New("is a directory")
	case err == nil && !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		return &output{f, f.Close, func() { f.Close() }}, nil
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	f, err := atomicfile.Create(root, ".", 0o644)
	if err != nil {
		root.Close()
		return nil, err
	}
	ended := false
	end := func() {
		ended = true
		root.Close()
	}
	return &output{f, func() error {
		defer end()
		return f.Commit(filepath.Base(path))
	}, func() {
		if !ended {
			f.Discard()
			end()
		}
	}}, nil
}
