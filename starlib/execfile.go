package starlib

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// How deep the tree of a file, and the values of its names, may be. What looks at them calls itself for each level, and Go's stack has an end. The parser bounds itself what is
// in brackets, but not how long a sum is, whose tree is as deep.
const (
	maxTree   = 50_000
	maxFreeze = 100_000
)

// parse reads a file.
func parse(file string, source []byte) (*syntax.File, error) {
	parsed, err := fileOptions.Parse(file, source, 0)
	if err != nil {
		return nil, err
	}
	return parsed, checkTree(parsed)
}

// execFile runs a file on a thread, as starlark.ExecFile does, unless something in it is too deep.
func (s *session) execFile(thread *starlark.Thread, file string, source []byte) (starlark.StringDict, error) {
	parsed, err := parse(file, source)
	if err != nil {
		return nil, err
	}
	guardTexts(parsed)
	program, err := starlark.FileProgram(parsed, s.names.Has)
	if err != nil {
		return nil, err
	}
	globals, err := program.Init(thread, s.names)
	if thread.Steps > maxFreeze { // each level takes one
		if name := tooDeep(globals); name != "" {
			return globals, cmp.Or(err, fmt.Errorf("the value of %s is nested more than %d deep", name, maxFreeze))
		}
	}
	globals.Freeze()
	return globals, err
}

// checkTree refuses a tree that is too deep.
func checkTree(parsed *syntax.File) (err error) {
	depth := 0
	syntax.Walk(parsed, func(n syntax.Node) bool {
		switch {
		case n == nil:
			depth--
		case err == nil && depth < maxTree:
			depth++
			return true
		case err == nil:
			err = syntax.Error{Pos: pointOf(n), Msg: fmt.Sprintf("this is nested more than %d deep", maxTree)}
		}
		return false
	})
	return err
}

// tooDeep returns the first name, in their order, whose value cannot be frozen, or "". It goes the way that freezing goes.
func tooDeep(globals starlark.StringDict) string {
	seen := map[starlark.Value]bool{}
	for _, name := range slices.Sorted(maps.Keys(globals)) {
		type level struct {
			v     starlark.Value
			depth int
		}
		for todo := []level{{globals[name], 0}}; len(todo) > 0; {
			next := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if next.depth > maxFreeze {
				return name
			}
			if isPointer(next.v) {
				if seen[next.v] {
					continue
				}
				seen[next.v] = true
			}
			inner := inside(next.v)
			for _, v := range slices.Backward(inner) {
				todo = append(todo, level{v, next.depth + 1})
			}
		}
	}
	return ""
}

func isPointer(v starlark.Value) bool {
	switch v.(type) {
	case *starlark.List, *starlark.Dict, *starlark.Set, *starlark.Function, *starlark.Builtin, *starlarkstruct.Struct, *starlarkstruct.Module:
		return true
	}
	return false
}

// inside are the values in another one that freezing that one freezes.
func inside(v starlark.Value) (values []starlark.Value) {
	switch v := v.(type) {
	case *starlark.List:
		return slices.Collect(v.Elements())
	case starlark.Tuple:
		return v
	case *starlark.Dict:
		for key, value := range v.Entries() {
			values = append(values, key, value)
		}
	case *starlark.Set:
		return slices.Collect(v.Elements())
	case *starlark.Function:
		for i := range v.NumParams() {
			if value := v.ParamDefault(i); value != nil {
				values = append(values, value)
			}
		}
		for i := range v.NumFreeVars() {
			_, value := v.FreeVar(i)
			values = append(values, value)
		}
	case *starlark.Builtin:
		if recv := v.Receiver(); recv != nil {
			values = append(values, recv)
		}
	case *starlarkstruct.Struct:
		for _, value := range v.Entries() {
			values = append(values, value)
		}
	case *starlarkstruct.Module:
		return slices.Collect(maps.Values(v.Members))
	}
	return values
}
