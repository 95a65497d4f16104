package progress

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
	"github.com/opencontainers/go-digest"
	"golang.org/x/term"
)

// lines writes whole lines, one call at a time.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) write(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	io.WriteString(l.w, printable(text)+"\n") // there is nobody to tell that stderr is gone
}

// printable escapes what a terminal may act on: what scripts print and tasks are named after comes from servers and file names too. Newlines and tabs
// stay.
func printable(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch _, size := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strconv.IsPrint(r) || r == '\n' || r == '\t' || r == '\u200c' || r == '\u200d':
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// oneLine is printable for names.
func oneLine(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(printable(s), "\n", `\n`), "\t", `\t`)
}

// cutStart makes s no wider than width, with an ellipsis in the place of its start: the end of a path tells more.
func cutStart(s string, width int) string {
	return (&runewidth.Condition{StrictEmojiNeutral: true}).TruncatePrefix(s, width, "…")
}

// cutMiddle makes s no wider than width, with an ellipsis in its middle and more of its end than of its start.
func cutMiddle(s string, width int) string {
	c := runewidth.Condition{StrictEmojiNeutral: true}
	if c.StringWidth(s) <= width {
		return s
	}
	start := c.Truncate(s, max(width/3, 1), "")
	return start + c.TruncatePrefix(s, width-c.StringWidth(start), "…")
}

// fit makes s exactly as wide as width, with an ellipsis where it is cut.
func fit(s string, width int) string {
	c := runewidth.Condition{StrictEmojiNeutral: true}
	return c.FillRight(c.Truncate(s, width, "…"), width)
}

// Cut makes one line of s with nothing in it that a terminal may act on, at most width wide, with an ellipsis where it is cut; 0 is any width.
func Cut(s string, width int) string {
	s = oneLine(s)
	if width <= 0 {
		return s
	}
	return (&runewidth.Condition{StrictEmojiNeutral: true}).Truncate(s, width, "…")
}

// Width is how many columns the terminal has that w is; 0 if it is none.
func Width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

func widthOf(s string) int {
	return (&runewidth.Condition{StrictEmojiNeutral: true}).StringWidth(s)
}

// Size is a number of bytes for people: "512 B", "12.3 MB", with the decimal prefixes that registries use.
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		value /= 1000
		if value < 999.95 || unit == "TB" {
			return fmt.Sprintf("%.1f %s", value, unit)
		}
	}
	return ""
}

// Digest is enough of a digest to tell it from others.
func Digest(dgst digest.Digest) string {
	const shown = len("sha256:") + 12
	return string(dgst[:min(len(dgst), shown)])
}

// Duration is a time for people: "0.3s", "12s", "3m20s".
func Duration(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// rate is a speed for people; "" when nothing moved.
func rate(bytesPerSecond float64) string {
	if bytesPerSecond < 1 {
		return ""
	}
	return Size(int64(bytesPerSecond)) + "/s"
}
