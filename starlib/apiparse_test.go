package starlib

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// parseOne returns the signature of a function f with these parameters.
func parseOne(t *testing.T, params, args string) *signature {
	t.Helper()
	if args != "" {
		args = "\n\n    Args:" + args
	}
	a, err := parseAPI("stub", fmt.Sprintf("def f(%s):\n    \"\"\"Does it.%s\n    \"\"\"\n", params, args))
	if err != nil {
		t.Fatal(err)
	}
	return a.byName["f"]
}

// stubSource is a stub with one of each thing, and stubModel what is made of it.
const stubSource = `"""The file."""
Path = alias("str", """A path.""")
re = module("""Expressions.""")
struct = upstream("""Makes a struct.""")
json = upstream("""JSON.""")
json_encode = upstream("(x: any) -> str", """Writes JSON.""")
T_size = attribute("int", """How many.""", read_only = True)
T_name = attribute("str | None", """What it is called.

More.
""")
T_both = attribute("int", """Both.""", accepts = "int | str")
T = type("""A thing.""")
def re_match(p):
    """Matches.

    Args:
      p (str): an
        expression.
    """
    pass
def T_do(self, a, b = None, *, c = "x", d = 5, e = True, f = unset, g = {}, h = 0.5):
    """Does it. Really.

    At length.

    Args:
      a (list[str] | Path): one.
      b (int): two.
      c (str): three.
      d (int): four.
      e (bool): five.
      f (any): six.
      g (dict): seven.
      h (float): eight.

    Returns:
      struct(x, y): what
        it did.

    Errors:
      Sometimes.

    Example:
      t.do([
          "x",
      ])
    """
    pass
def read_file():
    """Reads."""
    pass
`

const stubModel = `re.match
T.do
read_file
T.size int "How many." "" true
T.name str | None "What it is called.\n\nMore." "" false
T.both int "Both." "int | str" false
alias Path str "A path."
module re  "Expressions."
upstream struct  "Makes a struct."
upstream json  "JSON."
type T  "A thing."
upstream json.encode (x: any) -> str "Writes JSON."
a (list[str] | Path) <nil> kw=false required=true unset=false "one."
b (int) None kw=false required=false unset=false "two."
c (str) "x" kw=true required=false unset=false "three."
d (int) 5 kw=true required=false unset=false "four."
e (bool) True kw=true required=false unset=false "five."
f (any) <nil> kw=true required=false unset=true "six."
g (dict) {} kw=true required=false unset=false "seven."
h (float) 0.5 kw=true required=false unset=false "eight."
"Does it. Really.\n\nAt length."
{"" "struct(x, y)" "what it did."}
Sometimes.
t.do([
    "x",
])
an expression.`

func TestParseAPI(t *testing.T) {
	a, err := parseAPI("stub", stubSource)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range a.functions {
		got = append(got, s.qualified())
	}
	for _, d := range a.attributes {
		got = append(got, fmt.Sprintf("%s.%s %s %q %q %t", d.receiver, d.name, d.typ, d.doc, d.accepts, d.readOnly))
	}
	for _, d := range slices.Concat(a.names, a.members) {
		got = append(got, fmt.Sprintf("%s %s %s %q", d.kind, d.name, d.typ, d.doc))
	}
	s := a.byName["T.do"]
	for _, p := range s.params {
		got = append(got, fmt.Sprintf("%s (%s) %v kw=%t required=%t unset=%t %q", p.name, p.typ, p.fallback, p.keywordOnly, p.required, p.unset, p.doc))
	}
	got = append(got, fmt.Sprintf("%q", s.doc.text), fmt.Sprintf("%q", s.doc.returns), s.doc.errors, s.doc.example, a.byName["re.match"].params[0].doc)
	if got := strings.Join(got, "\n"); got != stubModel {
		t.Errorf("got\n%s\nwant\n%s", got, stubModel)
	}
	if got := fmt.Sprint(a.doc, a.globals()); got != "The file.[read_file re struct json]" {
		t.Errorf("doc and global names are %s", got)
	}
}

