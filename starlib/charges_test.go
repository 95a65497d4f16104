package starlib

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/build"
)

// untilStopped is how long a script takes until the limit of steps stops it.
func untilStopped(t *testing.T, w *world, script string, steps int64) time.Duration {
	t.Helper()
	w.opts.Limits = Limits{Steps: steps, PrintBytes: -1}
	start := time.Now()
	_, err := w.run(t.Context(), "proj/build.star", script)
	took := time.Since(start)
	if !errors.Is(err, build.ErrLimit) || !strings.Contains(err.Error(), " steps, which is the limit") {
		t.Errorf("got %v", err)
	}
	return took
}

// TestCharges: a loop over any built-in whose work grows with what it is given is stopped in at most twice the time that the same number of steps takes in a plain
// loop. The test allows twenty times, and tries again where that is not enough, since its machine may be busy.
func TestCharges(t *testing.T) {
	const steps = 1_000_000
	prepare := `
text = 100 * "lorem ipsum dolor sit amet, "
long = 1000 * text
numbers = list(range(2000))
words = text.split(" ")
pairs = [(str(i), i) for i in range(1000)]
data = dict(pairs)
doc = json.encode(data)
big = 1
for i in range(60):
    big = big * 123456789012345678901234567890
digits = str(big)
def loop(f):
    for i in range(1000000000):
        f()
`
	calls := map[string]string{
		"str": "str(numbers)", "percent": "'%s' % numbers", "format": "'{}'.format(numbers)", "str of text": "str([long])", "str of an int": "str(big)", "repr": "repr(data)", "print": "print(numbers)", "list": "list(numbers)", "tuple": "tuple(numbers)",
		"set": "set(numbers)", "dict": "dict(pairs)", "sorted": "sorted(words)", "sorted ints": "sorted(numbers)", "sorted by key": "sorted(numbers, key = lambda x: -x)",
		"reversed": "reversed(numbers)", "enumerate": "enumerate(numbers)", "zip": "zip(numbers, numbers, numbers)", "any": "any(1000 * [0])", "all": "all(numbers)",
		"min": "min(numbers)", "max": "max(numbers)", "hash": "hash(long)", "bytes": "bytes(long)", "bytes of ints": "bytes(1000 * [1])", "int": "int(digits)",
		"list of range": "list(range(5000))", "extend": "[].extend(range(5000))", "json.encode": "json.encode(data)", "json.encode text": "json.encode(long)",
		"json.decode": "json.decode(doc)", "json.decode lists": "json.decode('[' + 3000 * '0,' + '0]')", "json.indent": "json.indent(doc)", "json.encode_indent": "json.encode_indent(data)",
		"re.match": "re.match('(lorem|ipsum|[a-z ,])*', text)", "re.search": "re.search('(x+x+)+y', text)", "re.findall": "re.findall('[a-z]+', text)",
		"re.findall each": "re.findall('', text)", "re.sub": "re.sub('o', 'long replacement', text)", "re.sub groups": "re.sub('([a-z]+) ([a-z]+)', '\\\\2 \\\\1', text)",
		"re.search size": "re.search('(a{1,100}b?){1,9}c', text)",
		"glob":           "glob('**/*', allow_empty = True)", "read_file": "read_file('conf/a.json')", "digest": "digest(long)", "digest of a file": "digest(file('conf/a.json'))",
		"custom_file": "custom_file(long)", "struct": "image", "var": "var('x', 'y')",
	}
	delete(calls, "struct")
	plain := func(w *world) time.Duration {
		return untilStopped(t, w, prepare+"loop(lambda: 1 + 1)", steps)
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			ratio := 1000.0
			for range 5 {
				base := plain(w)
				took := untilStopped(t, w, prepare+"loop(lambda: "+call+")", steps)
				if ratio = min(ratio, float64(took)/float64(base)); ratio < 20 {
					break
				}
			}
			t.Logf("%-22s %5.2f of the time of a plain loop", name, ratio)
			if ratio >= 20 {
				t.Errorf("%s takes %.1f times as long as a plain loop of as many steps", call, ratio)
			}
		})
	}
}

