package starlib

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/build"
)

// limited runs a script under limits, and wants it to go beyond one of them: an error of the script at a place, with the flag as its hint.
func limited(t *testing.T, limits Limits, script, place, msg, flag string) *Error {
	t.Helper()
	w := newWorld(t, script)
	w.opts.Limits = limits
	_, err := w.run(t.Context(), "proj/build.star", script)
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("got %v, want an error about %s", err, flag)
		return &Error{}
	}
	if !errors.Is(err, build.ErrLimit) || e.Kind != KindScript {
		t.Errorf("%v is a %s and no ErrLimit", err, e.Kind)
	}
	if !strings.Contains(e.Msg, msg+", which is the limit") {
		t.Errorf("got %q, want %q", e.Msg, msg)
	}
	if e.Hint != flag+" sets the limit" {
		t.Errorf("got the hint %q, want %s", e.Hint, flag)
	}
	if got := fmt.Sprint(e.Step); place != "" && (len(e.Step) == 0 || !strings.HasPrefix(e.Step[0].String(), place)) {
		t.Errorf("got the place %s, want %s", got, place)
	}
	return e
}

// TestLimits: each limit stops a script that goes beyond it, says which one and where, and lets one pass that just stays within.
func TestLimits(t *testing.T) {
	const blob = "b = client(REG + '/base')\nd = b.manifest('oci')['config']['digest']\n"
	for name, c := range map[string]struct {
		limits                   Limits
		within                   string // "" where none is just within
		script, place, msg, flag string
	}{
		"steps": {Limits{Steps: 5000}, "for i in range(100):\n    pass", "x = 1\nfor i in range(10000):\n    x += 1", "proj/build.star:", "the script takes more than 5000 steps", "--max-steps"},
		"steps of a function": {
			Limits{Steps: 5000}, "", "def f():\n    for i in range(10000):\n        pass\n\nf()", "proj/build.star:", "the script takes more than 5000 steps", "--max-steps",
		},
		"call depth": {
			Limits{CallDepth: 3}, "def a():\n    return 1\ndef b():\n    return a()\ndef c():\n    return b()\nc()",
			"def a():\n    return 1 + 1\ndef b():\n    return a()\ndef c():\n    return b()\ndef d():\n    return c()\nd()", "proj/build.star:1:", "calls are nested more than 3 deep", "--max-call-depth",
		},
		"source": {Limits{SourceBytes: 20}, "x = 1", "x = 'a long text is in here'", "", "proj/build.star has more than 20 bytes", "--max-source-bytes"},
		"read_file": {
			Limits{BlobBytes: 1}, "read_file('//empty')", "x = read_file('conf/a.json')", "proj/build.star:1:15", "conf/a.json has more than 1 bytes", "--max-blob-bytes",
		},
		"read": {
			Limits{BlobBytes: 3}, "i = image('scratch')\ni.add_files({'/a': custom_file('xxx')})\ni.read('/a')", "i = image('scratch')\ni.add_files({'/a': custom_file('xxxx')})\ni.read('/a')",
			"proj/build.star:3:8", "read: \"/a\" has more than 3 bytes", "--max-blob-bytes",
		},
		"files": {
			Limits{Steps: 100000}, "", "i = image('scratch')\ni.add_files({'/%d' % n: custom_file('') for n in range(30)})\nfor n in range(1000000):\n    i.files()", "proj/build.star:4:7", "the script takes more than 100000 steps", "--max-steps",
		},
		"blob":          {Limits{BlobBytes: 10}, "", blob + "b.blob(d)", "proj/build.star:3:3", "has more than 10 bytes", "--max-blob-bytes"},
		"blob asked":    {Limits{BlobBytes: 10}, "", blob + "b.blob(d, max_bytes = 1000000)", "proj/build.star:3:3", "has more than 10 bytes", "--max-blob-bytes"},
		"json.decode":   {Limits{JSONBytes: 10}, "json.decode('[1,2,3,4]')", "json.decode('[1,2,3,4,5]')", "proj/build.star:1:6", "the JSON text has more than 10 bytes", "--max-json-bytes"},
		"json.encode":   {Limits{JSONBytes: 10}, "json.encode('123456')", "json.encode('1234567890')", "proj/build.star:1:6", "the JSON text has more than 10 bytes", "--max-json-bytes"},
		"json.indent":   {Limits{JSONBytes: 50}, "json.indent('[1]')", "json.indent('[[1,2,3]]', indent = 20 * ' ')", "proj/build.star:1:6", "the JSON text has more than 50 bytes", "--max-json-bytes"},
		"encode_indent": {Limits{JSONBytes: 50}, "json.encode_indent([1])", "json.encode_indent([[1, 2, 3]], indent = 20 * ' ')", "proj/build.star:1:6", "the JSON text has more than 50 bytes", "--max-json-bytes"},
		"print": {
			Limits{PrintBytes: 10}, "print('12345678')", "print('1234')\nprint('123456')\nfail('not here')", "proj/build.star:2:1", "the script prints more than 10 bytes", "--max-print-bytes",
		},
		"files of a layer": {
			Limits{LayerFiles: 3}, "image('scratch').add_files({'/%d' % i: custom_file('') for i in range(3)}).digest", "image('scratch').add_files({'/%d' % i: custom_file('') for i in range(4)}).digest",
			"proj/build.star:1:18", "add_files: the layer has more than 3 files", "--max-layer-files",
		},
		"bytes of a layer": {
			Limits{LayerBytes: 3000}, "image('scratch').add_files({'/a': custom_file(3000 * 'x')}).digest", "image('scratch').add_files({'/a': custom_file(3001 * 'x')}).digest",
			"proj/build.star:1:18", "add_files: the layer has more than 3000 bytes", "--max-layer-bytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limited(t, c.limits, c.script, c.place, c.msg, c.flag)
			if c.within == "" {
				return
			}
			w := newWorld(t, c.within)
			w.opts.Limits = c.limits
			if _, err := w.run(t.Context(), "proj/build.star", c.within); errors.Is(err, build.ErrLimit) || err != nil && !strings.Contains(err.Error(), "no such file") {
				t.Errorf("within the limit: %v", err)
			}
		})
	}
}

