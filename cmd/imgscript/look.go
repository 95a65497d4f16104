package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
)

// lookFlags are the flags of the commands that look into images and write none.
type lookFlags struct {
	progressFlags
	platform string
	registry registryFlags
	cache    cacheFlags
	given    func(flag string) bool
	streams  bool // the command writes to stdout while it reads; others do so when they have read all
}

func (f *lookFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.platform, "platform", "", "`OS/ARCH` that indexes are picked by (default: linux/amd64, on every machine)")
	f.cache.add(cmd)
	f.registry.add(cmd)
	f.progressFlags.add(cmd, "auto (bars on a terminal, unless stdout is a pipe; else quiet)")
	complete(cmd, "platform", "linux/amd64", "linux/arm64")
	f.given = flags.Changed
}

// check refuses values that no command could use, before anything is done.
func (f *lookFlags) check() error {
	if f.given("platform") {
		if err := checkPlatform(f.platform); err != nil {
			return err
		}
	}
	if err := f.progressFlags.check(); err != nil {
		return err
	}
	if err := f.cache.check(f.given); err != nil {
		return err
	}
	return f.registry.check()
}

// run calls do in a run of an engine, and tells what goes wrong. The command line is the user's own, so it may name any path. When it returns nothing moves on the terminal any more, so that
// results can be written.
func (f *lookFlags) run(cmd *cobra.Command, do func(ctx context.Context, run *build.Run) error) error {
	display := progress.New(cmd.ErrOrStderr(), f.mode(cmd))
	ctx, stop := stopOnSignal(cmd.Context(), display)
	defer stop()
	err := f.engine(ctx, display, do)
	display.Close()
	if errors.Is(err, errNobodyReads) {
		return errNobodyReads
	}
	return tellError(ctx, err)
}

func (f *lookFlags) engine(ctx context.Context, display progress.Display, do func(ctx context.Context, run *build.Run) error) error {
	opts := f.registry.engine(warnOn(display))
	var err error
	if opts.CacheSize, err = f.cache.limit(f.given); err != nil {
		return err
	}
	engine, err := f.cache.openEngine(opts, warnOn(display))
	if err != nil {
		return err
	}
	anything := func(string) error { return nil }
	_, err = engine.Do(ctx, &build.Options{
		Policy: &build.Policy{Read: anything, Out: anything, Net: anything, Push: anything}, Events: display.Event,
	}, func(run *build.Run) error { return do(run.Context(), run) })
	if closing := engine.Close(); err == nil {
		err = closing
	}
	return err
}

// image opens what a reference names, of an index the image for the platform.
func (f *lookFlags) image(run *build.Run, at build.Origin, ref string) (*build.Image, error) {
	return run.Image(at, ref, &build.ImageOptions{Platform: f.platform})
}

// mode is the display's. Bars would get between the lines of who reads stdout, or between those that are written there meanwhile.
func (f *lookFlags) mode(cmd *cobra.Command) string {
	switch {
	case f.progress != "auto":
		return f.progress
	case progress.Choose("auto", cmd.ErrOrStderr()) != "tty", isPipe(cmd.OutOrStdout()), f.streams && isTerminal(cmd.OutOrStdout()):
		return "quiet"
	}
	return "tty"
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func isPipe(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0
}

// errNobodyReads ends a command whose output nobody reads any more, as head does when it has enough. The program ends as others do then, without a word.
var errNobodyReads = errors.New("nobody reads the output")

// streamed calls write with stdout. Without it, a pipe that nobody reads would end the program on the spot, and leave what it has to remove.
func streamed(cmd *cobra.Command, write func(w io.Writer) error) error {
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGPIPE)
	defer signal.Stop(ignored)
	return write(&outputWriter{cmd.OutOrStdout()})
}

// outputWriter tells a pipe that nobody reads from other errors.
type outputWriter struct{ w io.Writer }

// Write implements io.Writer.
func (o *outputWriter) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = fmt.Errorf("%w: %w", errNobodyReads, err)
	}
	return n, err
}
