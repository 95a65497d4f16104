package format

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/imgscript/imgscript/starlib"
)

// scripts are all scripts of the repository: its .star files, parts divided by lines "---" one by one, and those in .txtar archives. Those that do not parse are left out.
func scripts(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	add := func(name string, data []byte) {
		for i, part := range strings.Split(string(data), "\n---\n") {
			if _, err := starlib.Parse(name, []byte(part)); err == nil {
				all[strings.Repeat("+", i)+name] = []byte(part)
			}
		}
	}
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		switch filepath.Ext(name) {
		case ".star":
			add(name, data)
		case ".txtar":
			for _, f := range txtar.Parse(data).Files {
				if strings.HasSuffix(f.Name, ".star") {
					add(name+":"+f.Name, f.Data)
				}
			}
		}
		return err
	})
	if err != nil || len(all) < 100 {
		t.Fatal(len(all), err)
	}
	return all
}

// TestAll formats all scripts of the repository: what they mean stays, and to format them again changes nothing.
func TestAll(t *testing.T) {
	for name, text := range scripts(t) {
		once, err := Source(name, text)
		if err != nil && strings.Contains(err.Error(), "while loops") {
			continue // TestWhile
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		twice, err := Source(name, once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s: %v: formatted again:\n%s\nnot:\n%s", name, err, twice, once)
		}
		if b, a := bytes.Count(text, []byte("#")), bytes.Count(once, []byte("#")); b != a {
			t.Errorf("%s: %d # before, %d after", name, b, a)
		}
	}
}

func TestNotStarlark(t *testing.T) {
	_, err := Source("a.star", []byte("x = 1\ny = (\n"))
	if e := (*starlib.Error)(nil); !errors.As(err, &e) || len(e.Step) == 0 || e.Step[0].String() != "a.star:2:6" {
		t.Errorf("got %v", err)
	}
}

// TestNoText: a file with a NUL, which the parser takes for its end, is not cut there.
func TestNoText(t *testing.T) {
	for _, text := range []string{"x=1\ny = \"\x00\"\n", "\ufeffx=1\n", "{\"a\":1}"} {
		if once, err := Source("a.star", []byte(text)); err == nil {
			t.Errorf("%q became %q", text, once)
		}
	}
}

func TestSource(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"spaces", "x=1\nf( a,b = 2 )\n", "x = 1\nf(a, b = 2)\n"},
		{"quotes", "x = 'a' + 'b\"' + r'\\d' + 'it\\'s'\n", "x = \"a\" + 'b\"' + r\"\\d\" + \"it's\"\n"},
		{"bytes", "x = [b'a\\xff',b\"b\"]\ny = bytes0_\n", "x = [b'a\\xff', b\"b\"]\ny = bytes0_\n"},
		{"bytes of several lines", "x = [b'''a\n\tb''',\n1]\n", "x = [\n    b'''a\n\tb''',\n    1,\n]\n"},
		{"tabs", "def f(x):\n\tif x:\n\t    return '''\n\ta'''\n", "def f(x):\n    if x:\n        return \"\"\"\n\\ta\"\"\"\n"},
		{"windows", "x = 1\r\nif x:\r\n  y = 2\r\n", "x = 1\nif x:\n    y = 2\n"},
		{"indentation", "if 1:\n  x = 1\nelse:\n      x = 2\n", "if 1:\n    x = 1\nelse:\n    x = 2\n"},
		{"load", "load('//a.star', 'c', b = 'd', a = 'a')\n", "load(\"//a.star\", \"a\", \"c\", b = \"d\")\n"},
		{"labels stay", "x = '//a/b:b'\nimage(base = '//x:x', srcs = ['b', 'a'])\n", "x = \"//a/b:b\"\nimage(base = \"//x:x\", srcs = [\"b\", \"a\"])\n"},
		{"order stays", "# keep sorted\nx = ['b', 'a']\nprint(1)\nload('a.star', 'a')\n", "# keep sorted\nx = [\"b\", \"a\"]\nprint(1)\n\nload(\"a.star\", \"a\")\n"},
		{"comments", "x = [ # why\n  1, # one\n]\n#end\n", "x = [\n    # why\n    1,  # one\n]\n#end\n"},
		{"docstring", "def f():\n  \"\"\"A.\n\n  B.  \n  \"\"\"\n  pass\n", "def f():\n    \"\"\"A.\n\n    B.\n    \"\"\"\n    pass\n"},
		{"parentheses", "x = ((1 + 2)) * 3\ny = (1,)\n", "x = ((1 + 2)) * 3\ny = (1,)\n"},
		{"semicolons", "x = 1; y = 2\n", "x = 1\ny = 2\n"},
		{"no newline", "x=1", "x = 1\n"},
	}
	for _, tt := range tests {
		got, err := Source("a.star", []byte(tt.in))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %v\n%q, want\n%q", tt.name, err, got, tt.want)
		}
	}
}

// TestShape: what means something else has another shape, what means the same has the same.
func TestShape(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"x = (1)", "x = 1", true},
		{"x = 0x10", "x = 16", true},
		{"x = 'a'", "x = \"a\" # b", true},
		{"'a'", "'b'", true},
		{"load('a', 'b', 'c')", "load('a', c = 'c', b = 'b')", true},
		{"load('a', 'b')", "load('a', b = 'c')", false},
		{"x = 1", "x = '1'", false},
		{"x = 'a'", "x = b'a'", false},
		{"x = 1", "x += 1", false},
		{"x = (1 + 2) * 3", "x = 1 + 2 * 3", false},
		{"x = (1,)", "x = (1)", false},
		{"f(a)(b)", "f(a, b)", false},
		{"x = [a[1:], 2]", "x = [a[:1], 2]", false},
		{"if a:\n b\n c", "if a:\n b\nc", false},
		{"if a:\n b\nelse:\n c", "if a:\n b\n c", false},
		{"def f(a, b):\n c", "def f(a):\n b\n c", false},
		{"x = [a for a in b]", "x = {a: a for a in b}", false},
		{"x = lambda a: b", "x = lambda: a(b)", false},
		{"x = [-a, b]", "x = [a, -b]", false},
		{"for x in y:\n break", "for x in y:\n continue", false},
		{"x = y.a", "x = y.b", false},
	}
	for _, tt := range tests {
		a, err := starlib.Parse("a", []byte(tt.a))
		if err != nil {
			t.Fatal(err)
		}
		b, err := starlib.Parse("b", []byte(tt.b))
		if err != nil {
			t.Fatal(err)
		}
		if same := slices.Equal(shape(a), shape(b)); same != tt.same {
			t.Errorf("%q and %q: same is %t", tt.a, tt.b, same)
		}
	}
}

func TestWhile(t *testing.T) {
	_, err := Source("a.star", []byte("x = 1\nwhile x:\n    pass\n"))
	if e := (*starlib.Error)(nil); !errors.As(err, &e) || e.Step[0].String() != "a.star:2:1" || !strings.Contains(e.Hint, "for") {
		t.Errorf("got %v", err)
	}
}

// TestExamples: the examples are formatted.
func TestExamples(t *testing.T) {
	for name, text := range scripts(t) {
		if !strings.HasPrefix(name, "../../examples/") {
			continue
		}
		if formatted, err := Source(name, text); err != nil || !bytes.Equal(text, formatted) {
			t.Errorf("%s: %v: it is not formatted: run imgscript fmt", name, err)
		}
	}
}
