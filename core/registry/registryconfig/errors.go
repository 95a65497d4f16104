package registryconfig

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong in a configuration.
type Error struct {
	File         string // as it was named
	Line, Column int    // of the key or the value, from 1 on
	Key          string // what it is about: "ca of reg.example"; "" is the whole file
	Msg          string // what is wrong, in one line
	Hint         string // what to do about it; may be empty
}

// Error says it in one line, which begins as compilers' errors do.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Key != "" {
		text += e.Key + ": "
	}
	text += e.Msg
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Errors are all that is wrong in a configuration, in the order of the file. There is at least one.
type Errors []*Error

// Error says all of it, one in a line.
func (e Errors) Error() string {
	var lines []string
	for _, one := range e {
		lines = append(lines, one.Error())
	}
	return strings.Join(lines, "\n")
}

// maxErrors is how many are told of.
const maxErrors = 20

// errors returns what was found, in the order of the file.
func (r *reader) errors() Errors {
	slices.SortStableFunc(r.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if more := len(r.errs) - maxErrors; more > 0 {
		last := *r.errs[maxErrors]
		last.Key, last.Msg, last.Hint = "", fmt.Sprintf("and %d more", more), ""
		return append(r.errs[:maxErrors:maxErrors], &last)
	}
	return r.errs
}
