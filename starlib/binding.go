package starlib

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// builtinFunc is what starlark.NewBuiltin takes.
type builtinFunc = func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

// binding ties a function of api.star to Go. Tables of bindings are static.
type binding struct {
	name string // qualified: "image", "Image.add_files", "re.match"
	args any    // the zero value of the struct that the arguments are bound to
	fn   builtinFunc
}

// callSteps is what a call of a function costs before it does anything, in steps: reading the arguments takes about a microsecond, and beginning something in the background
// some dozens of them.
func callSteps(name string) int64 {
	switch name {
	case "image", "fetch", "layer_from_tar", "Image.add_files", "Image.add_layer", "Image.save", "Image.sync", "Image.rebase", "Image.flatten", "Image.append", "Image.remove_files", "Image.remove_layer", "Image.layers", "Image.on", "index", "Index.save":
		return 4000
	}
	return 200
}

// noArgs is the argument struct of functions without parameters.
type noArgs struct{}

// function makes the binding of a function of api.star whose arguments are bound to an A.
func function[A any](name string, fn func(thread *starlark.Thread, args *A) (starlark.Value, error)) binding {
	steps := callSteps(name)
	return binding{name, *new(A), func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := charge(thread, steps); err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
		a, err := bindArgs[A](b, args, kwargs)
		if err != nil {
			return nil, err
		}
		return fn(thread, &a)
	}}
}

// method makes the binding of a method of api.star: function with a receiver, so that fn can be a method expression.
func method[R starlark.Value, A any](name string, fn func(recv R, thread *starlark.Thread, args *A) (starlark.Value, error)) binding {
	steps := callSteps(name)
	return binding{name, *new(A), func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := charge(thread, steps); err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
		a, err := bindArgs[A](b, args, kwargs)
		if err != nil {
			return nil, err
		}
		return fn(b.Receiver().(R), thread, &a)
	}}
}

// moduleOf makes a module of a table whose names begin with that of the module and a dot.
func moduleOf(name string, table []binding) *starlarkstruct.Module {
	m := &starlarkstruct.Module{Name: name, Members: starlark.StringDict{}}
	for _, b := range table {
		m.Members[b.name[len(name)+1:]] = starlark.NewBuiltin(b.name, b.fn)
	}
	return m
}

// attribute is how an attribute of api.star is read and set. set is nil when it is read-only; it is given what the script assigns, None too.
type attribute[R starlark.Value] struct {
	name  string
	get   func(recv R) (starlark.Value, error)
	set   func(recv R, v starlark.Value) error
	check func(v starlark.Value) error // what of set's error does not depend on recv; may be nil
	hint  string                       // for who sets what is read-only
}

// class is the static table of one type of api.star; Attr, AttrNames and SetField of its values are one line each.
type class[R starlark.Value] struct {
	name       string // as Type returns it
	attributes []attribute[R]
	methods    []binding
}

// attr implements starlark.HasAttrs.Attr.
func (c *class[R]) attr(recv R, name string) (starlark.Value, error) {
	for _, a := range c.attributes {
		if a.name == name {
			return a.get(recv)
		}
	}
	for _, m := range c.methods {
		if m.name[len(c.name)+1:] == name {
			return starlark.NewBuiltin(name, m.fn).BindReceiver(recv), nil
		}
	}
	return nil, nil
}

// attrNames implements starlark.HasAttrs.AttrNames, which wants a new slice.
func (c *class[R]) attrNames() []string {
	var names []string
	for _, a := range c.attributes {
		names = append(names, a.name)
	}
	for _, m := range c.methods {
		names = append(names, m.name[len(c.name)+1:])
	}
	return names
}

// setField implements starlark.HasSetField.SetField. Whether recv is frozen is for the caller to see to.
func (c *class[R]) setField(recv R, name string, v starlark.Value) error {
	a, err := c.assigned(name)
	if err != nil {
		return err
	}
	return a.set(recv, v)
}

// assigned finds the attribute that a script sets.
func (c *class[R]) assigned(name string) (*attribute[R], error) {
	for i := range c.attributes {
		a := &c.attributes[i]
		switch {
		case a.name != name:
		case a.set == nil:
			return nil, withHint(fmt.Errorf("%s.%s is read-only", c.name, name), a.hint)
		default:
			return a, nil
		}
	}
	for _, m := range c.methods {
		if m.name[len(c.name)+1:] == name {
			return nil, fmt.Errorf("%s.%s is a method; it cannot be set", c.name, name)
		}
	}
	return nil, starlark.NoSuchAttrError(fmt.Sprintf("%s has no .%s field", c.name, name))
}

// classTable is a class of any type, for tools.
type classTable interface {
	className() string
	bindings() []binding
	attrNames() []string
	settable() bool
	checkSet(name string, v starlark.Value) error
}

func (c *class[R]) className() string { return c.name }

func (c *class[R]) bindings() []binding { return c.methods }

// settable reports whether there is an attribute that can be set.
func (c *class[R]) settable() bool {
	return slices.ContainsFunc(c.attributes, func(a attribute[R]) bool { return a.set != nil })
}

// checkSet is the error of setField as far as it does not depend on the receiver; v is nil when it is not known.
func (c *class[R]) checkSet(name string, v starlark.Value) error {
	a, err := c.assigned(name)
	if err != nil || v == nil || a.check == nil {
		return err
	}
	return a.check(v)
}
