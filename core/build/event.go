package build

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// EventKind says what an event tells.
type EventKind string

// The kinds of events. A task (one layer being built, one blob or image on its way) starts, may move, and ends once.
const (
	TaskStart    EventKind = "start"
	TaskProgress EventKind = "progress"
	TaskEnd      EventKind = "end"
	Warning      EventKind = "warning"
)

// Event tells of something that goes on in a run.
type Event struct {
	Kind  EventKind
	Task  int    // the same number in all events of a task
	Name  string // "base reg.example/node:22", "layer /app", "push sha256:0123… to reg.example/app"
	Bytes int64  // so far
	Total int64  // -1 when it is not known
	How   string // of an end: "built", "uploaded", "mounted", "present", "saved", "downloaded", the digest of a base, or empty
	Err   error  // of an end that is a failure
	At    Origin // of a warning
	Text  string // of a warning
	Time  time.Time
}

// Warn tells the user of something that is probably not meant: it goes to the events and into the report.
func (r *Run) Warn(at Origin, text string) { r.events.warn(at, text) }

// sink passes events on one at a time, and keeps the warnings.
type sink struct {
	f func(Event)

	mu       sync.Mutex
	next     int
	warnings []string
}

func (s *sink) send(e Event) {
	if s.f == nil {
		return
	}
	e.Time = time.Now()
	s.f(e)
}

// warn tells the user of something that is probably not meant.
func (s *sink) warn(at Origin, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnings = append(s.warnings, at.String()+": "+text)
	s.send(Event{Kind: Warning, At: at, Text: text})
}

// task is one thing in flight that people like to watch.
type task struct {
	sink  *sink
	event Event
	last  time.Time
}

// progressEvery bounds how often a task tells that it moved: a terminal shows no more.
const progressEvery = 50 * time.Millisecond

func (s *sink) begin(name string, total int64) *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	t := &task{sink: s, event: Event{Kind: TaskStart, Task: s.next, Name: name, Total: total}}
	s.send(t.event)
	return t
}

// add counts n more bytes.
func (t *task) add(n int) {
	t.sink.mu.Lock()
	defer t.sink.mu.Unlock()
	t.event.Bytes += int64(n)
	if now := time.Now(); now.Sub(t.last) >= progressEvery {
		t.last = now
		t.event.Kind = TaskProgress
		t.sink.send(t.event)
	}
}

// restart says that the bytes are sent from the beginning again.
func (t *task) restart() {
	t.sink.mu.Lock()
	defer t.sink.mu.Unlock()
	t.event.Bytes = 0
}

func (t *task) end(how string, err error) {
	t.sink.mu.Lock()
	defer t.sink.mu.Unlock()
	t.event.Kind, t.event.How, t.event.Err = TaskEnd, how, err
	t.sink.send(t.event)
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
