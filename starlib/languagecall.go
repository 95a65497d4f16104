package starlib

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// Function is a function or method of api.star.
type Function struct {
	signature *signature
	args      reflect.Type
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
	Value    bool // the argument is there and has the wrong value
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
		if err := f.checkValue(&s.params[k], &arg); err != nil {
			found = append(found, Misfit{i, err, true})
		}
	}
	if missing := s.missing(given); len(missing) > 0 && !open {
		add(-1, false, fmt.Errorf("missing %s: %s", plural(len(missing), "argument"), strings.Join(missing, ", ")))
	}
	return found
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

// checkValue is the error of a run about one argument.
func (f *Function) checkValue(p *param, arg *Argument) error {
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
			return f.signature.argError(p.name, err)
		}
	case dst.Type() != reflect.TypeFor[starlark.Value](): // which takes anything
		return f.checkTypes(p, arg.Types)
	}
	return nil
}

// checkTypes is an error when p takes none of the types.
func (f *Function) checkTypes(p *param, types []string) error {
	if len(types) == 0 || slices.ContainsFunc(types, func(typ string) bool { return typ == "NoneType" || p.takes(typ) }) {
		return nil
	}
	return f.signature.argError(p.name, &wantError{want: p.described(), got: types[0]})
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
