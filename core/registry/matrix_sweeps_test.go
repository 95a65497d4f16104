package registry_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// nightly says that there is time for long sweeps.
func nightly() bool { return os.Getenv("IMGSCRIPT_NIGHTLY") != "" }

// TestMatrix lets every kind of fault strike every request of every task, once. Whatever it is, the task is done.
func TestMatrix(t *testing.T) {
	var count tally
	t.Run("cells", func(t *testing.T) {
		for _, k := range kinds() {
			for _, job := range tasks() {
				t.Run(k.name+"/"+job.name, func(t *testing.T) {
					t.Parallel()
					strikeEach(t, &count, k, job)
				})
			}
		}
	})
	count.expect(t, map[string]int{
		"task pull": 108, "task push": 259, "task push in parts": 352, "task mount": 253, "task save of three tags": 280,
		"task copy, reading": 108, "task copy, writing": 208,
	})
	// The manifests of an index are read side by side, so that a fault meets another request now and then.
	count.atLeast(t, map[string]int{"survived": 2050, "refused": 45, "task copy of an index, reading": 200, "task copy of an index, writing": 340})
}

// strikeEach moves a fault from request to request until the task needs no more.
func strikeEach(t *testing.T, count *tally, k kind, job task) {
	fault := k.fault
	for fault.Nth = 1; ; fault.Nth++ {
		out := cell(t, job, 1, k.bearer, fault)
		if out.requests < fault.Nth {
			return
		}
		ended := "survived"
		if out.err != nil {
			ended = "refused"
		}
		if out.err != nil && (k.refused == "" || !strings.Contains(out.err.Error(), k.refused)) || out.took > 10*time.Minute {
			t.Errorf("fault at request %d: after %s: %v", fault.Nth, out.took, out.err)
		}
		count.add(out, ended, "task "+job.name, "kind "+k.name)
		if nightly() { // which request it meets is now a matter of chance
			if out := cell(t, job, 8, k.bearer, fault); out.err != nil && (k.refused == "" || !strings.Contains(out.err.Error(), k.refused)) {
				t.Errorf("fault at request %d, blobs side by side: %v", fault.Nth, out.err)
			}
		}
	}
}

// TestMatrixForEver lets faults strike for ever, all kinds from the first request on and some from every other one. A task ends with an error that says what
// it was, within bounds of requests and of time, or it can live with it.
func TestMatrixForEver(t *testing.T) {
	var count tally
	t.Run("cells", func(t *testing.T) {
		for _, k := range slices.Concat(kinds(), hopeless()) {
			for _, job := range tasks() {
				t.Run(k.name+"/"+job.name, func(t *testing.T) {
					t.Parallel()
					lastFrom(t, &count, k, job)
				})
			}
		}
	})
	count.expect(t, nil)
	count.atLeast(t, map[string]int{"done": 40, "error": 615})
}

// lastFrom lets a fault last for ever, from the first request on, or from each for the kinds that break off whatever is under way.
func lastFrom(t *testing.T, count *tally, k kind, job task) {
	each := slices.Contains([]string{"answer lost", "503", "403", "stalled"}, k.name)
	fault := k.fault
	fault.Times = -1
	for fault.Nth = 1; fault.Nth == 1 || each; fault.Nth++ {
		out := cell(t, job, 1, k.bearer, fault)
		if out.requests < fault.Nth {
			return
		}
		ended := "done"
		if out.err != nil {
			ended = "error"
			expectIs(t, out.err, k.class()...)
		}
		if out.sent > 150 || out.took > time.Hour {
			t.Errorf("from request %d on: %d requests and %s, then %v", fault.Nth, out.sent, out.took, out.err)
		}
		count.add(out, ended, "kind "+k.name+", "+ended)
	}
}

