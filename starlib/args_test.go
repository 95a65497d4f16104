package starlib

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.starlark.net/starlark"
)

// bindTest is a function with a parameter of each kind.
const bindParams = `one, two = None, *, flag = False, count = 3, size = None, ratio = 1.5, ignores = [], env = {}, tags = None, many = None,
    platform = "linux/amd64", raw = unset, call = None, dict = {}, list = None, match = None`

const bindDocs = `
      one (str): A.
      two (str): A.
      flag (bool): A.
      count (int): A.
      size (int): A.
      ratio (float): A.
      ignores (list[str]): A.
      env (dict[str, str]): A.
      tags (list[str]): A.
      many (str | list[str]): A.
      platform (str): A.
      raw (any): A.
      call (function): A.
      dict (dict): A.
      list (list[int] | None): A.
      match (Match): A.`

type bindArgsAll struct {
	One      string            `arg:"one"`
	Two      *string           `arg:"two"`
	Flag     bool              `arg:"flag"`
	Count    int               `arg:"count"`
	Size     *int64            `arg:"size"`
	Ratio    float64           `arg:"ratio"`
	Ignores  []string          `arg:"ignores"`
	Env      map[string]string `arg:"env"`
	Tags     []string          `arg:"tags"`
	Many     stringOrList      `arg:"many"`
	Platform upper             `arg:"platform"`
	Raw      starlark.Value    `arg:"raw"`
	Call     starlark.Callable `arg:"call"`
	Dict     *starlark.Dict    `arg:"dict"`
	List     *starlark.List    `arg:"list"`
	Match    *match            `arg:"match"`
}

// upper is an Unpacker.
type upper string

func (u *upper) Unpack(v starlark.Value) error {
	s, ok := starlark.AsString(v)
	if !ok {
		return wanted("a platform", v, `"linux/arm64"`)
	}
	if s == "" {
		return fmt.Errorf("an empty platform: %w", io.ErrNoProgress)
	}
	*u = upper(strings.ToUpper(s))
	return nil
}

// call evaluates a call of f with these arguments and returns what they were bound to.
func call(t *testing.T, s *signature, dst any, arguments string) error {
	t.Helper()
	var bindErr error
	f := starlark.NewBuiltin("f", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		bindErr = s.bind(args, kwargs, dst)
		return starlark.None, nil
	})
	if _, err := starlark.EvalOptions(dialect(), new(starlark.Thread), "call", "f("+arguments+")", starlark.StringDict{"f": f}); err != nil {
		t.Fatal(err)
	}
	return bindErr
}

func TestBind(t *testing.T) {
	s := parseOne(t, bindParams, bindDocs)
	if problems := checkArgs(s, reflect.TypeFor[bindArgsAll]()); problems != nil {
		t.Fatal(problems)
	}
	p := func(s string) *string { return &s }
	n := func(i int64) *int64 { return &i }
	defaults := func(edit func(a *bindArgsAll)) *bindArgsAll {
		a := &bindArgsAll{One: "a", Count: 3, Ratio: 1.5, Ignores: []string{}, Env: map[string]string{}, Platform: "LINUX/AMD64", Dict: new(starlark.Dict)}
		edit(a)
		return a
	}
	tests := []struct {
		call string
		edit func(a *bindArgsAll)
	}{
		{`"a"`, func(a *bindArgsAll) {}},
		{`one = "a"`, func(a *bindArgsAll) {}},
		{`"a", None, flag = None, count = None, size = None, ratio = None, ignores = None, env = None, tags = None, many = None, platform = None, call = None, dict = None, list = None`, func(a *bindArgsAll) {}},
		{`"a", "b"`, func(a *bindArgsAll) { a.Two = p("b") }},
		{`"a", two = ""`, func(a *bindArgsAll) { a.Two = p("") }},
		{`"a", flag = True, count = -1, size = 1 << 40, ratio = 2`, func(a *bindArgsAll) { a.Flag, a.Count, a.Size, a.Ratio = true, -1, n(1<<40), 2 }},
		{`"a", size = 0`, func(a *bindArgsAll) { a.Size = n(0) }},
		{`"a", ignores = ["x", "y"], tags = []`, func(a *bindArgsAll) { a.Ignores, a.Tags = []string{"x", "y"}, []string{} }},
		{`"a", ignores = ("x",), many = "m"`, func(a *bindArgsAll) { a.Ignores, a.Many = []string{"x"}, stringOrList{"m"} }},
		{`"a", many = ["m", "n"]`, func(a *bindArgsAll) { a.Many = stringOrList{"m", "n"} }},
		{`"a", env = {"A": "1"}`, func(a *bindArgsAll) { a.Env = map[string]string{"A": "1"} }},
		{`"a", platform = "x"`, func(a *bindArgsAll) { a.Platform = "X" }},
		{`"a", raw = None`, func(a *bindArgsAll) { a.Raw = starlark.None }},
		{`"a", raw = 1`, func(a *bindArgsAll) { a.Raw = starlark.MakeInt(1) }},
		{`"a", call = len`, func(a *bindArgsAll) { a.Call = starlark.Universe["len"].(starlark.Callable) }},
		{`"a", list = [1]`, func(a *bindArgsAll) { a.List = starlark.NewList([]starlark.Value{starlark.MakeInt(1)}) }},
	}
	for _, tt := range tests {
		got := new(bindArgsAll)
		if err := call(t, s, got, tt.call); err != nil {
			t.Errorf("f(%s): %v", tt.call, err)
			continue
		}
		same := cmp.Comparer(func(a, b starlark.Value) bool { return text(a) == text(b) })
		if diff := cmp.Diff(defaults(tt.edit), got, same); diff != "" {
			t.Errorf("f(%s): -want +got\n%s", tt.call, diff)
		}
	}
}

