// Package progress shows what goes on in a run: bars on a terminal, lines elsewhere, objects for programs, or only what is wrong.
//
// All of them are a [Display]. The tty display draws the tasks that are under way as often as a person can follow, in rows that it computes itself from a
// [board]; mpb keeps them at the bottom of the terminal, below what scripts print. The plain display writes lines that are kept: few and whole. The json display
// writes every event, as docs/progress.md has it.
package progress

import (
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/term"

	"github.com/imgscript/imgscript/core/build"
)

// Kind says what a line is about.
type Kind int

// The kinds of lines.
const (
	Notice  Kind = iota // users should know it
	Warning             // something is probably not meant; "warning: " is put in front of it where people read
	Summary             // what was done
)

// Display is told what goes on. Its methods may be called by many goroutines at once.
type Display interface {
	// Event takes an event of a run.
	Event(e build.Event)
	// Print shows what a script printed, at a place in it: one line or more, without the last newline.
	Print(at, text string)
	// Line shows a text of one or more lines, without its last newline. It works after Close too.
	Line(text string, kind Kind)
	// Close ends what moves; everything that was given to Line and Print before is written when it returns.
	Close()
}

// Modes are those of [New], and auto.
func Modes() []string { return []string{"auto", "tty", "plain", "json", "quiet"} }

// Choose makes "tty", "plain", "json" or "quiet" of a mode that may be "auto": bars if w is a terminal that can move its cursor and no machine reads along. Those of Windows
// would have to be asked first.
func Choose(mode string, w io.Writer) string {
	if mode != "auto" {
		return mode
	}
	f, ok := w.(*os.File)
	if ok && runtime.GOOS != "windows" && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == "" && term.IsTerminal(int(f.Fd())) {
		return "tty"
	}
	return "plain"
}

// New starts a display of a mode that [Choose] returns. The caller closes it.
func New(w io.Writer, mode string) Display {
	switch mode {
	case "tty":
		return newTTY(w)
	case "json":
		return newJSON(w)
	case "quiet":
		return &quiet{w: lines{w: w}}
	}
	return newPlain(w)
}

// warning is the text of an event of that kind.
func warning(e build.Event) string {
	if e.At == nil {
		return e.Text
	}
	return e.At.String() + ": " + e.Text
}

// forPeople puts in front of a text what it is, unless that is plain.
func forPeople(text string, kind Kind) string {
	if kind == Warning {
		return "warning: " + text
	}
	return text
}

// quiet shows what scripts print and warnings, and nothing of what goes on.
type quiet struct{ w lines }

// Event implements Display.
func (q *quiet) Event(e build.Event) {
	if e.Kind == build.Warning {
		q.Line(warning(e), Warning)
	}
}

// Print implements Display.
func (q *quiet) Print(at, text string) { q.w.write(at + ": " + text) }

// Line implements Display.
func (q *quiet) Line(text string, kind Kind) {
	if kind != Summary {
		q.w.write(forPeople(text, kind))
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
