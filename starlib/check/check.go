// Package check finds what is wrong with scripts without running them and without touching the network.
//
// It reads the files and what they load, resolves their names, and works out of which type values are where the text leaves no doubt: through names that are
// assigned once, parameters of functions that are called with one type, and functions of loaded files. What it does not know it says nothing about, so what it
// reports would fail or be lost in a run that gets there. The names of the language, their parameters and their messages are those of starlib and its api.star.
package check

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/starlib"
)

// Rule says what kind of mistake a problem is.
type Rule string

// The rules.
const (
	RuleSyntax     Rule = "syntax"      // the file is not Starlark
	RuleName       Rule = "name"        // a name that does not exist, and what else resolving a file finds
	RuleLoad       Rule = "load"        // a file that is missing or loads itself, a name that it does not have
	RuleUnusedLoad Rule = "unused-load" // a loaded name that is not used; one that begins with _ may be
	RuleCall       Rule = "call"        // an argument that is unknown, missing or one too many; a call of what is no function
	RuleValue      Rule = "value"       // an argument or an attribute that is given a value which it does not take
	RuleAttribute  Rule = "attribute"   // an attribute or a method that a value does not have
	RuleAssignment Rule = "assignment"  // an attribute that cannot be set
	RuleLostChange Rule = "lost-change" // a change of an image that is never saved
	RuleLoading    Rule = "loading"     // what must not happen while a module is loaded
)

// Problem is one mistake in a script, at a span of its text. Lines and columns count from 1, columns in runes; the end is behind the last rune.
type Problem struct {
	Rule    Rule   `json:"rule"`
	File    string `json:"file"` // slash-separated, below the root
	Line    int    `json:"line"`
	Col     int    `json:"column"`
	EndLine int    `json:"end_line"`
	EndCol  int    `json:"end_column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do about it; "" if there is no saying

	err *starlib.Error
}

// Detail shows the problem as a run shows its errors: the message, the place with its source line, and the hint. It ends in a newline.
func (p *Problem) Detail() string { return p.err.Detail() }

// Options says more of what scripts can use. nil and the zero value are for scripts of imgscript itself.
type Options struct {
	// Predeclared are names of the embedding program, as in starlib.Options. Nothing is known of them but that they exist.
	Predeclared starlark.StringDict
	// Modules are what load("@host/name", …) finds, by "host/name", as in starlib.Options.
	Modules map[string]starlark.StringDict
	// Prefix is put in front of the names of files in problems.
	Prefix string
}

// Files checks scripts, and the files that they load. files is the root, and names are slash-separated paths in it. It returns all problems, sorted by file and
// position; the error is about a file of names that cannot be read, or about ctx.
func Files(ctx context.Context, files fs.FS, names []string, opts *Options) ([]Problem, error) {
	lang, err := starlib.NewLanguage()
	if err != nil {
		return nil, err
	}
	c := &checker{lang: lang, files: files, modules: map[string]*module{}, kinds: map[string]*kind{}, parsed: map[string]types{}}
	if opts != nil {
		c.opts = *opts
	}
	c.names = lang.Predeclared()
	maps.Copy(c.names, c.opts.Predeclared)
	for _, name := range names {
		if err := c.named(ctx, name); err != nil {
			return nil, err
		}
	}
	c.link()
	for _, m := range c.order {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("check: %w", err)
		}
		c.check(m)
	}
	return c.sorted(), nil
}

// checker checks some files at once.
type checker struct {
	lang     *starlib.Language
	opts     Options
	files    fs.FS
	names    starlark.StringDict // predeclared
	modules  map[string]*module
	order    []*module // as they were read
	chain    []string  // the files that are being loaded, each by the one before
	kinds    map[string]*kind
	parsed   map[string]types // types of api.star
	problems []Problem
}

// check applies all rules to a file whose names are known.
func (c *checker) check(m *module) {
	if m.file == nil {
		return
	}
	for _, d := range m.dots {
		c.checkAttribute(m, d)
	}
	for _, call := range m.calls {
		c.checkCall(m, call.node)
	}
	for _, a := range m.assigns {
		c.checkAssign(m, a)
	}
	c.checkLoads(m)
	c.checkLoading(m)
	c.checkLost(m)
}

// sorted are the problems by file and position.
func (c *checker) sorted() []Problem {
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col)
	})
	return c.problems
}
