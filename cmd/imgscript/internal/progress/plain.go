package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/imgscript/imgscript/core/build"
)

// How patient the plain display is: a task that ends within soon has a line at its end alone, and one that lasts has a line so often.
const (
	soon  = 300 * time.Millisecond
	often = 5 * time.Second
)

// plain writes lines to what is no terminal.
type plain struct {
	w    lines
	stop func()

	mu    sync.Mutex
	board board
}

func newPlain(w io.Writer) *plain {
	p := &plain{w: lines{w: w}}
	p.stop = every(soon/3, p.tick)
	return p
}

// Event implements Display. Tasks that were stopped are not told of one by one: the run is over, and its error says why.
func (p *plain) Event(e build.Event) {
	if e.Kind == build.Warning {
		p.w.write(warning(e))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.board.event(e); t != nil && e.Kind == build.TaskEnd && !errors.Is(e.Err, context.Canceled) {
		p.w.write(t.name + ": " + ending(e, t))
	}
}

// Line implements Display.
func (p *plain) Line(text string, _ Kind) { p.w.write(text) }

// Close implements Display.
func (p *plain) Close() { p.stop() }

// tick writes of the tasks that last.
func (p *plain) tick(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.board.tasks {
		switch {
		case t.shown.IsZero() && now.Sub(t.start) >= soon:
			p.w.write(t.name + ": started")
		case !t.shown.IsZero() && now.Sub(t.shown) >= often:
			p.w.write(t.name + ": " + t.lasting(now))
		default:
			continue
		}
		t.shown = now
	}
}

// lasting says how far a task is.
func (t *task) lasting(now time.Time) string {
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

// ending says how a task ended. Why one failed is in the error at the end of the run, with its place in the script.
func ending(e build.Event, t *task) string {
	switch {
	case e.Err != nil:
		return "failed"
	case e.How == "present":
		return "there already"
	case e.How == "mounted":
		return "mounted"
	}
	text := e.How
	if text == "" {
		text = "done"
	}
	if t.bytes > 0 {
		text += ", " + Size(t.bytes)
	}
	if took := e.Time.Sub(t.start); took >= soon {
		text += fmt.Sprintf(" in %s", Duration(took))
	}
	return text
}
