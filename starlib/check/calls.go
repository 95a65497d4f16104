package check

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/starlib"
)

// checkCall holds a call against what is called, if that can be only one thing.
func (c *checker) checkCall(m *module, call *syntax.CallExpr) {
	k, ok := c.typeOf(m, call.Fn).one()
	switch {
	case !ok:
	case k.builtin.function != nil:
		c.checkBuiltin(m, call, k.builtin.function)
	case k.function != nil:
		c.checkFunction(m, call, k.function)
	case k.builtin.name == "":
		c.report(RuleCall, calledName(call), fmt.Errorf("invalid call of non-function (%s)", k.name))
	}
}

// calledName is what a call calls: of a method its name.
func calledName(call *syntax.CallExpr) syntax.Expr {
	if dot, ok := unparen(call.Fn).(*syntax.DotExpr); ok {
		return dot.Name
	}
	return call.Fn
}

// reportCall adds a problem about a call as a whole.
func (c *checker) reportCall(rule Rule, call *syntax.CallExpr, err error, loadedAt ...syntax.Position) {
	c.reportSpan(rule, syntax.Start(calledName(call)), behind(call.Rparen), err, loadedAt...)
}

// behind is the position behind a closing parenthesis.
func behind(paren syntax.Position) syntax.Position {
	paren.Col++
	return paren
}

// checkBuiltin holds a call of a function of api.star against its signature.
func (c *checker) checkBuiltin(m *module, call *syntax.CallExpr, f *starlib.Function) {
	if dot, ok := unparen(call.Fn).(*syntax.DotExpr); ok && c.frozen(m, dot.X) {
		if err := starlib.FrozenMethod(f.Name()); err != nil {
			c.report(RuleAssignment, dot.Name, err)
		}
	}
	var args []starlib.Argument
	var nodes []syntax.Node
	open := false
	for _, arg := range firsts(call.Args) {
		value, name, several := argument(arg)
		if several {
			open = true
			continue
		}
		one := starlib.Argument{Value: c.constant(m, value), Types: c.typeOf(m, value).names()}
		if name != nil {
			one.Name = name.Name
		}
		args, nodes = append(args, one), append(nodes, arg)
	}
	for _, misfit := range f.CheckCall(args, open) {
		switch {
		case misfit.Argument < 0 && misfit.Value:
			c.reportCall(RuleValue, call, misfit.Err)
		case misfit.Argument < 0:
			c.reportCall(RuleCall, call, misfit.Err)
		case misfit.Value:
			value, _, _ := argument(nodes[misfit.Argument].(syntax.Expr))
			c.report(RuleValue, starlib.BlamedPart(misfit.Err, value), misfit.Err)
		default:
			c.report(RuleCall, subject(nodes[misfit.Argument].(syntax.Expr)), misfit.Err)
		}
	}
}

// firsts are arguments without those that repeat a name: resolving told of them.
func firsts(args []syntax.Expr) []syntax.Expr {
	seen := map[string]bool{}
	var kept []syntax.Expr
	for _, arg := range args {
		_, name, _ := argument(arg)
		if name != nil && seen[name.Name] {
			continue
		}
		if name != nil {
			seen[name.Name] = true
		}
		kept = append(kept, arg)
	}
	return kept
}

// subject is what is wrong with an argument that should not be there: its name, or else all of it.
func subject(arg syntax.Expr) syntax.Node {
	if _, name, _ := argument(arg); name != nil {
		return name
	}
	return arg
}

// checkFunction holds a call of a function of a script against its parameters, in the words of Starlark.
func (c *checker) checkFunction(m *module, call *syntax.CallExpr, f *function) {
	given := map[*parameter]bool{}
	positional, open := 0, false
	for _, arg := range firsts(call.Args) {
		_, name, several := argument(arg)
		var p *parameter
		switch {
		case several:
			open = true
			continue
		case name == nil:
			p = f.positional(positional)
			positional++
		default:
			p = f.named(name.Name)
		}
		switch {
		case p == nil && name != nil && !f.kwargs:
			c.report(RuleCall, name, fmt.Errorf("function %s got an unexpected keyword argument %q%s", f.name, name.Name, suggestion(name.Name, f.names())))
		case p == nil && name == nil && !f.varargs:
			c.report(RuleCall, arg, f.tooMany(call))
			return
		case p != nil && given[p]:
			c.report(RuleCall, subject(arg), fmt.Errorf("function %s got multiple values for parameter %q", f.name, p.name))
		case p != nil:
			given[p] = true
		}
	}
	if missing := f.missing(given); len(missing) > 0 && !open {
		err := fmt.Errorf("function %s missing %d %s (%s)", f.name, len(missing), plural(len(missing), "argument"), strings.Join(missing, ", "))
		c.reportCall(RuleCall, call, err)
	}
}

// positional is the parameter that the i-th positional argument is bound to, or nil.
func (f *function) positional(i int) *parameter {
	if i < len(f.params) && !f.params[i].keywordOnly {
		return f.params[i]
	}
	return nil
}

func (f *function) named(name string) *parameter {
	i := slices.IndexFunc(f.params, func(p *parameter) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return f.params[i]
}

func (f *function) names() []string {
	var names []string
	for _, p := range f.params {
		names = append(names, p.name)
	}
	return names
}

func (f *function) missing(given map[*parameter]bool) []string {
	var names []string
	for _, p := range f.params {
		if p.fallback == nil && !given[p] {
			names = append(names, p.name)
		}
	}
	return names
}

func (f *function) tooMany(call *syntax.CallExpr) error {
	got, most, optional := 0, 0, false
	for _, arg := range call.Args {
		if _, name, several := argument(arg); name == nil && !several {
			got++
		}
	}
	for _, p := range f.params {
		if !p.keywordOnly {
			most, optional = most+1, optional || p.fallback != nil
		}
	}
	if len(f.params) == 0 && !f.kwargs {
		return fmt.Errorf("function %s accepts no arguments (%d given)", f.name, got)
	}
	atMost := ""
	if optional {
		atMost = "at most "
	}
	return fmt.Errorf("function %s accepts %s%d positional %s (%d given)", f.name, atMost, most, plural(most, "argument"), got)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
