package progress

import (
	"fmt"
	"slices"
	"time"

	"github.com/imgscript/imgscript/core/build"
)

// board is what is under way and what was done. It has no lock of its own.
type board struct {
	tasks   []*task // that did not end, the oldest first
	start   time.Time
	done    tally
	retries int // of requests

	rows   []*task // those that a terminal shows, see arrange
	widest int     // of the names that it showed
}

// task is one thing under way, or one that ended a moment ago.
type task struct {
	id           int
	work         build.Work
	head, where  string // "push sha256:0123456789ab", and where to, if that is known
	bytes, total int64  // total is negative while it is not known
	start        time.Time
	moves        time.Time // since when, which may be long after its start: it waits for its turn; zero before
	moved        time.Time // when it last did
	told         time.Time // when the plain display last wrote of it
	marks        [2]mark   // two moments of the last seconds
	waits        waits
	ended        time.Time // zero while it is under way
	ending       string
}

// mark is how far a task was at a time.
type mark struct {
	at    time.Time
	bytes int64
}

// waits is what a task waits for: until a time, and why. The zero value is nothing.
type waits struct {
	until time.Time
	again bool // a request is then sent again
	why   string
}

// tally counts tasks that ended.
type tally struct {
	tasks, failed int
	how           map[string]int
	uploaded      int64 // bytes
}

func (y *tally) add(e build.Event) {
	y.tasks++
	if e.Err != nil {
		y.failed++
		return
	}
	if y.how == nil {
		y.how = map[string]int{}
	}
	y.how[e.How]++
	if e.How == "uploaded" {
		y.uploaded += e.Bytes
	}
}

// event takes a task's event and returns the task; nil if there is no such task.
func (b *board) event(e build.Event) *task {
	if b.start.IsZero() {
		b.start = e.Time
	}
	if e.Kind == build.Waiting && e.Tries > 0 {
		b.retries++
	}
	if e.Kind == build.TaskStart {
		t := newTask(e)
		b.tasks = append(b.tasks, t)
		return t
	}
	i := slices.IndexFunc(b.tasks, func(t *task) bool { return t.id == e.Task })
	if i < 0 {
		return nil
	}
	t := b.tasks[i]
	switch e.Kind {
	case build.Waiting:
		t.waits = waits{e.Time.Add(e.Delay), e.Tries > 0, oneLine(e.Reason)}
	case build.TaskEnd:
		t.move(e)
		t.ended, t.ending = e.Time, ending(e, t)
		b.tasks = slices.Delete(b.tasks, i, i+1)
		b.done.add(e)
	default:
		t.move(e)
	}
	return t
}

func newTask(e build.Event) *task {
	t := &task{id: e.Task, work: e.What, where: oneLine(e.Where), total: e.Total, start: e.Time}
	t.marks = [2]mark{{at: e.Time}, {at: e.Time}}
	e.Where = ""
	t.head = oneLine(e.Name())
	return t
}

// name is all that is known of what the task is about.
func (t *task) name() string {
	if t.where == "" {
		return t.head
	}
	return t.head + " to " + t.where
}

// idle reports whether the task has not begun to move what it is to move.
func (t *task) idle() bool {
	return t.bytes == 0 && t.total > 0 && t.waits.why == "" && t.ended.IsZero()
}

// window is what the speed of a task is measured over, at least; at most twice as much.
const window = 2 * time.Second

func (t *task) move(e build.Event) {
	t.waits = waits{}
	if e.Total > 0 {
		t.total = e.Total
	}
	switch {
	case t.moves.IsZero() && e.Bytes > 0:
		t.moves = e.Time
		fallthrough
	case e.Bytes < t.bytes: // sent from the beginning again
		t.marks = [2]mark{{e.Time, e.Bytes}, {e.Time, e.Bytes}}
	}
	if e.Bytes != t.bytes {
		t.moved = e.Time
	}
	t.bytes = e.Bytes
	if e.Time.Sub(t.marks[1].at) >= window {
		t.marks = [2]mark{t.marks[1], {e.Time, e.Bytes}}
	}
}

// speed is in bytes per second.
func (t *task) speed(now time.Time) float64 {
	took := now.Sub(t.marks[0].at).Seconds()
	if took < 0.1 || now.Sub(t.moved) > 2*window {
		return 0
	}
	return float64(t.bytes-t.marks[0].bytes) / took
}

// waiting is what the task waits for, as a text; "" when it does not wait.
func (t *task) waiting(now time.Time) string {
	if left := t.waits.until.Sub(now); left > 0 {
		return waitingText(left, t.waits.again, t.waits.why)
	}
	return ""
}

func waitingText(left time.Duration, again bool, why string) string {
	if again {
		return fmt.Sprintf("retrying in %s: %s", Duration(left), why)
	}
	return fmt.Sprintf("waiting for %s: %s", Duration(left), why)
}

// ending says how a task ended. Why one failed is in the error at the end of the run, with its place in the script.
func ending(e build.Event, t *task) string {
	var text string
	switch {
	case e.Stopped:
		return "stopped"
	case e.Err != nil:
		return "failed"
	case e.How == "found":
		return Digest(e.Digest)
	case e.How == "present":
		return "there already"
	case e.How == "mounted":
		return "mounted"
	default:
		text = e.How
	}
	if t.bytes > 0 {
		text += ", " + Size(t.bytes)
	}
	since := t.start
	if t.total >= 0 && !t.moves.IsZero() {
		since = t.moves
	}
	if took := e.Time.Sub(since); took >= soon {
		text += fmt.Sprintf(" in %s", Duration(took))
	}
	return text
}

// outcomes are the ends that are worth counting for people, and how they are called, those first that matter most.
var outcomes = [...][2]string{
	{"uploaded", "uploaded"}, {"mounted", "mounted"}, {"present", "there already"}, {"built", "built"}, {"unchanged", "unchanged"},
	{"downloaded", "downloaded"}, {"fetched", "fetched"},
}

// status sums up what was done so far, the most important first.
func (b *board) status(now time.Time) []string {
	parts := []string{fmt.Sprintf("%d of %d done", b.done.tasks, b.done.tasks+len(b.tasks))}
	sent, speed := b.done.uploaded, 0.0
	for _, t := range b.tasks {
		if t.work == build.PushWork || t.work == build.UploadWork {
			sent += t.bytes
			speed += t.speed(now)
		}
	}
	if sent > 0 {
		parts = append(parts, Size(sent)+" uploaded")
	}
	if text := rate(speed); text != "" {
		parts = append(parts, text)
	}
	for _, o := range outcomes[1:] {
		if n := b.done.how[o[0]]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o[1]))
		}
	}
	if b.done.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", b.done.failed))
	}
	return append(parts, b.again()...)
}

// again tells of requests that were sent again.
func (b *board) again() []string {
	switch b.retries {
	case 0:
		return nil
	case 1:
		return []string{"1 retry"}
	}
	return []string{fmt.Sprintf("%d retries", b.retries)}
}

// sumUp is the line about what was done, with what only the board knows.
func (b *board) sumUp(text string) string {
	for _, part := range b.again() {
		text += ", " + part
	}
	return text
}
