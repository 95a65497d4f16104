package manual_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/starlib"
	"github.com/imgscript/imgscript/starlib/manual"
)

const stubsOfOwn = `Path: TypeAlias = str
"""A path."""

class T:
    """A thing."""

    @property
    def size(self) -> int:
        """How many."""

    @property
    def count(self) -> int:
        """How many, as it was set."""
    @count.setter
    def count(self, value: int) -> None: ...

    @property
    def name(self) -> str | None:
        """What it is called."""
    @name.setter
    def name(self, value: str | int | None) -> None: ...

    def do(self, path: Path, *, count: int = 5, others: Any = ...) -> T:
        """Does it, with some words that make this longer than a line.

        Args:
            path: one.
            count: a count of many things that are counted.
            others: anything.

        Returns:
            the thing, for more.

        Errors:
            Sometimes.

        Example:
            t.do("a path that is longer than the page is wide")
        """

class re:
    """Expressions, of which there is more to say than fits into a line.

    - one ` + "`thing with spaces`" + ` that is long
    - two
    """

class json:
    """JSON."""

    @staticmethod
    def encode(x: Any) -> str:
        """Writes JSON."""
`

func TestStubs(t *testing.T) {
	entries, err := starlib.ParseAPI("own.star", ownStub)
	if err != nil {
		t.Fatal(err)
	}
	got := manual.Stubs(entries)
	// The names of types come after what uses them, which is nothing to a stub.
	for part := range strings.SplitSeq(stubsOfOwn, "\n\nclass ") {
		if !strings.Contains(got, strings.TrimSuffix(part, "\n")) {
			t.Errorf("got\n%s\nwithout\n%s", got, part)
		}
	}
}

// TestStubsOfTypes: what Python calls otherwise, and what it has no way to say.
func TestStubsOfTypes(t *testing.T) {
	entries, err := starlib.ParseAPI("own.star", `
File = type("""A file.""")
def f(a, b = None, c = None, d = "x\ty", *, e = {}, f = None):
    """Does "it".

    It has a \\d.

    Args:
      a (any): one.
      b (dict[str, struct]): two.
      c (str | None): three.
      d (str): four.
      e (dict): five.
      f (any): six.

    Returns:
      dict | struct(size, data): it.
    """
    pass
def g():
    """Lists "things".

    Returns:
      list[struct(path, mode)]: them.
    """
    pass
def h():
    """Says "no".

    Returns:
      struct(size, data): it.
    """
    pass
`)
	if err != nil {
		t.Fatal(err)
	}
	got := manual.Stubs(entries)
	for _, want := range []string{
		"def f(\n    a: Any,\n    b: Mapping[str, Any] | None = None,\n    c: str | None = None,\n    d: str = \"x\\ty\",\n    *,\n    e: dict = {},\n    f: Any = None,\n) -> Any:\n    r\"\"\"Does",
		"    Returns:\n        dict | struct(size, data): it.\n",
		"def g() -> list[_g]:\n    \"\"\"Lists \"things\".\n",
		"def h() -> _h:\n    \"\"\"Says \"no\".\n",
		"class _h:\n    size: Any\n    data: Any\n", "class _g:\n    path: Any\n    mode: Any\n\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout\n%s", got, want)
		}
	}
}

var (
	definition = regexp.MustCompile(`(?m)^( *)(?:def (\w+)\(|class (\w+):$|(\w+): (?:TypeAlias|\w+)\b)`)
	annotation = regexp.MustCompile(`(?:->|: (?:TypeAlias = )?|\| |\[|, )\b([A-Z_]\w+)\b`)
)

// TestStubsAreWhole: all that the language has is defined, as often as it should be, and all types that are named are. That Python can read it is tested with Python, in e2e.
func TestStubsAreWhole(t *testing.T) {
	entries := language(t)
	text := manual.Stubs(entries)
	code := regexp.MustCompile(`(?s)r?""".*?"""`).ReplaceAllString(text, "...")
	defined := map[string]int{}
	owner := ""
	for _, m := range definition.FindAllStringSubmatch(code, -1) {
		name := m[2] + m[3] + m[4]
		switch {
		case m[1] == "" && m[3] != "":
			owner = name
			defined[name]++
		case m[1] == "":
			defined[name]++
		case m[1] == "    " && !strings.HasPrefix(owner, "_"):
			defined[owner+"."+name]++
		}
	}
	for _, e := range entries {
		want := 1
		switch {
		case e.Kind == starlib.EntryStarlark && !slices.Contains([]string{"load", "fail"}, e.Name):
			want = 0 // Python has it
		case e.Kind == starlib.EntryAttribute && !e.ReadOnly:
			want = 2 // and a setter
		}
		if defined[e.Name] != want {
			t.Errorf("%s is defined %d times, want %d", e.Name, defined[e.Name], want)
		}
	}
	for _, m := range annotation.FindAllStringSubmatch(code, -1) {
		if name := m[1]; defined[name] == 0 && !slices.Contains([]string{"Any", "None", "True", "False", "NoReturn", "TypeAlias", "Mapping"}, name) {
			t.Errorf("%s is no type: %s", name, m[0])
		}
	}
	if strings.Count(text, `"""`)%2 != 0 || strings.ContainsRune(code, '\t') || strings.ContainsRune(code, '…') {
		t.Error("a text does not end, or there is what Python does not know")
	}
	for _, want := range []string{"typings/__builtins__.pyi", `"files.associations": {"*.star": "python"}`} {
		if !strings.Contains(text, want) {
			t.Errorf("the head does not have %s", want)
		}
	}
}
