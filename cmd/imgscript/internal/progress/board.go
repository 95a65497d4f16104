package progress

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/imgscript/imgscript/core/build"
)

// board is what is under way. It has no lock of its own.
type board struct {
	tasks []*task // that did not end, the oldest first
	start time.Time
	done  int
}

// task is one thing under way.
type task struct {
	id           int
	name         string
	bytes, total int64 // total is negative while it is not known
	start        time.Time
	shown        time.Time // when the plain display last wrote of it
	marks        [2]mark   // two moments of the last seconds
}

// mark is how far a task was at a time.
type mark struct {
	at    time.Time
	bytes int64
}

// event takes a task's event and returns the task; nil if there is no such task.
func (b *board) event(e build.Event) *task {
	if b.start.IsZero() {
		b.start = e.Time
	}
	if e.Kind == build.TaskStart {
		t := &task{id: e.Task, name: oneLine(e.Name), total: e.Total, start: e.Time}
		t.marks = [2]mark{{at: e.Time}, {at: e.Time}}
		b.tasks = append(b.tasks, t)
		return t
	}
	i := slices.IndexFunc(b.tasks, func(t *task) bool { return t.id == e.Task })
	if i < 0 {
		return nil
	}
	t := b.tasks[i]
	t.moved(e)
	if e.Kind == build.TaskEnd {
		b.tasks = slices.Delete(b.tasks, i, i+1)
		b.done++
	}
	return t
}

// waiting is 1 for a task of which nothing moved yet, 0 for others.
func (t *task) waiting() int {
	if t.bytes == 0 {
		return 1
	}
	return 0
}

// window is what the speed of a task is measured over, at least; at most twice as much.
const window = 2 * time.Second

func (t *task) moved(e build.Event) {
	if e.Bytes < t.bytes { // sent from the beginning again
		t.marks = [2]mark{{e.Time, e.Bytes}, {e.Time, e.Bytes}}
	}
	t.bytes = e.Bytes
	if e.Time.Sub(t.marks[1].at) >= window {
		t.marks = [2]mark{t.marks[1], {e.Time, e.Bytes}}
	}
}

// speed is in bytes per second.
func (t *task) speed(now time.Time) float64 {
	took := now.Sub(t.marks[0].at).Seconds()
	if took < 0.1 {
		return 0
	}
	return float64(t.bytes-t.marks[0].bytes) / took
}

// The columns of a row: "12.3 MB / 45.6 MB" and "999.9 MB/s" are the widest texts of theirs.
const (
	bytesWidth = 19
	rateWidth  = 10
	barWidth   = 30 // at most
	barLeast   = 8
	nameLeast  = 24
	gap        = 2
)

// rows draws the board for a terminal of width columns, in at most height rows: the tasks, how many more there are, and a summary.
func (b *board) rows(now time.Time, width, height int) []string {
	shown := slices.Clone(b.tasks)
	slices.SortStableFunc(shown, func(x, y *task) int { return x.waiting() - y.waiting() })
	more := 0
	if most := max(height-2, 0); len(shown) > most+1 { // one that does not fit is shown in the place of "1 more"
		shown, more = shown[:most], len(shown)-most
	}
	l := b.layout(width)
	var rows []string
	for _, t := range shown {
		rows = append(rows, l.row(t, now))
	}
	if more > 0 {
		rows = append(rows, fmt.Sprintf("… %d more", more))
	}
	status := fmt.Sprintf("%d under way, %d done, %s", len(b.tasks), b.done, Duration(now.Sub(b.start)))
	return append(rows, strings.TrimRight(fit(status, width), " "))
}

// layout is the widths of a row's columns; 0 leaves a column out.
type layout struct{ name, bar, bytes, rate int }

// layout gives names a little, then each column of numbers and a short bar what they need, then names all that they need, and the bar the rest.
func (b *board) layout(width int) layout {
	longest := 0
	for _, t := range b.tasks {
		longest = max(longest, widthOf(t.name))
	}
	l := layout{name: min(longest, nameLeast, width)}
	left := width - l.name
	take := func(column *int, need int) {
		if left >= need+gap {
			*column = need
			left -= need + gap
		}
	}
	take(&l.bytes, bytesWidth)
	take(&l.rate, rateWidth)
	take(&l.bar, barLeast)
	more := min(longest-l.name, left)
	l.name += more
	if l.bar > 0 {
		l.bar = min(barWidth, l.bar+left-more)
	}
	return l
}

func (l layout) row(t *task, now time.Time) string {
	row := fit(t.name, l.name)
	if l.bar > 0 {
		row += "  " + bar(t, l.bar)
	}
	if l.bytes > 0 {
		row += "  " + right(t.amount(), l.bytes)
	}
	if l.rate > 0 {
		row += "  " + right(rate(t.speed(now)), l.rate)
	}
	return row
}

func (t *task) amount() string {
	switch {
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
	stat := decor.Statistics{AvailableWidth: width, Total: t.total, Current: min(t.bytes, t.total)}
	if err := filler.Fill(io.Writer(&b), stat); err != nil {
		return strings.Repeat(" ", width)
	}
	return fit(b.String(), width)
}
