package starlib

import (
	"fmt"
	"regexp"
	"strconv"

	"go.starlark.net/starlark"
)

// match is the Match of api.star.
type match struct {
	re     *regexp.Regexp
	string string
	loc    []int // start and end of each group, -1 of one that took no part
}

var matchClass = &class[*match]{name: "Match", methods: []binding{
	method("Match.group", (*match).group),
	method("Match.groups", (*match).groups),
	method("Match.start", (*match).start),
	method("Match.end", (*match).end),
}}

func (m *match) String() string                           { return fmt.Sprintf("<match %q>", m.string[m.loc[0]:m.loc[1]]) }
func (m *match) Type() string                             { return matchClass.name }
func (m *match) Freeze()                                  {}
func (m *match) Truth() starlark.Bool                     { return starlark.True }
func (m *match) Hash() (uint32, error)                    { return 0, fmt.Errorf("unhashable type: %s", m.Type()) }
func (m *match) Attr(name string) (starlark.Value, error) { return matchClass.attr(m, name) }
func (m *match) AttrNames() []string                      { return matchClass.attrNames() }

type groupArgs struct {
	Group starlark.Value `arg:"group"`
}

type groupsArgs struct {
	Default starlark.Value `arg:"default"`
}

func (m *match) group(_ *starlark.Thread, a *groupArgs) (starlark.Value, error) {
	i, err := m.number("group", a.Group)
	if err != nil {
		return nil, err
	}
	return m.text(i, starlark.None), nil
}

func (m *match) groups(_ *starlark.Thread, a *groupsArgs) (starlark.Value, error) {
	if a.Default == nil {
		a.Default = starlark.None
	}
	return m.texts(a.Default), nil
}

func (m *match) start(_ *starlark.Thread, a *groupArgs) (starlark.Value, error) {
	i, err := m.number("start", a.Group)
	if err != nil {
		return nil, err
	}
	return starlark.MakeInt(m.loc[2*i]), nil
}

func (m *match) end(_ *starlark.Thread, a *groupArgs) (starlark.Value, error) {
	i, err := m.number("end", a.Group)
	if err != nil {
		return nil, err
	}
	return starlark.MakeInt(m.loc[2*i+1]), nil
}

// text returns what group i matched, or missing if it took no part.
func (m *match) text(i int, missing starlark.Value) starlark.Value {
	if m.loc[2*i] < 0 {
		return missing
	}
	return starlark.String(m.string[m.loc[2*i]:m.loc[2*i+1]])
}

func (m *match) texts(missing starlark.Value) starlark.Tuple {
	texts := make(starlark.Tuple, m.re.NumSubexp())
	for i := range texts {
		texts[i] = m.text(i+1, missing)
	}
	return texts
}

// number returns the number of the group that an argument names.
func (m *match) number(method string, v starlark.Value) (int, error) {
	var name string
	switch v := v.(type) {
	case starlark.String:
		name = string(v)
		if _, err := strconv.Atoi(name); err == nil {
			return 0, fmt.Errorf("%s: group: a number is written without quotes: %s", method, name)
		}
	case starlark.Int:
		name = v.String()
	default:
		return 0, fmt.Errorf("%s: group: %w", method, wanted("an int or a string", v, ""))
	}
	i, err := groupNumber(m.re, name)
	if err != nil {
		return 0, fmt.Errorf("%s: group: %w", method, err)
	}
	return i, nil
}

// groupNumber finds a group of re by its number in decimal or its name.
func groupNumber(re *regexp.Regexp, name string) (int, error) {
	i, err := strconv.Atoi(name)
	if err != nil {
		i = re.SubexpIndex(name)
	}
	if i < 0 || i > re.NumSubexp() {
		return 0, fmt.Errorf("the pattern has no group %q: %s", name, groupList(re))
	}
	return i, nil
}

// groupList says which groups re has.
func groupList(re *regexp.Regexp) string {
	var names []string
	for _, name := range re.SubexpNames() {
		if name != "" {
			names = append(names, name)
		}
	}
	s := fmt.Sprintf("it has %d", re.NumSubexp())
	if len(names) > 0 {
		s += ", with the names " + quoteAll(names, ", ")
	}
	return s
}