// TestBlobBytes: a call may ask for more than the default, which no flag said.
func TestBlobBytes(t *testing.T) {
	for _, c := range []struct {
		run   int64
		asked *int64
		want  int64
		ofRun bool
	}{
		{0, nil, 64 << 20, true}, {0, new(int64(1 << 30)), 1 << 30, false}, {0, new(int64(5)), 5, false},
		{100, nil, 100, true}, {100, new(int64(1 << 30)), 100, true}, {100, new(int64(5)), 5, false}, {100, new(int64(100)), 100, true},
	} {
		got, ofRun := Limits{BlobBytes: c.run}.blob(c.asked)
		if got != c.want || ofRun != c.ofRun {
			t.Errorf("limit %d, asked %v: got %d %v, want %d %v", c.run, c.asked, got, ofRun, c.want, c.ofRun)
		}
	}
}

// TestModulesLimit: the error is at the load statement that is one too many; a file that is loaded twice is one.
func TestModulesLimit(t *testing.T) {
	script := "load('a.star', 'a')\nload('a.star', b = 'a')\nload('b.star', 'b')\n# write("
	for modules, ok := range map[int64]bool{2: true, 1: false} {
		w := newWorld(t, script)
		w.opts.Limits.Modules = modules
		for _, name := range []string{"a", "b"} {
			must(t, writeTestFile(w.root+"/proj/"+name+".star", []byte(name+" = 1\n")))
		}
		_, err := w.run(t.Context(), "proj/build.star", strings.Replace(script, "b = 'a'", "c = 'a'", 1))
		if ok != (err == nil) {
			t.Errorf("%d modules: %v", modules, err)
		}
		if e := (*Error)(nil); !ok && (!errors.As(err, &e) || !errors.Is(err, build.ErrLimit) || e.Step[0].String() != "proj/build.star:3:6" || e.Hint != "--max-modules sets the limit") {
			t.Errorf("got %v", err)
		}
	}
}

