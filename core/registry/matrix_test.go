package registry_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// outcome is how a cell of the matrix ended.
type outcome struct {
	err      error         // of the task
	requests int           // that the fault might have struck
	sent     int           // in all
	took     time.Duration // on the clock of the bubble
}

// cell runs a task with faults in a bubble of its own, and holds it to what must be true whatever happens: nothing incomplete has a tag, nothing is left
// behind (the bubble ends only when every goroutine has), no credentials went elsewhere, and the next run completes.
func cell(t *testing.T, job task, copies int64, bearer bool, faults ...registrytest.Fault) (out outcome) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, &job, copies, bearer)
		struck := p.struck(&job)
		struck.SetFaults(faults...)
		closed := p.connect(&job)
		start := time.Now()
		out.err = job.run(t.Context(), p)
		out.took = time.Since(start)
		closed()
		synctest.Wait()
		if n := p.net.open.Load(); n != 0 {
			t.Errorf("%d connections are open afterwards", n)
		}
		out.requests = counted(struck, faults[0])
		out.sent = len(p.from.Requests()) + len(p.to.Requests())
		p.check(t, &job, clean(out.err), out.err)
	})
	return out
}

// counted is the number of requests that a fault might have struck.
func counted(reg *registrytest.Server, fault registrytest.Fault) int {
	return len(slices.DeleteFunc(reg.Requests(), func(r registrytest.Request) bool { return !fault.Strikes(r) }))
}

func newPlace(t *testing.T, job *task, copies int64, bearer bool) *place {
	p := &place{net: &pipes{}, copies: copies}
	opts := registrytest.Options{AllowMissing: true, Quirks: job.quirks}
	if bearer {
		opts.Auth, opts.Rights = registrytest.AuthBearer, []registrytest.Right{{}}
	}
	p.from, p.to = p.net.server(t, "5001", opts), p.net.server(t, "5002", opts)
	if job.seed != nil {
		job.seed(p)
	}
	return p
}

// struck is the registry that faults strike.
func (p *place) struck(job *task) *registrytest.Server {
	if job.reads {
		return p.from
	}
	return p.to
}

// connect gives the place a new client and returns what closes its connections.
func (p *place) connect(job *task) (closed func()) {
	p.client, closed = p.net.client(registry.Options{})
	if job.part > 0 {
		p.client.WithFirstPart(p.to.Host, job.part)
	}
	return closed
}

// check holds the registries to what must be true after a task that ended with err, and runs it again if that is not nil.
func (p *place) check(t *testing.T, job *task, unclean, err error) {
	t.Helper()
	if n := p.net.leaks.Load(); n > 0 {
		t.Errorf("credentials went to another host %d times", n)
	}
	if err == nil {
		if err := job.done(p); err != nil {
			t.Errorf("it is done, but %v", err)
		}
		return
	}
	if err := errors.Join(unclean, job.whole(p)); err != nil {
		t.Errorf("after its failure: %v", err)
	}
	p.from.SetFaults()
	p.to.SetFaults()
	defer p.connect(job)()
	if err := errors.Join(job.run(t.Context(), p), job.done(p)); err != nil {
		t.Errorf("the next run: %v", err)
	}
}

// checkSessions fails unless every upload session was finished or, as far as it is in the client's hands, given back.
func (p *place) checkSessions(t *testing.T, nth int) {
	t.Helper()
	opened, ended := 0, 0
	for _, r := range p.to.Requests() {
		switch {
		case r.Class == registrytest.ClassUpload && r.Status == http.StatusAccepted:
			opened++
		case r.Class == registrytest.ClassSession && (r.Method == http.MethodDelete || r.Method == http.MethodPut && r.Status == http.StatusCreated):
			ended++
		}
	}
	if opened != ended {
		t.Errorf("request %d: %d sessions were opened and %d ended:\n%s", nth, opened, ended, strings.Join(p.to.Lines(), "\n"))
	}
}

// clean reports what is wrong with an error: it says which registry, in one line.
func clean(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if !strings.Contains(text, "127.0.0.1:500") || len(text) > 2000 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
		return fmt.Errorf("not a clean error: %q", text)
	}
	return nil
}

// tally counts cells.
type tally struct {
	mu    sync.Mutex
	cells map[string]int // by task, and by how they ended
	slow  time.Duration
	most  int
}

func (c *tally) add(out outcome, keys ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cells == nil {
		c.cells = map[string]int{}
	}
	for _, key := range keys {
		c.cells[key]++
	}
	c.slow, c.most = max(c.slow, out.took), max(c.most, out.sent)
}

// expect prints the numbers, and holds those of want to what they must be, so that no cell vanishes silently.
func (c *tally) expect(t *testing.T, want map[string]int) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(c.cells)) {
		t.Logf("%-50s %5d", key, c.cells[key])
	}
	t.Logf("the longest cell took %s of its own clock; the most requests were %d", c.slow, c.most)
	for key, n := range want {
		if c.cells[key] != n {
			t.Errorf("%s: %d cells, want %d", key, c.cells[key], n)
		}
	}
}

// atLeast is for numbers that depend on what happens first.
func (c *tally) atLeast(t *testing.T, want map[string]int) {
	t.Helper()
	for key, n := range want {
		if c.cells[key] < n {
			t.Errorf("%s: %d cells, want %d and more", key, c.cells[key], n)
		}
	}
}
