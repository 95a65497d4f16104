package starlib

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// regexpFunctions is the module re: RE2 by the names of Python's module. Its functions compile their pattern at each call, which
// takes microseconds.
var regexpFunctions = []binding{
	function("re.match", regexpMatch),
	function("re.search", regexpSearch),
	function("re.findall", regexpFindall),
	function("re.sub", regexpSub),
}

type findArgs struct {
	Pattern pattern `arg:"pattern"`
	String  string  `arg:"string"`
}

type subArgs struct {
	Pattern pattern `arg:"pattern"`
	Repl    string  `arg:"repl"`
	String  string  `arg:"string"`
	Count   int     `arg:"count"`
}

// pattern is an argument that is a regular expression.
type pattern struct {
	*regexp.Regexp
	size int64 // of its program, in instructions
}

// charge counts the work of matching a text, in steps: the matcher goes through the text once, and through as much of its program at each place as that needs.
func (p *pattern) charge(thread *starlark.Thread, text string) error {
	return charge(thread, 100*p.size+multiplied(int64(len(text)), 20+p.size/2))
}

// Unpack implements starlark.Unpacker.
func (p *pattern) Unpack(v starlark.Value) error {
	s, ok := starlark.AsString(v)
	if !ok {
		return wanted("a string", v, "")
	}
	re, err := regexp.Compile(s)
	if e := (*syntax.Error)(nil); errors.As(err, &e) {
		err = fmt.Errorf("%s: %q", e.Code, e.Expr)
		if slices.Contains([]syntax.ErrorCode{syntax.ErrInvalidPerlOp, syntax.ErrInvalidEscape, syntax.ErrInvalidNamedCapture}, e.Code) {
			err = withHint(err, "patterns are RE2's, without look-arounds and backreferences; write them as raw strings: r\"\\d+\"")
		}
	}
	p.Regexp = re
	if err == nil {
		p.size, err = programSize(s)
	}
	return err
}

// programSize is the number of instructions of a pattern that can be compiled.
func programSize(s string) (int64, error) {
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return 0, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, err
	}
	return int64(len(program.Inst)), nil
}

// regexpMatch relies on the leftmost match: if there is one at the start, it is that.
func regexpMatch(thread *starlark.Thread, a *findArgs) (starlark.Value, error) {
	if err := a.Pattern.charge(thread, a.String); err != nil {
		return nil, fmt.Errorf("re.match: %w", err)
	}
	loc := a.Pattern.FindStringSubmatchIndex(a.String)
	if loc == nil || loc[0] != 0 {
		return starlark.None, nil
	}
	return &match{a.Pattern.Regexp, a.String, loc}, nil
}

func regexpSearch(thread *starlark.Thread, a *findArgs) (starlark.Value, error) {
	if err := a.Pattern.charge(thread, a.String); err != nil {
		return nil, fmt.Errorf("re.search: %w", err)
	}
	loc := a.Pattern.FindStringSubmatchIndex(a.String)
	if loc == nil {
		return starlark.None, nil
	}
	return &match{a.Pattern.Regexp, a.String, loc}, nil
}

func regexpFindall(thread *starlark.Thread, a *findArgs) (starlark.Value, error) {
	if err := a.Pattern.charge(thread, a.String); err != nil {
		return nil, fmt.Errorf("re.findall: %w", err)
	}
	var found []starlark.Value
	for _, loc := range a.Pattern.FindAllStringSubmatchIndex(a.String, -1) {
		m := &match{a.Pattern.Regexp, a.String, loc}
		switch n := a.Pattern.NumSubexp(); n {
		case 0, 1:
			found = append(found, m.text(n, starlark.String("")))
		default:
			found = append(found, m.texts(starlark.String("")))
		}
	}
	return starlark.NewList(found), nil
}

func regexpSub(thread *starlark.Thread, a *subArgs) (starlark.Value, error) {
	if err := a.Pattern.charge(thread, a.String); err != nil {
		return nil, fmt.Errorf("re.sub: %w", err)
	}
	parts, err := parseReplacement(a.Pattern.Regexp, a.Repl)
	if err != nil {
		return nil, fmt.Errorf("re.sub: repl: %w", err)
	}
	if a.Count < 0 {
		return nil, fmt.Errorf("re.sub: count: want 0 or more, got %d", a.Count)
	}
	if a.Count == 0 {
		a.Count = -1
	}
	var b strings.Builder
	end := 0
	found := a.Pattern.FindAllStringSubmatchIndex(a.String, a.Count)
	if err := chargeReplacing(thread, found, parts); err != nil {
		return nil, fmt.Errorf("re.sub: %w", err)
	}
	for _, loc := range found {
		b.WriteString(a.String[end:loc[0]])
		for _, part := range parts {
			b.WriteString(part.literal)
			if i := 2 * part.group; i >= 0 && loc[i] >= 0 {
				b.WriteString(a.String[loc[i]:loc[i+1]])
			}
		}
		end = loc[1]
	}
	return starlark.String(b.String() + a.String[end:]), nil
}

// chargeReplacing counts the work of putting a replacement in the place of each match, and how long the text becomes by that, in steps.
func chargeReplacing(thread *starlark.Thread, found [][]int, parts []replacement) error {
	if err := charge(thread, multiplied(int64(len(found)), 20+8*int64(len(parts)))); err != nil {
		return err
	}
	size := int64(0)
	for _, loc := range found {
		for _, part := range parts {
			size += int64(len(part.literal))
			if i := 2 * part.group; i >= 0 {
				size += int64(loc[i+1] - loc[i])
			}
		}
	}
	return charge(thread, size/2)
}

// replacement is a part of what matches are replaced by: a text, then a group unless that is -1.
type replacement struct {
	literal string
	group   int
}

// parseReplacement reads Python's form: \1 and \g<1> and \g<name> are groups, \\ is a backslash; nothing else stands behind one.
func parseReplacement(re *regexp.Regexp, s string) ([]replacement, error) {
	var parts []replacement
	for {
		before, after, ok := strings.Cut(s, `\`)
		if !ok {
			return append(parts, replacement{s, -1}), nil
		}
		if rest, ok := strings.CutPrefix(after, `\`); ok {
			parts = append(parts, replacement{before + `\`, -1})
			s = rest
			continue
		}
		name, rest, ok := cutGroup(after)
		if !ok {
			return nil, fmt.Errorf(`want \1, \g<name> or \\ at %q`, `\`+after)
		}
		group, err := groupNumber(re, name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, replacement{before, group})
		s = rest
	}
}

// cutGroup takes the name or number of a group from what stands behind a backslash. Numbers have one or two digits, as in Python.
func cutGroup(s string) (name, rest string, ok bool) {
	if named, ok := strings.CutPrefix(s, "g<"); ok {
		return strings.Cut(named, ">")
	}
	n := 0
	for n < len(s) && n < 2 && isDigit(s[n]) {
		n++
	}
	return s[:n], s[n:], n > 0 && s[0] != '0'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
