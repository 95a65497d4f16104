package manual

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/imgscript/imgscript/starlib"
)

// StubsFile is the name by which editors that know Python take a stub for what every file has without an import.
const StubsFile = "__builtins__.pyi"

// Stubs returns a stub of Python (PEP 484) with all functions, types and modules, for editors: what they complete, show and check in scripts. Its head says how it is used. It ends in a newline.
func Stubs(entries []starlib.Entry) string {
	s := &stubs{entries: entries}
	s.write(0, stubsHead)
	for i := range entries {
		switch e := &entries[i]; {
		case e.Kind == starlib.EntryAlias:
			s.write(0, fmt.Sprintf("%s: TypeAlias = %s\n%s\n", e.Name, s.python(e, e.Type), docstring(e.Doc)))
		case e.Kind == starlib.EntryType, e.Kind == starlib.EntryModule:
			s.class(e)
		case e.Kind == starlib.EntryFunction && e.Owner() == "":
			s.function(0, e)
		}
	}
	for _, c := range s.structs {
		s.write(0, c)
	}
	return strings.TrimRight(s.text.String(), "\n") + "\n"
}

// stubsHead says what the file is, and has what scripts have and Python does not.
const stubsHead = `# What scripts of imgscript can use, for editors that know Python. Made by ` + "`imgscript stubs`" + `: to change it is no use.
#
# Pylance (Visual Studio Code) and pyright take these names for built-ins if this file is typings/__builtins__.pyi in the directory
# that is opened. Scripts must be known as Python: in settings.json, "files.associations": {"*.star": "python"}.
# Nothing imports this file, and no script is run by Python: imgscript check finds mistakes by imgscript's own rules.

from typing import Any, Mapping, NoReturn, TypeAlias

def load(module: str, /, *names: str, **renamed: str) -> None:
    """Gets names from another file: ` + "`load(\"//path/file.star\", \"name\")`" + `."""

def fail(*args: Any, sep: str = " ") -> NoReturn:
    """Ends the script with its arguments as the error."""
`

// stubs is a stub file as it grows.
type stubs struct {
	entries []starlib.Entry
	text    strings.Builder
	structs []string // classes for the structs that functions return
}

// write writes lines, indented by levels, and an empty line.
func (s *stubs) write(level int, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if line != "" {
			line = strings.Repeat("    ", level) + line
		}
		s.text.WriteString(line + "\n")
	}
	s.text.WriteString("\n")
}

// class writes a type, or a module, whose functions a class has as static ones.
func (s *stubs) class(owner *starlib.Entry) {
	s.write(0, fmt.Sprintf("class %s:\n%s", owner.Name, indented(docstring(owner.Doc))))
	for _, e := range filter(s.entries, func(e *starlib.Entry) bool { return e.Owner() == owner.Name }) {
		switch {
		case e.Callable():
			s.function(1, &e)
		case owner.Kind == starlib.EntryModule:
			s.write(1, fmt.Sprintf("%s: %s\n%s", e.Member(), s.python(&e, e.Type), docstring(e.Doc)))
		default:
			s.property(&e)
		}
	}
}

func (s *stubs) property(e *starlib.Entry) {
	name := e.Member()
	text := fmt.Sprintf("@property\ndef %s(self) -> %s:\n%s", name, s.python(e, e.Type), indented(docstring(e.Doc)))
	if !e.ReadOnly {
		text += fmt.Sprintf("\n@%s.setter\ndef %s(self, value: %s) -> None: ...", name, name, s.python(e, e.Accepts))
	}
	s.write(1, text)
}

func (s *stubs) function(level int, e *starlib.Entry) {
	text := "def " + e.Member() + s.signature(e) + ":\n" + indented(docstring(functionDoc(e)))
	if level > 0 && e.Kind == starlib.EntryFunction {
		text = "@staticmethod\n" + text
	}
	s.write(level, text)
}

