package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/starlib"
)

// withEngine does something for a command that runs no script, with an engine that leaves no cache, and tells what goes wrong.
func withEngine(cmd *cobra.Command, flags *registryFlags, do func(ctx context.Context, engine *build.Engine) error) error {
	if err := flags.check(); err != nil {
		return err
	}
	return withSignals(cmd, func(ctx context.Context, warn func(message string)) error {
		engine, err := build.NewEngine(flags.engine(warn))
		if err != nil {
			return err
		}
		err = do(ctx, engine)
		if closing := engine.Close(); err == nil {
			err = closing
		}
		return err
	})
}

// withSignals does something with a context that the first SIGINT ends, and tells what goes wrong.
func withSignals(cmd *cobra.Command, do func(ctx context.Context, warn func(message string)) error) error {
	stderr := cmd.ErrOrStderr()
	display := progress.New(stderr, "quiet")
	defer display.Close()
	ctx, stop := stopOnSignal(cmd.Context(), display)
	defer stop()
	return tellError(ctx, do(ctx, warnOn(display)))
}

// warnOn shows messages as warnings.
func warnOn(display progress.Display) func(message string) {
	return func(message string) { display.Line(message, progress.Warning) }
}

// tellError makes the end of the program of an error, which is shown as those of scripts are. nil and errors of usage stay what they are.
func tellError(ctx context.Context, err error) error {
	if err == nil || errors.As(err, new(*usageError)) {
		return err
	}
	explained := starlib.Explain(err)
	if ctx.Err() != nil {
		explained.Kind = starlib.KindInterrupted
	}
	return showError(explained, "")
}
