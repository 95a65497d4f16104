package starlib

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Kind says what sort of thing went wrong: a program's exit code depends on it.
type Kind string

// The kinds of errors.
const (
	KindScript      Kind = "script"      // the script failed: its error, fail(), bad input
	KindUsage       Kind = "usage"       // the run was asked for wrongly: no such file, function or --var
	KindRegistry    Kind = "registry"    // a registry or the network failed
	KindCredentials Kind = "credentials" // a registry refused the credentials
	KindPolicy      Kind = "policy"      // the lock, hermeticity or a permission of the run forbids it
	KindInterrupted Kind = "interrupted" // the run was cancelled or its time was up
)

// Frame is a place in a script.
type Frame struct {
	File     string // as the script was named, or its path relative to the root
	Line     int    // from 1; 0 when it is not known
	Col      int    // from 1, in runes, a tab being one; 0 when it is not known
	EndLine  int    // the last line of the text that is to blame; 0 when that is not known
	EndCol   int    // the column behind its end
	Function string // the function that the place is in; "" at the top level of a file
	Source   string // the text of the line without its end; "" when it is not known
}

// String returns the place as "file:line:col".
func (f Frame) String() string {
	s := strings.ReplaceAll(printable(f.File), "\n", `\n`)
	if f.Line > 0 {
		s += fmt.Sprintf(":%d", f.Line)
		if f.Col > 0 {
			s += fmt.Sprintf(":%d", f.Col)
		}
	}
	return s
}

// Error is an error of a script with all that its author needs to find its cause. errors.Is and As find what it wraps.
type Error struct {
	Kind Kind
	Msg  string // what is wrong, without a position; lines are separated by "\n"
	Hint string // what to do about it; "" if there is no saying
	// Step is where it went wrong: the text to blame itself first, then the calls and loads that led there, the outermost last. Empty
	// when no place in a script is to blame.
	Step []Frame
	// Needed is where the script waited for what had failed, in the same order. Empty when that was the step itself.
	Needed   []Frame
	NeededBy string   // what waited: "save()"; only with Needed
	More     []*Error // the other errors of the same file, by position; only for what is found before a script runs

	err    error
	called *Frame // the function that a call does not fit, whose place is not the error's
}

