package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imgscript/imgscript/starlib"
)

// Text describes an entry, in lines that are no wider than width columns where a word is not; 0 is any width. It names the types that the entry is about, and what types and modules
// have, as far as entries has them. It ends in a newline.
func Text(entries []starlib.Entry, e *starlib.Entry, width int) string {
	p := &page{width: width}
	p.line(0, title(e, width))
	p.gap()
	p.paragraphs(1, e.Doc)
	switch e.Kind {
	case starlib.EntryStarlark:
		p.gap()
		p.line(1, e.URL)
	case starlib.EntryType, starlib.EntryModule:
		p.members(entries, e)
	}
	p.params(e)
	if e.Returns != "" {
		p.section("Returns " + e.Returns)
		p.paragraphs(1, e.ReturnsDoc)
	}
	if e.Errors != "" {
		p.section("Errors")
		p.paragraphs(1, e.Errors)
	}
	if len(e.Permissions) > 0 {
		p.section("Permissions")
		p.paragraphs(1, strings.Join(e.Permissions, ", "))
	}
	if e.Example != "" {
		p.section("Example")
		p.code(1, e.Example)
	}
	if more := related(entries, e); len(more) > 0 {
		p.section("See also")
		p.paragraphs(1, strings.Join(more, ", "))
	}
	return p.text.String()
}

// List writes a line for each entry, which is cut where it would be wider than width; 0 is any width.
func List(entries []starlib.Entry, width int) string {
	p := &page{width: width}
	p.summaries(0, entries, qualified)
	return p.text.String()
}

// Contents lists all entries by kind, as List does; of those that every Starlark has, only the names.
func Contents(entries []starlib.Entry, width int) string {
	p := &page{width: width}
	for _, group := range []struct {
		heading string
		has     func(*starlib.Entry) bool
	}{
		{"Functions", func(e *starlib.Entry) bool { return e.Kind == starlib.EntryFunction && e.Owner() == "" }},
		{"Types, and what they have", func(e *starlib.Entry) bool {
			return e.Kind == starlib.EntryType || isMember(entries, e, starlib.EntryType)
		}},
		{"Modules, and what they have", func(e *starlib.Entry) bool {
			return e.Kind == starlib.EntryModule || isMember(entries, e, starlib.EntryModule)
		}},
		{"What types are called here", func(e *starlib.Entry) bool { return e.Kind == starlib.EntryAlias }},
	} {
		if list := filter(entries, group.has); len(list) > 0 {
			p.section(group.heading)
			p.summaries(1, list, qualified)
		}
	}
	var names []string
	for _, e := range filter(entries, func(e *starlib.Entry) bool { return e.Kind == starlib.EntryStarlark && e.Owner() == "" }) {
		names = append(names, e.Name)
	}
	if len(names) > 0 {
		p.section("Starlark's own")
		p.paragraphs(1, strings.Join(names, ", "))
	}
	return p.text.String()
}

// isMember reports whether an entry belongs to one of a kind.
func isMember(entries []starlib.Entry, e *starlib.Entry, kind starlib.EntryKind) bool {
	return slices.ContainsFunc(entries, func(o starlib.Entry) bool { return o.Kind == kind && o.Name == e.Owner() })
}

// title is the first line of a description: how the name is written, and what it is.
func title(e *starlib.Entry, width int) string {
	switch e.Kind {
	case starlib.EntryAttribute:
		switch {
		case e.ReadOnly:
			return fmt.Sprintf("%s: %s (read-only)", e.Name, e.Type)
		case e.Accepts != e.Type:
			return fmt.Sprintf("%s: %s (can be set to %s)", e.Name, e.Type, e.Accepts)
		}
		return e.Name + ": " + e.Type
	case starlib.EntryAlias:
		return e.Name + " = " + e.Type
	case starlib.EntryType, starlib.EntryModule:
		return string(e.Kind) + " " + e.Name
	}
	return e.Definition(width)
}

// params describes the parameters of a function.
func (p *page) params(e *starlib.Entry) {
	if len(e.Params) == 0 {
		return
	}
	p.section("Parameters")
	for _, param := range e.Params {
		kind := param.Type
		switch {
		case param.Required:
			kind += ", needed"
		case param.Default != "…" && param.Default != "None": // which mean that it is not given
			kind += ", default " + param.Default
		}
		if param.KeywordOnly {
			kind += ", by name"
		}
		p.line(1, param.Name+": "+kind)
		p.paragraphs(2, param.Doc)
	}
}

// members lists what a type or module has.
func (p *page) members(entries []starlib.Entry, owner *starlib.Entry) {
	for _, group := range []struct {
		heading string
		kinds   []starlib.EntryKind
	}{
		{"Attributes", []starlib.EntryKind{starlib.EntryAttribute}},
		{"Methods", []starlib.EntryKind{starlib.EntryMethod}},
		{"Functions", []starlib.EntryKind{starlib.EntryFunction}},
	} {
		list := filter(entries, func(e *starlib.Entry) bool { return e.Owner() == owner.Name && slices.Contains(group.kinds, e.Kind) })
		if len(list) > 0 {
			p.section(group.heading)
			p.summaries(1, list, (*starlib.Entry).Member)
		}
	}
}

// qualified is the name of an entry where what it belongs to is not said.
func qualified(e *starlib.Entry) string { return e.Name }

// summaries writes a line for each entry, which begins with its name.
func (p *page) summaries(level int, list []starlib.Entry, name func(*starlib.Entry) string) {
	longest := 0
	for i := range list {
		longest = max(longest, columns(name(&list[i])))
	}
	for i := range list {
		e := &list[i]
		p.cut(level, name(e)+strings.Repeat(" ", longest-columns(name(e))+2)+e.Summary())
	}
}

// related are the types that an entry takes and gives, other names that differ by their owner or their case alone, and what has an attribute as a parameter.
func related(entries []starlib.Entry, e *starlib.Entry) []string {
	types := []string{e.Type, e.Returns, e.Signature}
	for _, p := range e.Params {
		types = append(types, p.Type)
	}
	words := strings.FieldsFunc(strings.Join(types, " "), func(r rune) bool { return strings.ContainsRune(" |[](),:", r) })
	var names []string
	for i := range entries {
		other := &entries[i]
		isType := other.Kind == starlib.EntryType || other.Kind == starlib.EntryAlias
		ours := e.Kind != starlib.EntryStarlark && other.Kind != starlib.EntryStarlark
		switch {
		case other.Name == e.Name:
		case isType && slices.Contains(words, other.Name), ours && fold(other.Member()) == fold(e.Member()), e.Kind == starlib.EntryAttribute && hasParam(other, e.Member()):
			names = append(names, other.Name)
		}
	}
	return names
}
