package starlib

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// EntryKind says what a name of the language is.
type EntryKind string

// The kinds of names.
const (
	EntryFunction  EntryKind = "function"
	EntryType      EntryKind = "type"
	EntryMethod    EntryKind = "method"
	EntryAttribute EntryKind = "attribute" // of a type, or a constant of a module
	EntryModule    EntryKind = "module"
	EntryAlias     EntryKind = "alias"    // what documentation calls values of another type: no name of scripts
	EntryStarlark  EntryKind = "starlark" // what every Starlark has; its own specification describes it
)

// Entry is one name of the language with what there is to say of it. Texts are paragraphs with an empty line between them, with code in backquotes; they begin with a sentence.
type Entry struct {
	Kind EntryKind
	// Name is qualified: "image", "Image.add_files", "re.match", "string.join".
	Name string
	Doc  string
	// Type is that of an attribute in the words of the documentation, such as "list[str] | None", or what an alias stands for.
	Type string
	// ReadOnly says that an attribute cannot be set.
	ReadOnly bool
	// Accepts is what an attribute can be set to; "" when it is read-only.
	Accepts string
	// Params are those of a function or method, without self.
	Params []Param
	// Returns is the type of what a function returns, "" for None, and ReturnsDoc says what that is.
	Returns, ReturnsDoc string
	// Errors says what fails, and Example is a part of a script; either may be "".
	Errors, Example string
	// Permissions are the flags without which a function may be refused, such as "--allow-net".
	Permissions []string
	// Signature takes the place of Params and Returns for functions of Starlark's library: "(x: any) -> str".
	Signature string
	// URL is where EntryStarlark is described.
	URL string
}

// Param is a parameter of a function.
type Param struct {
	Name, Type, Doc string
	KeywordOnly     bool
	Required        bool
	// Default is written as in a script. It is "" when Required, and "…" when not to give the parameter differs from every value.
	Default string
}

// API returns the names of the language: functions, types and modules, each followed by what they have, then aliases, and last what every Starlark has. The slice is the caller's.
// The error, that api.star is malformed, is that of [New].
func API() ([]Entry, error) {
	a, err := loadAPI()
	if err != nil {
		return nil, err
	}
	entries := a.entries()
	for i := range entries {
		entries[i].Permissions = permissionsOf(entries[i].Name)
	}
	return append(entries, starlarkEntries()...), nil
}

// ParseAPI reads what an embedding program says of names of its own, in the form of api.star: the result can be put behind that of [API]. filename is for the error, which tells all that is
// wrong. Nothing holds such a text and Go code together.
func ParseAPI(filename, source string) ([]Entry, error) {
	a, err := parseAPI(filename, source)
	if err != nil {
		return nil, err
	}
	return a.entries(), nil
}

// Owner is the type or module that a name belongs to, "" if none.
func (e *Entry) Owner() string {
	owner, _, ok := strings.Cut(e.Name, ".")
	if !ok {
		return ""
	}
	return owner
}

// Member is the name without its owner.
func (e *Entry) Member() string { return e.Name[strings.LastIndex(e.Name, ".")+1:] }

// Callable reports whether it is a function or method.
func (e *Entry) Callable() bool { return e.Kind == EntryFunction || e.Kind == EntryMethod }

// Summary is the first sentence of the documentation, in one line.
func (e *Entry) Summary() string {
	paragraph, _, _ := strings.Cut(e.Doc, "\n\n")
	line := strings.Join(strings.Fields(paragraph), " ")
	quoted := false
	for i := range line {
		switch {
		case line[i] == '`':
			quoted = !quoted
		case line[i] == '.' && !quoted && strings.HasPrefix(line[i+1:], " "):
			return line[:i+1]
		}
	}
	return line
}

// Definition is a function with its parameters and what it returns: in one line, or with one parameter a line if that would be wider than width; 0 is any width. Of anything else it is
// the name.
func (e *Entry) Definition(width int) string {
	if !e.Callable() || e.Signature != "" {
		return e.Name + e.Signature
	}
	var params []string
	for i, p := range e.Params {
		if p.KeywordOnly && (i == 0 || !e.Params[i-1].KeywordOnly) {
			params = append(params, "*")
		}
		params = append(params, p.definition())
	}
	end := ")"
	if e.Returns != "" {
		end += " -> " + e.Returns
	}
	if line := e.Name + "(" + strings.Join(params, ", ") + end; width == 0 || utf8.RuneCountInString(line) <= width || len(params) == 0 {
		return line
	}
	return e.Name + "(\n    " + strings.Join(params, ",\n    ") + ",\n" + end
}

func (p *Param) definition() string {
	if p.Required {
		return p.Name
	}
	return p.Name + " = " + p.Default
}

