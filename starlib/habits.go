package starlib

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// habit is a mistake that comes from another language, format or tool, which a message names and does not explain. The tables of them are in the files
// habits_*.go, each row with an example in the test of its name.
type habit struct {
	name    string
	message string // matches the message
	line    string // matches the line, as code shows it; "" is any line
	hint    string // what to write; $1 is what line, or else message, has in its first parentheses
}

// patterns are a habit's expressions.
type patterns struct {
	habit
	inMessage, inLine *regexp.Regexp // inLine is nil for any line
}

// habits are all of them, in the order in which they are looked for.
var habits = sync.OnceValue(func() (all []patterns) {
	for _, h := range slices.Concat(statementHabits(), syntaxHabits(), nameHabits(), attributeHabits(), valueHabits(), keywordHabits()) {
		p := patterns{habit: h, inMessage: regexp.MustCompile(h.message)}
		if h.line != "" {
			p.inLine = regexp.MustCompile(h.line)
		}
		all = append(all, p)
	}
	return all
})

// habit finds the one that the error comes from: its name, and its hint.
func (e *Error) habit() (name, hint string) {
	line := ""
	if len(e.Step) > 0 {
		line = code(e.Step[0].Source)
	}
	for _, h := range habits() {
		subject, in := e.Msg, h.inMessage
		if !in.MatchString(subject) {
			continue
		}
		if h.inLine != nil {
			subject, in = line, h.inLine
		}
		if m := in.FindStringSubmatchIndex(subject); m != nil {
			return h.name, string(in.ExpandString(nil, h.hint, subject, m))
		}
	}
	return "", ""
}

// textPattern matches a text in a line, also one that is not closed.
var textPattern = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?`)

// code is a line without what is in its texts, which only looks like code.
func code(line string) string {
	return textPattern.ReplaceAllStringFunc(line, func(s string) string {
		if len(s) > 1 && s[len(s)-1] == s[0] {
			return s[:1] + strings.Repeat("_", len(s)-2) + s[:1]
		}
		return s[:1] + strings.Repeat("_", len(s)-1)
	})
}