// TestStepsAreOfTheRun: a module's steps count too, in both directions, and a module that is stopped says so at its own place.
func TestStepsAreOfTheRun(t *testing.T) {
	script := "load('a.star', 'a')\nfor i in range(1000):\n    pass\n# write("
	for steps, place := range map[int64]string{2000: "proj/a.star:", 10000: "proj/build.star:", 30000: ""} {
		w := newWorld(t, script)
		w.opts.Limits.Steps = steps
		must(t, writeTestFile(w.root+"/proj/a.star", []byte("a = 1\nfor i in range(1000):\n    pass\n")))
		_, err := w.run(t.Context(), "proj/build.star", script)
		e := (*Error)(nil)
		if ok := errors.As(err, &e); ok != (place != "") || ok && !strings.HasPrefix(e.Step[0].String(), place) {
			t.Errorf("%d steps: %v", steps, err)
		}
	}
}

// TestTimeLimit ends a script that computes, one that waits for the network, and one whose save does not end; none of them is interrupted, and no tag is there.
func TestTimeLimit(t *testing.T) {
	for name, script := range map[string]string{
		"computes": "for i in range(1 << 40):\n    pass",
		"loads":    "load('slow.star', 'x')\n# write(",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, script)
			if w.root != "" && strings.Contains(script, "slow") {
				must(t, writeTestFile(w.root+"/proj/slow.star", []byte("for i in range(1 << 40):\n    pass\n")))
			}
			w.opts.Limits = Limits{Time: 100 * time.Millisecond, Steps: -1}
			_, err := w.run(t.Context(), "proj/build.star", script)
			e := (*Error)(nil)
			if !errors.As(err, &e) || e.Kind != KindScript || !errors.Is(err, build.ErrLimit) || e.Msg != "the run takes more than 100ms, which is the limit" || e.Hint != "--timeout sets the limit" || len(e.Step) == 0 {
				t.Errorf("got %v (%+v)", err, e)
			}
		})
	}
}

// TestSwallowed: what a built-in says of the limit cannot be made into something else.
func TestSwallowed(t *testing.T) {
	limited(t, Limits{Steps: 10000}, "x = json.decode('[' + 100000 * '1,' + '1]', 5)\nfor i in range(10):\n    print(i)", "proj/build.star:1:10", "the script takes more than 10000 steps", "--max-steps")
}

// TestUnlimited: negative numbers are no limits.
func TestUnlimited(t *testing.T) {
	w := newWorld(t, "")
	w.opts.Limits = Limits{
		Steps: -1, CallDepth: -1, Modules: -1, SourceBytes: -1, LayerFiles: -1, LayerBytes: -1, BlobBytes: -1, JSONBytes: -1, PrintBytes: -1, Time: -1,
	}
	if _, err := w.run(t.Context(), "proj/build.star", "def f():\n    return json.decode(json.encode(range(1000)))\nprint(len(f()))\nimage('scratch').add_files('conf').digest\nread_file('conf/a.json')"); err != nil {
		t.Error(err)
	}
}

