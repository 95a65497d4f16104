package starlib

import (
	"fmt"
	"regexp"
	"strings"
)

// habit is a mistake that the messages of Starlark show and do not explain. Its hint may use what the expression captured.
type habit struct {
	message *regexp.Regexp
	hint    string
}

func habits() []habit {
	h := func(message, hint string) habit { return habit{regexp.MustCompile(message), hint} }
	return []habit{
		h(`frozen`, "what a loaded module exports is frozen; img.fork() makes an image that can change, dict(d) and list(l) copies"),
		h(`(while loop|while statement)`, "there is no while; use for with range(n)"),
		h(`called recursively`, "there is no recursion; use a loop over a list of what is left to do"),
		h(`got import`, `there is no import; use load("//path/file.star", "name")`),
		h(`got (try|except|raise)`, "there are no exceptions; fail(\"…\") ends the script"),
		h(`got class`, "there are no classes; use struct(a = 1) and functions"),
		h(`undefined: (None|True|False|null|nil|true|false)\b`, "the constants are None, True and False"),
		h(`unknown binary op: string \+ (int|float|bool)`, "convert it with str(x)"),
		h(`unknown binary op: (int|float|bool) \+ string`, "convert it with str(x)"),
		h(`undefined: (os|sys|open|time|random)\b`, "scripts see no environment, clock or chance; use var(), secret() and read_file()"),
	}
}

// habitHint returns a hint for an error of Starlark itself, or "".
func habitHint(e *Error) string {
	if hint := hiddenNameHint(e); hint != "" {
		return hint
	}
	for _, h := range habits() {
		if h.message.MatchString(e.Msg) {
			return h.hint
		}
	}
	return ""
}

// hiddenNameHint explains the errors of a script that has a variable named like a function of ours: `image = image("x")`.
func hiddenNameHint(e *Error) string {
	if len(e.Step) == 0 {
		return ""
	}
	var name string
	if rest, ok := strings.CutPrefix(e.Msg, "invalid call of non-function"); ok && rest != "" {
		before, _ := splitColumn(e.Step[0].Source, e.Step[0].Col)
		name = lastName(before)
	} else if fields := strings.Fields(e.Msg); strings.HasSuffix(e.Msg, " referenced before assignment") && len(fields) == 6 {
		name = fields[2]
	}
	if a, err := loadAPI(); err != nil || !a.isGlobal(name) {
		return ""
	}
	return fmt.Sprintf("%s is a variable of this script, which hides the %s of imgscript; give the variable another name", name, name)
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
