package starlib

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// Function is a function or method of api.star.
type Function struct {
	signature *signature
	args      reflect.Type // what its arguments are bound to
	fn        builtinFunc  // nil of a method, and of what is not pure
}

// Name is the name in messages: "image", "add_files", "re.match".
func (f *Function) Name() string { return f.signature.shown() }

// Result is the type of what it returns, in the words of api.star; "" is None.
func (f *Function) Result() string { return f.signature.doc.returns.typ }

// Argument is what a tool knows of an argument from the text of a script.
type Argument struct {
	Name  string         // "" when it is given by position
	Value starlark.Value // of a constant, else nil
	Types []string       // what type() may say of it; empty when that is not known
}

// Misfit is what is wrong with an argument, or with a call.
type Misfit struct {
	Argument int // which of the call's, from 0; -1 is the call itself
	Err      error
	Value    bool // the argument is there and has the wrong value, or they do not go together
}

// CheckCall finds all that a run would refuse in a call, as far as the text shows it. open says that the call has arguments behind * or **.
func (f *Function) CheckCall(args []Argument, open bool) []Misfit {
	s := f.signature
	var found []Misfit
	add := func(i int, value bool, err error) {
		found = append(found, Misfit{i, fmt.Errorf("%s: %w", s.shown(), err), value})
	}
	given := make([]bool, len(s.params))
	positional := positionalValues(args)
	for i, arg := range args {
		k := i
		if arg.Name != "" {
			k = s.index(arg.Name)
		}
		switch {
		case k < 0:
			add(i, false, s.unexpected(arg.Name))
			continue
		case arg.Name == "" && (k >= len(s.params) || s.params[k].keywordOnly):
			add(i, false, s.tooMany(positional, i))
			return found // the others would be told the same
		case given[k]:
			add(i, false, fmt.Errorf("%s is given twice", arg.Name))
			continue
		}
		given[k] = true
		if err := f.checkValue(k, &arg); err != nil {
			found = append(found, Misfit{i, err, true})
		}
	}
	if missing := s.missing(given); len(missing) > 0 && !open {
		add(-1, false, fmt.Errorf("missing %s: %s", plural(len(missing), "argument"), strings.Join(missing, ", ")))
	}
	if len(found) == 0 {
		if err := f.checkTogether(args, open); err != nil {
			found = append(found, Misfit{-1, err, true})
		}
	}
	return found
}

// partlyKnown are arguments of which some can be checked while others are not known, which have their defaults.
type partlyKnown interface {
	checkKnown() error
}

// checkTogether is the error of a run about arguments that fit one by one. A function that touches nothing is called, if all that it is given is known.
func (f *Function) checkTogether(args []Argument, open bool) error {
	if f.args == nil {
		return nil
	}
	bound := reflect.New(f.args)
	if partly, ok := bound.Interface().(partlyKnown); ok {
		f.bindKnown(args, bound.Elem())
		if err := partly.checkKnown(); err != nil {
			return fmt.Errorf("%s: %w", f.signature.shown(), err)
		}
	}
	unknown := slices.ContainsFunc(args, func(arg Argument) bool { return arg.Value == nil })
	if f.fn == nil || open || unknown {
		return nil
	}
	var kwargs []starlark.Tuple
	for _, arg := range args {
		if arg.Name != "" {
			kwargs = append(kwargs, starlark.Tuple{starlark.String(arg.Name), arg.Value})
		}
	}
	_, err := f.fn(new(starlark.Thread), starlark.NewBuiltin(f.signature.qualified(), f.fn), positionalValues(args), kwargs)
	if errors.Is(err, errNoSession) {
		return nil
	}
	return err
}

// bindKnown binds the arguments that are known, and defaults in the place of others.
func (f *Function) bindKnown(args []Argument, bound reflect.Value) {
	given := make([]starlark.Value, len(f.signature.params))
	for i, arg := range args {
		if arg.Name != "" {
			i = f.signature.index(arg.Name)
		}
		given[i] = arg.Value
	}
	fields := argFields(f.args)
	for i := range given {
		p := &f.signature.params[i]
		if v, _ := p.value(given[i]); v != nil {
			_ = p.store(v, bound.FieldByIndex(fields[p.name].index)) // checkValue told
		}
	}
}

// positionalValues are the positional arguments as far as they are known; a text that is not stands for itself.
func positionalValues(args []Argument) starlark.Tuple {
	var values starlark.Tuple
	for _, arg := range args {
		switch {
		case arg.Name != "":
		case arg.Value != nil:
			values = append(values, arg.Value)
		default:
			values = append(values, starlark.Tuple{}) // brief shows …
		}
	}
	return values
}

func (s *signature) missing(given []bool) []string {
	var names []string
	for i := range s.params {
		if s.params[i].required && !given[i] {
			names = append(names, s.params[i].name)
		}
	}
	return names
}

// checkValue is the error of a run about the argument for the i-th parameter.
func (f *Function) checkValue(i int, arg *Argument) error {
	p := &f.signature.params[i]
	if f.args == nil {
		return nil
	}
	field, ok := argFields(f.args)[p.name]
	if !ok {
		return nil
	}
	dst := reflect.New(f.args).Elem().FieldByIndex(field.index)
	switch {
	case arg.Value != nil:
		v, _ := p.value(arg.Value)
		if v == nil {
			return nil
		}
		if err := p.store(v, dst); err != nil {
			return f.signature.argError(i, err)
		}
	case dst.Type() != reflect.TypeFor[starlark.Value](): // which takes anything
		return f.checkTypes(i, arg.Types)
	}
	return nil
}

// checkTypes is an error when the i-th parameter takes none of the types.
func (f *Function) checkTypes(i int, types []string) error {
	p := &f.signature.params[i]
	if len(types) == 0 || slices.ContainsFunc(types, func(typ string) bool { return typ == "NoneType" || p.takes(typ) }) {
		return nil
	}
	return f.signature.argError(i, &wantError{want: p.described(), got: types[0]})
}

// takes reports whether a value of a type, as type() names it, may be one for p. In doubt it may.
func (p *param) takes(typ string) bool {
	names := map[string]string{"string": "str", "bytes": "bytes", "int": "int", "float": "float", "bool": "bool", "list": "list", "tuple": "list", "dict": "dict",
		"function": "function", "builtin_function_or_method": "function"}
	name, ok := names[typ]
	a, err := loadAPI()
	switch {
	case err != nil || !ok && !a.owned("type", typ):
		return true
	case !ok:
		name = typ
	}
	for _, alternative := range a.expand(p.typ) {
		base, _, _ := strings.Cut(alternative, "[")
		base, _, _ = strings.Cut(base, "(")
		if base == "any" || base == name || base == "tuple" && typ == "tuple" {
			return true
		}
	}
	return false
}