// Error returns one line: the place and the message.
func (e *Error) Error() string {
	msg := strings.ReplaceAll(strings.TrimRight(printable(e.Msg), "\n"), "\n", "; ")
	if len(e.Step) > 0 {
		msg = e.Step[0].String() + ": " + msg
	}
	switch n := len(e.More); n {
	case 0:
		return msg
	case 1:
		return msg + " (and 1 more error)"
	default:
		return fmt.Sprintf("%s (and %d more errors)", msg, n)
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// asError makes an Error of what parsing, resolving, loading or running a script returned; nil stays nil. source returns the text of a
// file by the name that positions have, nil if it is not there; it may be nil.
//
// The kind is KindInterrupted for the errors of a context, else KindScript: who knows better sets it. An *Error that err is or wraps is kept, and
// gets what it lacks: the sources of its frames, and Needed from where the script was.
func asError(err error, source func(path string) []byte) *Error {
	if err == nil {
		return nil
	}
	e := &Error{Kind: KindScript, Msg: err.Error(), Hint: hintOf(err), err: err}
	if known := (*Error)(nil); errors.As(err, &known) {
		e = known.neededIn(err)
	} else {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			e.Kind = KindInterrupted
		}
		e.locate(err)
	}
	t := newTexts(source)
	e.addPlaces(t)
	e.addHints(t)
	return e
}

// neededIn returns a copy of e that was passed on by err: where that is an error of Starlark, its stack says where e was needed.
func (e *Error) neededIn(err error) *Error {
	copied := *e
	copied.Step, copied.Needed, copied.More = slices.Clone(e.Step), slices.Clone(e.Needed), nil
	for _, more := range e.More {
		copied.More = append(copied.More, more.neededIn(nil))
	}
	eval := (*starlark.EvalError)(nil)
	if !errors.As(err, &eval) || len(e.Needed) > 0 || len(eval.CallStack) == 0 {
		return &copied
	}
	frames := stackFrames(eval.CallStack)
	if len(e.Step) == 0 {
		copied.Step = frames
	} else if !slices.Equal(frames, e.Step) {
		copied.Needed = frames
		if n := len(eval.CallStack); e.NeededBy == "" && eval.CallStack[n-1].Pos.Line == 0 {
			copied.NeededBy = eval.CallStack[n-1].Name + "()" // the built-in that waited
		}
	}
	return &copied
}

// locate finds the place of err, and the message that belongs to that place: an error of a loaded module is that of its own
// place, not of the load statement.
func (e *Error) locate(err error) {
	var eval *starlark.EvalError
	var list resolve.ErrorList
	var one syntax.Error
	switch {
	case errors.As(err, &eval):
		e.Msg = eval.Msg
		e.locate(eval.Unwrap())
		e.Step = appendStack(e.Step, stackFrames(eval.CallStack))
		if e.called == nil && len(e.Step) > 1 && misfit.MatchString(e.Msg) {
			e.called, e.Step = &e.Step[0], e.Step[1:]
		}
	case errors.As(err, &list):
		e.addList(list)
	case errors.As(err, &one):
		e.Msg, e.Step = one.Msg, []Frame{frameAt(one.Pos)}
	}
}

// misfit is what Starlark says of a call that does not fit the function, at the place of the function.
var misfit = regexp.MustCompile(`^function \S+ (accepts |missing |got |called recursively$)`)

func (e *Error) addList(list resolve.ErrorList) {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b resolve.Error) int {
		if d := a.Pos.Line - b.Pos.Line; d != 0 {
			return int(d)
		}
		return int(a.Pos.Col - b.Pos.Col)
	})
	e.Msg, e.Step = sorted[0].Msg, []Frame{frameAt(sorted[0].Pos)}
	for _, other := range sorted[1:] {
		more := &Error{Kind: e.Kind, Msg: other.Msg, Step: []Frame{frameAt(other.Pos)}, err: other}
		e.More = append(e.More, more)
	}
}

// appendStack adds the frames of an outer error to those of the error it wraps. An error that passed through a built-in that calls back has
// the stack of the same thread twice.
func appendStack(inner, outer []Frame) []Frame {
	if len(inner) >= len(outer) && slices.Equal(inner[len(inner)-len(outer):], outer) {
		return inner
	}
	return append(inner, outer...)
}

// stackFrames returns the frames of a call stack that are in scripts, the innermost first, without sources.
func stackFrames(stack starlark.CallStack) []Frame {
	var frames []Frame
	for _, call := range slices.Backward(stack) {
		if call.Pos.Line == 0 {
			continue // a built-in
		}
		f := frameAt(call.Pos)
		if call.Name != "<toplevel>" {
			f.Function = call.Name
		}
		frames = append(frames, f)
	}
	return frames
}

func frameAt(pos syntax.Position) Frame {
	return Frame{File: pos.Filename(), Line: int(pos.Line), Col: int(pos.Col)}
}

// hinter is an error that says what to do about it, beside its text: without a full stop, "" for nothing. Packages below this one, which do not know it,
// have such errors too.
type hinter interface {
	error
	Hint() string
}

// hinted is an error with a hint, which is not part of its text.
type hinted struct {
	error
	hint string
}

// Hint implements hinter.
func (h *hinted) Hint() string { return h.hint }

func (h *hinted) Unwrap() error { return h.error }

// withHint gives err a hint, unless it is "": what to do about it, without a full stop. nil stays nil.
func withHint(err error, hint string) error {
	if err == nil || hint == "" {
		return err
	}
	return &hinted{err, hint}
}

// hintOf returns the outermost hint of err, or "".
func hintOf(err error) string {
	for h := (hinter)(nil); errors.As(err, &h); err = errors.Unwrap(h) {
		if hint := h.Hint(); hint != "" {
			return hint
		}
	}
	return ""
}
