package starlib

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Detail returns the error as a terminal shows it, ending in a newline: the message, the place with its line and a caret, how the script got
// there, what needed it, the hint, and then the other errors of the file. What is not printable is escaped.
func (e *Error) Detail() string {
	var b strings.Builder
	e.writeDetail(&b)
	for _, more := range e.More {
		more.writeDetail(&b)
	}
	return b.String()
}

func (e *Error) writeDetail(b *strings.Builder) {
	writeLines(b, "error: ", e.Msg)
	for i, f := range e.Step {
		if i > 0 {
			writeCaller(b, e.Step[i-1], f)
			continue
		}
		fmt.Fprintf(b, "  %s\n", f)
		f.writeSource(b)
	}
	for i, f := range e.Needed {
		if i > 0 {
			writeCaller(b, e.Needed[i-1], f)
			continue
		}
		fmt.Fprintf(b, "  needed%s at %s\n", by(e.NeededBy), f)
	}
	if e.Hint != "" {
		writeLines(b, "hint: ", e.Hint)
	}
}

func by(what string) string {
	if what == "" {
		return ""
	}
	return " by " + printable(what)
}

// writeLines writes text after a heading; further lines are indented.
func writeLines(b *strings.Builder, heading, text string) {
	text = strings.TrimRight(printable(text), "\n")
	b.WriteString(heading + strings.ReplaceAll(text, "\n", "\n  ") + "\n")
}

// writeCaller writes where the code of frame inner was called or loaded from.
func writeCaller(b *strings.Builder, inner, f Frame) {
	verb := "called"
	if inner.Function == "" {
		verb = "loaded"
	}
	if f.Function != "" {
		fmt.Fprintf(b, "  %s from %s() at %s\n", verb, printable(f.Function), f)
		return
	}
	fmt.Fprintf(b, "  %s at %s\n", verb, f)
}

// maxColumns is how many columns of a source line are shown; of a longer one the part around the column.
const maxColumns = 120

// writeSource writes the line with its number, and carets below the text that is to blame, as far as it is in this line.
func (f Frame) writeSource(b *strings.Builder) {
	if f.Source == "" || f.Line <= 0 {
		return
	}
	before, after := splitColumn(f.Source, f.Col)
	blamed := after
	switch f.EndLine {
	case 0:
		blamed, _ = splitColumn(after, 2)
	case f.Line:
		blamed, _ = splitColumn(after, f.EndCol-f.Col+1)
	}
	before, after, blamed = printable(before), printable(after), printable(strings.TrimRight(blamed, " \t"))
	before, after = cut(before, after)
	if !strings.HasPrefix(after, blamed) {
		blamed = strings.TrimSuffix(after, "…")
	}
	carets := filled(blamed, "^")
	if carets == "" {
		carets = "^" // behind the end of the line
	}
	gutter := strings.Repeat(" ", len(strconv.Itoa(f.Line)))
	fmt.Fprintf(b, "    %d | %s%s\n", f.Line, before, after)
	if f.Col > 0 {
		fmt.Fprintf(b, "    %s | %s%s\n", gutter, filled(before, " "), carets)
	}
}

// splitColumn splits a line before its col'th rune.
func splitColumn(line string, col int) (before, after string) {
	at := len(line)
	n := 1
	for i := range line {
		if n >= col {
			at = i
			break
		}
		n++
	}
	return line[:at], line[at:]
}

// cut shortens a line around the place where it is split.
func cut(before, after string) (string, string) {
	w := widths()
	if w.StringWidth(before)+w.StringWidth(after) <= maxColumns {
		return before, after
	}
	if over := w.StringWidth(before) - maxColumns/2; over > 0 {
		before = w.TruncateLeft(before, over, "…")
	}
	return before, w.Truncate(after, maxColumns-w.StringWidth(before), "…")
}

// filled returns as many of a character as s takes columns on a terminal. Tabs stay tabs, whatever their width is there.
func filled(s, with string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "\t") {
		if i > 0 {
			b.WriteByte('\t')
		}
		b.WriteString(strings.Repeat(with, widths().StringWidth(part)))
	}
	return b.String()
}

// widths measures text as terminals do, whatever the locale of this process says.
func widths() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

// printable escapes in foreign text what a terminal may act on or hide: control and formatting characters, invalid UTF-8. Newlines, tabs and
// the joiners that some scripts and emoji need stay.
func printable(s string) string {
	clean := func(r rune) bool {
		return strconv.IsPrint(r) || r == '\n' || r == '\t' || r == '\u200c' || r == '\u200d'
	}
	var b strings.Builder
	for i, r := range s {
		switch _, size := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case clean(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}
