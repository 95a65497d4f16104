package starlib

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/nearest"
)

// Language is what api.star says of the names of scripts, for tools that read scripts without running them. Its messages are those of a run. It does not
// change and may be used by many goroutines at once.
type Language struct {
	api     *api
	classes map[string]classTable
	args    map[string]reflect.Type // what the arguments of a function are bound to, by its qualified name
	pure    map[string]builtinFunc  // the functions that touch nothing
}

// NewLanguage reads api.star. It fails only when that is malformed, which a test shows.
func NewLanguage() (*Language, error) {
	a, err := loadAPI()
	if err != nil {
		return nil, err
	}
	l := &Language{api: a, classes: map[string]classTable{}, args: map[string]reflect.Type{}, pure: map[string]builtinFunc{}}
	declared := effects()
	tables := [][]binding{globalFunctions, regexpFunctions}
	for _, c := range classTables() {
		l.classes[c.className()] = c
		tables = append(tables, c.bindings())
	}
	for _, b := range slices.Concat(tables...) {
		l.args[b.name] = reflect.TypeOf(b.args)
		if a.byName[b.name].receiver == "" && slices.Equal(declared[b.name], []effect{effectPure}) {
			l.pure[b.name] = b.fn
		}
	}
	return l, nil
}

// classTables are the tables of all types of api.star that have attributes or methods.
func classTables() []classTable {
	return []classTable{matchClass, imageClass, indexClass, layerClass, savedClass, blobClass, credentialClass, clientClass}
}

// Parse parses the text of a script in the dialect of scripts. The error is an *[Error]; what is no text of a script at all, such as UTF-16, JSON or a text with NUL bytes, is one too.
func Parse(name string, text []byte) (*syntax.File, error) {
	if err := checkText(name, text); err != nil {
		return nil, asError(err, func(string) []byte { return text })
	}
	file, err := fileOptions.Parse(name, text, syntax.RetainComments)
	if err != nil {
		return nil, asError(err, func(string) []byte { return text })
	}
	return file, nil
}

// ExplainText is [Explain] for an error of parsing or resolving a script. source returns the text of a file by the name that positions have, nil if it is not
// there; it may be nil. nil stays nil.
func ExplainText(err error, source func(name string) []byte) *Error { return asError(err, source) }

// ErrorAt makes an error of what a tool found in the text of scripts, as a run would show it. The first place is where the text to blame begins, and end is behind it, zero if that is not
// known; the other places are what led there. A hint that err carries is kept; else it gets one if there is one for its message. source is as for [ExplainText].
func ErrorAt(err error, places []syntax.Position, end syntax.Position, source func(name string) []byte) *Error {
	e := &Error{Kind: KindScript, Msg: err.Error(), Hint: hintOf(err), err: err}
	if known := (*Error)(nil); e.Hint == "" && errors.As(err, &known) {
		e.Hint = known.Hint
	}
	for _, pos := range places {
		e.Step = append(e.Step, frameAt(pos))
	}
	if len(e.Step) > 0 {
		e.Step[0].EndLine, e.Step[0].EndCol = int(end.Line), int(end.Col)
	}
	return asError(e, source)
}

// ModulePath is the slash-separated path below the root of a file that the file from loads by a name. It is an error when that is outside the root.
func ModulePath(from, name string) (string, error) { return modulePath(from, name) }

// Predeclared returns the global names of scripts besides Starlark's own. Their values are to be looked at; to call one takes a run.
func (l *Language) Predeclared() starlark.StringDict { return predeclared() }

// Expand returns the alternatives of a type of api.star, such as str, bytes, Blob, File and Layer for Data, without aliases.
func (l *Language) Expand(typ string) []string { return l.api.expand(typ) }

func (a *api) expand(typ string) []string {
	var all []string
	for _, part := range alternatives(typ) {
		i := slices.IndexFunc(a.names, func(d nameDoc) bool { return d.kind == "alias" && d.name == part })
		if i < 0 {
			all = append(all, part)
		} else {
			all = append(all, a.expand(a.names[i].typ)...)
		}
	}
	return all
}

// IsType reports whether name is a type of api.star, such as Image.
func (l *Language) IsType(name string) bool { return l.api.owned("type", name) }

// Function finds a function by its qualified name, "image" or "re.match"; nil if there is none.
func (l *Language) Function(name string) *Function {
	if s := l.api.byName[name]; s != nil && s.receiver == "" {
		return &Function{s, l.args[name], l.pure[name]}
	}
	return nil
}

// Method finds a method of a type; nil if there is none.
func (l *Language) Method(typ, name string) *Function {
	qualified := typ + "." + name
	if s := l.api.byName[qualified]; s != nil && s.receiver == typ {
		return &Function{s, l.args[qualified], nil}
	}
	return nil
}

// Attribute returns the type of an attribute that is no method, in the words of api.star.
func (l *Language) Attribute(typ, name string) (attribute string, ok bool) {
	for _, d := range l.api.attributes {
		if d.receiver == typ && d.name == name {
			return d.typ, true
		}
	}
	return "", false
}

// Members are the names of the attributes and methods of a type.
func (l *Language) Members(typ string) []string {
	c, ok := l.classes[typ]
	if !ok {
		return nil
	}
	return c.attrNames()
}

// CheckAssign is the error of a run that sets an attribute of a type to v; nil stands for a value that is not known.
func (l *Language) CheckAssign(typ, name string, v starlark.Value) error {
	c, ok := l.classes[typ]
	if !ok || !c.settable() {
		return fmt.Errorf("can't assign to .%s field of %s", name, typ)
	}
	err := c.checkSet(name, v)
	if missing := starlark.NoSuchAttrError(""); errors.As(err, &missing) {
		return errors.New(missing.Error() + DidYouMean(name, c.attrNames()))
	}
	return err
}

// BlamedPart is the part of a value that an error of CheckCall or CheckAssign is about, as far as the value is written out: of ["a", 1] the 1.
func BlamedPart(err error, value syntax.Expr) syntax.Expr {
	var bad *argumentError
	if errors.As(err, &bad) {
		return within(value, bad.path)
	}
	return value
}

// DidYouMean is the end of a message about an attribute that does not exist, in the form of Starlark's own: " (did you mean .x?)", or "".
func DidYouMean(name string, names []string) string {
	if near := nearest.Name(name, names); near != "" {
		return fmt.Sprintf(" (did you mean .%s?)", near)
	}
	return ""
}
