package starlib

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/nearest"
)

// bindArgs binds the arguments of a call of b to a new A, by the signature that api.star gives b's name: "image", "re.match", or
// "add_files" with the type of b's receiver.
func bindArgs[A any](b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (A, error) {
	var dst A
	name := b.Name()
	if recv := b.Receiver(); recv != nil {
		name = recv.Type() + "." + name
	}
	s, err := signatureOf(name)
	if err != nil {
		return dst, err
	}
	return dst, s.bind(args, kwargs, &dst)
}

// bind fills the fields of *dst, a struct whose fields have an `arg:"name"` tag for each parameter (see checkArgs).
//
// None means "not given", and what is not given gets its default; a default of None leaves the field zero: a nil pointer, slice, map or
// Value, or "". A required parameter may be None only if its type in the stub says so; the field stays zero. Only where the default is unset does
// a Value get starlark.None. A default that is a list or dict is frozen. `arg:"name,late"` marks a required parameter whose absence the function reports itself.
//
// What is wrong is an error that begins with the function's name.
func (s *signature) bind(args starlark.Tuple, kwargs []starlark.Tuple, dst any) error {
	given, err := s.match(args, kwargs)
	if err != nil {
		return fmt.Errorf("%s: %w", s.shown(), err)
	}
	fields := argFields(reflect.TypeOf(dst).Elem())
	var missing []string
	for i := range s.params {
		p := &s.params[i]
		field, ok := fields[p.name]
		if !ok {
			return fmt.Errorf("internal error: %T has no field for %s of %s", dst, p.name, s.qualified())
		}
		v, ok := p.value(given[i])
		if !ok && !field.late {
			missing = append(missing, p.name)
		}
		if v == nil {
			continue
		}
		if err := p.store(v, reflect.ValueOf(dst).Elem().FieldByIndex(field.index)); err != nil {
			return s.argError(i, err)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: missing %s: %s", s.shown(), plural(len(missing), "argument"), strings.Join(missing, ", "))
	}
	return nil
}

// argError says which argument an error is about: that of the i-th parameter.
func (s *signature) argError(i int, err error) error {
	return eachWrong(err, func(err error) *argumentError { return s.argumentError(i, err) })
}

func (s *signature) argumentError(i int, err error) *argumentError {
	bad := &argumentError{name: s.params[i].name, index: i}
	if w := (*wantError)(nil); errors.As(err, &w) {
		bad.path = w.path
	}
	bad.error = fmt.Errorf("%s: %s%s: %w", s.shown(), bad.name, bad.path, err)
	return bad
}

// match assigns the arguments of a call to parameters; nil is what is not given.
func (s *signature) match(args starlark.Tuple, kwargs []starlark.Tuple) ([]starlark.Value, error) {
	given := make([]starlark.Value, len(s.params))
	for i, arg := range args {
		if i >= len(s.params) || s.params[i].keywordOnly {
			return nil, &argumentError{error: s.tooMany(args, i), index: i}
		}
		given[i] = arg
	}
	for _, kwarg := range kwargs {
		name, _ := starlark.AsString(kwarg[0])
		i := s.index(name)
		if i < 0 {
			return nil, &argumentError{error: s.unexpected(name), name: name, index: -1, keyword: true}
		}
		if given[i] != nil {
			return nil, &argumentError{error: fmt.Errorf("%s is given twice", name), name: name, index: -1, keyword: true}
		}
		given[i] = kwarg[1]
	}
	return given, nil
}

func (s *signature) index(name string) int {
	for i := range s.params {
		if s.params[i].name == name {
			return i
		}
	}
	return -1
}

// tooMany reports the positional arguments from i on. They seem to be meant for the parameters that follow.
func (s *signature) tooMany(args starlark.Tuple, i int) error {
	if i < len(s.params) {
		name := s.params[i].name
		return fmt.Errorf("%s must be given by name: %s = %s", name, name, brief(args[i]))
	}
	return fmt.Errorf("want at most %d %s, got %d", i, plural(i, "argument"), len(args))
}

func (s *signature) unexpected(name string) error {
	names := make([]string, len(s.params))
	for i := range s.params {
		names[i] = s.params[i].name
	}
	if near := nearest.Names(name, names); len(near) > 0 {
		return fmt.Errorf("unexpected keyword argument %q (did you mean %s?)", name, quoteAll(near, " or "))
	}
	if len(names) == 0 {
		return fmt.Errorf("unexpected keyword argument %q: it takes none", name)
	}
	return fmt.Errorf("unexpected keyword argument %q (there are %s)", name, quoteAll(names, ", "))
}

// value returns what is to be stored for p, nil if nothing is, and whether a required argument is there.
func (p *param) value(given starlark.Value) (v starlark.Value, ok bool) {
	switch {
	case given == nil && p.required:
		return nil, false
	case given == nil && p.unset:
		return nil, true
	case given == starlark.None && p.acceptsNone():
		if !p.unset {
			given = nil
		}
		return given, true
	case given == nil, given == starlark.None && !p.required:
		given = p.fallback
		if given == starlark.None {
			given = nil
		}
	}
	return given, true
}

// argField is a field of an argument struct.
type argField struct {
	index []int
	late  bool
}

// argFields returns the tagged fields of a struct by parameter name, those of embedded structs too.
func argFields(t reflect.Type) map[string]argField {
	fields := map[string]argField{}
	for _, f := range reflect.VisibleFields(t) {
		if tag, ok := f.Tag.Lookup("arg"); ok {
			name, late := strings.CutSuffix(tag, ",late")
			fields[name] = argField{f.Index, late}
		}
	}
	return fields
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// quoteAll quotes names and joins them.
func quoteAll(names []string, sep string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	return strings.Join(quoted, sep)
}