// entries are the names of a stub.
func (a *api) entries() []Entry {
	list := a.functionEntries("")
	list = append(list, a.libraryEntries("")...)
	for _, d := range a.kind("type") {
		list = append(list, Entry{Kind: EntryType, Name: d.name, Doc: d.doc})
		list = append(list, a.attributeEntries(d.name)...)
		list = append(list, a.functionEntries(d.name)...)
	}
	for _, d := range a.kind("module") {
		list = append(list, Entry{Kind: EntryModule, Name: d.name, Doc: d.doc})
		list = append(list, a.functionEntries(d.name)...)
	}
	for _, d := range a.kind("upstream") {
		if d.typ == "" {
			list = append(list, Entry{Kind: EntryModule, Name: d.name, Doc: d.doc})
			list = append(list, a.libraryEntries(d.name)...)
		}
	}
	for _, d := range a.kind("alias") {
		list = append(list, Entry{Kind: EntryAlias, Name: d.name, Doc: d.doc, Type: d.typ})
	}
	return list
}

// kind lists the names of one kind, in the order of the stub.
func (a *api) kind(kind string) []nameDoc {
	return slices.DeleteFunc(slices.Clone(a.names), func(d nameDoc) bool { return d.kind != kind })
}

// functionEntries are the functions of a module or the methods of a type; those of "" are global.
func (a *api) functionEntries(owner string) []Entry {
	var list []Entry
	for _, s := range a.functions {
		if s.receiver+s.module != owner {
			continue
		}
		e := Entry{
			Kind: EntryFunction, Name: s.qualified(), Doc: s.doc.text, Returns: s.doc.returns.typ, ReturnsDoc: s.doc.returns.text, Errors: s.doc.errors, Example: s.doc.example,
		}
		if s.receiver != "" {
			e.Kind = EntryMethod
		}
		for _, p := range s.params {
			e.Params = append(e.Params, p.entry())
		}
		list = append(list, e)
	}
	return list
}

func (p *param) entry() Param {
	e := Param{Name: p.name, Type: p.typ, Doc: p.doc, KeywordOnly: p.keywordOnly, Required: p.required}
	switch {
	case p.unset:
		e.Default = "…"
	case !p.required:
		e.Default = p.fallback.String()
	}
	return e
}

func (a *api) attributeEntries(typ string) []Entry {
	var list []Entry
	for _, d := range a.attributes {
		if d.receiver != typ {
			continue
		}
		e := Entry{Kind: EntryAttribute, Name: typ + "." + d.name, Doc: d.doc, Type: d.typ, ReadOnly: d.readOnly}
		if !d.readOnly {
			e.Accepts = cmp.Or(d.accepts, d.typ)
		}
		list = append(list, e)
	}
	return list
}

// libraryEntries are what a module of Starlark's library has; those of "" are its global functions.
func (a *api) libraryEntries(module string) []Entry {
	var list []Entry
	for _, d := range slices.Concat(a.kind("upstream"), a.members) {
		e := Entry{Kind: EntryFunction, Name: d.name, Doc: d.doc, Signature: d.typ}
		switch {
		case d.typ == "" || e.Owner() != module:
			continue
		case d.typ[0] != '(':
			e = Entry{Kind: EntryAttribute, Name: d.name, Doc: d.doc, Type: d.typ, ReadOnly: true}
		}
		list = append(list, e)
	}
	return list
}

// specification is where Starlark's own names are described.
const specification = "https://github.com/google/starlark-go/blob/master/doc/spec.md"

// starlarkEntries are the names that every Starlark has, and the methods of its values. What scripts of imgscript do with them is said; what they are, the specification says.
func starlarkEntries() []Entry {
	docs := map[string]string{
		"print": "Writes its arguments to stderr, with the place of the call before them.",
		"fail":  "Ends the script with its arguments as the error.",
		"set":   "Makes a set; scripts have them.",
	}
	anchors := map[string]string{"True": "true-and-false", "False": "true-and-false", "bytes": "strings", "bytes.elems": "string·elems"}
	entry := func(name string) Entry {
		e := Entry{Kind: EntryStarlark, Name: name, Doc: docs[name], URL: specification + "#" + strings.Replace(strings.ToLower(name), ".", "·", 1)}
		if e.Doc == "" {
			e.Doc = fmt.Sprintf("`%s` is Starlark's own.", name)
		}
		if anchor, ok := anchors[name]; ok {
			e.URL = specification + "#" + anchor
		}
		return e
	}
	list := []Entry{{Kind: EntryStarlark, Name: "load", Doc: "Gets names from another file: `load(\"//path/file.star\", \"name\")`.", URL: specification + "#load-statements"}}
	for _, name := range slices.Sorted(maps.Keys(starlark.Universe)) {
		list = append(list, entry(name))
	}
	for _, v := range []starlark.HasAttrs{starlark.String(""), starlark.Bytes(""), new(starlark.List), new(starlark.Dict), new(starlark.Set)} {
		for _, method := range v.AttrNames() {
			list = append(list, entry(v.Type()+"."+method))
		}
	}
	return list
}