// TestMatrixCancelled cancels every task while any one of its requests has no answer, or waits to be sent again. It is back at once, or, when nobody
// answers the requests that give its sessions back, after the half second that all of them share.
func TestMatrixCancelled(t *testing.T) {
	var count tally
	t.Run("cells", func(t *testing.T) {
		for name, fault := range map[string]registrytest.Fault{
			"no answer":             {Stall: true},
			"half an answer":        {Method: "GET", Stall: true, Truncate: 2},
			"half a body read":      {Method: "PUT", StallBody: 100},
			"never an answer":       {Stall: true, Times: -1},
			"waits for a try":       {Status: 503, Times: -1},
			"waits as long as told": {Method: "PUT", Status: 429, Times: -1, Header: headers("Retry-After", "100")},
		} {
			for _, job := range tasks() {
				t.Run(name+"/"+job.name, func(t *testing.T) {
					t.Parallel()
					cancelAtEach(t, &count, name, fault, job)
				})
			}
		}
	})
	count.expect(t, nil)
	count.atLeast(t, map[string]int{"fault no answer": 90, "fault half an answer": 16, "fault half a body read": 29, "fault never an answer": 90, "fault waits for a try": 90,
		"fault waits as long as told": 29})
}

// cancelAtEach moves the fault from request to request.
func cancelAtEach(t *testing.T, count *tally, name string, fault registrytest.Fault, job task) {
	for fault.Nth = 1; ; fault.Nth++ {
		took, struck := cancelled(t, job, 1, fault)
		if !struck {
			return
		}
		if fault.Stall && fault.Method == "" { // with blobs side by side, too
			many, _ := cancelled(t, job, 8, fault)
			took = max(took, many)
		}
		if took > 500*time.Millisecond {
			t.Errorf("request %d: back after %s", fault.Nth, took)
		}
		count.add(outcome{took: took}, "task "+job.name, "fault "+name)
	}
}

// cancelled cancels a task when it waits for what a fault keeps from it. It is false when the task ended without being struck.
func cancelled(t *testing.T, job task, copies int64, fault registrytest.Fault) (took time.Duration, struck bool) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, &job, copies, false)
		p.struck(&job).SetFaults(fault)
		closed := p.connect(&job)
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		done := make(chan error, 1)
		go func() { done <- job.run(ctx, p) }()
		for counted(p.struck(&job), fault) < fault.Nth {
			select {
			case err := <-done:
				expectIs(t, err, nil)
				closed()
				return
			case <-time.After(time.Millisecond): // there may be waits without a fault
			}
		}
		synctest.Wait()
		start := time.Now()
		cancel(enough)
		err := <-done
		took = time.Since(start)
		closed()
		synctest.Wait()
		if struck = err != nil; !struck {
			return
		}
		expectIs(t, err, enough)
		if n := p.net.open.Load(); n != 0 {
			t.Errorf("request %d: %d connections are open afterwards", fault.Nth, n)
		}
		if fault.Times == 0 {
			p.checkSessions(t, fault.Nth)
		}
		p.check(t, &job, nil, err)
	})
	return took, struck
}

// TestMatrixTwoFaults lets two faults strike, of which and where a seed decides. The task is done, or ends with a clean error.
func TestMatrixTwoFaults(t *testing.T) {
	seeds := 60
	if nightly() {
		seeds = 500
	}
	var count tally
	t.Run("seeds", func(t *testing.T) {
		for seed := range seeds {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				out, what := twoFaults(t, uint64(seed))
				ended := "survived"
				if out.err != nil {
					ended = "error"
					t.Logf("seed %d, %s: %v", seed, what, out.err)
				}
				if again, _ := twoFaults(t, uint64(seed)); seed < 10 && ((again.err == nil) != (out.err == nil) || again.sent != out.sent) {
					t.Errorf("seed %d, %s: %d requests and error %v, then %d and %v", seed, what, out.sent, out.err, again.sent, again.err)
				}
				if t.Failed() {
					t.Logf("seed %d: %s", seed, what)
				}
				count.add(out, ended)
			})
		}
	})
	count.expect(t, map[string]int{"survived": seeds - count.cells["error"]})
	if n := count.cells["error"]; n > seeds/20 {
		t.Errorf("%d of %d ended with an error", n, seeds)
	}
}

// twoFaults runs what a seed stands for.
func twoFaults(t *testing.T, seed uint64) (outcome, string) {
	r := rand.New(rand.NewPCG(seed, 0))
	job := tasks()[r.IntN(len(tasks()))]
	what, bearer := job.name, false
	var faults []registrytest.Fault
	for range 2 {
		k := kinds()[r.IntN(len(kinds()))]
		k.fault.Nth = 1 + r.IntN(20)
		bearer = bearer || k.bearer
		faults = append(faults, k.fault)
		what += fmt.Sprintf(", %s at %d", k.name, k.fault.Nth)
	}
	return cell(t, job, 1, bearer, faults...), what
}
