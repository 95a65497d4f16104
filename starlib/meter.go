package starlib

import (
	"context"
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/build"
)

// A thread counts its steps itself (starlark.Thread.Steps), and one that a module is loaded in counts on from the thread that loads it. What built-ins do is added by charge.

// limit has a thread look at the limits from now on.
func (s *session) limit(thread *starlark.Thread) {
	thread.OnMaxSteps = s.look
	s.nextLook(thread)
}

// look stops a thread that went beyond a limit.
func (s *session) look(thread *starlark.Thread) {
	switch {
	case thread.Steps > uint64(s.limits.Steps):
		s.stop(thread, s.overSteps())
	case s.depth(thread) > s.limits.CallDepth:
		s.stop(thread, &build.LimitError{Text: fmt.Sprintf("calls are nested more than %d deep", s.limits.CallDepth), Flag: "--max-call-depth"})
	default:
		s.nextLook(thread)
	}
}

// maxLook is how many steps a thread makes at most before it looks again.
const maxLook = 10_000

// nextLook says when to look again: when calls may be too deep at the earliest, each of which takes a step.
func (s *session) nextLook(thread *starlark.Thread) {
	steps := uint64(min(max(s.limits.CallDepth-s.depth(thread), 1), maxLook))
	thread.SetMaxExecutionSteps(min(thread.Steps+steps, uint64(s.limits.Steps)+1))
}

// depth is the number of calls that a thread is in. The file itself is none.
func (s *session) depth(thread *starlark.Thread) int64 { return int64(thread.CallStackDepth()) - 1 }

func (s *session) overSteps() *build.LimitError {
	return &build.LimitError{Text: fmt.Sprintf("the script takes more than %d steps", s.limits.Steps), Flag: "--max-steps"}
}

// stop ends a thread before its next step.
func (s *session) stop(thread *starlark.Thread, over *build.LimitError) {
	if s.over == nil {
		s.over = over
	}
	thread.Cancel(over.Error())
}

// charge counts the work that a built-in does as so many steps. It is called before the work where that is known. Beyond the limit it is an error, and the thread stops even if that
// is swallowed.
func charge(thread *starlark.Thread, steps int64) error {
	s, err := sessionOf(thread)
	if err != nil {
		return nil // a host's thread has limits of its own
	}
	return s.charge(thread, steps)
}

func (s *session) charge(thread *starlark.Thread, steps int64) error {
	if left := s.left(thread); steps > left {
		thread.Steps = uint64(s.limits.Steps) + 1
		return s.overSteps()
	}
	thread.Steps += uint64(max(steps, 0))
	return nil
}

// left is how many steps a thread has left.
func (s *session) left(thread *starlark.Thread) int64 {
	if thread.Steps >= uint64(s.limits.Steps) {
		return 0
	}
	return s.limits.Steps - int64(thread.Steps)
}

// stoppedError is the error of a script that a limit stopped, wherever it was.
type stoppedError struct {
	over *build.LimitError
	at   error // what the script said, with its place
}

// Error implements error.
func (e *stoppedError) Error() string { return e.over.Error() }

// Unwrap returns both errors.
func (e *stoppedError) Unwrap() []error { return []error{e.at, e.over} }

// stopped makes the error of a script that a limit stopped say so: what it was doing only says that it was cancelled.
func (s *session) stopped(err error) error {
	var over *build.LimitError
	if err == nil || errors.As(err, &over) {
		return err
	}
	if over = s.over; over == nil && !errors.As(context.Cause(s.run.Context()), &over) {
		return err
	}
	return &stoppedError{over, err}
}
