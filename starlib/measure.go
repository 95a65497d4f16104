package starlib

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// maxDepth is how deep lists, dicts and structs may be in each other where all of a value is looked at: what looks calls itself for each level, and Go's stack has an end.
const maxDepth = 1000

// measure is how much there is to a value: what turning it into text takes. A list of two lists of two lists is as much as what it looks like, however often one of them is in it.
type measure struct {
	left   int64 // how many steps there are to be found at most
	steps  int64
	bytes  int64 // of text, at least
	values int64
	depths int64 // of all values, added up
	path   []starlark.Value
}

// errTooMuch ends a measurement that found more steps than there are left.
var errTooMuch = errors.New("too much")

// measure counts, and charges, what it takes to turn values into text.
func (s *session) measure(thread *starlark.Thread, values ...starlark.Value) (*measure, error) {
	m := &measure{left: s.left(thread)}
	for _, v := range values {
		if err := m.add(v, 0); err == errTooMuch {
			return nil, s.charge(thread, math.MaxInt64)
		} else if err != nil {
			return nil, err
		}
	}
	return m, s.charge(thread, m.steps)
}

// add counts a value at a depth.
func (m *measure) add(v starlark.Value, depth int64) error {
	if depth > maxDepth {
		return fmt.Errorf("the %s is nested more than %d deep", v.Type(), maxDepth)
	}
	m.values, m.depths = m.values+1, m.depths+depth
	m.bytes++
	m.steps += 14
	if m.steps > m.left {
		return errTooMuch
	}
	switch v := v.(type) {
	case starlark.String:
		m.text(len(v))
	case starlark.Bytes:
		m.text(len(v))
	case starlark.Int:
		m.int(v)
	case *starlark.List:
		return m.within(v, func() error { return m.all(v, depth) })
	case starlark.Tuple:
		return m.all(v, depth)
	case *starlark.Dict:
		return m.within(v, func() error { return m.items(v.Items(), depth) })
	case *starlark.Set:
		return m.elements(v, depth)
	case *starlarkstruct.Struct:
		return m.fields(v, depth)
	}
	return nil
}

func (m *measure) text(n int) {
	m.bytes += int64(n)
	m.steps += int64(n) / 2
}

// int counts the digits of an int. The time that they take grows faster than their number.
func (m *measure) int(v starlark.Int) {
	if _, small := v.Int64(); small {
		return
	}
	bits := int64(v.BigInt().BitLen())
	m.bytes += bits / 4
	m.steps += bits + bits/1000*(bits/1000)
}

// within counts what is in a container unless that is in itself, which ends the text there.
func (m *measure) within(v starlark.Value, inner func() error) error {
	m.steps += int64(len(m.path)) / 8
	if slices.Contains(m.path, v) {
		return nil
	}
	m.path = append(m.path, v)
	err := inner()
	m.path = m.path[:len(m.path)-1]
	return err
}

func (m *measure) all(list starlark.Indexable, depth int64) error {
	for i := range list.Len() {
		if err := m.add(list.Index(i), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (m *measure) items(items []starlark.Tuple, depth int64) error {
	m.steps += int64(len(items)) * 8 // they may be sorted
	for _, item := range items {
		if err := m.add(item[0], depth+1); err != nil {
			return err
		}
		if err := m.add(item[1], depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (m *measure) elements(v starlark.Iterable, depth int64) error {
	for elem := range starlark.Elements(v) {
		if err := m.add(elem, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// fields counts those of a struct. Its text begins a new search for what is in itself, so that one around it is found by the depth alone.
func (m *measure) fields(v *starlarkstruct.Struct, depth int64) error {
	outer := m.path
	m.path = nil
	defer func() { m.path = outer }()
	for _, name := range v.AttrNames() {
		m.text(len(name))
		field, err := v.Attr(name)
		if err != nil {
			return err
		}
		if err := m.add(field, depth+1); err != nil {
			return err
		}
	}
	return nil
}
