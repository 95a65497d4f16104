package progress

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// console writes the frames that mpb makes, one over the other, and what is printed meanwhile above them. It differs from mpb's own in that a frame is written over
// the last one instead of being erased before, in that one which shows nothing new is not written, and in that it finds the last frame where the terminal was made narrower meanwhile.
type console struct {
	bytes.Buffer // what was written since the last frame, and then the next one
	out          io.Writer
	size         func() (width int) // of the terminal; 0 if it is none

	frame string // as it is on the terminal
	width int    // that the terminal had then
}

func newConsole(w io.Writer) *console { return &console{out: w, size: func() int { return Width(w) }} }

// IsTerminal implements mpb.ConsoleWriter.
func (c *console) IsTerminal() bool { return c.size() > 0 }

// GetTermSize implements mpb.ConsoleWriter. It claims to be high enough: of rows beyond the height mpb would lose count, and the board keeps to the real one.
func (c *console) GetTermSize() (width, height int, err error) { return c.size(), maxRows + 1, nil }

// Flush implements mpb.ConsoleWriter. The frame is the last lines of the buffer, each narrower than the terminal.
func (c *console) Flush(n int) error {
	text := c.String()
	c.Reset()
	start := len(text)
	for range n {
		start = strings.LastIndexByte(text[:max(start-1, 0)], '\n') + 1
	}
	above, frame := text[:start], text[start:]
	width := c.size()
	if above == "" && frame == c.frame && width == c.width {
		return nil
	}
	var b strings.Builder
	b.WriteByte('\r') // a terminal shows the ^C of whoever types it
	if up := c.height(width); up > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", up)
	}
	if above != "" || width != c.width { // wraps, nobody knows where
		b.WriteString("\x1b[J")
	}
	b.WriteString(above)
	for line := range strings.Lines(frame) {
		b.WriteString(strings.TrimSuffix(line, "\n") + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	c.frame, c.width = frame, width
	_, err := io.WriteString(c.out, b.String())
	return err
}

// height is how many rows the frame takes on a terminal as wide as that: when one is made narrower, the usual ones wrap what they show.
func (c *console) height(width int) int {
	rows := 0
	for line := range strings.Lines(c.frame) {
		rows++
		if n := widthOf(strings.TrimSuffix(line, "\n")); width > 0 && width < c.width && n > width {
			rows += (n - 1) / width
		}
	}
	return rows
}