// signature is what stands behind the name of a function.
func (s *stubs) signature(e *starlib.Entry) string {
	if e.Signature != "" {
		return s.python(e, e.Signature)
	}
	var params []string
	if e.Kind == starlib.EntryMethod {
		params = append(params, "self")
	}
	for i, p := range e.Params {
		if p.KeywordOnly && (i == 0 || !e.Params[i-1].KeywordOnly) {
			params = append(params, "*")
		}
		params = append(params, s.param(e, &p))
	}
	returns := "None"
	switch {
	case ambiguous(e.Returns):
		returns = "Any"
	case e.Returns != "":
		returns = s.python(e, e.Returns)
	}
	const width = 100
	if line := "(" + strings.Join(params, ", ") + ") -> " + returns; len(line) <= width {
		return line
	}
	return "(\n    " + strings.Join(params, ",\n    ") + ",\n) -> " + returns
}

func (s *stubs) param(e *starlib.Entry, p *starlib.Param) string {
	typ := strings.ReplaceAll(s.python(e, p.Type), "dict[", "Mapping[") // to Python, a dict of files is no dict of files and paths
	switch {
	case p.Required:
		return p.Name + ": " + typ
	case p.Default == "…":
		return p.Name + ": " + typ + " = ..."
	case p.Default == "None" && typ != "Any" && !strings.HasSuffix(typ, "None"):
		typ += " | None"
	}
	return p.Name + ": " + typ + " = " + p.Default
}

// brackets matches what is within a type.
var brackets = regexp.MustCompile(`\[[^\[\]]*\]|\([^()]*\)`)

// ambiguous reports whether a function returns one of several types, as its arguments are. Checkers of Python would complain about whatever is done with that.
func ambiguous(typ string) bool {
	for brackets.MatchString(typ) {
		typ = brackets.ReplaceAllString(typ, "")
	}
	types := slices.DeleteFunc(strings.Split(typ, " | "), func(part string) bool { return part == "None" })
	return len(types) > 1
}

// typeName matches the parts of a type that Python calls otherwise.
var typeName = regexp.MustCompile(`\bstruct\(([^)]*)\)|\bstruct\b|\bany\b`)

// python is a type as Python writes it. A struct with known fields gets a class.
func (s *stubs) python(e *starlib.Entry, typ string) string {
	return typeName.ReplaceAllStringFunc(typ, func(part string) string {
		fields := typeName.FindStringSubmatch(part)[1]
		if fields == "" {
			return "Any"
		}
		return s.structClass("_"+strings.ReplaceAll(e.Name, ".", "_"), fields)
	})
}

// structClass makes a class of the fields of a struct, and returns its name.
func (s *stubs) structClass(name, fields string) string {
	body := ":\n"
	for field := range strings.SplitSeq(fields, ", ") {
		body += "    " + field + ": Any\n"
	}
	for slices.ContainsFunc(s.structs, func(c string) bool { return strings.HasPrefix(c, "class "+name+":") && c != "class "+name+body }) {
		name += "_"
	}
	if class := "class " + name + body; !slices.Contains(s.structs, class) {
		s.structs = append(s.structs, class)
	}
	return name
}

// functionDoc is all that there is to say of a function, in the form that editors know (Google's).
func functionDoc(e *starlib.Entry) string {
	doc := e.Doc
	section := func(heading, text string) {
		if text != "" {
			doc += "\n\n" + heading + ":\n" + indented(text)
		}
	}
	var args []string
	for _, p := range e.Params {
		args = append(args, p.Name+": "+p.Doc)
	}
	section("Args", strings.Join(args, "\n"))
	returns := e.ReturnsDoc
	if ambiguous(e.Returns) {
		returns = e.Returns + ": " + returns
	}
	section("Returns", returns)
	section("Errors", e.Errors)
	section("Example", e.Example)
	return doc
}

// docstring is a text as the literal that stands at the beginning of what it describes.
func docstring(doc string) string {
	quotes := `"""`
	if strings.Contains(doc, `\`) {
		quotes = `r"""`
	}
	doc = strings.ReplaceAll(doc, `"""`, `'''`)
	if strings.Contains(doc, "\n") {
		doc += "\n" // a text of one line ends with a full stop, one of several with anything
	}
	return quotes + doc + `"""`
}

// indented puts a text one level deeper.
func indented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		if lines[i] != "" {
			lines[i] = "    " + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}
