package check

import (
	"slices"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/starlib"
)

// builtin is a function of api.star or of Starlark.
type builtin struct {
	function *starlib.Function // of api.star
	name     string            // of another: "struct", "len"
}

// typeOf works out what an expression of a file may be.
func (c *checker) typeOf(m *module, e syntax.Expr) types {
	if e == nil {
		return nil
	}
	if t, ok := m.types[e]; ok {
		return t
	}
	m.types[e] = nil // what asks for itself is unknown
	t := c.infer(m, e)
	m.types[e] = t
	return t
}

func (c *checker) infer(m *module, e syntax.Expr) types {
	switch e := e.(type) {
	case *syntax.Ident:
		return c.typeOfName(m, e)
	case *syntax.Literal:
		return c.plain(literalKind(e))
	case *syntax.ParenExpr:
		return c.typeOf(m, e.X)
	case *syntax.ListExpr:
		return c.listOf("list", c.unionOf(m, e.List))
	case *syntax.TupleExpr:
		return c.listOf("tuple", c.unionOf(m, e.List))
	case *syntax.DictExpr:
		return c.typeOfDict(m, e)
	case *syntax.Comprehension:
		return c.typeOfComprehension(m, e)
	case *syntax.CondExpr:
		return union(c.typeOf(m, e.True), c.typeOf(m, e.False))
	case *syntax.BinaryExpr:
		return c.typeOfBinary(m, e)
	case *syntax.UnaryExpr:
		if e.Op == syntax.NOT {
			return c.plain("bool")
		}
		return c.typeOf(m, e.X)
	case *syntax.IndexExpr:
		return c.elementOf(m, e.X)
	case *syntax.SliceExpr:
		return c.typeOf(m, e.X)
	case *syntax.LambdaExpr:
		return types{&kind{name: "function", function: m.lambdas[e]}}
	case *syntax.DotExpr:
		return c.typeOfDot(m, e)
	case *syntax.CallExpr:
		return c.typeOfCall(m, e)
	}
	return nil
}

func literalKind(e *syntax.Literal) string {
	switch e.Token {
	case syntax.STRING:
		return "string"
	case syntax.BYTES:
		return "bytes"
	case syntax.FLOAT:
		return "float"
	}
	return "int"
}

// unionOf is what each of some expressions in a list may be; nothing is unknown.
func (c *checker) unionOf(m *module, list []syntax.Expr) types {
	if len(list) == 0 {
		return nil
	}
	all := types{}
	for _, e := range list {
		all = union(all, c.changeable(c.typeOf(m, e)))
	}
	return all
}

func (c *checker) typeOfDict(m *module, e *syntax.DictExpr) types {
	var values []syntax.Expr
	for _, entry := range e.List {
		if entry, ok := entry.(*syntax.DictEntry); ok {
			values = append(values, entry.Value)
		}
	}
	return c.listOf("dict", c.unionOf(m, values))
}

func (c *checker) typeOfComprehension(m *module, e *syntax.Comprehension) types {
	if entry, ok := e.Body.(*syntax.DictEntry); ok {
		return c.listOf("dict", c.changeable(c.typeOf(m, entry.Value)))
	}
	if e.Curly {
		return nil
	}
	return c.listOf("list", c.changeable(c.typeOf(m, e.Body)))
}

func (c *checker) typeOfBinary(m *module, e *syntax.BinaryExpr) types {
	switch e.Op {
	case syntax.AND, syntax.OR:
		return union(c.typeOf(m, e.X), c.typeOf(m, e.Y))
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.GT, syntax.LE, syntax.GE, syntax.IN, syntax.NOT_IN:
		return c.plain("bool")
	case syntax.PLUS, syntax.PERCENT:
		x, ok := c.typeOf(m, e.X).one()
		if !ok || x.name != "string" && x.name != "list" {
			return nil
		}
		if x.name == "string" {
			return c.plain("string") // whatever stands on the right, or it fails
		}
		return union(c.typeOf(m, e.X), c.typeOf(m, e.Y))
	}
	return nil
}

