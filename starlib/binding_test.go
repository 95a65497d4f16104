package starlib

import (
	"fmt"
	"testing"

	"go.starlark.net/starlark"
)

// point is a value of a class with a readable and a settable attribute and a method.
type point struct {
	starlark.Value
	x int
}

var pointClass = &class[*point]{
	name: "Match", // a type of api.star that has a method group
	attributes: []attribute[*point]{
		{name: "x", get: (*point).getX, set: (*point).setX},
		{name: "fixed", get: (*point).getX},
	},
	methods: []binding{method("Match.group", (*point).group)},
}

func (p *point) Type() string                                 { return "Match" }
func (p *point) Attr(name string) (starlark.Value, error)     { return pointClass.attr(p, name) }
func (p *point) AttrNames() []string                          { return pointClass.attrNames() }
func (p *point) SetField(name string, v starlark.Value) error { return pointClass.setField(p, name, v) }
func (p *point) getX() (starlark.Value, error)                { return starlark.MakeInt(p.x), nil }
func (p *point) setX(v starlark.Value) error {
	x, err := starlark.AsInt32(v)
	p.x = x
	return err
}

func (p *point) group(_ *starlark.Thread, a *groupArgs) (starlark.Value, error) {
	return starlark.String(fmt.Sprintf("%d %s", p.x, a.Group)), nil
}

func TestClass(t *testing.T) {
	tests := []struct{ code, want string }{
		{`p.x = 3; r = p.x`, "3"},
		{`r = p.fixed`, "1"},
		{`r = p.group()`, `"1 0"`},
		{`r = p.group(group = "n")`, `"1 \"n\""`},
		{`r = getattr(p, "group")(2)`, `"1 2"`},
		{`r = dir(p)`, `["fixed", "group", "x"]`},
		{`p.fixed = 1`, "Match.fixed is read-only"},
		{`p.group = 1`, "Match.group is a method; it cannot be set"},
		{`p.fixd = 1`, "Match has no .fixd field (did you mean .fixed?)"},
		{`p.fixd`, "Match has no .fixd field or method (did you mean .fixed?)"},
		{`p.x = None`, "got NoneType, want int"},
		{`p.group(1, 2)`, "group: want at most 1 argument, got 2"},
		{`hasattr(p, "y")`, ""},
	}
	for _, tt := range tests {
		p := &point{Value: starlark.None, x: 1}
		globals, err := starlark.ExecFileOptions(dialect(), new(starlark.Thread), "f", tt.code, starlark.StringDict{"p": p})
		got := ""
		if err != nil {
			got = err.Error()
		} else if globals["r"] != nil {
			got = globals["r"].String()
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.code, got, tt.want)
		}
	}
}

// TestBindArgsInternalErrors: code that does not agree with api.star gives errors and never panics.
func TestBindArgsInternalErrors(t *testing.T) {
	for name, want := range map[string]string{
		"nope":  "internal error: api.star has no function nope",
		"image": "internal error: *starlib.noArgs has no field for base of image",
	} {
		_, err := bindArgs[noArgs](starlark.NewBuiltin(name, nil), nil, nil)
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}
