package check

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/starlib"
)

// checkAttribute finds an attribute that is read and that nothing which the value may be has.
func (c *checker) checkAttribute(m *module, e *syntax.DotExpr) {
	of := c.typeOf(m, e.X)
	var subject *kind
	for _, k := range of {
		if _, ok := c.member(k, e.Name.Name); ok {
			return
		}
		if subject == nil || subject.name == "NoneType" {
			subject = k
		}
	}
	if subject == nil {
		return
	}
	form := "%s has no .%s field or method%s"
	if subject.name == "struct" {
		form = "%s has no .%s attribute%s"
	}
	c.report(RuleAttribute, e.Name, fmt.Errorf(form, subject.name, e.Name.Name, starlib.DidYouMean(e.Name.Name, c.members(subject))))
}

// checkAssign finds attributes that cannot be set, or not to such a value.
func (c *checker) checkAssign(m *module, s *syntax.AssignStmt) {
	switch target := unparen(s.LHS).(type) {
	case *syntax.DotExpr:
		var value starlark.Value
		if s.Op == syntax.EQ {
			value = c.constant(m, s.RHS)
		}
		c.checkSet(m, target, value, s.RHS)
	case *syntax.IndexExpr:
		c.checkEntry(m, target, s)
	}
}

// checkSet checks x.name = value, where value is nil when it is not known.
func (c *checker) checkSet(m *module, target *syntax.DotExpr, value starlark.Value, written syntax.Expr) {
	k, ok := c.typeOf(m, target.X).one()
	switch {
	case !ok:
		return
	case c.frozen(m, target.X) && c.lang.IsType(k.name):
		c.report(RuleAssignment, target.Name, starlib.Frozen("set "+target.Name.Name))
		return
	}
	if err := c.lang.CheckAssign(k.name, target.Name.Name, nil); err != nil {
		c.report(RuleAssignment, target.Name, err)
	} else if err := c.lang.CheckAssign(k.name, target.Name.Name, value); err != nil {
		c.report(RuleValue, starlib.BlamedPart(err, written), err)
	}
}

// frozen reports whether an expression is a name that a load statement binds.
func (c *checker) frozen(m *module, e syntax.Expr) bool {
	id, ok := unparen(e).(*syntax.Ident)
	if !ok {
		return false
	}
	v := m.variable(id)
	return v != nil && len(v.sources) == 1 && v.sources[0].load != nil
}

// checkEntry checks img.env["NAME"] = value: an image takes texts alone.
func (c *checker) checkEntry(m *module, target *syntax.IndexExpr, s *syntax.AssignStmt) {
	dot, ok := unparen(target.X).(*syntax.DotExpr)
	if !ok || s.Op != syntax.EQ {
		return
	}
	of, known := c.typeOf(m, dot.X).one()
	dict, isDict := c.typeOf(m, dot).one()
	if !known || !c.lang.IsType(of.name) || !isDict || dict.name != "dict" {
		return
	}
	if c.frozen(m, dot.X) {
		c.report(RuleAssignment, dot.Name, errors.New("cannot insert into frozen hash table"))
		return
	}
	key, value := c.constant(m, target.Y), c.constant(m, s.RHS)
	entry := new(starlark.Dict)
	if key == nil || value == nil || entry.SetKey(key, value) != nil {
		return
	}
	if err := c.lang.CheckAssign(of.name, dot.Name.Name, entry); err != nil {
		c.report(RuleValue, s.RHS, err)
	}
}