// text shows a value that may be nil.
func text(v starlark.Value) string {
	if r := reflect.ValueOf(v); !r.IsValid() || r.Kind() == reflect.Pointer && r.IsNil() {
		return "nil"
	}
	return v.String()
}

func TestBindCopies(t *testing.T) {
	s := parseOne(t, "a, b", "\n      a (list[str]): A.\n      b (dict[str, str]): A.")
	list := starlark.NewList([]starlark.Value{starlark.String("x")})
	dict := starlark.NewDict(1)
	var got struct {
		A []string          `arg:"a"`
		B map[string]string `arg:"b"`
	}
	if err := s.bind(starlark.Tuple{list, dict}, nil, &got); err != nil {
		t.Fatal(err)
	}
	_ = list.SetIndex(0, starlark.String("y"))
	_ = dict.SetKey(starlark.String("k"), starlark.String("v"))
	if got.A[0] != "x" || len(got.B) != 0 {
		t.Errorf("a later change is seen: %v", got)
	}
}

func TestBindDefaultsAreFrozen(t *testing.T) {
	s := parseOne(t, "a = {}", "\n      a (dict): A.")
	var got struct {
		A *starlark.Dict `arg:"a"`
	}
	if err := s.bind(nil, nil, &got); err != nil {
		t.Fatal(err)
	}
	if err := got.A.SetKey(starlark.None, starlark.None); err == nil {
		t.Error("a default can be changed by one call for the next")
	}
}

// TestBindRequiredNone: None is no value of a required parameter unless its type says so.
func TestBindRequiredNone(t *testing.T) {
	s := parseOne(t, "tag, data", "\n      tag (str | bool | None): A.\n      data (dict | Data): A.")
	var got struct {
		Tag  starlark.Value `arg:"tag"`
		Data starlark.Value `arg:"data"`
	}
	if err := call(t, s, &got, `None, {}`); err != nil || got.Tag != nil {
		t.Errorf("got %v, %v", got.Tag, err)
	}
	if err := call(t, s, &got, `"t", None`); err == nil || err.Error() != "f: data: want a dict or a Data, got None" {
		t.Errorf("got %v", err)
	}
}

// TestBindLate: a function may report a missing argument itself.
func TestBindLate(t *testing.T) {
	s := parseOne(t, "url, *, sha256", "\n      url (str): A.\n      sha256 (str): A.")
	var got struct {
		URL    string  `arg:"url"`
		SHA256 *string `arg:"sha256,late"`
	}
	if err := call(t, s, &got, `"u"`); err != nil || got.SHA256 != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if err := call(t, s, &got, ``); err == nil || err.Error() != "f: missing argument: url" {
		t.Errorf("got %v", err)
	}
}

