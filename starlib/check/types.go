package check

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// types are what a value may be, in the order in which the text says so. None at all is unknown: it may be anything.
type types []*kind

// kind is one of the things that a value may be. Kinds do not change once they are made.
type kind struct {
	name    string // as type() says it: "Image", "string", "function"
	element types  // of a list or tuple, and of the values of a dict
	fields  map[string]types
	order   []string // of fields; nil: of a struct nothing is known

	builtin  builtin   // of api.star or Starlark
	function *function // of the script
	module   string    // "re"
}

// maxTypes is how many things a value may be before it may be anything.
const maxTypes = 8

// union is what a value may be that is one or the other. One that is unknown makes it unknown.
func union(a, b types) types {
	if a == nil || b == nil {
		return nil
	}
	all := slices.Clone(a)
	for _, k := range b {
		i := slices.IndexFunc(all, func(other *kind) bool { return other == k || alike(other, k) })
		if i < 0 {
			all = append(all, k)
		} else if all[i] != k {
			all[i] = merge(all[i], k)
		}
	}
	if len(all) > maxTypes {
		return nil
	}
	return all
}

// alike reports whether two kinds differ only in what is in them.
func alike(a, b *kind) bool {
	if a.name != b.name || a.builtin != b.builtin || a.function != b.function || a.module != b.module {
		return false
	}
	return (a.fields == nil) == (b.fields == nil) && slices.Equal(a.order, b.order)
}

// merge is a kind in which is what is in two that are alike. Deeper than one level nothing is compared: what differs there is unknown.
func merge(a, b *kind) *kind {
	k := *a
	k.element = shallow(a.element, b.element)
	if a.fields != nil {
		k.fields = map[string]types{}
		for _, name := range a.order {
			k.fields[name] = shallow(a.fields[name], b.fields[name])
		}
	}
	return &k
}

// shallow is a union that makes nothing new but of kinds without content.
func shallow(a, b types) types {
	for _, k := range slices.Concat(a, b) {
		if (k.element != nil || k.fields != nil) && !(slices.Contains(a, k) && slices.Contains(b, k)) {
			return nil
		}
	}
	return union(a, b)
}

// changeable is t for a value that somebody may have changed since: what is in lists and dicts is unknown.
func (c *checker) changeable(t types) types {
	if !slices.ContainsFunc(t, (*kind).isOpen) {
		return t
	}
	all := types{}
	for _, k := range t {
		if k.isOpen() {
			all = union(all, c.plain(k.name))
		} else {
			all = union(all, types{k})
		}
	}
	return all
}

// isOpen reports whether k is known to have something in it that may be replaced.
func (k *kind) isOpen() bool { return k.element != nil && (k.name == "list" || k.name == "dict") }

// names are what type() may say.
func (t types) names() []string {
	var names []string
	for _, k := range t {
		names = append(names, k.name)
	}
	return names
}

// one is the kind of a value that can be only one thing.
func (t types) one() (*kind, bool) {
	if len(t) != 1 {
		return nil, false
	}
	return t[0], true
}

// plain is the kind that has nothing but a name.
func (c *checker) plain(name string) types {
	k := c.kinds[name]
	if k == nil {
		k = &kind{name: name}
		c.kinds[name] = k
	}
	return types{k}
}

// listOf is a list, or another collection, of what may be of some types.
func (c *checker) listOf(name string, element types) types {
	if element == nil {
		return c.plain(name)
	}
	return types{&kind{name: name, element: element}}
}

// parse reads a type of api.star; "" is that of a function that returns nothing.
func (c *checker) parse(typ string) types {
	if typ == "" {
		return c.plain("NoneType")
	}
	if t, ok := c.parsed[typ]; ok {
		return t
	}
	t := types{}
	for _, part := range c.lang.Expand(typ) {
		t = union(t, c.parseOne(part))
	}
	c.parsed[typ] = t
	return t
}

func (c *checker) parseOne(part string) types {
	base, inner, _ := strings.Cut(part, "[")
	inner = strings.TrimSuffix(inner, "]")
	if base, fields, ok := strings.Cut(part, "("); ok && base == "struct" {
		k := &kind{name: "struct", fields: map[string]types{}}
		for name := range strings.SplitSeq(strings.TrimSuffix(fields, ")"), ", ") {
			k.fields[name], k.order = nil, append(k.order, name)
		}
		slices.Sort(k.order)
		return types{k}
	}
	switch base {
	case "str":
		return c.plain("string")
	case "None":
		return c.plain("NoneType")
	case "bytes", "int", "float", "bool", "tuple", "struct":
		return c.plain(base)
	case "list":
		return c.listOf("list", c.inner(inner))
	case "dict":
		_, value, _ := strings.Cut(inner, ", ")
		return c.listOf("dict", c.inner(value))
	}
	if c.lang.IsType(base) {
		return c.plain(base)
	}
	return nil
}

// inner is the type in brackets, of which there may be none.
func (c *checker) inner(typ string) types {
	if typ == "" {
		return nil
	}
	return c.parse(typ)
}

// sample is a value of a kind of Starlark's own that has methods, or nil.
func sample(name string) starlark.HasAttrs {
	switch name {
	case "string":
		return starlark.String("")
	case "bytes":
		return starlark.Bytes("")
	case "list":
		return starlark.NewList(nil)
	case "dict":
		return new(starlark.Dict)
	}
	return nil
}
