package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the versions that digests depend on",
		Long:  "version shows the versions of imgscript, of Go and of the library that compresses layers: with the same three, the same files give the same digests.",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return writeVersion(cmd.OutOrStdout())
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

// compressor is the module whose version decides about the compressed bytes of a layer.
const compressor = "github.com/klauspost/compress"

// buildVersions are those of the program and of the compressor.
func buildVersions() (own, compress string) {
	own, compress = "(unknown)", "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			own = info.Main.Version
		}
		for _, dep := range info.Deps {
			if dep.Path == compressor {
				compress = dep.Version
			}
		}
	}
	return own, compress
}

func writeVersion(w io.Writer) error {
	own, compress := buildVersions()
	_, err := fmt.Fprintf(w, "imgscript %s\n%s %s/%s\nklauspost/compress %s\n", own, runtime.Version(), runtime.GOOS, runtime.GOARCH, compress)
	return err
}
