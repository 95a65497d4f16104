package check

import (
	"slices"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// variable is what a name stands for: everywhere in its function, or in its file.
type variable struct {
	module  *module
	sources []source
	reads   []*syntax.Ident    // its uses, but for those that bind it
	calls   []*syntax.CallExpr // those of its uses that call it
	aliases []*variable        // the names under which other files load it
	looks   int                // how many of its reads surely change nothing in a list or dict that it may be
	tested  bool               // the script asks of which type it is

	state typing
	types types
}

// typing says how far the types of something are known. Who asks for what is being worked out gets "unknown".
type typing int

const (
	untyped typing = iota
	working
	typed
)

// source is one of the things that a name is bound to. One that is nothing of these is unknown.
type source struct {
	value     syntax.Expr // it is this
	element   syntax.Expr // it is what iterating over this gives
	function  *function
	parameter *parameter
	load      *load
	index     int // of a load: which of its names
}

// function is a def or a lambda.
type function struct {
	name     string
	module   *module
	params   []*parameter
	varargs  bool // it takes more positional arguments
	kwargs   bool // and others by name
	body     []syntax.Stmt
	results  []syntax.Expr
	variable *variable // that is bound to it; nil if it was never given a name

	state  typing
	result types

	searched bool   // for what leaves says
	leaves   string // what it surely does that must not happen while a module is loaded
}

// parameter is one that has a name, in the order in which arguments are bound.
type parameter struct {
	function    *function
	index       int
	name        string
	fallback    syntax.Expr // nil: it must be given
	keywordOnly bool
}

// call is a call, and the function that it is in; nil is the top level.
type call struct {
	node   *syntax.CallExpr
	within *function
}

// collector goes through a file once and notes what its names stand for and what there is to check.
type collector struct {
	m  *module
	fn *function // that the place is in; nil at the top level
}

// collect notes the names of a file.
func (c *checker) collect(m *module) {
	k := &collector{m: m}
	k.stmts(m.file.Stmts)
	if resolved, ok := m.file.Module.(*resolve.Module); ok {
		for _, b := range resolved.Globals {
			m.globals[b.First.Name] = m.bound(b.First)
		}
	}
}

// variable finds what a name stands for; nil for names that the script did not make.
func (m *module) variable(id *syntax.Ident) *variable {
	b, ok := id.Binding.(*resolve.Binding)
	if !ok || b == nil || b.First == nil {
		return nil
	}
	return m.bound(b.First)
}

// bound is the variable that an identifier binds first.
func (m *module) bound(first *syntax.Ident) *variable {
	v := m.vars[first]
	if v == nil {
		v = &variable{module: m}
		m.vars[first] = v
	}
	return v
}

func (k *collector) stmts(list []syntax.Stmt) {
	for _, s := range list {
		k.stmt(s)
	}
}

func (k *collector) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		k.expr(s.X)
	case *syntax.AssignStmt:
		k.assignment(s)
	case *syntax.DefStmt:
		f := k.function(s.Name.Name, s.Params, s.Body)
		k.m.defs = append(k.m.defs, f)
		f.variable = k.bind(s.Name, source{function: f})
	case *syntax.ForStmt:
		k.look(s.X)
		k.assign(s.Vars, source{element: s.X})
		k.stmts(s.Body)
	case *syntax.WhileStmt:
		k.expr(s.Cond)
		k.stmts(s.Body)
	case *syntax.IfStmt:
		k.expr(s.Cond)
		k.stmts(s.True)
		k.stmts(s.False)
	case *syntax.ReturnStmt:
		if s.Result != nil {
			k.expr(s.Result)
		}
		if k.fn != nil {
			k.fn.results = append(k.fn.results, s.Result)
		}
	case *syntax.LoadStmt:
		k.load(s)
	}
}

func (k *collector) load(s *syntax.LoadStmt) {
	at := slices.IndexFunc(k.m.loads, func(l *load) bool { return l.stmt == s })
	for i, to := range s.To {
		src := source{}
		if at >= 0 {
			src = source{load: k.m.loads[at], index: i}
		}
		if v := k.bind(to, src); v != nil && at >= 0 {
			k.m.loads[at].bound[i] = v
		}
	}
}

func (k *collector) assignment(s *syntax.AssignStmt) {
	k.expr(s.RHS)
	id, isName := unparen(s.LHS).(*syntax.Ident)
	switch {
	case s.Op == syntax.EQ:
		k.assign(s.LHS, source{value: s.RHS})
	case isName:
		k.expr(id) // it is read too
		k.bind(id, source{})
	default:
		k.changed(s.LHS)
	}
	k.m.assigns = append(k.m.assigns, s)
}

// changed goes through the target of an augmented assignment, which is read too.
func (k *collector) changed(target syntax.Expr) {
	if index, ok := unparen(target).(*syntax.IndexExpr); ok {
		k.exprs(children(index))
		return
	}
	k.expr(target)
}

// assign binds the names of a target to what they are bound to.
func (k *collector) assign(target syntax.Expr, src source) {
	switch target := unparen(target).(type) {
	case *syntax.Ident:
		v := k.bind(target, src)
		if lambda, ok := unparen(src.value).(*syntax.LambdaExpr); ok {
			k.m.lambdas[lambda].variable = v
		}
	case *syntax.TupleExpr:
		k.unpack(target.List, src)
	case *syntax.ListExpr:
		k.unpack(target.List, src)
	case *syntax.IndexExpr:
		k.expr(target.X)
		k.expr(target.Y)
	case *syntax.DotExpr:
		k.expr(target.X)
	}
}

