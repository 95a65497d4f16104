package starlib

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// wantError says that a value is not of the kind that is wanted.
type wantError struct {
	path  string // within the argument: `[2]`, `["Env"]`; "" is the argument itself
	want  string // "a list of strings"
	got   string // "string"
	write string // what to write instead, "" if there is no saying
}

func (e *wantError) Error() string {
	s := "want " + e.want + ", got " + e.got
	if e.write != "" {
		s += "; write " + e.write
	}
	return s
}

// wrongValues are several things that are wrong with one value.
type wrongValues []error

// Error implements error: a line for each.
func (w wrongValues) Error() string { return errors.Join(w...).Error() }

// Unwrap returns them.
func (w wrongValues) Unwrap() []error { return w }

// together is one error of all that is wrong with a value; nil if nothing is.
func together(wrong []error) error {
	switch len(wrong) {
	case 0:
		return nil
	case 1:
		return wrong[0]
	}
	return wrongValues(wrong)
}

// eachWrong says of each thing that is wrong with a value where it is. The place of all is that of the first.
func eachWrong(err error, where func(error) *argumentError) *argumentError {
	several, ok := err.(wrongValues)
	if !ok {
		return where(err)
	}
	all := make([]error, len(several))
	for i, one := range several {
		all[i] = where(one)
	}
	first := *where(several[0])
	first.error = together(all)
	return &first
}

// wanted is the error of an Unpacker that does not take v: "want WANT, got TYPE", and "; write WRITE" unless write is "".
func wanted(want string, v starlark.Value, write string) error {
	return &wantError{want: want, got: typeOf(v), write: write}
}

// typeOf names the type of a value as a message should.
func typeOf(v starlark.Value) string {
	if v == starlark.None {
		return "None"
	}
	return v.Type()
}

// brief shows a value that is short and simple as it would be written in a script, else "…". Dicts and what is in them stay unseen: they
// may be credentials.
func brief(v starlark.Value) string { return briefly(v, 3) }

// briefly shows lists in each other at most so many levels deep: one may be in itself.
func briefly(v starlark.Value, levels int) string {
	switch v := v.(type) {
	case starlark.String, starlark.Int, starlark.Bool, starlark.NoneType, starlark.Float:
	case *starlark.List:
		for i := range v.Len() {
			if levels == 0 || briefly(v.Index(i), levels-1) == "…" {
				return "…"
			}
		}
	default:
		return "…"
	}
	if s := v.String(); utf8.RuneCountInString(s) <= 40 {
		return s
	}
	return "…"
}

// store puts v, which is not a stand-in for "not given", into a field of an argument struct.
func (p *param) store(v starlark.Value, field reflect.Value) error {
	ptr := field.Addr().Interface()
	u, ok := ptr.(starlark.Unpacker)
	if v == starlark.None && !p.acceptsNone() {
		if w := (*wantError)(nil); ok && errors.As(u.Unpack(v), &w) {
			return w // it knows better what it takes
		}
		return wanted(p.described(), v, "")
	}
	if ok {
		return u.Unpack(v)
	}
	switch ptr := ptr.(type) {
	case *starlark.Value:
		*ptr = v
		return nil
	case *[]string:
		return storeStrings(v, ptr)
	case *map[string]string:
		return storeStringMap(v, ptr)
	}
	if field.Kind() == reflect.Pointer && isScalar(field.Type().Elem()) {
		target := reflect.New(field.Type().Elem())
		if err := p.store(v, target.Elem()); err != nil {
			return err
		}
		field.Set(target)
		return nil
	}
	if isScalar(field.Type()) {
		return storeScalar(v, field)
	}
	if !reflect.TypeOf(v).AssignableTo(field.Type()) {
		return wanted(p.described(), v, "")
	}
	field.Set(reflect.ValueOf(v))
	return nil
}

// described says what p takes, for messages: "a dict", "an Image or a Layer".
func (p *param) described() string {
	var parts []string
	for _, alternative := range alternatives(p.typ) {
		name, _, _ := strings.Cut(alternative, "[")
		name, _, _ = strings.Cut(name, "(")
		parts = append(parts, withArticle(aliased(name)))
	}
	return strings.Join(parts, " or ")
}

