package progress

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/imgscript/imgscript/core/build"
)

// maxRows bounds the height of the display on tall terminals, the summary included.
const maxRows = 40

// tty keeps a board at the bottom of a terminal. To mpb it is one bar with many lines above it, so that which tasks are shown, and in which columns,
// is decided for all of them together.
type tty struct {
	out      lines
	progress *mpb.Progress
	bar      *mpb.Bar
	height   func() int

	mu    sync.Mutex
	board board
	frame []string // the rows that are being drawn, the summary last
}

func newTTY(w io.Writer) *tty {
	t := &tty{out: lines{w: w}, height: heightOf(w), board: board{start: time.Now()}}
	t.progress = mpb.New(mpb.WithConsoleWriter(newConsole(w)), mpb.WithAutoRefresh(), mpb.WithRefreshRate(100*time.Millisecond))
	var above []mpb.BarFiller
	for i := range maxRows - 1 {
		above = append(above, mpb.BarFillerFunc(func(w io.Writer, stat decor.Statistics) error { return t.draw(w, i+1, stat) }))
	}
	summary := mpb.BarFillerFunc(func(w io.Writer, stat decor.Statistics) error { return t.draw(w, 0, stat) })
	t.bar = t.progress.New(0, builder{summary}, mpb.BarFillerTrim(), mpb.BarTopExtender(above...))
	return t
}

// draw writes one row, counted from below. mpb asks for the highest first: that is when the board is laid out.
func (t *tty) draw(w io.Writer, i int, stat decor.Statistics) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i == maxRows-1 {
		// One row is the cursor's. One above is left alone: tmux keeps in its history what is erased from the top of the screen on.
		t.frame = t.board.draw(time.Now(), stat.AvailableWidth-1, min(t.height()-2, maxRows))
	}
	if i >= len(t.frame) {
		return nil // mpb does not count a row without a byte
	}
	row := t.frame[len(t.frame)-1-i]
	if i > 0 {
		row += "\n" // mpb ends the summary itself
	}
	_, err := io.WriteString(w, row)
	return err
}

// Event implements Display.
func (t *tty) Event(e build.Event) {
	if e.Kind == build.Warning {
		t.Line(warning(e), Warning)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.board.event(e)
}

// Print implements Display: above the board.
func (t *tty) Print(at, text string) { t.above(at + ": " + text) }

// Line implements Display: above the board.
func (t *tty) Line(text string, kind Kind) {
	if kind == Summary {
		t.mu.Lock()
		text = t.board.sumUp(text)
		t.mu.Unlock()
	}
	t.above(forPeople(text, kind))
}

func (t *tty) above(text string) {
	if _, err := t.progress.Write([]byte(printable(text) + "\n")); err != nil {
		t.out.write(text) // the board is gone
	}
}

// Close implements Display.
func (t *tty) Close() {
	const remove = true
	t.bar.Abort(remove)
	t.progress.Wait()
}

// heightOf returns a function that asks for the height of the terminal, which people change.
func heightOf(w io.Writer) func() int {
	return func() int {
		if f, ok := w.(*os.File); ok {
			if _, height, err := term.GetSize(int(f.Fd())); err == nil && height > 0 {
				return height
			}
		}
		return 24
	}
}

type builder struct{ mpb.BarFiller }

// Build implements mpb.BarFillerBuilder.
func (b builder) Build() mpb.BarFiller { return b.BarFiller }
