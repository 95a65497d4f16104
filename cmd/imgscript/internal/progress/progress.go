// Package progress shows what goes on in a run: bars on a terminal, lines elsewhere, or only what is wrong.
//
// All three are a [Display]. The tty display draws the tasks that are under way as often as a person can follow, in rows that it computes itself from a
// [board]; mpb keeps them at the bottom of the terminal, below what scripts print. The plain display writes lines that are kept: few and whole.
package progress

import (
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/imgscript/imgscript/core/build"
)

// Kind says what a line is about.
type Kind int

// The kinds of lines.
const (
	Print   Kind = iota // a script said it
	Warning             // something is probably not meant
	Summary             // what was done
)

// Display is told what goes on. Its methods may be called by many goroutines at once.
type Display interface {
	// Event takes an event of a run.
	Event(e build.Event)
	// Line shows a text of one or more lines, without its last newline. It works after Close too.
	Line(text string, kind Kind)
	// Close ends what moves; everything that was given to Line before is written when it returns.
	Close()
}

// Choose makes "tty", "plain" or "quiet" of a mode that may be "auto": bars if w is a terminal that can move its cursor and no machine reads along.
func Choose(mode string, w io.Writer) string {
	if mode != "auto" {
		return mode
	}
	f, ok := w.(*os.File)
	if ok && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == "" && term.IsTerminal(int(f.Fd())) {
		return "tty"
	}
	return "plain"
}

// New starts a display of a mode that [Choose] returns. The caller closes it.
func New(w io.Writer, mode string) Display {
	switch mode {
	case "tty":
		return newTTY(w)
	case "quiet":
		return &quiet{w: lines{w: w}}
	}
	return newPlain(w)
}

// warning is the text of an event of that kind.
func warning(e build.Event) string {
	if e.At == nil {
		return "warning: " + e.Text
	}
	return "warning: " + e.At.String() + ": " + e.Text
}

// quiet shows what scripts print and warnings, and nothing of what goes on.
type quiet struct{ w lines }

// Event implements Display.
func (q *quiet) Event(e build.Event) {
	if e.Kind == build.Warning {
		q.w.write(warning(e))
	}
}

// Line implements Display.
func (q *quiet) Line(text string, kind Kind) {
	if kind != Summary {
		q.w.write(text)
	}
}

// Close implements Display.
func (q *quiet) Close() {}

// every calls f at each tick until stop is called, which returns when f no longer runs.
func every(d time.Duration, f func(now time.Time)) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(d)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				f(now)
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
