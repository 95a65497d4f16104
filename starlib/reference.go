package starlib

import (
	"fmt"
	"maps"
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
	entries, err := API()
	if err != nil {
		return "", err
	}
	r := &reference{entries: entries}
	r.linef("<!-- Made from starlib/api.star by go test ./starlib -run TestReference -update: edit that file instead. -->")
	r.linef("# The language of scripts")
	for paragraph := range strings.SplitSeq(a.doc, "\n\n") {
		if !strings.HasPrefix(paragraph, "This file") { // it is for those who edit it
			r.linef("%s", paragraph)
		}
	}
	r.linef("The same is in the terminal: `imgscript doc image.add_files`, and in editors: [editors](editors.md).")
	r.contents()
	r.linef("## Functions")
	r.members("")
	r.owners()
	r.aliases()
	r.starlark()
	r.index()
	return strings.TrimSuffix(r.text.String(), "\n"), nil
}

// reference is the document as it grows.
type reference struct {
	entries []Entry
	text    strings.Builder
}

// linef writes a paragraph, a heading or a list, and an empty line.
func (r *reference) linef(format string, args ...any) {
	fmt.Fprintf(&r.text, format+"\n\n", args...)
}

// ours yields the entries that are not every Starlark's.
func (r *reference) ours(yield func(*Entry) bool) {
	for i := range r.entries {
		if r.entries[i].Kind != EntryStarlark && !yield(&r.entries[i]) {
			return
		}
	}
}

// heading is what an entry's description stands below; "" if it has no heading of its own.
func (e *Entry) heading() string {
	switch {
	case e.Kind == EntryType || e.Kind == EntryAlias:
		return "Type " + e.Name // a function may differ by its case alone, which links do not have
	case e.Kind == EntryModule:
		return "Module " + e.Name
	case e.Kind == EntryAttribute, e.Signature != "" && e.Owner() != "":
		return ""
	}
	return e.Name
}

// link links to the description of an entry, or to that of its owner.
func (r *reference) link(e *Entry) string {
	heading := e.heading()
	for o := range r.ours {
		if heading == "" && o.Name == e.Owner() {
			heading = o.heading()
		}
	}
	return fmt.Sprintf("[`%s`](#%s)", e.Name, anchor(heading))
}

// anchor is the fragment by which GitHub links to a heading.
func anchor(heading string) string {
	return strings.NewReplacer(" ", "-", ".", "", "'", "").Replace(strings.ToLower(heading))
}

// contents says in a line what each function, type and module is for, with links; and what those have.
func (r *reference) contents() {
	var lines []string
	for e := range r.ours {
		if e.Owner() != "" || e.Kind == EntryAlias {
			continue
		}
		line := fmt.Sprintf("- %s: %s", r.link(e), e.Summary())
		if has := r.has(e.Name); has != "" {
			line += " Has " + has + "."
		}
		lines = append(lines, line)
	}
	r.linef("## Contents")
	r.linef("%s", strings.Join(lines, "\n"))
	r.linef("Behind these: [%s](#%s), [%s](#%s), [%s](#%s).",
		typesHeading, anchor(typesHeading), starlarkHeading, anchor(starlarkHeading), indexHeading, anchor(indexHeading))
}

const (
	typesHeading    = "What types in this page mean"
	starlarkHeading = "Starlark's own"
	indexHeading    = "Index of parameters and attributes"
)

// has lists what a type or module has.
func (r *reference) has(owner string) string {
	var list []string
	for e := range r.ours {
		switch {
		case e.Owner() != owner || owner == "":
		case e.heading() == "":
			list = append(list, "`"+e.Member()+"`")
		default:
			list = append(list, fmt.Sprintf("[`%s`](#%s)", e.Member(), anchor(e.heading())))
		}
	}
	return strings.Join(list, ", ")
}

// owners describes each type and module with what it has.
func (r *reference) owners() {
	for e := range r.ours {
		if e.Kind == EntryType || e.Kind == EntryModule {
			r.linef("## %s", e.heading())
			r.linef("%s", e.Doc)
			r.members(e.Name)
		}
	}
}

// members describes what belongs to an owner, or the global functions: a list of what has no heading of its own, then the functions.
func (r *reference) members(owner string) {
	var list []string
	for e := range r.ours {
		if e.Owner() == owner && e.heading() == "" {
			list = append(list, e.item())
		}
	}
	if len(list) > 0 {
		r.linef("%s", strings.Join(list, "\n"))
	}
	for e := range r.ours {
		if e.Owner() == owner && e.heading() != "" && e.Callable() {
			r.function(e)
		}
	}
}

