package build

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Origin is where something was asked for: a position in a script, or a Go caller (see [Caller]). Its String is shown to people.
type Origin interface{ String() string }

// StepError is the failure of one step of a run: what failed, where it was asked for, and what needed it first.
type StepError struct {
	Op       string // what failed: "add_files", "save", …
	At       Origin
	NeededBy Origin // the first, in program order, that needed the step; nil when nothing did
	NeededOp string // what that was
	Err      error
}

// Error returns the operation and its reason, without positions, which a caller may want to lay out in its own way.
func (e *StepError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *StepError) Unwrap() error { return e.Err }

// step is one thing that a run does. It starts when it is asked for and is joined when it is needed, at the latest at the end of the run.
type step struct {
	run    *Run
	seq    int // its place in program order
	op     string
	at     Origin
	effect bool // it changes something outside, so it must not go on once an earlier step failed
	prev   *step
	ctx    context.Context
	cancel context.CancelCauseFunc

	done chan struct{} // closed when the step ended; err is set before
	err  error

	settled chan struct{} // closed when this step and all before it ended; failed is set before
	failed  *step         // the first of those that failed, in program order

	neededBy Origin // guarded by run.mu
	neededOp string
}

// supersededError ends what is not done because a step before it in program order failed, or because something that it needs did. It is never shown:
// the error of that other step is.
type supersededError struct{ by *step }

// Error implements error.
func (e *supersededError) Error() string { return "not done: " + e.by.op + " failed" }

// start begins a step that needs the results of others. With effect, it ends as soon as a step before it fails.
func (r *Run) start(at Origin, op string, effect bool, needs []*step, work func(ctx context.Context, s *step) error) *step {
	s := &step{run: r, op: op, at: at, effect: effect, done: make(chan struct{}), settled: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(r.ctx)
	r.mu.Lock()
	s.seq = len(r.steps)
	if s.seq > 0 {
		s.prev = r.steps[s.seq-1]
	}
	r.steps = append(r.steps, s)
	for _, need := range needs {
		need.need(at, op)
	}
	if r.failed != nil && (effect || r.ended) {
		s.cancel(&supersededError{r.failed})
	}
	r.mu.Unlock()
	r.group.Go(func() { s.finish(s.protect(work)) })
	return s
}

// need records who needed the step first. The run's lock is held.
func (s *step) need(at Origin, op string) {
	if s.neededBy == nil {
		s.neededBy, s.neededOp = at, op
	}
}

// protect turns a panic in a step into its error, so that one bad step cannot take the embedding program down.
func (s *step) protect(work func(ctx context.Context, s *step) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v\n%s", p, debug.Stack())
		}
	}()
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	if s.effect && s.run.plan != nil { // one after the other: which of two is given a blob that both need must not depend on which is faster
		if err := s.gate(s.ctx); err != nil {
			return err
		}
	}
	return work(s.ctx, s)
}

// finish publishes the step's outcome, and, when all before it ended too, that of the program up to here.
func (s *step) finish(err error) {
	if cause := context.Cause(s.ctx); err != nil && cause != nil {
		err = cause // whatever a cancelled piece of work says, the reason is why it was cancelled
	}
	s.err = err
	if s.failedItself() {
		s.run.noteFailure(s)
	}
	close(s.done)
	if s.prev != nil {
		<-s.prev.settled
		s.failed = s.prev.failed
	}
	if s.failed == nil && s.err != nil {
		s.failed = s
	}
	s.cancel(nil)
	close(s.settled)
}

// failedItself reports whether the step failed of its own, and not because of another step.
func (s *step) failedItself() bool {
	var superseded *supersededError
	return s.err != nil && !errors.As(s.err, &superseded)
}

// wait returns when the step ended: nil when it succeeded.
func (s *step) wait(ctx context.Context) error {
	select {
	case <-s.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.err != nil {
		return &supersededError{s}
	}
	return nil
}

// gate returns when every step before s succeeded: now s may change what others see.
func (s *step) gate(ctx context.Context) error {
	if s.prev == nil {
		return nil
	}
	return s.prev.settle(ctx)
}

// settle returns when s and every step before it ended: nil when they all succeeded.
func (s *step) settle(ctx context.Context) error {
	select {
	case <-s.settled:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.failed != nil {
		return &supersededError{s.failed}
	}
	return nil
}

// failure is the step's own error with its positions. A bad value in a config is an error of the place that set it, which the step needed.
func (s *step) failure() *StepError {
	s.run.mu.Lock()
	defer s.run.mu.Unlock()
	var set *configError
	if errors.As(s.err, &set) {
		return &StepError{Op: set.name, At: set.at, NeededBy: s.at, NeededOp: s.op, Err: set.err}
	}
	return &StepError{Op: s.op, At: s.at, NeededBy: s.neededBy, NeededOp: s.neededOp, Err: s.err}
}

// Future is a result that is being worked on.
type Future[T any] struct {
	step  *step
	value T
}

// Wait returns the result when it is there. It fails with a *[StepError] when the step, or one that it needs, failed: the first in
// program order. It never blocks beyond the end of the run.
func (f *Future[T]) Wait() (T, error) {
	if err := f.step.join(); err != nil {
		var zero T
		return zero, err
	}
	return f.value, nil
}

// NeededBy records that the caller at this place is about to need the result, so that an error can say so; it returns f.
func (f *Future[T]) NeededBy(at Origin, op string) *Future[T] {
	f.step.needNow(at, op)
	return f
}

// needNow is need for who does not hold the run's lock; it returns s.
func (s *step) needNow(at Origin, op string) *step {
	s.run.mu.Lock()
	defer s.run.mu.Unlock()
	s.need(at, op)
	return s
}

// Ready reports whether the result, good or bad, is there.
func (f *Future[T]) Ready() bool {
	select {
	case <-f.step.done:
		return true
	default:
		return false
	}
}

// get is Wait for other steps.
func (f *Future[T]) get(ctx context.Context) (T, error) {
	if err := f.step.wait(ctx); err != nil {
		var zero T
		return zero, err
	}
	return f.value, nil
}

// join waits for a step from outside. Only a failure waits for the steps before it too, since the first of them is what is reported.
func (s *step) join() error {
	<-s.done
	if s.err == nil {
		return nil
	}
	<-s.settled
	if s.failed.failedItself() {
		return s.failed.failure()
	}
	return s.err
}

// async starts a step that makes a T.
func async[T any](r *Run, at Origin, op string, effect bool, needs []*step, work func(ctx context.Context, s *step) (T, error)) *Future[T] {
	f := &Future[T]{}
	ready := make(chan struct{}) // f.step is set before the step can publish f.value
	f.step = r.start(at, op, effect, needs, func(ctx context.Context, s *step) (err error) {
		<-ready
		f.value, err = work(ctx, s)
		return err
	})
	close(ready)
	return f
}

// failed is a future of a step that cannot even start.
func failedFuture[T any](r *Run, at Origin, op string, err error) *Future[T] {
	return async(r, at, op, false, nil, func(context.Context, *step) (T, error) {
		var zero T
		return zero, err
	})
}

// readyFuture is a result that was there before anybody asked: no step of the run made it.
func readyFuture[T any](r *Run, value T) *Future[T] {
	s := &step{run: r, done: make(chan struct{}), settled: make(chan struct{})}
	close(s.done)
	close(s.settled)
	return &Future[T]{step: s, value: value}
}
