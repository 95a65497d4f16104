package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/build"
)

func newCatCommand() *cobra.Command {
	flags := lookFlags{streams: true}
	cmd := &cobra.Command{
		Use:   "cat REF:/PATH…",
		Short: "Write files of an image to stdout",
		Long: `cat writes the contents of files to stdout, byte for byte, one after the other. Links are followed.

Layers are looked through from the topmost down, and none further than to the file, so that a file of the top layer costs no other layer. Exit codes are those of
imgscript run.`,
		Example: `  imgscript cat alpine:3:/etc/os-release
  imgscript cat reg.example.com/app:v1:/app/index.js oci:out:/app/index.js`,
		Args:              filesOfImages,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.check(); err != nil {
			return err
		}
		return streamed(cmd, func(stdout io.Writer) error { return catFiles(cmd, &flags, args, stdout) })
	}
	return cmd
}

// filesOfImages wants one or more REF:/PATH.
func filesOfImages(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s: REF:/PATH is missing", cmd.CommandPath()).withHint("%s", cmd.UseLine())
	}
	for _, arg := range args {
		if _, _, ok := splitPath(arg); !ok {
			return usagef("%s: %q names no file", cmd.CommandPath(), arg).withHint("write its path behind the image: %s:/etc/passwd", arg)
		}
	}
	return nil
}

func catFiles(cmd *cobra.Command, flags *lookFlags, args []string, stdout io.Writer) error {
	const at = commandLine("imgscript cat")
	return flags.run(cmd, func(_ context.Context, run *build.Run) error {
		for _, arg := range args {
			ref, name, _ := splitPath(arg)
			img, err := flags.image(run, at, ref)
			if err != nil {
				return err
			}
			if err := img.WriteFile(at, "cat", name, stdout); err != nil {
				return err
			}
		}
		return nil
	})
}
