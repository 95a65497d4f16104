package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/transport"
)

// Options says what a run may read and what it starts from. nil and the zero value: the root is the working directory.
type Options struct {
	// Root is the directory outside of which nothing local is read or written, unless the policy allows it. It is "." when both it and Files are empty.
	Root string
	// Files takes the place of Root: local paths are read from it, and layouts cannot be written.
	Files fs.FS
	// Dir is the directory below the root, slash-separated, that relative paths are relative to; "" is the root itself.
	Dir string
	// Platform picks from indexes, "os/arch[/variant]"; "" is linux/amd64 on every machine.
	Platform string
	// Epoch is the time of files and of changed images; zero is 1970-01-01.
	Epoch time.Time
	// Policy is asked before anything outside the root, the network or a repository is touched; nil is DefaultPolicy.
	Policy *Policy
	// Plan makes a run that writes nothing but the cache: Report.Plan says what it would write. Layers are built, and what is read later in the run is as if all
	// before had been written. The policy is asked as always. Of registries, rights to read are enough.
	Plan bool
	// Limits bound what the run may do.
	Limits Limits
	// Inputs has the report list all that the run read. It costs the digests of local files, which the cache knows of those that did not change.
	Inputs bool
	// Lock says what the tags of bases stand for, and whether the network is there; nil locks nothing.
	Lock *LockOptions
	// Shuffle has the directories of the root seem to be in an order that chance makes, to show that nothing depends on it.
	Shuffle bool
	// Events is told what goes on, from many goroutines but one call at a time; nil drops it.
	Events func(Event)
}

// Run is one run: a scope of steps which start when they are asked for and are joined when they are needed, at the latest at its end. Its
// methods, and those of what it hands out, are for the goroutine that [Engine.Do] called; what they start runs beside it.
type Run struct {
	engine   *Engine
	registry *registry.Client // the engine's; in a plan it only reads
	plan     *planning        // nil in a run that writes
	opts     Options
	platform image.Platform
	tree     *layer.Tree
	anchors  anchors         // of what is outside the root, and of layouts
	ctx      context.Context // a run is a scope, like errgroup.Group: the one type that holds a context
	cancel   context.CancelCauseFunc
	stop     context.CancelFunc // of the time limit
	group    sync.WaitGroup
	flights  flights
	derived  derivations
	whole    transport.Whole // archives and daemons
	events   sink
	lock     *locking

	mu      sync.Mutex
	steps   []*step
	failed  *step // the first, in program order, that failed of its own
	ended   bool  // the caller's function returned
	places  map[flightKey][]string
	saves   map[string][]*step // of saves and copies, by location
	written map[string]bool    // by clients, by location
	tagged  map[tagName]earlier
	bases   map[baseKey]knownBase
	saved   []savedAs
	copies  []*copying
	inputs  []Input
	made    map[digest.Digest]content.Fetcher // where what was saved can be read, for Compare
	changes []*change
	looked  *look // the last look into an image
}

// Report is what a run did.
type Report struct {
	Saved    []Saved  // in program order
	Copied   []Copied // in program order; of a copy that failed what it had written before
	Unsaved  []string // references whose save or copy did not end, in program order; only of a failed run
	Plan     *Plan    // of a run with Options.Plan, whose Saved and Copied are what would be; of a failed one what it had planned by then
	Warnings []string
	Inputs   []Input     // sorted by kind and name, of a run with Options.Inputs; of a failed run those up to there
	Lock     *LockReport // nil without a lock

	made map[digest.Digest]content.Fetcher // where what was saved can be read
}

// Caller is the Origin of the calling line of Go code.
func Caller() Origin {
	_, file, line, ok := runtime.Caller(1)
	if !ok {
		return goCaller("a Go caller")
	}
	return goCaller(fmt.Sprintf("%s:%d", path.Base(file), line))
}

type goCaller string

// String implements Origin.
func (c goCaller) String() string { return string(c) }

// Do runs f and joins everything that it started. The error is the first in program order: a *[StepError] of a step, what f returned, or, of a run that
// succeeded otherwise, a *[LostChangeError]. The report is there in each case.
func (e *Engine) Do(ctx context.Context, opts *Options, f func(*Run) error) (*Report, error) {
	r, err := e.newRun(ctx, opts)
	if err != nil {
		return &Report{}, err
	}
	defer r.close()
	release := e.cache.Hold()
	defer func() {
		release()
		_ = e.cache.Trim(context.WithoutCancel(ctx)) // what it leaves undone the next run does
	}()
	err = protect(func() error { return f(r) })
	r.end(err)
	r.group.Wait()
	r.events.close()
	return r.report(), r.outcome(ctx, err)
}

func protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	return f()
}

func (e *Engine) newRun(ctx context.Context, opts *Options) (*Run, error) {
	r := &Run{
		engine: e, places: map[flightKey][]string{}, saves: map[string][]*step{}, written: map[string]bool{}, tagged: map[tagName]earlier{}, bases: map[baseKey]knownBase{},
	}
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.Platform == "" {
		r.opts.Platform = "linux/amd64"
	}
	r.lock = newLocking(r)
	var err error
	if r.platform, err = image.ParsePlatform(r.opts.Platform); err != nil {
		return nil, err
	}
	if r.opts.Epoch.IsZero() {
		r.opts.Epoch = time.Unix(0, 0)
	}
	r.opts.Epoch = r.opts.Epoch.UTC().Truncate(time.Second)
	if err := r.openTree(); err != nil {
		return nil, err
	}
	r.registry = e.registry
	if r.opts.Plan {
		r.registry, r.plan = e.registry.ReadOnly(), &planning{cache: e.cache, mayRead: r.mayFollow}
	}
	r.events.f = r.opts.Events
	if r.opts.Shuffle {
		r.tree = r.tree.Shuffled()
	}
	r.opts.Limits = r.opts.Limits.withDefaults()
	ctx, r.stop = r.opts.Limits.withTimeout(registry.WithWaiting(ctx, r.events.waiting))
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	return r, nil
}

// ErrInterrupted says that a run's context ended before its work did.
var ErrInterrupted = errors.New("interrupted")

// errRunEnded is why work is cancelled that outlives its run; there is none, and a Future's use after the run ends at once.
var errRunEnded = errors.New("the run has ended")

func (r *Run) close() {
	r.cancel(errRunEnded)
	_ = r.whole.Close() // what it cannot remove is in the system's directory for that
	r.stop()
	r.anchors.close()
	r.tree.Close()
}

// noteFailure remembers the first failure in program order and cancels what must not go on. Before the caller's function ended, steps
// without effects go on: what the function may still wait for, and so the place where it fails, must not depend on timing.
func (r *Run) noteFailure(s *step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil || s.seq < r.failed.seq {
		r.failed = s
	}
	r.cancelAfterFailure()
}

// cancelAfterFailure ends what comes after the first failure in program order. The lock is held.
func (r *Run) cancelAfterFailure() {
	if r.failed == nil {
		return
	}
	for _, later := range r.steps[r.failed.seq+1:] {
		if later.effect || r.ended {
			later.cancel(&supersededError{r.failed})
		}
	}
}

// end says that no step will be asked for any more. Whatever f's error, what it asked for before goes on: a serial program would have done it.
func (r *Run) end(error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.cancelAfterFailure()
}

// outcome chooses the error of the run.
func (r *Run) outcome(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w: %w", ErrInterrupted, cause)
	}
	if r.failed != nil {
		return r.failed.failure()
	}
	if err != nil {
		return err
	}
	return r.lostChange()
}

// report collects the outcome of all saves.
func (r *Run) report() *Report {
	rep := &Report{Warnings: r.events.warnings, Plan: r.plan.report(), Lock: r.lock.report()}
	for _, s := range r.saved {
		if s.future.step.err == nil {
			rep.Saved = append(rep.Saved, s.future.value)
		} else if s.target != "" {
			rep.Unsaved = append(rep.Unsaved, s.target)
		}
	}
	rep.Inputs, rep.made = r.allInputs(rep.Saved), r.made
	for _, c := range r.copies {
		rep.Copied = append(rep.Copied, c.written...)
		if c.step.err != nil {
			rep.Unsaved = append(rep.Unsaved, c.to.Name())
		}
	}
	return rep
}

// settleAll returns when every step so far ended, with the first failure.
func (r *Run) settleAll() error {
	r.mu.Lock()
	n := len(r.steps)
	var last *step
	if n > 0 {
		last = r.steps[n-1]
	}
	r.mu.Unlock()
	if last == nil {
		return nil
	}
	<-last.settled
	if last.failed != nil {
		return last.failed.join()
	}
	return nil
}

// Context is that of the run: it ends when the run does.
func (r *Run) Context() context.Context { return r.ctx }
