package build

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
)

// Warn tells the user of something that is probably not meant: it goes to the events and into the report.
func (r *Run) Warn(at Origin, text string) { r.events.warn(at, text) }

// sink passes events on one at a time, and keeps the warnings.
type sink struct {
	f func(Event)

	mu       sync.Mutex
	next     int
	open     map[int]*task // that did not end
	warnings []string
}

// send passes an event on. The lock is held.
func (s *sink) send(e Event) {
	if s.f == nil {
		return
	}
	e.Time = time.Now()
	s.f(e)
}

// warn tells the user of something that is probably not meant, once: a call in a loop means the same each time.
func (s *sink) warn(at Origin, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := at.String() + ": " + text
	if slices.Contains(s.warnings, line) {
		return
	}
	s.warnings = append(s.warnings, line)
	s.send(Event{Kind: Warning, At: at, Text: text})
}

// waiting tells of a request that waits and that no task is known to need.
func (s *sink) waiting(w registry.Waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(waitingEvent(Event{}, w))
}

func waitingEvent(e Event, w registry.Waiting) Event {
	e.Kind, e.Host, e.Reason, e.Delay, e.Tries = Waiting, w.Host, w.Reason, w.Delay, w.Tries
	return e
}

// errUnended is how a task ends that nobody ended, which is one that panicked.
var errUnended = errors.New("the task did not end")

// close ends the tasks that are left when all work has ended, so that each that started ends.
func (s *sink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(s.open)) {
		s.open[n].event.Err = errUnended
		s.open[n].tell(TaskEnd)
	}
	clear(s.open)
}

// task is one thing in flight that people like to watch.
type task struct {
	sink  *sink
	event Event
	last  time.Time
	total func() int64 // finds out what there is to move while that is not known; nil when nobody will know

	stopped func() bool // reports whether the work was told to end
}

// progressEvery bounds how often a task tells that it moved: a terminal shows no more.
const progressEvery = 50 * time.Millisecond

// begin starts a task; the caller ends it. The work is done with the context that is returned, by which the task learns that its requests wait.
func (s *sink) begin(ctx context.Context, about Event) (context.Context, *task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	about.Kind, about.Task = TaskStart, s.next
	t := &task{sink: s, event: about, stopped: func() bool { return ctx.Err() != nil }}
	if s.open == nil {
		s.open = map[int]*task{}
	}
	s.open[s.next] = t
	s.send(t.event)
	return registry.WithWaiting(ctx, t.waiting), t
}

// add counts n more bytes.
func (t *task) add(n int) {
	t.sink.mu.Lock()
	defer t.sink.mu.Unlock()
	t.event.Bytes += int64(n)
	if now := time.Now(); now.Sub(t.last) >= progressEvery {
		t.last = now
		t.measure()
		t.tell(TaskProgress)
	}
}

// measure finds out how much there is to move, if that is known by now. The lock is held.
func (t *task) measure() {
	if t.event.Total < 0 && t.total != nil {
		t.event.Total = t.total()
	}
}

// tell sends the task as it is, unless it ended. The lock is held.
func (t *task) tell(kind EventKind) {
	if t.sink.open[t.event.Task] == nil {
		return
	}
	t.event.Kind = kind
	t.sink.send(t.event)
}

func (t *task) waiting(w registry.Waiting) {
	t.sink.mu.Lock()
	defer t.sink.mu.Unlock()
	about := t.event
	if t.sink.open[about.Task] == nil {
		about = Event{} // what comes after the task has its context too
	}
	t.sink.send(waitingEvent(about, w))
}

// restart says that the bytes are sent from the beginning again.
func (t *task) restart() {
	t.sink.mu.Lock()
	defer t.sink.mu.Unlock()
	t.event.Bytes = 0
}

// end says how the task ended; only the first call counts. how and the digest are those of success.
func (t *task) end(how string, dgst digest.Digest, err error) {
	t.sink.mu.Lock()
	defer t.sink.mu.Unlock()
	if err == nil {
		t.event.How, t.event.Digest = how, dgst
	} else {
		t.event.Err, t.event.Stopped = err, t.stopped()
	}
	if t.measure(); t.event.Total < 0 && t.total != nil && err == nil {
		t.event.Total = t.event.Bytes // all is there, before anybody else knows how much that is
	}
	t.tell(TaskEnd)
	delete(t.sink.open, t.event.Task)
}

// watch lets the task count what is read through open.
func (t *task) watch(open content.Opener) content.Opener {
	return func(ctx context.Context) (io.ReadCloser, error) {
		r, err := open(ctx)
		if err != nil {
			return nil, err
		}
		t.restart()
		return &watched{r, t}, nil
	}
}

// watchedIngester counts what is written into a store.
type watchedIngester struct {
	content.Ingester
	task *task
}

// Ingest implements content.Ingester.
func (w *watchedIngester) Ingest(ctx context.Context, mediaType string, write func(io.Writer) error) (content.Descriptor, error) {
	return w.Ingester.Ingest(ctx, mediaType, func(dst io.Writer) error {
		return write(io.MultiWriter(dst, w.task))
	})
}

// Write implements io.Writer: it counts.
func (t *task) Write(p []byte) (int, error) {
	t.add(len(p))
	return len(p), nil
}

type watched struct {
	io.ReadCloser
	task *task
}

// Verifies implements content.Verifying.
func (w *watched) Verifies() content.Descriptor { return content.Verifies(w.ReadCloser) }

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.task.add(n)
	return n, err
}