// TestTexts: % and format do what they do in Starlark, and their errors are where they were.
func TestTexts(t *testing.T) {
	w := newWorld(t, "")
	_, err := w.run(t.Context(), "proj/build.star", `
assert.eq("%s and %d" % ("a", 1), "a and 1")
assert.eq("%(x)s" % {"x": [1]}, "[1]")
assert.eq(7 % 4, 3)
assert.eq("{} {x} {y}".format(1, x = 2, **{"y": 3}), "1 2 3")
assert.eq("{}{}".format(*["a", "b"]), "ab")
y = "%s"
y %= "z"
assert.eq(y, "z")
n = 7
n %= 4
assert.eq(n, 3)
a = ["%s"]
a[0] %= 1
assert.eq(a, ["1"])
assert.eq([("%d" % i).format() for i in range(2)], ["0", "1"])
assert.eq(struct(format = lambda *args: len(args)).format(1, 2), 2)
`)
	if err != nil {
		t.Error(err)
	}
	for script, want := range map[string]string{
		"x = '%d' % 'a'": "proj/build.star:1:5: %d format requires integer: cannot convert string to int", "x = '%d%d' % 1": "proj/build.star:1:5: not enough arguments for format string",
		"x = '{}'.format()": "proj/build.star:1:10: format: tuple index out of range", "x = 1 % nothing": "proj/build.star:1:9: undefined: nothing",
	} {
		if _, err := w.run(t.Context(), "proj/build.star", script); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", script, err, want)
		}
	}
}

// TestRange: ranges are Starlark's, in all that can be seen of them.
func TestRange(t *testing.T) {
	w := newWorld(t, "")
	_, err := w.run(t.Context(), "proj/build.star", `
assert.eq(str(range(1, 10, 2)), "range(1, 10, 2)")
assert.eq(type(range(1)), "range")
assert.eq(list(range(5)[1:3]), [1, 2])
assert.eq(str(range(5)[1:3]), "range(1, 3)")
assert.eq(range(5)[-1], 4)
assert.true(range(3) == range(3))
assert.true(range(3) != range(4))
assert.true(range(3)[0:2] == range(2))
assert.true(3 in range(5))
assert.true(not range(0))
assert.eq(len(range(7)), 7)
assert.eq([x for x in range(3)], [0, 1, 2])
assert.eq(sorted(range(3), reverse = True), [2, 1, 0])
a, b = range(2)
assert.eq((a, b), (0, 1))
assert.eq([x * 2 for x in range(0)], [])
assert.eq(json.encode(range(3)), "[0,1,2]")
assert.eq(dict(zip("ab".elems(), range(2))), {"a": 0, "b": 1})
assert.eq(max(range(3), key = lambda x: -x), 0)
def f(*args):
    return len(args)
assert.eq(f(*range(5)), 5)
assert.fails(lambda: range(3)["x"], "want int")
assert.fails(lambda: {range(3): 1}, "unhashable")
l = [9]
l.extend(range(2))
l += range(2)
assert.eq(l, [9, 0, 1, 0, 1])
`)
	if err != nil {
		t.Error(err)
	}
	result, err := w.run(t.Context(), "proj/build.star", "r = range(3)\ntotal = [x for x in r]")
	must(t, err)
	if n := starlark.Len(result.Globals["r"]); n != 3 {
		t.Errorf("got %d", n)
	}
	for range starlark.Elements(result.Globals["r"].(starlark.Iterable)) { // the run is over
	}
}

// TestHostDiffers: a built-in of the embedding program that says something else each time is found by running twice.
func TestHostDiffers(t *testing.T) {
	w := newWorld(t, "oci:")
	n := 0
	w.opts.Predeclared["build_number"] = starlark.NewBuiltin("build_number", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		n++
		return starlark.MakeInt(n), nil
	})
	w.opts.Plan = true
	var reports [2]*build.Report
	for i := range reports {
		w.opts.Shuffle = i == 1
		result, err := w.run(t.Context(), "proj/build.star", "img = image('scratch', 'oci:out')\nimg.add_files({'/n': custom_file(str(build_number()))})\nimg.save()")
		must(t, err)
		reports[i] = result.Report
	}
	got, err := build.Compare(t.Context(), reports[0], reports[1])
	if want := `oci:out: layer 1 add_files({"/n": "custom_file"}): /n: other contents: sha256:6b86b273`; err != nil || len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("got %q, %v", got, err)
	}
}