// item is an attribute, or a function of a library, as a line of a list; further paragraphs are indented below it.
func (e *Entry) item() string {
	if e.Callable() {
		return fmt.Sprintf("- `%s`: %s", e.Definition(0), indented(e.Doc))
	}
	typ := "`" + e.Type + "`"
	switch {
	case e.ReadOnly:
		typ += ", read-only"
	case e.Accepts != e.Type:
		typ += ", can be set to `" + e.Accepts + "`"
	}
	return fmt.Sprintf("- `%s` (%s): %s", e.Member(), typ, indented(e.Doc))
}

func indented(doc string) string {
	return strings.ReplaceAll(strings.ReplaceAll(doc, "\n", "\n  "), "\n  \n", "\n\n")
}

func (r *reference) function(e *Entry) {
	const width = 100
	r.linef("### %s", e.Name)
	r.linef("```text\n%s\n```", e.Definition(width))
	r.linef("%s", e.Doc)
	r.params("Parameters:", e, false)
	r.params("By name only:", e, true)
	if e.Returns != "" {
		r.linef("Returns %s: %s", r.typeLink(e.Returns), e.ReturnsDoc)
	}
	if e.Errors != "" {
		r.linef("Errors: %s", e.Errors)
	}
	if len(e.Permissions) > 0 {
		r.linef("Permissions: `%s`.", strings.Join(e.Permissions, "`, `"))
	}
	if e.Example != "" {
		r.linef("```python\n%s\n```", e.Example)
	}
}

// params lists the parameters that are given by name only, or the others.
func (r *reference) params(introduction string, e *Entry, keywordOnly bool) {
	var list []string
	for _, p := range e.Params {
		if p.KeywordOnly != keywordOnly {
			continue
		}
		kind := fmt.Sprintf("`%s`", p.Type)
		switch {
		case p.Required:
			kind += ", needed"
		case p.Default != "…" && p.Default != "None": // which mean that it is not given
			kind += fmt.Sprintf(", default `%s`", p.Default)
		}
		list = append(list, fmt.Sprintf("- `%s` (%s): %s", p.Name, kind, p.Doc))
	}
	if len(list) > 0 {
		r.linef("%s", introduction)
		r.linef("%s", strings.Join(list, "\n"))
	}
}

// typeLink is a type as code, with a link to the one type or alias in it.
func (r *reference) typeLink(typ string) string {
	var found []string
	for e := range r.ours {
		if (e.Kind == EntryType || e.Kind == EntryAlias) && slices.Contains(typeWords(typ), e.Name) {
			found = append(found, anchor(e.heading()))
		}
	}
	if len(found) != 1 {
		return "`" + typ + "`"
	}
	return fmt.Sprintf("[`%s`](#%s)", typ, found[0])
}

// typeWords are the names in a type.
func typeWords(typ string) []string {
	return strings.FieldsFunc(typ, func(r rune) bool { return strings.ContainsRune(" |[](),", r) })
}

// aliases says what the names of types mean.
func (r *reference) aliases() {
	r.linef("## %s", typesHeading)
	r.linef("Values have the types of Starlark; `any` is each of them. Some are named after what they hold:")
	for e := range r.ours {
		if e.Kind == EntryAlias {
			r.linef("### %s", e.heading())
			r.linef("`%s`. %s", e.Type, e.Doc)
		}
	}
}

// starlark lists the functions that every Starlark has.
func (r *reference) starlark() {
	var list []string
	for _, e := range r.entries {
		if e.Kind == EntryStarlark && e.Owner() == "" {
			list = append(list, fmt.Sprintf("[`%s`](%s)", e.Name, e.URL))
		}
	}
	r.linef("## %s", starlarkHeading)
	r.linef("These and the methods of texts, lists, dicts and sets are described in [Starlark's specification](%s): %s.", specification, strings.Join(list, ", "))
}

// index says where each parameter and attribute is.
func (r *reference) index() {
	places := map[string][]string{}
	add := func(name string, e *Entry) {
		if link := r.link(e); !slices.Contains(places[name], link) {
			places[name] = append(places[name], link)
		}
	}
	for e := range r.ours {
		if e.Kind == EntryAttribute {
			add(e.Member(), e)
		}
		for _, p := range e.Params {
			add(p.Name, e)
		}
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(places)) {
		lines = append(lines, fmt.Sprintf("- `%s`: %s", name, strings.Join(places[name], ", ")))
	}
	r.linef("## %s", indexHeading)
	r.linef("%s", strings.Join(lines, "\n"))
}
