package progress

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/imgscript/imgscript/core/build"
)

// How patient the plain display is: a task that ends within soon has a line at its end alone, and one that lasts has a line so often, and ever less.
const (
	soon   = 300 * time.Millisecond
	often  = 5 * time.Second
	seldom = 30 * time.Second
)

// How many lines it writes of single tasks. When more than crowd are under way, or single of them had their lines, one line every few seconds is about all.
const (
	crowd  = 8
	single = 40
)

// plain writes lines to what is no terminal.
type plain struct {
	w    lines
	stop func()

	mu     sync.Mutex
	board  board
	ends   int                  // lines so far that were each about the end of a task
	unsaid bool                 // a task ended since, of which no line tells
	told   time.Time            // when the last line was about all; before there was one, since when there should be
	waited map[string]time.Time // when a line was last about this host and why it has us wait
}

func newPlain(w io.Writer) *plain {
	p := &plain{w: lines{w: w}, waited: map[string]time.Time{}}
	p.stop = every(soon/3, p.tick)
	return p
}

// Event implements Display.
func (p *plain) Event(e build.Event) {
	if e.Kind == build.Warning {
		p.Line(warning(e), Warning)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.board.event(e)
	switch {
	case e.Kind == build.Waiting:
		p.waiting(e, t)
	case e.Kind == build.TaskEnd && t != nil:
		p.end(e, t)
	}
}

// waiting writes that something waits, unless a line told of another a moment ago that waits for the same.
func (p *plain) waiting(e build.Event, t *task) {
	name, why := oneLine(e.Host), oneLine(e.Reason)
	key := name + ": " + why
	if last, ok := p.waited[key]; ok && e.Time.Sub(last) < often {
		return
	}
	p.waited[key] = e.Time
	if t != nil {
		name, t.told = t.name(), e.Time
	}
	p.w.write(name + ": " + waitingText(e.Delay, e.Tries > 0, why))
}

// end writes how a task ended. Tasks that were stopped are not told of one by one: the run is over, and its error says why; neither is a tag that moved at once, which the
// results tell.
func (p *plain) end(e build.Event, t *task) {
	switch {
	case e.Stopped, e.Err == nil && t.work == build.TagWork && t.told.IsZero() && t.ended.Sub(t.start) < soon:
		return
	case e.Err == nil && p.ends >= single && t.told.IsZero():
		p.unsaid = true
		return
	}
	p.ends++
	p.w.write(t.name() + ": " + t.ending)
}

// Print implements Display.
func (p *plain) Print(at, text string) { p.w.write(at + ": " + text) }

// Line implements Display.
func (p *plain) Line(text string, kind Kind) {
	if kind == Summary {
		p.sayAll(time.Now())
		p.mu.Lock()
		text = p.board.sumUp(text)
		p.mu.Unlock()
	}
	p.w.write(forPeople(text, kind))
}

// Close implements Display.
func (p *plain) Close() {
	p.stop()
	p.sayAll(time.Now())
}

// sayAll writes what was not said yet.
func (p *plain) sayAll(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unsaid {
		p.all(now)
	}
}

// all writes one line about all tasks.
func (p *plain) all(now time.Time) {
	p.unsaid, p.told = false, now
	p.w.write(Duration(now.Sub(p.board.start)) + ": " + strings.Join(p.board.status(now), ", "))
}

// tick writes of the tasks that last, or, of many, a line about all.
func (p *plain) tick(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch crowded := len(p.board.tasks) > crowd; {
	case !crowded && !p.unsaid:
		p.told = time.Time{}
	case p.told.IsZero():
		p.told = now
	case now.Sub(p.told) >= often:
		p.all(now)
	}
	if len(p.board.tasks) <= crowd {
		for _, t := range p.board.tasks {
			p.lasting(t, now)
		}
	}
}

// lasting writes of one task that lasts. One that does not move may be one of many whose turn did not come yet.
func (p *plain) lasting(t *task, now time.Time) {
	age := now.Sub(t.start)
	switch first := t.told.IsZero(); {
	case first && age >= often, !first && now.Sub(t.told) >= min(max(often, age/4), seldom):
		p.w.write(t.name() + ": " + t.progress(now))
	case first && age >= soon && !t.idle() && p.ends < single:
		p.w.write(t.name() + ": started")
	default:
		return
	}
	t.told = now
}

// progress says how far a task is.
func (t *task) progress(now time.Time) string {
	if waiting := t.waiting(now); waiting != "" {
		return waiting
	}
	if t.bytes == 0 {
		return "waiting for " + Duration(now.Sub(t.start))
	}
	parts := []string{Size(t.bytes)}
	if t.total > 0 {
		parts[0] += " of " + Size(t.total)
	}
	if speed := rate(t.speed(now)); speed != "" {
		parts = append(parts, speed)
	}
	return strings.Join(parts, ", ")
}
