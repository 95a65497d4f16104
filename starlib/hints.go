package starlib

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/nearest"
)

// What to do about an error is said in one of four places, the first that has something to say: by the error itself (see hinter), by Error.hintFor in this file, which knows the
// script and the names of the language, by the tables of habits, or, for errors of the engine, by session.hintFor.

// addHints gives e, and the other errors of its file, the hints that they do not have, for which the words of the parser are looked at, and then
// plain words in their place.
func (e *Error) addHints(t *fileTexts) {
	for _, one := range append([]*Error{e}, e.More...) {
		if one.Hint == "" {
			one.Hint = one.hintFor(t)
		}
		one.Msg = plainSyntax(one.Msg)
	}
}

// hintFor is a hint for an error of Starlark itself, or of a call that does not fit the function, or "".
func (e *Error) hintFor(t *fileTexts) string {
	if e.called != nil {
		return e.calledHint(t)
	}
	if hint := e.hiddenNameHint(); hint != "" {
		return hint
	}
	if name, hint := e.habit(); name != "" {
		return hint
	}
	if name, ok := strings.CutPrefix(e.Msg, "undefined: "); ok && len(e.Step) > 0 {
		return e.undefinedHint(name, t)
	}
	if m := noAttribute.FindStringSubmatch(e.Msg); m != nil {
		return attributeHint(m[1], m[2])
	}
	return e.bracketHint(t)
}

// undefinedHint finds names of ours that an undefined one may be meant for; Starlark's message knows only those of the script.
func (e *Error) undefinedHint(name string, t *fileTexts) string {
	a, err := loadAPI()
	if err != nil {
		return ""
	}
	name, suggested, _ := strings.Cut(name, " ")
	set := t.file(e.Step[0].File).globals()
	known := slices.Concat(a.globals(), slices.Sorted(maps.Keys(starlark.Universe)), slices.Sorted(maps.Keys(set)))
	near := nearest.Names(name, known)
	switch {
	case set[name] > e.Step[0].Line:
		return fmt.Sprintf("%s is set further down, in line %d; move that up", name, set[name])
	case len(near) > 0 && set[near[0]] > e.Step[0].Line:
		return fmt.Sprintf("did you mean %q? it is set further down, in line %d; move that up", near[0], set[near[0]])
	case len(near) > 0 && !strings.Contains(suggested, " "+near[0]+"?"):
		return "did you mean " + quoteAll(near, " or ") + "?"
	case suggested != "":
		return ""
	case a.byName["Image."+name] != nil:
		return fmt.Sprintf("%s is called on an image: img.%s(…)", name, name)
	case slices.Contains(a.attributesOf("Image"), name):
		return fmt.Sprintf("%s is an attribute of an image: img.%s", name, name)
	}
	return ""
}

// noAttribute matches what Starlark says of an attribute that a value does not have, when it does not know which one was meant.
var noAttribute = regexp.MustCompile(`^(\w+) has no \.(\w+) field(?: or method)?$`)

// attributeHint finds the attribute of a type of ours that was meant where Starlark, to which two swapped letters are two mistakes, does not.
func attributeHint(typ, name string) string {
	a, err := loadAPI()
	if err != nil {
		return ""
	}
	near := nearest.Names(name, a.attributesOf(typ))
	if len(near) == 0 {
		return ""
	}
	for i := range near {
		near[i] = "." + near[i]
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}

// calledHint shows the function that a call does not fit, and the parameter that may have been meant.
func (e *Error) calledHint(t *fileTexts) string {
	at := *e.called
	where := Frame{File: at.File, Line: at.Line}.String()
	if strings.HasSuffix(e.Msg, " called recursively") {
		return "there is no recursion; use a loop over a list of what is left to do"
	}
	hint := "the function is at " + where
	if line := strings.TrimSpace(t.file(at.File).line(at.Line)); strings.HasPrefix(line, "def ") {
		hint = fmt.Sprintf("it is `%s` at %s", strings.TrimSuffix(line, ":"), where)
	}
	if near := nearest.Names(e.unexpected(), t.file(at.File).parametersAt(at)); len(near) > 0 {
		hint = fmt.Sprintf("did you mean %s? ", quoteAll(near, " or ")) + hint
	}
	return hint
}

// hiddenNameHint explains the errors of a script that has a variable named like one of ours: `image = image("x")`, then image("y").
func (e *Error) hiddenNameHint() string {
	if len(e.Step) == 0 {
		return ""
	}
	var name string
	if strings.HasPrefix(e.Msg, "invalid call of non-function ") {
		before, after := splitColumn(e.Step[0].Source, e.Step[0].Col)
		if m := nameBehind.FindStringSubmatch(before + nameAhead.FindString(after)); m != nil {
			name = m[1]
		}
	} else if rest, ok := strings.CutSuffix(e.Msg, " referenced before assignment"); ok {
		name = rest[strings.LastIndex(rest, " ")+1:]
	}
	if a, err := loadAPI(); err != nil || !slices.Contains(a.globals(), name) {
		return ""
	}
	return fmt.Sprintf("the script has a variable %s, which hides the built-in %s here; give it another name", name, name)
}

// nameBehind is the name that a text ends in, behind which a call may begin, if that is no attribute; nameAhead the one that it begins with.
var nameBehind, nameAhead = regexp.MustCompile(`(?:^|[^\w.])(\w+)\s*$`), regexp.MustCompile(`^\w*`)

// bracketHint finds the bracket that makes the parser wonder about what comes later.
func (e *Error) bracketHint(t *fileTexts) string {
	if !strings.HasPrefix(e.Msg, "got ") || !strings.Contains(e.Msg, ", want ") || len(e.Step) == 0 {
		return ""
	}
	at := e.Step[0]
	open, ok := t.file(at.File).openBracket(at.Line, at.Col)
	switch {
	case !ok:
		return ""
	case strings.HasPrefix(e.Msg, "got end of file"):
		return fmt.Sprintf("the %c of line %d is never closed", open.kind, open.line)
	case open.line < at.Line:
		return fmt.Sprintf("the %c of line %d is still open here: is a %c or a comma missing before this?", open.kind, open.line, closing(open.kind))
	}
	return "is a comma missing before this?"
}