func TestParseAPIErrors(t *testing.T) {
	const head = "T = type(\"A thing.\")\n"
	def := func(params, doc string) string {
		return head + "def f(" + params + "):\n    \"\"\"" + doc + "\"\"\"\n"
	}
	tests := []struct{ name, source, want string }{
		{"syntax", "def", "stub:1:4: not an identifier"},
		{"no docstring", head + "def f():\n    pass\n", "stub:2:1: f: has no docstring"},
		{"empty docstring", def("", ""), "stub:2:1: f: has no description"},
		{"no sentence", def("", "does"), "stub:2:1: f: the description must begin with a sentence"},
		{"parameter without docs", def("a, b", "Does.\n\n    Args:\n      a (int): A."), "f: parameter b is not documented"},
		{"parameters in another order", def("a, b", "Does.\n\n    Args:\n      b (int): B.\n      a (int): A."), "f: parameter a is not documented, or not in order"},
		{"docs without a parameter", def("a", "Does.\n\n    Args:\n      a (int): A.\n      b (int): B."), "f: has no parameter b"},
		{"no type", def("a", "Does.\n\n    Args:\n      a: A."), "f: want `name (type): text`, got \"a: A.\""},
		{"return without type", def("", "Does.\n\n    Returns:\n      something"), "f: want `type: text`, got \"something\""},
		{"unknown section", def("", "Does.\n\n    Raises:\n      x"), `f: unknown section "Raises"`},
		{"section twice", def("", "Does.\n\n    Errors:\n      x\n    Errors:\n      x"), `f: section "Errors" is empty or there twice`},
		{"empty section", def("", "Does.\n\n    Errors:\n"), `f: section "Errors" is empty or there twice`},
		{"args", def("*args", "Does."), "f: *args and **kwargs have no place here"},
		{"kwargs", def("**kwargs", "Does."), "f: *args and **kwargs have no place here"},
		{"default that is computed", def("a = 1 + 1", "Does.\n\n    Args:\n      a (int): A."), "a default is None, True, False, a number"},
		{"twice", def("", "Does.") + "def f():\n    \"Does.\"\n", "stub:4:1: f: is there twice"},
		{"method without self", head + "def T_f(a):\n    \"Does.\"\n", "T_f: the first parameter of a method is self"},
		{"attribute of no type", "U_a = attribute(\"int\", \"It.\")", "U_a: want TYPE_NAME = attribute"},
		{"attribute without doc", head + "T_a = attribute(\"int\")", "T_a: want TYPE_NAME = attribute"},
		{"attribute with a bad doc", head + "T_a = attribute(\"int\", \"it\")", "T_a: the description must begin with a sentence"},
		{"attribute that may be set", head + "T_a = attribute(\"int\", \"It.\", read_only = False)", "want a text or read_only = True"},
		{"attribute that accepts no text", head + "T_a = attribute(\"int\", \"It.\", accepts = int)", "want a text or read_only = True, or accepts = TYPE"},
		{"library with a bad doc", "json = upstream(\"JSON.\")\njson_encode = upstream(\"(x)\", \"it\")", "json_encode: the description must begin with a sentence"},
		{"library with too much", "json = upstream(\"JSON.\", \"x\", \"y\")", "want type(doc)"},
		{"unknown declaration", "x = value(\"It.\")", "x: want type(doc)"},
		{"alias without type", "x = alias(\"It.\")", "x: want type(doc)"},
		{"other statement", "x = 1", "want a def or NAME = attribute"},
	}
	for _, tt := range tests {
		_, err := parseAPI("stub", tt.source)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func BenchmarkParseAPI(b *testing.B) {
	for b.Loop() {
		if _, err := parseAPI("api.star", apiSource); err != nil {
			b.Fatal(err)
		}
	}
}
