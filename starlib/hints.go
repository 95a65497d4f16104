package starlib

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/imgscript/imgscript/core/nearest"
)

// habit is a mistake that comes from another language, which Starlark's message names and does not explain.
type habit struct {
	message *regexp.Regexp
	hint    string
}

func habits() []habit {
	h := func(message, hint string) habit { return habit{regexp.MustCompile(message), hint} }
	return []habit{
		h(`cannot .* frozen hash table`, "what a loaded module exports is frozen; img.fork() makes an image that can change, dict(d) and list(l) copies"),
		h(`cannot .* frozen list`, "the lists of an image are frozen, and so is what a loaded module exports: set a new one, as in img.cmd = img.cmd + [\"x\"]; list(l) copies, img.fork() makes an image that can change"),
		h(`does not support while loops$`, "use for with range(n)"),
		h(`^function \S+ called recursively$`, "there is no recursion; use a loop over a list of what is left to do"),
		h(`^got (import|from), `, `there is no import; use load("//path/file.star", "name")`),
		h(`^got (try|except|raise|with|assert), `, "there are no exceptions; fail(\"…\") ends the script"),
		h(`^got class, `, "there are no classes; use struct(a = 1) and functions"),
		h(`^got is, `, "there is no is; use =="),
		h(`^got string literal, want newline$`, `there are no f-strings, and texts are joined by +; use "%s" % x or "{}".format(x)`),
		h(`^got ':', want (newline|'\)')$`, "there are no type annotations"),
		h(`^unexpected input character '[!?|]'$|^got '&', `, "the operators are and, or, not and x if c else y"),
		h(`^undefined: (null|nil|true|false|none)$`, "the constants are None, True and False"),
		h(`^undefined: (os|sys|open|time|random|datetime|requests)$`, "scripts see no environment, clock, chance or network of their own; there are var(), secret(), read_file() and fetch()"),
		h(`^unknown binary op: (string \+ (int|float|bool)|(int|float|bool) \+ string)$`, "convert it with str(x)"),
		h(`^string value is not iterable$`, "use s.elems() for its characters, or [s] for a list of it"),
	}
}

// firstWord finds the word that a statement, or the value that it sets, begins with, when another one follows.
var firstWord = regexp.MustCompile(`^(?:[^"'#=]*=)?\s*([a-z]+)\s+["'\w]`)

// words are those that begin a statement in another language. Starlark takes each for a name and wonders about the next one.
func words() map[string]string {
	return map[string]string{
		"new":    "values are made by calls alone, without new",
		"await":  "there is nothing to await: what needs a result waits for it",
		"async":  "def makes a function; what is slow starts in the background by itself",
		"const":  "a variable is set by name = value alone",
		"let":    "a variable is set by name = value alone",
		"var":    "a variable is set by name = value alone",
		"print":  "print is a function: print(x)",
		"export": "every global name can be loaded; one that begins with _ cannot",
	}
}

// habitHint returns a hint for an error of Starlark itself, or "".
func habitHint(e *Error) string {
	if hint := hiddenNameHint(e); hint != "" {
		return hint
	}
	if strings.HasPrefix(e.Msg, "got ") && len(e.Step) > 0 {
		if m := firstWord.FindStringSubmatch(e.Step[0].Source); m != nil && words()[m[1]] != "" {
			return words()[m[1]]
		}
	}
	for _, h := range habits() {
		if h.message.MatchString(e.Msg) {
			return h.hint
		}
	}
	if name, ok := strings.CutPrefix(e.Msg, "undefined: "); ok {
		return undefinedHint(name)
	}
	return ""
}

// undefinedHint finds names of ours that an undefined one may be meant for; Starlark's message knows only those of the script.
func undefinedHint(name string) string {
	a, err := loadAPI()
	if err != nil || strings.Contains(name, " ") {
		return ""
	}
	near := nearest.Names(name, a.globals())
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + quoteAll(near, " or ") + "?"
}

// hiddenNameHint explains the errors of a script that has a variable named like one of ours: `image = image("x")`, then image("y").
func hiddenNameHint(e *Error) string {
	if len(e.Step) == 0 {
		return ""
	}
	var name string
	if strings.HasPrefix(e.Msg, "invalid call of non-function ") {
		before, _ := splitColumn(e.Step[0].Source, e.Step[0].Col)
		name = lastName(before)
	} else if rest, ok := strings.CutSuffix(e.Msg, " referenced before assignment"); ok {
		name = lastName(rest)
	}
	if a, err := loadAPI(); err != nil || !slices.Contains(a.globals(), name) {
		return ""
	}
	return fmt.Sprintf("the script has a variable %s, which hides the built-in %s here; give it another name", name, name)
}

// lastName returns the name that a text ends in, "" if that is an attribute.
func lastName(s string) string {
	s = strings.TrimRight(s, " ")
	at := strings.LastIndexFunc(s, func(r rune) bool {
		return !(r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	})
	if at >= 0 && s[at] == '.' {
		return ""
	}
	return s[at+1:]
}