// TestDeepData: what is nested deeply, is in itself, or looks like more than there is memory, is an error wherever all of it is looked at: no call ends the program, and none takes for ever.
func TestDeepData(t *testing.T) {
	deep := "x = []\nfor i in range(150000):\n    x = [x]\n"
	wide := "x = []\nfor i in range(100):\n    x = [x, x]\n"
	dicts := "x = {}\nfor i in range(100):\n    x = {'a': x, 'b': x}\n"
	itself := "x = []\nx.append(struct(x = x))\n"
	const nested, steps = "nested more than ", "steps, which is the limit"
	for name, c := range map[string]struct{ script, want string }{
		"str":                 {deep + "str(x)", nested},
		"repr":                {deep + "repr(x)", nested},
		"percent":             {deep + "'%s' % x", nested},
		"percent of tuples":   {"x = ()\nfor i in range(150000):\n    x = (x,)\n'%s' % x", nested},
		"percent assigned":    {deep + "y = '%s'\ny %= x", nested},
		"percent of dict":     {deep + "'%(a)s' % {'a': x}", nested},
		"format":              {deep + "'{}'.format(x)", nested},
		"format by name":      {deep + "'{a}'.format(a = x)", nested},
		"format of args":      {deep + "'{}'.format(*[x])", nested},
		"format of kwargs":    {deep + "'{a}'.format(**{'a': x})", nested},
		"wide percent":        {wide + "'%s' % x", steps},
		"wide format":         {wide + "'{}'.format(x)", steps},
		"percent of itself":   {itself + "'%s' % x", nested},
		"print":               {deep + "print(x)", nested},
		"fail":                {deep + "fail(x)", nested},
		"json.encode":         {deep + "json.encode(x)", nested},
		"json.encode_indent":  {deep + "json.encode_indent(x)", nested},
		"json.decode":         {"json.decode(1000000 * '[')", nested},
		"json.decode default": {"json.decode(1000000 * '[', None)", nested},
		"json.indent":         {"json.indent(1000000 * '[')", nested},
		"json.decode digits":  {"json.decode(1000000 * '9')", "is too large"},
		"argument":            {deep + "image(x)", "image: base: want"},
		"argument in itself":  {"x = []\nx.append(x)\nimage(x)", "image: base: want"},
		"freeze":              {deep, "the value of x is nested more than 100000 deep"},
		"freeze of a closure": {"def f():\n    y = []\n    for i in range(150000):\n        y = [y]\n    return lambda: y\ng = f()", "the value of g is nested more than 100000 deep"},
		"auth map":            {deep + "auth('reg.example/x', options = {'reg.example': {'credentials': {'a': x}}})", nested},
		"wide str":            {wide + "str(x)", steps},
		"wide json":           {wide + "json.encode(x)", steps},
		"wide dicts":          {dicts + "repr(x)", steps},
		"wide auth map":       {dicts + "auth('reg.example/x', options = {'reg.example': {'credentials': x}})", "more than 16MiB of JSON"},
		"str of itself":       {itself + "str(x)", nested},
		"json of itself":      {itself + "json.encode(x)", nested},
		"sum":                 {"x = 1" + strings.Repeat("-1", 200_000), "nested more than 50000 deep"},
		"attributes":          {"x = print" + strings.Repeat(".a", 200_000), "nested more than 50000 deep"},
		"calls":               {"x = print" + strings.Repeat("()", 200_000), "nested more than 50000 deep"},
		"indexes":             {"x = 1" + strings.Repeat("[0]", 200_000), "nested more than 50000 deep"},
		"slices":              {"x = 1" + strings.Repeat("[0:]", 200_000), "nested more than 50000 deep"},
		"brackets":            {"x = " + strings.Repeat("(", 200_000), "excessive nesting"},
		"signs":               {"x = " + strings.Repeat("-", 200_000) + "1", "excessive nesting"},
		"nots":                {"x = " + strings.Repeat("not ", 200_000) + "1", "excessive nesting"},
		"conditions":          {"x = " + strings.Repeat("1 if 1 else ", 200_000) + "1", "excessive nesting"},
		"lambdas":             {"x = " + strings.Repeat("lambda: ", 200_000) + "1", "excessive nesting"},
		"ifs":                 {nestedIfs(2000), "excessive nesting"},
		"elifs":               {"if 1:\n    pass\n" + strings.Repeat("elif 2:\n    pass\n", 100_000), "nested more than 50000 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.opts.Limits.Steps = 5_000_000
			_, err := w.run(t.Context(), "proj/build.star", c.script)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %.300v, want %q", err, c.want)
			}
		})
	}
}

func nestedIfs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%sif 1:\n", strings.Repeat(" ", i))
	}
	return b.String() + strings.Repeat(" ", n) + "pass\n"
}

// TestGreed: what asks for far too much at once is an error. What Starlark itself does not bound (sums of texts and products of large numbers, and what methods of its own values
// make) only the memory bounds.
func TestGreed(t *testing.T) {
	const steps = "steps, which is the limit"
	for script, want := range map[string]string{
		"'a' * 10000000000":                   "repeat count 10000000000 too large",
		"'a' * 2000000000":                    "excessive repeat",
		"[0] * 2000000000":                    "excessive repeat",
		"list(range(1000000000000000000))":    steps,
		"sorted(range(1000000000000000000))":  steps,
		"tuple(range(1000000000000000000))":   steps,
		"set(range(1000000000000000000))":     steps,
		"dict(enumerate(range(1 << 60)))":     steps,
		"zip(range(1 << 60), range(1 << 60))": steps,
		"max(range(1 << 60))":                 steps,
		"any(range(1 << 60))":                 steps,
		"[].extend(range(1 << 60))":           steps,
		"set([1]).union(range(1 << 60))":      steps,
		"print(*range(1 << 60))":              steps,
		"l = []\nl += range(1 << 60)":         steps,
		"1 << 1000000000":                     "shift count too large",
		"[x for x in range(1 << 40) for y in range(1 << 40) for z in range(1 << 40)]":   steps,
		"re.sub('', 1000000 * 'x', 1000000 * 'y')":                                      steps,
		"re.sub('(.*)', 1000000 * '\\\\1', 1000000 * 'y')":                              steps,
		"re.search('((a{1000}){1000}){1000}', '')":                                      "invalid repeat count",
		"int(10000000 * '9')":                                                           steps,
		"json.indent('[' + 10000 * '1,' + '1]', indent = 1000000 * ' ')":                "--max-json-bytes",
		"json.encode_indent(10000 * [1], indent = 1000000 * ' ')":                       "--max-json-bytes",
		"image('scratch').add_files({str(i): custom_file('') for i in range(1 << 60)})": steps,
	} {
		t.Run(script, func(t *testing.T) {
			w := newWorld(t, "")
			w.opts.Limits.Steps = 5_000_000
			_, err := w.run(t.Context(), "proj/build.star", script)
			e := (*Error)(nil)
			if !errors.As(err, &e) || !strings.Contains(e.Msg+e.Hint, want) {
				t.Errorf("got %.300v, want %q", err, want)
			}
		})
	}
}
