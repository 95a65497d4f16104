package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/inspect"
)

// inspectFlags are the flags of inspect as they were given.
type inspectFlags struct {
	look   lookFlags
	files  bool
	json   bool
	raw    bool
	config bool
}

func newInspectCommand() *cobra.Command {
	var flags inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect REF",
		Short: "Show what an image is",
		Long: `inspect shows what REF names, in a registry, a layout, an archive or a Docker daemon: an index with its platforms, an image with its config, its history and its
layers, or an artifact such as a Helm chart or a signature. It reads manifests and configs alone; --files reads the layers too. On a terminal, long texts are cut to its
width; elsewhere nothing is.

Exit codes are those of imgscript run.`,
		Example: `  imgscript inspect node:lts-slim
  imgscript inspect node:lts-slim --platform linux/arm64 --files
  imgscript inspect oci:out --json
  imgscript inspect reg.example.com/app@sha256:… --raw`,
		Args:              exactlyOne("a reference"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.check(); err != nil {
			return err
		}
		return flags.inspect(cmd, args[0])
	}
	return cmd
}

func (f *inspectFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.files, "files", false, "list the files that the layers make together, with their sizes and the layer that has each")
	flags.BoolVar(&f.json, "json", false, "write all of it as a JSON document")
	flags.BoolVar(&f.raw, "raw", false, "write the bytes of the manifest or index, as they are")
	flags.BoolVar(&f.config, "config", false, "write the bytes of the config, as they are; of an index that of linux/amd64 unless --platform says another")
	f.look.add(cmd)
	flags.Lookup("platform").Usage = "of an index, show the image for `OS/ARCH` alone (default: all)"
}

// check refuses what makes no sense together.
func (f *inspectFlags) check() error {
	switch {
	case f.raw && f.config:
		return usagef("--raw and --config: want one of them")
	case (f.raw || f.config) && (f.json || f.files):
		return usagef("--raw and --config write bytes as they are, without --json or --files")
	}
	return f.look.check()
}

// inspect looks, and writes to stdout when all was read.
func (f *inspectFlags) inspect(cmd *cobra.Command, ref string) error {
	stdout := cmd.OutOrStdout()
	var text []byte
	err := f.look.run(cmd, func(ctx context.Context, run *build.Run) (err error) {
		found, err := run.Look(commandLine("imgscript inspect"), "inspect", ref, nil).Wait()
		if err != nil {
			return err
		}
		if f.raw || f.config {
			text, err = f.bytes(ctx, found)
		} else {
			text, err = f.document(ctx, found, progress.Width(stdout))
		}
		if err != nil {
			return fmt.Errorf("inspect: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeAll(cmd, text)
}

// document is what is shown.
func (f *inspectFlags) document(ctx context.Context, found *build.Looked, width int) ([]byte, error) {
	platform, err := platformFlag(f.look.platform)
	if err != nil {
		return nil, err
	}
	object, err := inspect.Read(ctx, found, found.Descriptor, &inspect.Options{Platform: platform, Files: f.files, Lists: found.Lists()})
	if err != nil {
		return nil, err
	}
	doc := &inspect.Document{Version: inspect.Version, Reference: found.Reference, Object: *object}
	if f.json {
		return doc.JSON()
	}
	return joined(inspectLines(doc, width)), nil
}

// bytes are those of the manifest or of the config.
func (f *inspectFlags) bytes(ctx context.Context, found *build.Looked) ([]byte, error) {
	platform, err := platformFlag(f.look.platform)
	if err != nil {
		return nil, err
	}
	if f.raw && platform == (image.Platform{}) {
		return found.Data, nil
	}
	if f.config && platform == (image.Platform{}) {
		platform = image.Platform{OS: "linux", Architecture: "amd64"}
	}
	desc, err := image.Find(ctx, found, found.Descriptor, platform)
	if err != nil {
		return nil, err
	}
	data, err := content.ReadAll(ctx, found, desc)
	if err != nil || f.raw {
		return data, err
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		return nil, err
	}
	return content.ReadAll(ctx, found, *doc.Config)
}

// platformFlag is the value of --platform; the zero value when it was not given.
func platformFlag(text string) (image.Platform, error) {
	if text == "" {
		return image.Platform{}, nil
	}
	return image.ParsePlatform(text)
}

// joined makes a text of lines.
func joined(lines []string) []byte {
	var text []byte
	for _, line := range lines {
		text = append(append(text, line...), '\n')
	}
	return text
}

// writeAll writes to stdout.
func writeAll(cmd *cobra.Command, text []byte) error {
	return streamed(cmd, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