// elementOf is what a list has, what a dict gives for a key, or what iterating gives; unknown for all else.
func (c *checker) elementOf(m *module, e syntax.Expr) types {
	k, ok := c.typeOf(m, e).one()
	if !ok {
		return nil
	}
	if k.name == "string" {
		return c.plain("string")
	}
	return k.element
}

// iterated is what a for loop over e gives.
func (c *checker) iterated(m *module, e syntax.Expr) types {
	k, ok := c.typeOf(m, e).one()
	if !ok || k.name != "list" && k.name != "tuple" {
		return nil
	}
	return k.element
}

// typeOfName is what a name stands for, if it stands for one thing.
func (c *checker) typeOfName(m *module, id *syntax.Ident) types {
	if v := m.variable(id); v != nil {
		return c.typeOfVariable(v)
	}
	b, ok := id.Binding.(*resolve.Binding)
	if !ok || b == nil || b.Scope == resolve.Undefined {
		return nil
	}
	if _, own := c.opts.Predeclared[id.Name]; own {
		return nil
	}
	if f := c.lang.Function(id.Name); f != nil {
		return types{&kind{name: "builtin_function_or_method", builtin: builtin{function: f}}}
	}
	switch value := c.names[id.Name]; {
	case id.Name == "None":
		return c.plain("NoneType")
	case id.Name == "True" || id.Name == "False":
		return c.plain("bool")
	case value != nil && value.Type() == "module":
		return types{&kind{name: "module", module: id.Name}}
	}
	return types{&kind{name: "builtin_function_or_method", builtin: builtin{name: id.Name}}}
}

func (c *checker) typeOfVariable(v *variable) types {
	if v.state == untyped {
		v.state = working
		v.types = c.typeOfSources(v)
		if v.looks != len(v.reads) {
			v.types = c.changeable(v.types)
		}
		v.state = typed
	}
	return v.types // unknown while it is being worked out
}

func (c *checker) typeOfSources(v *variable) types {
	if len(v.sources) != 1 || v.tested {
		return nil
	}
	switch s := v.sources[0]; {
	case s.value != nil:
		return c.typeOf(v.module, s.value)
	case s.element != nil:
		return c.iterated(v.module, s.element)
	case s.function != nil:
		return types{&kind{name: "function", function: s.function}}
	case s.parameter != nil:
		return c.typeOfParameter(s.parameter)
	case s.load != nil && s.load.module != nil:
		if target := s.load.module.globals[s.load.stmt.From[s.index].Name]; target != nil {
			return c.typeOfVariable(target)
		}
	}
	return nil
}

// typeOfParameter is what all callers give, and the default. A function that is handed around may be called with anything.
func (c *checker) typeOfParameter(p *parameter) types {
	calls, ok := p.function.callers()
	if !ok || len(calls) == 0 {
		return nil
	}
	all := types{}
	if p.fallback != nil {
		all = c.typeOf(p.function.module, p.fallback)
	}
	for _, call := range calls {
		value, given, sure := p.argumentOf(call.node)
		switch {
		case !sure, !given && p.fallback == nil:
			return nil
		case given:
			all = union(all, c.typeOf(call.module, value))
		}
	}
	return all
}

// place is a call in a file.
type place struct {
	module *module
	node   *syntax.CallExpr
}

// callers are all calls of a function, if all are known.
func (f *function) callers() ([]place, bool) {
	v := f.variable
	if v == nil {
		return nil, false
	}
	var all []place
	for _, name := range append([]*variable{v}, v.aliases...) {
		if len(name.sources) != 1 || len(name.reads) != len(name.calls) {
			return nil, false
		}
		for _, call := range name.calls {
			all = append(all, place{name.module, call})
		}
	}
	return all, true
}

// argumentOf finds the argument of a call that is bound to p; sure is false when the call does not show it.
func (p *parameter) argumentOf(call *syntax.CallExpr) (value syntax.Expr, given, sure bool) {
	position := 0
	for _, arg := range call.Args {
		e, name, several := argument(arg)
		switch {
		case several:
			return nil, false, false
		case name != nil && name.Name == p.name:
			return e, true, true
		case name == nil && position == p.index && !p.keywordOnly:
			return e, true, true
		case name == nil:
			position++
		}
	}
	return nil, false, true
}