// unpack binds several names at once: one by one where the values are written side by side.
func (k *collector) unpack(targets []syntax.Expr, src source) {
	values := elements(src.value)
	for i, target := range targets {
		one := source{}
		if len(values) == len(targets) {
			one.value = values[i]
		}
		k.assign(target, one)
	}
}

// elements are those of a list or tuple that is written out.
func elements(e syntax.Expr) []syntax.Expr {
	switch e := unparen(e).(type) {
	case *syntax.TupleExpr:
		return e.List
	case *syntax.ListExpr:
		return e.List
	}
	return nil
}

func (k *collector) bind(id *syntax.Ident, src source) *variable {
	v := k.m.variable(id)
	if v != nil {
		v.sources = append(v.sources, src)
	}
	return v
}

func (k *collector) exprs(list []syntax.Expr) {
	for _, e := range list {
		k.expr(e)
	}
}

func (k *collector) expr(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.Ident:
		if v := k.m.variable(e); v != nil {
			v.reads = append(v.reads, e)
		}
	case *syntax.CallExpr:
		k.call(e)
	case *syntax.DotExpr:
		k.expr(e.X)
		k.m.dots = append(k.m.dots, e)
	case *syntax.LambdaExpr:
		k.m.lambdas[e] = k.function("lambda", e.Params, []syntax.Stmt{&syntax.ReturnStmt{Result: e.Body}})
	case *syntax.Comprehension:
		k.comprehension(e)
	case *syntax.IndexExpr:
		k.look(e.X)
		k.expr(e.Y)
	case *syntax.SliceExpr:
		k.look(e.X)
		k.exprs(present(e.Lo, e.Hi, e.Step))
	default:
		k.exprs(children(e))
	}
}

// look goes through an expression whose value is only looked at: what it has may be handed on, and stays as it is.
func (k *collector) look(e syntax.Expr) {
	k.expr(e)
	if id, ok := unparen(e).(*syntax.Ident); ok {
		if v := k.m.variable(id); v != nil {
			v.looks++
		}
	}
}

func (k *collector) comprehension(e *syntax.Comprehension) {
	for _, clause := range e.Clauses {
		switch clause := clause.(type) {
		case *syntax.ForClause:
			k.look(clause.X)
			k.assign(clause.Vars, source{element: clause.X})
		case *syntax.IfClause:
			k.expr(clause.Cond)
		}
	}
	k.expr(e.Body)
}

func (k *collector) call(e *syntax.CallExpr) {
	k.expr(e.Fn)
	id, isName := unparen(e.Fn).(*syntax.Ident)
	if isName {
		if v := k.m.variable(id); v != nil {
			v.calls = append(v.calls, e)
		}
	}
	for _, arg := range e.Args {
		value, _, _ := argument(arg)
		if isName && isUniversal(id) {
			k.look(value)
		} else {
			k.expr(value)
		}
		if subject, ok := value.(*syntax.Ident); ok && isName && slices.Contains([]string{"type", "hasattr", "getattr", "dir"}, id.Name) {
			if v := k.m.variable(subject); v != nil {
				v.tested = true
			}
		}
	}
	k.m.calls = append(k.m.calls, call{e, k.fn})
}

// isUniversal reports whether a name is one of Starlark's own, whose functions change nothing that they are given.
func isUniversal(id *syntax.Ident) bool {
	b, ok := id.Binding.(*resolve.Binding)
	return ok && b != nil && b.Scope == resolve.Universal
}

// argument takes an argument of a call apart: its value, its name if it has one, and whether it stands for several, as *args and **kwargs do.
func argument(arg syntax.Expr) (value syntax.Expr, name *syntax.Ident, several bool) {
	switch arg := arg.(type) {
	case *syntax.BinaryExpr:
		if id, ok := arg.X.(*syntax.Ident); ok && arg.Op == syntax.EQ {
			return arg.Y, id, false
		}
	case *syntax.UnaryExpr:
		if arg.Op == syntax.STAR || arg.Op == syntax.STARSTAR {
			return arg.X, nil, true
		}
	}
	return arg, nil, false
}

// function notes a function and what is in it.
func (k *collector) function(name string, params []syntax.Expr, body []syntax.Stmt) *function {
	f := &function{name: name, module: k.m, body: body}
	for _, p := range params { // the defaults belong to the place around the function
		if binary, ok := p.(*syntax.BinaryExpr); ok {
			k.expr(binary.Y)
		}
	}
	inner := &collector{k.m, f}
	star := false
	for _, p := range params {
		switch p := p.(type) {
		case *syntax.Ident:
			inner.parameter(p, nil, star)
		case *syntax.BinaryExpr:
			inner.parameter(p.X.(*syntax.Ident), p.Y, star)
		case *syntax.UnaryExpr:
			star = true
			id, ok := p.X.(*syntax.Ident)
			if !ok {
				continue
			}
			inner.bind(id, source{})
			f.varargs = f.varargs || p.Op == syntax.STAR
			f.kwargs = f.kwargs || p.Op == syntax.STARSTAR
		}
	}
	inner.stmts(body)
	return f
}

func (k *collector) parameter(id *syntax.Ident, fallback syntax.Expr, keywordOnly bool) {
	p := &parameter{function: k.fn, index: len(k.fn.params), name: id.Name, fallback: fallback, keywordOnly: keywordOnly}
	k.fn.params = append(k.fn.params, p)
	k.bind(id, source{parameter: p})
}
