package check

import (
	"math/big"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// maxNames is how many names are followed to a constant.
const maxNames = 8

// constant is the value of an expression that is written out; nil is what is not, or not in full.
func (c *checker) constant(m *module, e syntax.Expr) starlark.Value {
	return c.constantWithin(m, e, maxNames)
}

func (c *checker) constantWithin(m *module, e syntax.Expr, names int) starlark.Value {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return c.constantWithin(m, e.X, names)
	case *syntax.Literal:
		return literal(e)
	case *syntax.UnaryExpr:
		return negative(e, c.constantWithin(m, e.X, names))
	case *syntax.Ident:
		return c.constantName(m, e, names)
	case *syntax.ListExpr:
		if list, ok := c.constants(m, e.List, names); ok {
			return starlark.NewList(list)
		}
	case *syntax.TupleExpr:
		if list, ok := c.constants(m, e.List, names); ok {
			return starlark.Tuple(list)
		}
	case *syntax.DictExpr:
		return c.constantDict(m, e, names)
	}
	return nil
}

func literal(e *syntax.Literal) starlark.Value {
	switch v := e.Value.(type) {
	case string:
		if e.Token == syntax.BYTES {
			return starlark.Bytes(v)
		}
		return starlark.String(v)
	case int64:
		return starlark.MakeInt64(v)
	case *big.Int:
		return starlark.MakeBigInt(v)
	case float64:
		return starlark.Float(v)
	}
	return nil
}

func negative(e *syntax.UnaryExpr, v starlark.Value) starlark.Value {
	if e.Op != syntax.MINUS || v == nil {
		return nil
	}
	if v, err := starlark.Unary(syntax.MINUS, v); err == nil {
		return v
	}
	return nil
}

// constantName follows a name that is assigned once to what does not change: lists and dicts may.
func (c *checker) constantName(m *module, id *syntax.Ident, names int) starlark.Value {
	v := m.variable(id)
	if v == nil {
		if t := c.typeOf(m, id); len(t) == 1 && (t[0].name == "NoneType" || t[0].name == "bool") {
			return starlark.Universe[id.Name]
		}
		return nil
	}
	if names == 0 || len(v.sources) != 1 || v.sources[0].value == nil || v.tested {
		return nil
	}
	switch value := c.constantWithin(v.module, v.sources[0].value, names-1).(type) {
	case starlark.String, starlark.Bytes, starlark.Int, starlark.Float, starlark.Bool, starlark.NoneType:
		return value
	}
	return nil
}

func (c *checker) constants(m *module, list []syntax.Expr, names int) ([]starlark.Value, bool) {
	values := make([]starlark.Value, len(list))
	for i, e := range list {
		if values[i] = c.constantWithin(m, e, names); values[i] == nil {
			return nil, false
		}
	}
	return values, true
}

func (c *checker) constantDict(m *module, e *syntax.DictExpr, names int) starlark.Value {
	dict := starlark.NewDict(len(e.List))
	for _, entry := range e.List {
		entry, ok := entry.(*syntax.DictEntry)
		if !ok {
			return nil
		}
		key, value := c.constantWithin(m, entry.Key, names), c.constantWithin(m, entry.Value, names)
		if key == nil || value == nil || dict.SetKey(key, value) != nil {
			return nil
		}
	}
	return dict
}
