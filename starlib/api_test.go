package starlib

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// described is a class of any type.
type described interface {
	describe() (name string, attributes []attributeDoc, methods []binding)
}

func (c *class[R]) describe() (string, []attributeDoc, []binding) {
	var attributes []attributeDoc
	for _, a := range c.attributes {
		attributes = append(attributes, attributeDoc{receiver: c.name, name: a.name, readOnly: a.set == nil})
	}
	return c.name, attributes, c.methods
}

// bound are all the tables that Go has for api.star: classes for its types, functions for "" (the global ones) and its modules.
var (
	boundClasses   = []described{matchClass, imageClass, indexClass, layerClass, savedClass, blobClass, credentialClass, clientClass}
	boundFunctions = map[string][]binding{"re": regexpFunctions, "": globalFunctions}
	unbound        = []string{"File", "Secret"} // types without attributes and methods
)

// TestAPI holds api.star and the Go code together: each name is on both sides, and what arguments are bound to is what the stub says.
func TestAPI(t *testing.T) {
	a, err := loadAPI()
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string][]binding{}
	for owner, table := range boundFunctions {
		functions[owner] = table
	}
	var attributes []attributeDoc
	for _, c := range boundClasses {
		name, attrs, methods := c.describe()
		functions[name] = methods
		attributes = append(attributes, attrs...)
		if !a.owned("type", name) {
			t.Errorf("api.star has no type %s", name)
		}
	}
	for _, problem := range slices.Concat(compareFunctions(a, functions), compareAttributes(a, attributes)) {
		t.Error(problem)
	}
	for _, owner := range unbound {
		if _, ok := functions[owner]; ok {
			t.Errorf("%q is bound now: take it from the list", owner)
		}
	}
}

func compareFunctions(a *api, tables map[string][]binding) (problems []string) {
	seen := map[string]bool{}
	for owner, table := range tables {
		for _, b := range table {
			seen[b.name] = true
			s := a.byName[b.name]
			if s == nil || s.receiver+s.module != owner {
				problems = append(problems, fmt.Sprintf("%s: is not in api.star, or in the wrong table", b.name))
				continue
			}
			problems = append(problems, checkArgs(s, reflect.TypeOf(b.args))...)
		}
	}
	for _, s := range a.functions {
		if !seen[s.qualified()] && !slices.Contains(unbound, s.receiver+s.module) {
			problems = append(problems, fmt.Sprintf("%s: has no Go code", s.qualified()))
		}
	}
	return problems
}

func compareAttributes(a *api, attributes []attributeDoc) (problems []string) {
	line := func(d attributeDoc) string {
		return fmt.Sprintf("%s.%s, read_only = %t", d.receiver, d.name, d.readOnly)
	}
	var stub, code []string
	for _, d := range a.attributes {
		if !slices.Contains(unbound, d.receiver) {
			stub = append(stub, line(*d))
		}
	}
	for _, d := range attributes {
		code = append(code, line(d))
		if !slices.Contains(stub, line(d)) {
			problems = append(problems, "not in api.star: "+line(d))
		}
	}
	for _, l := range stub {
		if !slices.Contains(code, l) {
			problems = append(problems, "not in Go: "+l)
		}
	}
	return problems
}

// checkArgs says how a struct differs from the signature that its fields are bound by: a field for each parameter in its order, of a Go
// type that the stub's type and default fit, and no other.
func checkArgs(s *signature, t reflect.Type) (problems []string) {
	add := func(format string, args ...any) {
		problems = append(problems, s.qualified()+": "+fmt.Sprintf(format, args...))
	}
	var fields, params []string
	for _, f := range reflect.VisibleFields(t) {
		tag, ok := f.Tag.Lookup("arg")
		if !ok {
			if !f.Anonymous {
				add("field %s has no arg tag", f.Name)
			}
			continue
		}
		name, late := strings.CutSuffix(tag, ",late")
		fields = append(fields, name)
		i := s.index(name)
		switch {
		case i < 0:
		case !f.IsExported():
			add("field of %s is not exported", name)
		case late && !s.params[i].required:
			add("%s is late and not required", name)
		default:
			problems = append(problems, checkField(s, &s.params[i], f.Type)...)
		}
	}
	for _, p := range s.params {
		params = append(params, p.name)
	}
	if !slices.Equal(fields, params) {
		add("fields %v, parameters %v", fields, params)
	}
	return problems
}

// checkField says why a Go type does not fit a parameter.
func checkField(s *signature, p *param, t reflect.Type) (problems []string) {
	add := func(format string, args ...any) {
		problems = append(problems, s.qualified()+": "+p.name+": "+fmt.Sprintf(format, args...))
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[starlark.Unpacker]()) {
		return nil
	}
	if p.unset && t != reflect.TypeFor[starlark.Value]() {
		add("a parameter whose default is unset is bound to a starlark.Value")
	}
	scalar := t
	if t.Kind() == reflect.Pointer && isScalar(t.Elem()) {
		scalar = t.Elem()
	} else if p.fallback == starlark.None && isScalar(t) && t.Kind() != reflect.String {
		add("%v cannot tell 0 from None; use a pointer", t)
	}
	if want := stubType(scalar); want != "" {
		for _, alternative := range alternatives(resolveAlias(p.typ)) {
			if alternative != want && alternative != "None" {
				add("%v does not take %s", t, alternative)
			}
		}
	} else if !t.Implements(reflect.TypeFor[starlark.Value]()) {
		add("nothing can be bound to a %v", t)
	}
	if p.fallback != nil && p.fallback != starlark.None {
		if err := p.store(p.fallback, reflect.New(t).Elem()); err != nil {
			add("the default %v: %v", p.fallback, err)
		}
	}
	return problems
}

