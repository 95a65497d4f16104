package main

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/starlib"
)

// copyFlags are the flags of copy as they were given.
type copyFlags struct {
	allTags     bool
	platforms   []string
	referrers   bool
	skipForeign bool
	registry    registryFlags
	output      outputFlags
}

func newCopyCommand() *cobra.Command {
	var flags copyFlags
	cmd := &cobra.Command{
		Use:   "copy SRC DST",
		Short: "Copy images byte for byte",
		Long: `copy copies what SRC names, an index with all its platforms, to DST. Both are one of

  HOST/REPOSITORY[:TAG][@DIGEST]     a registry
  oci:DIR[:TAG][@DIGEST]             an OCI layout
  oci-archive:FILE[:TAG]             a tar of an OCI layout
  docker-archive:FILE[:NAME[:TAG]]   what docker save writes and docker load reads
  docker-daemon:NAME[:TAG]           an image of the Docker daemon at DOCKER_HOST

No digest changes, but where what Docker unpacked goes to a registry: its layers are compressed. What is there already is not sent again. DST
without a tag gets that of SRC; a digest in DST is what the copy must have. It prints "reference@digest" for each copied image or tag.

Exit codes are those of imgscript run.`,
		Example: `  imgscript copy alpine:3 reg.example.com/mirror/alpine
  imgscript copy reg.example.com/app:v1 oci:app --platform linux/amd64 --platform linux/arm64
  imgscript copy docker-daemon:app:v1 reg.example.com/app:v1
  imgscript copy --all-tags --referrers reg.example.com/team/app other.example.com/app`,
		Args:              sourceAndTarget,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.check(); err != nil {
			return err
		}
		return flags.copy(cmd, args[0], args[1])
	}
	return cmd
}

func (f *copyFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.allTags, "all-tags", false, "copy every tag of SRC, in sorted order; SRC and DST then have none")
	flags.StringArrayVar(&f.platforms, "platform", nil, "of indexes copy `OS/ARCH` alone (repeatable): one is copied as the image that it is, several as an index of just those")
	flags.BoolVar(&f.referrers, "referrers", false, "copy signatures, SBOMs and whatever else refers to the images too")
	flags.BoolVar(&f.skipForeign, "skip-foreign", false, "do not copy layers whose bytes live at URLs outside of registries")
	f.registry.add(cmd)
	f.output.add(cmd, "copied")
	complete(cmd, "platform", "linux/amd64", "linux/arm64")
}

// check refuses values that no copy could use, before anything is done.
func (f *copyFlags) check() error {
	for _, platform := range f.platforms {
		if err := checkPlatform(platform); err != nil {
			return err
		}
	}
	if err := f.output.check(); err != nil {
		return err
	}
	return f.registry.check()
}

// sourceAndTarget wants the two references.
func sourceAndTarget(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) < 2:
		what := "SRC and DST are missing"
		if len(args) == 1 {
			what = "DST is missing"
		}
		return usagef("%s: %s", cmd.CommandPath(), what).withHint("%s", cmd.UseLine())
	case len(args) > 2:
		return usagef("%s: too many arguments: %q", cmd.CommandPath(), args[2:]).withHint("%s", cmd.UseLine())
	}
	return nil
}

// copy copies and tells the outcome: results on stdout, everything else on stderr.
func (f *copyFlags) copy(cmd *cobra.Command, src, dst string) error {
	display := f.output.display(cmd.ErrOrStderr())
	ctx, stop := stopOnSignal(cmd.Context(), display)
	defer stop()
	start := time.Now()
	report, err := f.run(ctx, display, src, dst)
	if err == nil {
		var all blobs
		for _, c := range report.Copied {
			all.add(c.Uploaded, c.Mounted, c.Skipped, c.UploadedBytes)
		}
		display.Line(all.summary("copied", len(report.Copied), time.Since(start)), progress.Summary)
	}
	display.Close()
	writing := writeResults(cmd.OutOrStdout(), f.output.format, report.Copied, copiedLine)
	if err == nil {
		return writing
	}
	failed := starlib.Explain(err)
	undone := ""
	if failed.Kind == starlib.KindInterrupted || f.allTags && len(report.Copied) > 0 {
		undone = "not copied: what is missing at " + dst
	}
	return showError(failed, undone)
}

// run copies without a cache: what is copied is not needed again. The command line is the user's own, so it may name any path.
func (f *copyFlags) run(ctx context.Context, display progress.Display, src, dst string) (*build.Report, error) {
	engine, err := build.NewEngine(f.registry.engine(warnOn(display)))
	if err != nil {
		return &build.Report{}, err
	}
	anything := func(string) error { return nil }
	opts := &build.Options{
		Policy: &build.Policy{Read: anything, Out: anything, Net: anything, Push: anything},
		Events: display.Event,
	}
	report, err := engine.Do(ctx, opts, func(run *build.Run) error {
		run.Copy(commandLine("imgscript copy"), src, dst, &build.CopyOptions{
			AllTags: f.allTags, Platforms: f.platforms, Referrers: f.referrers, LeaveForeign: f.skipForeign,
		})
		return nil
	})
	if closing := engine.Close(); err == nil {
		err = closing
	}
	return report, err
}

// commandLine is where something was asked for that no script did: the program and its command.
type commandLine string

// String implements build.Origin.
func (c commandLine) String() string { return string(c) }

// copiedJSON is a line of --output json. The names are those of run's lines; none is renamed or removed.
type copiedJSON struct {
	Reference     string        `json:"reference"` // target@digest
	Digest        digest.Digest `json:"digest"`
	Tags          []string      `json:"tags"` // one, or none
	MediaType     string        `json:"media_type"`
	Referrers     int           `json:"referrers"`
	UploadedBytes int64         `json:"uploaded_bytes"`
	Uploaded      int           `json:"uploaded"` // blobs
	Mounted       int           `json:"mounted"`
	Skipped       int           `json:"skipped"`
}

func copiedLine(c build.Copied) (*copiedJSON, error) {
	line := &copiedJSON{
		Reference: c.Reference(), Digest: c.Digest, Tags: []string{}, MediaType: c.MediaType, Referrers: c.Referrers,
		UploadedBytes: c.UploadedBytes, Uploaded: c.Uploaded, Mounted: c.Mounted, Skipped: c.Skipped,
	}
	if c.Tag != "" {
		line.Tags = []string{c.Tag}
	}
	return line, nil
}
