package starlib

import (
	"math/big"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// function takes one def of a stub.
func (p *apiParser) function(def *syntax.DefStmt) {
	s := &signature{}
	owner, rest := p.owner(def.Name.Name)
	s.name = rest
	params := def.Params
	if p.api.owned("type", owner) {
		s.receiver = owner
		if len(params) == 0 || identName(params[0]) != "self" {
			p.errorf(def, "%s: the first parameter of a method is self", def.Name.Name)
			return
		}
		params = params[1:]
	} else {
		s.module = owner
	}
	p.params(s, params)
	text, ok := stringOf(def.Body[0])
	if !ok {
		p.errorf(def, "%s: has no docstring", def.Name.Name)
		return
	}
	doc, err := parseDocstring(text)
	if err != nil {
		p.errorf(def, "%s: %v", def.Name.Name, err)
	}
	s.doc = doc
	p.document(def, s)
	p.checkDoc(def, def.Name.Name, doc.text)
	if p.api.byName[s.qualified()] != nil {
		p.errorf(def, "%s: is there twice", def.Name.Name)
	}
	p.api.functions = append(p.api.functions, s)
	p.api.byName[s.qualified()] = s
}

func (p *apiParser) params(s *signature, exprs []syntax.Expr) {
	keywordOnly := false
	for _, expr := range exprs {
		if star, ok := expr.(*syntax.UnaryExpr); ok && star.Op == syntax.STAR && star.X == nil {
			keywordOnly = true
			continue
		}
		one := param{keywordOnly: keywordOnly, required: true, name: identName(expr)}
		if name, value := keyword(expr); name != "" {
			one.name, one.required = name, false
			if one.unset = identName(value) == "unset"; !one.unset {
				one.fallback = p.literal(value)
			}
		}
		if one.name == "" {
			p.errorf(expr, "%s: *args and **kwargs have no place here", s.qualified())
			continue
		}
		s.params = append(s.params, one)
	}
}

// document gives each parameter its type and text; both sides must name the same in the same order.
func (p *apiParser) document(def *syntax.DefStmt, s *signature) {
	args := s.doc.args
	for i := range s.params {
		if i >= len(args) || args[i].name != s.params[i].name {
			p.errorf(def, "%s: parameter %s is not documented, or not in order", s.qualified(), s.params[i].name)
			return
		}
		s.params[i].typ, s.params[i].doc = args[i].typ, args[i].text
	}
	if len(args) > len(s.params) {
		p.errorf(def, "%s: has no parameter %s", s.qualified(), args[len(s.params)].name)
	}
}

// literal evaluates a default: None, True, False, a number, a text, [] or {}.
func (p *apiParser) literal(expr syntax.Expr) starlark.Value {
	switch expr := expr.(type) {
	case *syntax.Literal:
		return literalValue(expr)
	case *syntax.Ident:
		if v, ok := starlark.Universe[expr.Name]; ok {
			return v
		}
	case *syntax.ListExpr:
		if len(expr.List) == 0 {
			return frozen(starlark.NewList(nil))
		}
	case *syntax.DictExpr:
		if len(expr.List) == 0 {
			return frozen(new(starlark.Dict))
		}
	}
	p.errorf(expr, "a default is None, True, False, a number, a text, [], {} or unset")
	return starlark.None
}

func frozen(v starlark.Value) starlark.Value {
	v.Freeze()
	return v
}

func literalValue(lit *syntax.Literal) starlark.Value {
	switch v := lit.Value.(type) {
	case int64:
		return starlark.MakeInt64(v)
	case *big.Int:
		return starlark.MakeBigInt(v)
	case float64:
		return starlark.Float(v)
	case string:
		if lit.Token == syntax.BYTES {
			return starlark.Bytes(v)
		}
		return starlark.String(v)
	}
	return starlark.None
}

// stringOf returns the text of a statement that is only a text.
func stringOf(stmt syntax.Stmt) (string, bool) {
	if expr, ok := stmt.(*syntax.ExprStmt); ok {
		return literalText(expr.X)
	}
	return "", false
}

func literalText(expr syntax.Expr) (string, bool) {
	if lit, ok := expr.(*syntax.Literal); ok && lit.Token == syntax.STRING {
		return lit.Value.(string), true
	}
	return "", false
}

// assignedCall returns the parts of NAME = FUNCTION(…), or nil.
func assignedCall(stmt syntax.Stmt) (string, *syntax.CallExpr) {
	if assign, ok := stmt.(*syntax.AssignStmt); ok && assign.Op == syntax.EQ {
		if call, ok := assign.RHS.(*syntax.CallExpr); ok {
			return identName(assign.LHS), call
		}
	}
	return "", nil
}

func calledName(call *syntax.CallExpr) string { return identName(call.Fn) }

// keyword returns the parts of NAME = VALUE in a call or a parameter list, or "".
func keyword(expr syntax.Expr) (string, syntax.Expr) {
	if binary, ok := expr.(*syntax.BinaryExpr); ok && binary.Op == syntax.EQ {
		return identName(binary.X), binary.Y
	}
	return "", nil
}

func identName(expr syntax.Expr) string {
	if ident, ok := expr.(*syntax.Ident); ok {
		return ident.Name
	}
	return ""
}