func (c *checker) typeOfDot(m *module, e *syntax.DotExpr) types {
	of := c.typeOf(m, e.X)
	if len(of) == 0 {
		return nil
	}
	all, found := types{}, false
	for _, k := range of {
		if t, ok := c.member(k, e.Name.Name); ok {
			all, found = union(all, t), true
		}
	}
	if !found {
		return nil
	}
	return all
}

// member is what x.name is when x is a k; ok is false when it surely has no such attribute.
func (c *checker) member(k *kind, name string) (t types, ok bool) {
	switch {
	case c.lang.IsType(k.name):
		if typ, ok := c.lang.Attribute(k.name, name); ok {
			return c.parse(typ), true
		}
		if f := c.lang.Method(k.name, name); f != nil {
			return types{&kind{name: "builtin_function_or_method", builtin: builtin{function: f}}}, true
		}
		return nil, false
	case k.name == "struct" && k.fields == nil:
		return nil, true
	case k.name == "struct":
		t, ok := k.fields[name]
		return t, ok
	case k.module != "":
		if f := c.lang.Function(k.module + "." + name); f != nil {
			return types{&kind{name: "builtin_function_or_method", builtin: builtin{function: f}}}, true
		}
	}
	return nil, slices.Contains(c.members(k), name)
}

// members are the names of the attributes of a k.
func (c *checker) members(k *kind) []string {
	switch {
	case c.lang.IsType(k.name):
		return c.lang.Members(k.name)
	case k.name == "struct":
		return k.order
	case k.module != "":
		if value, ok := c.names[k.module].(interface{ AttrNames() []string }); ok {
			return value.AttrNames()
		}
	}
	if value := sample(k.name); value != nil {
		return value.AttrNames()
	}
	return nil
}

func (c *checker) typeOfCall(m *module, e *syntax.CallExpr) types {
	k, ok := c.typeOf(m, e.Fn).one()
	switch {
	case !ok:
		return nil
	case k.function != nil:
		return c.typeOfResult(k.function)
	case k.builtin.function != nil:
		return c.parse(k.builtin.function.Result())
	}
	switch k.builtin.name {
	case "struct":
		return c.typeOfStruct(m, e)
	case "str", "repr", "type":
		return c.plain("string")
	case "len":
		return c.plain("int")
	case "print":
		return c.plain("NoneType")
	case "sorted", "list", "reversed":
		if len(e.Args) > 0 {
			value, _, several := argument(e.Args[0])
			if !several {
				return c.listOf("list", c.iterated(m, value))
			}
		}
		return c.plain("list")
	}
	return nil
}

// typeOfStruct is a struct with the fields that a call of struct names.
func (c *checker) typeOfStruct(m *module, e *syntax.CallExpr) types {
	k := &kind{name: "struct", fields: map[string]types{}, order: []string{}}
	for _, arg := range e.Args {
		value, name, several := argument(arg)
		if several || name == nil {
			return c.plain("struct")
		}
		k.fields[name.Name] = c.changeable(c.typeOf(m, value))
		k.order = append(k.order, name.Name)
	}
	slices.Sort(k.order)
	return types{k}
}

// typeOfResult is what a function of the script returns. One that may run to its end returns None too.
func (c *checker) typeOfResult(f *function) types {
	if f.state != untyped {
		return f.result
	}
	f.state = working
	all := types{}
	if !ends(f.body) {
		all = c.plain("NoneType")
	}
	for _, result := range f.results {
		if result == nil {
			all = union(all, c.plain("NoneType"))
		} else {
			all = union(all, c.typeOf(f.module, result))
		}
	}
	f.result, f.state = all, typed
	return all
}

// ends reports whether what stands behind statements is never reached. In doubt it may be.
func ends(list []syntax.Stmt) bool {
	for _, s := range list {
		switch s := s.(type) {
		case *syntax.ReturnStmt:
			return true
		case *syntax.IfStmt:
			if len(s.False) > 0 && ends(s.True) && ends(s.False) {
				return true
			}
		}
	}
	return false
}