// stubType returns the type in api.star that is bound to a Go type, "" where any may be.
func stubType(t reflect.Type) string {
	names := map[reflect.Type]string{
		reflect.TypeFor[string]():            "str",
		reflect.TypeFor[bool]():              "bool",
		reflect.TypeFor[int]():               "int",
		reflect.TypeFor[int64]():             "int",
		reflect.TypeFor[float64]():           "float",
		reflect.TypeFor[[]string]():          "list[str]",
		reflect.TypeFor[map[string]string](): "dict[str, str]",
	}
	return names[t]
}

func resolveAlias(typ string) string {
	a, err := loadAPI()
	if err != nil {
		return typ
	}
	parts := alternatives(typ)
	for i, part := range parts {
		for _, d := range a.names {
			if d.kind == "alias" && d.name == part {
				parts[i] = d.typ
			}
		}
	}
	return strings.Join(parts, " | ")
}

// TestLibrary holds api.star and the modules of Starlark's library together.
func TestLibrary(t *testing.T) {
	a, err := loadAPI()
	if err != nil {
		t.Fatal(err)
	}
	var stub, library []string
	for _, d := range a.members {
		stub = append(stub, d.name)
	}
	for _, d := range a.kind("upstream") {
		v, ok := predeclared()[d.name]
		if m, isModule := v.(*starlarkstruct.Module); isModule {
			for _, name := range m.AttrNames() {
				library = append(library, d.name+"."+name)
			}
		} else if !ok || d.typ == "" {
			t.Errorf("%s: is no module, and has no signature", d.name)
		}
	}
	slices.Sort(stub)
	slices.Sort(library)
	if !slices.Equal(stub, library) {
		t.Errorf("api.star has\n%v\nthe modules have\n%v", stub, library)
	}
}

func TestCheckArgs(t *testing.T) {
	s := parseOne(t, "one, two = None, *, three = [], four = 5, five = unset", `
      one (str): One.
      two (int): Two.
      three (list[str]): Three.
      four (int): Four.
      five (any): Five.`)
	tests := []struct {
		args any
		want string // in the first problem; "" is none
	}{
		{struct {
			One   string         `arg:"one"`
			Two   *int           `arg:"two"`
			Three []string       `arg:"three"`
			Four  int64          `arg:"four"`
			Five  starlark.Value `arg:"five"`
		}{}, ""},
		{struct {
			One   string         `arg:"one,late"`
			Two   stringOrList   `arg:"two"`
			Three *starlark.List `arg:"three"`
			Four  starlark.Value `arg:"four"`
			Five  starlark.Value `arg:"five"`
		}{}, ""},
		{struct {
			One string `arg:"one"`
		}{}, "fields [one], parameters [one two three four five]"},
		{struct {
			Six string `arg:"six"`
		}{}, "fields [six]"},
		{struct{ One string }{}, "field One has no arg tag"},
		{struct {
			one string `arg:"one"` //lint:ignore U1000 that it is not exported is the point
		}{}, "field of one is not exported"},
		{struct {
			One int `arg:"one"`
		}{}, "one: int does not take str"},
		{struct {
			Two int `arg:"two"`
		}{}, "two: int cannot tell 0 from None; use a pointer"},
		{struct {
			Three map[string]string `arg:"three"`
		}{}, "three: map[string]string does not take list[str]"},
		{struct {
			Three *starlark.Dict `arg:"three"`
		}{}, "three: the default []: want a list, got list"},
		{struct {
			Four *int `arg:"four,late"`
		}{}, "four is late and not required"},
		{struct {
			Five *int `arg:"five"`
		}{}, "five: a parameter whose default is unset is bound to a starlark.Value"},
		{struct {
			One chan int `arg:"one"`
		}{}, "one: nothing can be bound to a chan int"},
	}
	for _, tt := range tests {
		problems := checkArgs(s, reflect.TypeOf(tt.args))
		if tt.want == "" && len(problems) > 0 || tt.want != "" && (len(problems) == 0 || !strings.Contains(problems[0], tt.want)) {
			t.Errorf("%T: got %q, want %q", tt.args, problems, tt.want)
		}
	}
}

// TestAPIStyle holds the stub to what its readers rely on.
func TestAPIStyle(t *testing.T) {
	a, err := loadAPI()
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"str", "bytes", "int", "float", "bool", "list", "dict", "tuple", "struct", "any", "None"}
	for _, d := range a.names {
		known = append(known, d.name)
	}
	check := func(where, typ string) {
		for _, word := range strings.FieldsFunc(typ, func(r rune) bool { return strings.ContainsRune(" |[](),", r) }) {
			if !slices.Contains(known, word) && !strings.Contains(typ, "struct(") {
				t.Errorf("%s: unknown type %q in %q", where, word, typ)
			}
		}
	}
	for _, s := range a.functions {
		for _, p := range s.params {
			check(s.qualified()+"."+p.name, p.typ)
			if !strings.HasSuffix(p.doc, ".") && !strings.HasSuffix(p.doc, "`") {
				t.Errorf("%s: %s: %q is not a sentence", s.qualified(), p.name, p.doc)
			}
		}
		if s.doc.returns.typ != "" {
			check(s.qualified(), s.doc.returns.typ)
		}
	}
	for _, d := range a.attributes {
		check(d.receiver+"."+d.name, d.typ)
		check(d.receiver+"."+d.name, d.accepts)
	}
}

// TestAPIExamples: examples are Starlark that parses.
func TestAPIExamples(t *testing.T) {
	a, err := loadAPI()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range a.functions {
		if s.doc.example == "" {
			continue
		}
		if _, err := dialect().Parse(s.qualified(), s.doc.example+"\n", 0); err != nil {
			t.Errorf("example of %s: %v", s.qualified(), err)
		}
	}
}