func TestBindErrors(t *testing.T) {
	s := parseOne(t, bindParams, bindDocs)
	tests := []struct{ call, want string }{
		{``, `f: missing argument: one`},
		{`1`, `f: one: want a string, got int; write "1"`},
		{`None`, `f: one: want a string, got None`},
		{`b"x"`, `f: one: want a string, got bytes`},
		{`"a", one = "b"`, `f: one is given twice`},
		{`"a", "b", True`, `f: flag must be given by name: flag = True`},
		{`"a", "b", ["x"]`, `f: flag must be given by name: flag = ["x"]`},
		{`"a", "b", {"token": "t"}`, `f: flag must be given by name: flag = …`},
		{`"a", "b", "` + strings.Repeat("x", 50) + `"`, `f: flag must be given by name: flag = …`},
		{`"a", flag = 1`, `f: flag: want True or False, got int`},
		{`"a", count = "1"`, `f: count: want an int, got string`},
		{`"a", count = 1.0`, `f: count: want an int, got float`},
		{`"a", count = 1 << 64`, `f: count: 18446744073709551616 is not between -9223372036854775808 and 9223372036854775807`},
		{`"a", size = []`, `f: size: want an int, got list`},
		{`"a", ratio = "x"`, `f: ratio: want a number, got string`},
		{`"a", ignores = "*.js"`, `f: ignores: want a list of strings, got string; write ["*.js"]`},
		{`"a", ignores = "` + strings.Repeat("x", 50) + `"`, `f: ignores: want a list of strings, got string; write […]`},
		{`"a", ignores = {"x": 1}`, `f: ignores: want a list of strings, got dict`},
		{`"a", ignores = ["x", 8080]`, `f: ignores[1]: want a string, got int; write "8080"`},
		{`"a", ignores = ["x", None]`, `f: ignores[1]: want a string, got None`},
		{`"a", env = ["A=1"]`, `f: env: want a dict of strings, got list`},
		{`"a", env = {"PORT": 80}`, `f: env["PORT"]: want a string, got int; write "80"`},
		{`"a", env = {80: "x"}`, `f: env: want a dict with strings as keys, got the key int`},
		{`"a", many = 1`, `f: many: want a string or a list of strings, got int`},
		{`"a", many = [1]`, `f: many[0]: want a string, got int; write "1"`},
		{`"a", platform = 1`, `f: platform: want a platform, got int; write "linux/arm64"`},
		{`"a", platform = ""`, `f: platform: an empty platform: multiple Read calls return no data or error`},
		{`"a", call = 1`, `f: call: want a function, got int`},
		{`"a", dict = []`, `f: dict: want a dict, got list`},
		{`"a", list = {}`, `f: list: want a list or None, got dict`},
		{`"a", match = "x"`, `f: match: want a Match, got string`},
		{`"a", ignore = []`, `f: unexpected keyword argument "ignore" (did you mean "ignores"?)`},
		{`"a", plattform = ""`, `f: unexpected keyword argument "plattform" (did you mean "platform"?)`},
		{`"a", oneTwo = ""`, `f: unexpected keyword argument "oneTwo" (there are "one", "two",`},
		{`"a", tag = ""`, `f: unexpected keyword argument "tag" (did you mean "tags"?)`},
	}
	for _, tt := range tests {
		err := call(t, s, new(bindArgsAll), tt.call)
		if err == nil || err.Error() != tt.want && !(strings.HasSuffix(tt.want, ",") && strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("f(%s):\ngot  %v\nwant %s", tt.call, err, tt.want)
		}
	}
	if err := call(t, s, new(bindArgsAll), `"a", platform = ""`); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("the error of an Unpacker is not found: %v", err)
	}
	none := parseOne(t, "", "")
	if err := call(t, none, new(noArgs), `1`); err == nil || err.Error() != "f: want at most 0 arguments, got 1" {
		t.Errorf("got %v", err)
	}
	if err := call(t, none, new(noArgs), `a = 1`); err == nil || err.Error() != `f: unexpected keyword argument "a": it takes none` {
		t.Errorf("got %v", err)
	}
	if err := s.bind(starlark.Tuple{starlark.String("a")}, nil, new(noArgs)); err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("a struct without fields: got %v", err)
	}
}

func BenchmarkBind(b *testing.B) {
	builtin := starlark.NewBuiltin("re.match", regexpFunctions[0].fn)
	args := starlark.Tuple{starlark.String("a"), starlark.String("b")}
	for b.Loop() {
		if _, err := bindArgs[findArgs](builtin, args, nil); err != nil {
			b.Fatal(err)
		}
	}
}
