package starlib

import (
	"cmp"
	_ "embed" // api.star
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

//go:embed api.star
var apiSource string

// loadAPI parses api.star at its first call. It fails only when the stub is malformed, which a test shows.
var loadAPI = sync.OnceValues(func() (*api, error) { return parseAPI("api.star", apiSource) })

// api is what a stub says, in the order of the file.
type api struct {
	doc        string
	names      []nameDoc // types, modules, aliases and names of go.starlark.net
	members    []nameDoc // what modules of go.starlark.net have
	functions  []*signature
	attributes []*attributeDoc
	byName     map[string]*signature // by qualified name: "image", "Image.add_files", "re.match"
}

// nameDoc describes a name that is neither a function nor an attribute.
type nameDoc struct {
	name string
	kind string // "type", "module", "alias" or "upstream"
	typ  string // of an alias: what it stands for; of a name of go.starlark.net: its signature "(x: int) -> str", or its type if it is no function
	doc  string
}

// attributeDoc describes an attribute of a type.
type attributeDoc struct {
	receiver, name string // "Image", "working_dir"
	typ            string
	accepts        string // what it can be set to, when that is more than typ
	doc            string
	readOnly       bool
}

// signature describes a function or method.
type signature struct {
	receiver string // the type of a method: "Image"; else ""
	module   string // the module of its function: "re"; else ""
	name     string // "add_files"
	params   []param
	doc      docstring
}

// param describes one parameter.
type param struct {
	name        string
	typ         string
	doc         string
	keywordOnly bool
	required    bool
	fallback    starlark.Value // the default, frozen; nil when required or unset
	unset       bool           // not given differs from None
}

// qualified returns the name by which signatureOf finds s.
func (s *signature) qualified() string {
	return strings.TrimPrefix(s.receiver+s.module+"."+s.name, ".")
}

// shown returns the name of s in messages: as it is called, but for what it is called on.
func (s *signature) shown() string {
	if s.module != "" {
		return s.qualified()
	}
	return s.name
}

// acceptsNone reports whether None is a value of p rather than "not given".
func (p *param) acceptsNone() bool { return p.unset || slices.Contains(alternatives(p.typ), "None") }

// alternatives splits a type such as "list[str | int] | None" into its parts: list[str | int] and None.
func alternatives(typ string) []string {
	var parts []string
	for part := range strings.SplitSeq(typ, " | ") {
		if n := len(parts); n > 0 && strings.Count(parts[n-1], "[") > strings.Count(parts[n-1], "]") {
			parts[n-1] += " | " + part
		} else {
			parts = append(parts, part)
		}
	}
	return parts
}

// signatureOf finds the signature of a function by its qualified name.
func signatureOf(name string) (*signature, error) {
	a, err := loadAPI()
	if err != nil {
		return nil, err
	}
	s, ok := a.byName[name]
	if !ok {
		return nil, fmt.Errorf("internal error: api.star has no function %s", name)
	}
	return s, nil
}

// owned reports whether there is a name of one kind ("type", "module").
func (a *api) owned(kind, name string) bool {
	return slices.ContainsFunc(a.names, func(d nameDoc) bool { return d.kind == kind && d.name == name })
}

// attributesOf returns the names of the attributes and methods of a type.
func (a *api) attributesOf(typ string) []string {
	var names []string
	for _, d := range a.attributes {
		if d.receiver == typ {
			names = append(names, d.name)
		}
	}
	for _, s := range a.functions {
		if s.receiver == typ {
			names = append(names, s.name)
		}
	}
	return names
}

// globals returns the names that scripts have without a receiver: functions, modules and what comes from go.starlark.net.
func (a *api) globals() []string {
	var names []string
	for _, s := range a.functions {
		if s.receiver == "" && s.module == "" {
			names = append(names, s.name)
		}
	}
	for _, d := range a.names {
		if d.kind == "module" || d.kind == "upstream" {
			names = append(names, d.name)
		}
	}
	return names
}

// parseAPI reads a stub. The error holds everything that is wrong with it.
func parseAPI(filename, source string) (*api, error) {
	file, err := new(syntax.FileOptions).Parse(filename, source, 0)
	if err != nil {
		return nil, err
	}
	p := &apiParser{api: &api{byName: map[string]*signature{}}}
	for i, stmt := range file.Stmts {
		p.declareOwner(i, stmt)
	}
	for _, stmt := range file.Stmts {
		p.declaration(stmt)
	}
	return p.api, errors.Join(p.errs...)
}

// apiParser gathers what a stub says and what is wrong with it.
type apiParser struct {
	api  *api
	errs []error
}

func (p *apiParser) errorf(at syntax.Node, format string, args ...any) {
	start, _ := at.Span()
	p.errs = append(p.errs, fmt.Errorf("%s: %s", start, fmt.Sprintf(format, args...)))
}

// declareOwner notes types, modules and the like before the names that begin with theirs.
func (p *apiParser) declareOwner(i int, stmt syntax.Stmt) {
	if doc, ok := stringOf(stmt); ok && i == 0 {
		p.api.doc = dedent(doc)
		return
	}
	name, call := assignedCall(stmt)
	if call == nil {
		return
	}
	d := nameDoc{name: name, kind: calledName(call)}
	texts, _ := p.callArgs(call)
	switch {
	case (d.kind == "alias" || d.kind == "upstream") && len(texts) == 2:
		d.typ, d.doc = texts[0], dedent(texts[1])
	case slices.Contains([]string{"type", "module", "upstream"}, d.kind) && len(texts) == 1:
		d.doc = dedent(texts[0])
	case d.kind == "attribute":
		return
	default:
		p.errorf(stmt, "%s: want type(doc), module(doc), upstream(doc), upstream(signature, doc), alias(type, doc) or attribute(type, doc)", name)
		return
	}
	p.checkDoc(stmt, name, d.doc)
	if module, member, ok := strings.Cut(name, "_"); ok && p.api.owned("upstream", module) {
		d.name = module + "." + member
		p.api.members = append(p.api.members, d)
		return
	}
	p.api.names = append(p.api.names, d)
}

// declaration takes the functions and attributes, and refuses what is neither declared here nor by declareOwner.
func (p *apiParser) declaration(stmt syntax.Stmt) {
	if def, ok := stmt.(*syntax.DefStmt); ok {
		p.function(def)
		return
	}
	if _, ok := stringOf(stmt); ok {
		return
	}
	name, call := assignedCall(stmt)
	if call == nil {
		p.errorf(stmt, "want a def or NAME = attribute(…) and the like")
		return
	}
	if calledName(call) == "attribute" {
		p.attribute(stmt, name, call)
	}
}

func (p *apiParser) attribute(stmt syntax.Stmt, name string, call *syntax.CallExpr) {
	texts, named := p.callArgs(call)
	receiver, rest := p.owner(name)
	if len(texts) != 2 || receiver == "" || !p.api.owned("type", receiver) {
		p.errorf(stmt, "%s: want TYPE_NAME = attribute(type, doc, read_only = …, accepts = …) of a declared type", name)
		return
	}
	d := &attributeDoc{receiver: receiver, name: rest, typ: texts[0], accepts: named.accepts, doc: dedent(texts[1]), readOnly: named.readOnly}
	p.checkDoc(stmt, name, d.doc)
	p.api.attributes = append(p.api.attributes, d)
}

// namedArgs is what an attribute says by name.
type namedArgs struct {
	readOnly bool
	accepts  string
}

// callArgs returns the positional texts of a declaration, and what it says by name.
func (p *apiParser) callArgs(call *syntax.CallExpr) (texts []string, named namedArgs) {
	for _, arg := range call.Args {
		name, value := keyword(arg)
		text, isText := literalText(cmp.Or(value, arg))
		switch {
		case name == "" && isText:
			texts = append(texts, text)
		case name == "read_only" && identName(value) == "True":
			named.readOnly = true
		case name == "accepts" && isText:
			named.accepts = text
		default:
			p.errorf(arg, "want a text or read_only = True, or accepts = TYPE")
		}
	}
	return texts, named
}

// owner splits Image_add_files into Image and add_files, if Image is a declared type or module.
func (p *apiParser) owner(name string) (owner, rest string) {
	before, after, ok := strings.Cut(name, "_")
	if ok && (p.api.owned("type", before) || p.api.owned("module", before)) {
		return before, after
	}
	return "", name
}

// checkDoc wants a first sentence.
func (p *apiParser) checkDoc(at syntax.Node, name, doc string) {
	first, _, _ := strings.Cut(doc, "\n\n")
	if !strings.HasSuffix(first, ".") {
		p.errorf(at, "%s: the description must begin with a sentence", name)
	}
}
