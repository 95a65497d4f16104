package progress

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// How the rows of a terminal come and go. What ends within ripe has none, and what ended keeps its own for linger, so that it can be read and rows don't jump;
// a task that does not move yet has one only while there are few.
const (
	ripe   = 200 * time.Millisecond
	linger = time.Second
	few    = 5
)

// arrange gives tasks their rows, at most so many. A task stays in its row until it is over.
func (b *board) arrange(now time.Time, most int) {
	b.rows = slices.DeleteFunc(b.rows, func(t *task) bool { return !t.ended.IsZero() && now.Sub(t.ended) >= linger })
	for len(b.rows) > most { // the terminal became smaller
		i := slices.IndexFunc(b.rows, (*task).over)
		if i < 0 {
			i = len(b.rows) - 1
		}
		b.rows = slices.Delete(b.rows, i, i+1)
	}
	for _, idle := range []bool{false, true} {
		for _, t := range b.tasks {
			if t.idle() == idle && now.Sub(t.start) >= ripe && !slices.Contains(b.rows, t) {
				b.place(t, most)
			}
		}
	}
	for _, t := range b.rows {
		b.widest = max(b.widest, widthOf(t.name()))
	}
}

func (t *task) over() bool { return !t.ended.IsZero() }

// place gives a task a row: one more if there is room, else that of a task which is over or, if this one moves, of one that does not.
func (b *board) place(t *task, most int) {
	if t.idle() {
		most = min(most, few)
	}
	if len(b.rows) < most {
		b.rows = append(b.rows, t)
		return
	}
	if t.idle() {
		return
	}
	i := slices.IndexFunc(b.rows, (*task).over)
	if i < 0 {
		i = slices.IndexFunc(b.rows, (*task).idle)
	}
	if i >= 0 {
		b.rows[i] = t
	}
}

// draw draws the board for a terminal of width columns, in at most height rows: tasks, and a summary.
func (b *board) draw(now time.Time, width, height int) []string {
	b.arrange(now, max(height-1, 0))
	l := b.layout(width)
	var rows []string
	for _, t := range b.rows {
		rows = append(rows, strings.TrimRight(l.row(t, now, width), " "))
	}
	return append(rows, b.summary(now, width))
}

// summary is the last row: as much of the status as fits.
func (b *board) summary(now time.Time, width int) string {
	row := now.Sub(b.start).Truncate(time.Second).String()
	sep := ": "
	for _, part := range b.status(now) {
		if widthOf(row+sep+part) > width {
			break
		}
		row, sep = row+sep+part, ", "
	}
	return Cut(row, max(width, 1))
}

// The columns of a row: "12.3 MB / 45.6 MB" and "999.9 MB/s" are the widest texts of theirs, and of the amount in short "123.4 MB".
const (
	bytesWidth  = 19
	shortWidth  = 8
	rateWidth   = 10
	barWidth    = 30 // at most
	barLeast    = 8
	nameLeast   = 20
	digestLeast = 17 // "push 0123456789ab": what a name keeps beside a text
	gap         = 2
)

// layout is the widths of a row's columns; 0 leaves a column out.
type layout struct{ name, bar, bytes, rate int }

// layout gives names a little, then each column of numbers and a short bar what they need, then names all that they need, and the bar the rest. Names count that are
// gone: columns don't jump.
func (b *board) layout(width int) layout {
	l := layout{name: min(b.widest, nameLeast, width)}
	left := width - l.name
	take := func(column *int, need int) {
		more := need - *column
		if *column == 0 {
			more += gap
		}
		if left >= more {
			*column = need
			left -= more
		}
	}
	take(&l.bytes, shortWidth)
	take(&l.bytes, bytesWidth)
	take(&l.rate, rateWidth)
	take(&l.bar, barLeast)
	more := min(b.widest-l.name, left)
	l.name += more
	if l.bar > 0 {
		l.bar = min(barWidth, l.bar+left-more)
	}
	return l
}

func (l layout) row(t *task, now time.Time, width int) string {
	if text := t.text(now); text != "" {
		name := min(l.name, max(width-gap-widthOf(text), min(digestLeast, widthOf(t.name()))))
		return Cut(fit(t.fit(name), name)+strings.Repeat(" ", gap)+text, max(width, 1))
	}
	row := fit(t.fit(l.name), l.name)
	if l.bar > 0 {
		row += "  " + bar(t, l.bar)
	}
	if l.bytes > 0 {
		row += "  " + right(t.amount(l.bytes), l.bytes)
	}
	if l.rate > 0 {
		row += "  " + right(rate(t.speed(now)), l.rate)
	}
	return row
}

// text is what there is to say of a task that does not move; "" of one that does.
func (t *task) text(now time.Time) string {
	switch waiting := t.waiting(now); {
	case t.over():
		return t.ending
	case waiting != "":
		return waiting
	case t.idle():
		return "waiting"
	}
	return ""
}

// whereLeast is how much of a repository's name is worth showing.
const whereLeast = 12

// fit makes the name no wider than width. It leaves out first what tells the least: the start of where something goes, the name of the digest's algorithm, all of
// where it goes, and then the middle.
func (t *task) fit(width int) string {
	short := strings.Replace(t.head, "sha256:", "", 1)
	if name := t.name(); widthOf(name) <= width {
		return name
	}
	if t.where != "" {
		for _, head := range []string{t.head, short} {
			if room := width - widthOf(head+" to "); room >= whereLeast {
				return head + " to " + cutStart(t.where, room)
			}
		}
	}
	for _, head := range []string{t.head, short} {
		if widthOf(head) <= width {
			return head
		}
	}
	return cutMiddle(short, width)
}

// amount is how much was moved of how much, or, in few columns, how far that is.
func (t *task) amount(width int) string {
	switch {
	case t.total > 0 && width < bytesWidth:
		return fmt.Sprintf("%d%%", 100*min(t.bytes, t.total)/t.total)
	case t.total > 0:
		return Size(t.bytes) + " / " + Size(t.total)
	case t.bytes > 0:
		return Size(t.bytes)
	}
	return ""
}

func right(s string, width int) string {
	return strings.Repeat(" ", max(width-widthOf(s), 0)) + s
}

// bar draws how far a task is; nothing while nobody knows.
func bar(t *task, width int) string {
	if t.total <= 0 {
		return strings.Repeat(" ", width)
	}
	var b strings.Builder
	filler := mpb.BarStyle().Build()
	stat := decor.Statistics{AvailableWidth: width, Total: t.total, Current: min(t.bytes, t.total), Completed: t.bytes >= t.total}
	if err := filler.Fill(io.Writer(&b), stat); err != nil {
		return strings.Repeat(" ", width)
	}
	return fit(b.String(), width)
}
