package starlib

import (
	"fmt"
	"slices"
	"strings"
)

// Reference returns the reference of the language as Markdown (GitHub's), made from api.star. It is the same for every caller and ends in a newline. The
// error, that api.star is malformed, is that of [New].
func Reference() (string, error) {
	a, err := loadAPI()
	if err != nil {
		return "", err
	}
	r := &reference{api: a}
	r.linef("<!-- Made from starlib/api.star by go test ./starlib -run TestReference -update: edit that file instead. -->")
	r.linef("# The language of scripts")
	for paragraph := range strings.SplitSeq(a.doc, "\n\n") {
		if !strings.HasPrefix(paragraph, "This file") { // it is for those who edit it
			r.linef("%s", paragraph)
		}
	}
	r.contents()
	r.functions("Functions", a.global)
	r.types()
	r.modules()
	r.others()
	return strings.TrimSuffix(r.text.String(), "\n"), nil
}

// global reports whether a function is called by its own name.
func (a *api) global(s *signature) bool { return s.receiver == "" && s.module == "" }

// kind lists the names of one kind, in the order of the stub.
func (a *api) kind(kind string) []nameDoc {
	return slices.DeleteFunc(slices.Clone(a.names), func(d nameDoc) bool { return d.kind != kind })
}

// reference is the document as it grows.
type reference struct {
	api  *api
	text strings.Builder
}

// linef writes a paragraph, a heading or a list, and an empty line.
func (r *reference) linef(format string, args ...any) {
	fmt.Fprintf(&r.text, format+"\n\n", args...)
}

// contents links to every function and type.
func (r *reference) contents() {
	link := func(text, heading string) string { return fmt.Sprintf("[%s](#%s)", text, anchor(heading)) }
	var functions, types, modules []string
	for _, s := range r.api.functions {
		if r.api.global(s) {
			functions = append(functions, link(s.name, s.name))
		}
	}
	for _, d := range r.api.kind("type") {
		types = append(types, link(d.name, "Type "+d.name))
	}
	for _, d := range r.api.kind("module") {
		modules = append(modules, link(d.name, "Module "+d.name))
	}
	r.linef("- Functions: %s\n- Types: %s\n- Modules: %s\n- %s\n- %s", strings.Join(functions, ", "), strings.Join(types, ", "), strings.Join(modules, ", "),
		link("What comes with Starlark", "What comes with Starlark"), link("What types in this page mean", "What types in this page mean"))
}

// anchor is the fragment by which GitHub links to a heading.
func anchor(heading string) string { return strings.ReplaceAll(strings.ToLower(heading), " ", "-") }

// functions describes those that belong to one heading; nothing is written when there are none.
func (r *reference) functions(heading string, want func(*signature) bool) {
	for _, s := range r.api.functions {
		if !want(s) {
			continue
		}
		if heading != "" {
			r.linef("## %s", heading)
			heading = ""
		}
		r.function(s)
	}
}

func (r *reference) function(s *signature) {
	r.linef("### %s", s.qualified())
	r.linef("```text\n%s\n```", s.definition())
	r.linef("%s", s.doc.text)
	var params []string
	for _, p := range s.params {
		params = append(params, fmt.Sprintf("- `%s` (`%s`): %s", p.name, p.typ, p.doc))
	}
	if len(params) > 0 {
		r.linef("%s", strings.Join(params, "\n"))
	}
	if s.doc.returns.typ != "" {
		r.linef("Returns `%s`: %s", s.doc.returns.typ, s.doc.returns.text)
	}
	if s.doc.errors != "" {
		r.linef("Errors: %s", s.doc.errors)
	}
	if flags := permissionsOf(s.qualified()); len(flags) > 0 {
		r.linef("Permissions: %s.", strings.Join(flags, ", "))
	}
	if s.doc.example != "" {
		r.linef("```python\n%s\n```", s.doc.example)
	}
}

// definition is the signature as it would stand behind def, one parameter a line when it is long.
func (s *signature) definition() string {
	var parts []string
	for i, p := range s.params {
		if p.keywordOnly && (i == 0 || !s.params[i-1].keywordOnly) {
			parts = append(parts, "*")
		}
		parts = append(parts, p.definition())
	}
	const width = 100
	if line := s.qualified() + "(" + strings.Join(parts, ", ") + ")"; len(line) <= width {
		return line
	}
	return s.qualified() + "(\n    " + strings.Join(parts, ",\n    ") + ",\n)"
}

func (p *param) definition() string {
	switch {
	case p.required:
		return p.name
	case p.unset:
		return p.name + " = …"
	}
	return p.name + " = " + p.fallback.String()
}

// types describes each type with its attributes and methods.
func (r *reference) types() {
	for _, d := range r.api.kind("type") {
		r.linef("## Type %s", d.name)
		r.linef("%s", d.doc)
		var list []string
		for _, a := range r.api.attributes {
			if a.receiver == d.name {
				list = append(list, a.item())
			}
		}
		if len(list) > 0 {
			r.linef("%s", strings.Join(list, "\n"))
		}
		r.functions("", func(s *signature) bool { return s.receiver == d.name })
	}
}

// item is an attribute as a line of a list; further paragraphs are indented below it.
func (a *attributeDoc) item() string {
	typ := "`" + a.typ + "`"
	if a.readOnly {
		typ += ", read-only"
	}
	return fmt.Sprintf("- `%s` (%s): %s", a.name, typ, indented(a.doc))
}

func indented(doc string) string {
	return strings.ReplaceAll(strings.ReplaceAll(doc, "\n", "\n  "), "\n  \n", "\n\n")
}

func (r *reference) modules() {
	for _, d := range r.api.kind("module") {
		r.linef("## Module %s", d.name)
		r.linef("%s", d.doc)
		r.functions("", func(s *signature) bool { return s.module == d.name })
	}
}

// others describes the names that are not ours, and the names of types.
func (r *reference) others() {
	list := func(heading, introduction string, items []string) {
		r.linef("## %s", heading)
		r.linef("%s", introduction)
		r.linef("%s", strings.Join(items, "\n"))
	}
	var upstream, aliases []string
	for _, d := range r.api.kind("upstream") {
		upstream = append(upstream, fmt.Sprintf("- `%s`: %s", d.name, indented(d.doc)))
	}
	for _, d := range r.api.kind("alias") {
		aliases = append(aliases, fmt.Sprintf("- `%s` (`%s`): %s", d.name, d.typ, indented(d.doc)))
	}
	list("What comes with Starlark", "Besides the [built-ins of Starlark](https://github.com/google/starlark-go/blob/master/doc/spec.md) there are:", upstream)
	list("What types in this page mean", "Values have the types of Starlark. Some of them are named after what they hold:", aliases)
}