// aliased is str for a name of ours for texts, such as Reference.
func aliased(name string) string {
	a, err := loadAPI()
	if err != nil {
		return name
	}
	for _, d := range a.names {
		if d.kind == "alias" && d.name == name && d.typ == "str" {
			return d.typ
		}
	}
	return name
}

func withArticle(name string) string {
	switch {
	case name == "str":
		return "a string"
	case name == "None" || name == "any":
		return name
	case strings.ContainsAny(name[:1], "AEIOUaeiou"):
		return "an " + name
	default:
		return "a " + name
	}
}

func isScalar(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[string](), reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int64](), reflect.TypeFor[float64]():
		return true
	}
	return false
}

func storeScalar(v starlark.Value, field reflect.Value) error {
	switch field.Kind() {
	case reflect.String:
		s, ok := starlark.AsString(v)
		if !ok {
			return wanted("a string", v, asText(v))
		}
		field.SetString(s)
	case reflect.Bool:
		b, ok := v.(starlark.Bool)
		if !ok {
			return wanted("True or False", v, "")
		}
		field.SetBool(bool(b))
	case reflect.Int, reflect.Int64:
		n, err := toInt(v)
		if err != nil {
			return err
		}
		field.SetInt(n)
	case reflect.Float64:
		f, ok := starlark.AsFloat(v)
		if !ok {
			return wanted("a number", v, "")
		}
		field.SetFloat(f)
	}
	return nil
}

// toInt takes an int that fits into 64 bits.
func toInt(v starlark.Value) (int64, error) {
	i, ok := v.(starlark.Int)
	if !ok {
		return 0, wanted("an int", v, "")
	}
	n, ok := i.Int64()
	if !ok {
		return 0, fmt.Errorf("%s is not between %d and %d", brief(v), int64(math.MinInt64), int64(math.MaxInt64))
	}
	return n, nil
}

// asText returns a number as the text that was probably meant.
func asText(v starlark.Value) string {
	if i, ok := v.(starlark.Int); ok {
		return starlark.String(i.String()).String()
	}
	return ""
}

func storeStrings(v starlark.Value, dst *[]string) error {
	var seq starlark.Indexable
	switch v := v.(type) {
	case *starlark.List:
		seq = v
	case starlark.Tuple:
		seq = v
	case starlark.String:
		return wanted("a list of strings", v, listOf(v))
	default:
		return wanted("a list of strings", v, "")
	}
	list := make([]string, seq.Len())
	var wrong []error
	for i := range list {
		elem := seq.Index(i)
		s, ok := starlark.AsString(elem)
		if !ok {
			wrong = append(wrong, &wantError{path: fmt.Sprintf("[%d]", i), want: "a string", got: typeOf(elem), write: asText(elem)})
		}
		list[i] = s
	}
	*dst = list
	return together(wrong)
}

func listOf(v starlark.Value) string {
	if s := brief(v); s != "…" {
		return "[" + s + "]"
	}
	return "[…]"
}

func storeStringMap(v starlark.Value, dst *map[string]string) error {
	dict, ok := v.(starlark.IterableMapping)
	if !ok {
		return wanted("a dict of strings", v, "")
	}
	items := dict.Items()
	m := make(map[string]string, len(items))
	for _, item := range items {
		key, ok := starlark.AsString(item[0])
		if !ok {
			return &wantError{want: "a dict with strings as keys", got: "the key " + typeOf(item[0])}
		}
		value, ok := starlark.AsString(item[1])
		if !ok {
			return &wantError{path: fmt.Sprintf("[%s]", brief(item[0])), want: "a string", got: typeOf(item[1]), write: asText(item[1])}
		}
		m[key] = value
	}
	*dst = m
	return nil
}

// stringOrList takes one string or a list of strings.
type stringOrList []string

// Unpack implements starlark.Unpacker.
func (l *stringOrList) Unpack(v starlark.Value) error {
	if s, ok := starlark.AsString(v); ok {
		*l = stringOrList{s}
		return nil
	}
	err := storeStrings(v, (*[]string)(l))
	if w, ok := err.(*wantError); ok && w.path == "" {
		w.want = "a string or a list of strings"
	}
	return err
}
