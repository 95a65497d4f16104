package starlib

import (
	"fmt"
	"math"
	"math/bits"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// cost is what a built-in of Starlark is about to do; an error forbids it.
type cost = func(s *session, thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) error

// metered are the built-ins of Starlark whose work grows with what they are given, each of which counts that before it is done. The operators and the methods of
// Starlark's own values have no such place: what those do is bounded by the memory that there is, and their steps are not counted.
func metered() starlark.StringDict {
	names := starlark.StringDict{"range": starlark.NewBuiltin("range", meteredRange), guardName: starlark.NewBuiltin(guardName, countText)}
	for name, cost := range map[string]cost{
		"list": perElement(8), "tuple": perElement(8), "set": perElement(16), "dict": perElement(24), "bytes": perElement(4), "reversed": perElement(8),
		"enumerate": perElement(16), "any": perElement(4), "all": perElement(4), "min": perElement(8), "max": perElement(8), "hash": perElement(1),
		"zip": zipping, "sorted": sorting, "int": digits, "float": digits,
		"str": writingText, "repr": writingText, "print": writingText, "fail": writingText,
	} {
		names[name] = meter(starlark.Universe[name].(*starlark.Builtin), cost)
	}
	return names
}

// meter puts a cost before a built-in.
func meter(b *starlark.Builtin, cost cost) *starlark.Builtin {
	return starlark.NewBuiltin(b.Name(), func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		s, err := sessionOf(thread)
		if err == nil { // else it is a host's thread, which has limits of its own
			err = cost(s, thread, args, kwargs)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", b.Name(), err)
			}
		}
		return b.CallInternal(thread, args, kwargs)
	})
}

// perElement is the cost of going through all that is in the arguments.
func perElement(steps int64) cost {
	return func(s *session, thread *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) error {
		return s.charge(thread, multiplied(elements(args), steps))
	}
}

// elements is how many elements the arguments have together; what has no length is one.
func elements(args starlark.Tuple) int64 {
	n := int64(0)
	for _, arg := range args {
		n += min(int64(max(starlark.Len(arg), 1)), math.MaxInt64-n)
	}
	return n
}

// multiplied is a product that does not overflow; no factor is negative.
func multiplied(a, b int64) int64 {
	if high, low := bits.Mul64(uint64(a), uint64(b)); high == 0 && low < math.MaxInt64 {
		return int64(low)
	}
	return math.MaxInt64
}

// zipping is the cost of zip, which ends with the shortest of its arguments.
func zipping(s *session, thread *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) error {
	shortest := int64(math.MaxInt64)
	for _, arg := range args {
		if n := starlark.Len(arg); n >= 0 {
			shortest = min(shortest, int64(n))
		}
	}
	if shortest == math.MaxInt64 {
		return nil // none has a length
	}
	return s.charge(thread, multiplied(shortest, 16+8*int64(len(args))))
}

func sorting(s *session, thread *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) error {
	n := elements(args)
	return s.charge(thread, multiplied(n, 12*int64(bits.Len64(uint64(n)))))
}

// digits is the cost of reading a number, whose time grows faster than its length.
func digits(s *session, thread *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) error {
	n := elements(args[:min(len(args), 1)])
	return s.charge(thread, 4+n+multiplied(n/64, n/64))
}

func writingText(s *session, thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) error {
	_, err := s.measure(thread, args...)
	return err
}

// ranged is a range that counts some steps for each element that something goes through: so that what no call counts, such as list.extend(range(n)), ends too.
type ranged struct {
	sequence
	s *session
}

// sequence is what a range of Starlark is.
type sequence interface {
	starlark.Sliceable
	starlark.Sequence
	starlark.Container
	starlark.Comparable
}

func meteredRange(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Universe["range"].(*starlark.Builtin).CallInternal(thread, args, kwargs)
	if err != nil {
		return nil, err
	}
	return rangeOf(thread, v), nil
}

func rangeOf(thread *starlark.Thread, v starlark.Value) starlark.Value {
	s, err := sessionOf(thread)
	inner, ok := v.(sequence)
	if err != nil || !ok {
		return v
	}
	return ranged{inner, s}
}

// Slice implements starlark.Sliceable.
func (r ranged) Slice(start, end, step int) starlark.Value {
	return rangeOf(r.s.thread, r.sequence.Slice(start, end, step))
}

// CompareSameType implements starlark.Comparable.
func (r ranged) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	if other, ok := y.(ranged); ok {
		y = other.sequence
	}
	return r.sequence.CompareSameType(op, y, depth)
}

// Iterate implements starlark.Iterable.
func (r ranged) Iterate() starlark.Iterator { return &rangedIterator{r.sequence.Iterate(), r.s} }

// rangeSteps is what an element costs, in steps: making it and putting it somewhere.
const rangeSteps = 3

type rangedIterator struct {
	starlark.Iterator
	s *session
}

// Next implements starlark.Iterator. Beyond the limit of steps there is nothing more, and the thread stops before its next step.
func (i *rangedIterator) Next(p *starlark.Value) bool {
	thread := i.s.thread
	if thread == nil { // the run is over, and who iterates is the host
		return i.Iterator.Next(p)
	}
	thread.Steps += rangeSteps
	return thread.Steps <= uint64(i.s.limits.Steps) && i.Iterator.Next(p)
}
