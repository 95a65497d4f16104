package image_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
)

func TestMerge(t *testing.T) {
	for _, c := range []struct{ name, original, edited, want string }{
		{"nothing changed", "{ \"a\" : 1 }\n", `{"a":1}`, "{ \"a\" : 1 }\n"},
		{"another order is no change", `{"a": 1, "b": 2}`, `{"b":2,"a":1}`, `{"a": 1, "b": 2}`},
		{"escapes are no change", `{"a":"\u003cx\u003e\/"}`, `{"a":"<x>/"}`, `{"a":"\u003cx\u003e\/"}`},
		{"one value", `{"a": [ 1 ], "b": 2}`, `{"a":[1],"b":3}`, `{"a":[ 1 ],"b":3}`},
		{"the edited order", `{"a": 1, "b": 2, "c": 3}`, `{"c":3,"a":1,"b":4}`, `{"c":3,"a":1,"b":4}`},
		{"a key's own spelling", `{"\u0061": 1, "b": 2}`, `{"a":1,"b":3}`, `{"\u0061":1,"b":3}`},
		{"a key more", `{"a": {"x" : 1}}`, `{"a":{"x":1},"n": "<&>"}`, `{"a":{"x" : 1},"n":"<&>"}`},
		{"a key less", `{"a": 1, "b": { }}`, `{"b":{}}`, `{"b":{ }}`},
		{"deep", `{"a": {"b": {"c": 1, "d": [ ]}, "e": "\u0041"}}`, `{"a":{"b":{"c":2,"d":[]},"e":"A"}}`, `{"a":{"b":{"c":2,"d":[ ]},"e":"\u0041"}}`},
		{"another kind", `{"a": [1]}`, `{"a":{"x":1}}`, `{"a":{"x":1}}`},
		{"element at the end", `[{"x" : 1}]`, `[{"x":1},{"y":2}]`, `[{"x" : 1},{"y":2}]`},
		{"element at the beginning", `[{"x" : 1}]`, `[{"y":2},{"x":1}]`, `[{"y":2},{"x" : 1}]`},
		{"element gone", `[{"x" : 1},{"y" : 2},{"z" : 3}]`, `[{"x":1},{"z":3}]`, `[{"x" : 1},{"z" : 3}]`},
		{"element changed", `[{"x" : 1, "y": [ ]},{"z" : 3}]`, `[{"x":2,"y":[]},{"z":3}]`, `[{"x":2,"y":[ ]},{"z" : 3}]`},
		{"elements swapped", `[1.0,2]`, `[2,1]`, `[2,1]`},
		{"numbers: forms of one value", `[1.0, 100, 1e2, -0, 0.10]`, `[1,1e2,100.0,0,0.1]`, `[1.0, 100, 1e2, -0, 0.10]`},
		{"numbers: beyond float64", `[9007199254740993, 1e400]`, `[9007199254740992,1e400]`, `[9007199254740992,1e400]`},
		{"numbers: not through float64", `{"a": 12345678901234567890, "b":1}`, `{"a":12345678901234567890,"b":2}`, `{"a":12345678901234567890,"b":2}`},
		{"null is not absent", `{"a": null}`, `{}`, `{}`},
		{"null, false, 0 and empty are four values", `[null,false,0,""]`, `[false,0,"",null]`, `[false,0,"",null]`},
		{"a text that looks like a number", `["1"]`, `[1]`, `[1]`},
		{"a text that looks like null", `["<nil>"]`, `[null]`, `[null]`},
	} {
		got, err := image.Merge([]byte(c.original), []byte(c.edited))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	for _, c := range [][2]string{
		{`{"a":1,"a":2}`, `{}`}, {`{}`, `{"a":1,"a":2}`}, {`{}`, `{"x":{"a":1,"\u0061":2}}`}, {``, `{}`}, {`{}`, ``}, {`{}`, `{} {}`}, {`{`, `{}`},
		{`{}`, "\"\xff\""}, {`{}`, strings.Repeat("[", 300) + strings.Repeat("]", 300)}, {`{}`, `{"a":NaN}`},
	} {
		if got, err := image.Merge([]byte(c[0]), []byte(c[1])); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%.20s, %.20s: got %s, %v; want ErrInvalid", c[0], c[1], got, err)
		}
	}
}

// What a registry serves must not keep a merge busy: numbers are not multiplied out, and lists are not compared each with each.
func TestMergeOfHugeDocuments(t *testing.T) {
	start := time.Now()
	if _, err := image.Merge([]byte(`{"a":1e999999999,"b":1}`), []byte(`{"a":1e-999999999999999999999,"b":2}`)); err != nil {
		t.Error(err)
	}
	list := func(s string) []byte {
		return []byte("[" + strings.TrimSuffix(strings.Repeat(s+",", 20_000), ",") + "]")
	}
	if _, err := image.Merge(list(`{"a":1}`), list(`{"a":2}`)); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

func FuzzMerge(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.0,{"b":null}]}`, `[{"x":1},{"y":"\u00e4"}]`, `{"a": {"b": {"c": 1}}, "d":""}`, `1e5`, `-0.0`, `[[],[1],[1,2]]`} {
		f.Add([]byte(s), []byte(`{"a":[2,{"b":1}],"d":""}`))
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, original, edited []byte) {
		merged, err := image.Merge(original, edited)
		if err != nil {
			return
		}
		if err := content.CheckJSON(merged); err != nil {
			t.Fatalf("%s over %s: %s: %v", edited, original, merged, err)
		}
		// The result says what the edited text says: merging it over that one changes nothing.
		if same, err := image.Merge(edited, merged); err != nil || !bytes.Equal(same, edited) {
			t.Errorf("%s over %s: %s, %v", edited, original, merged, err)
		}
		if again, err := image.Merge(original, original); err != nil || !bytes.Equal(again, original) {
			t.Errorf("%s over itself: %s, %v", original, again, err)
		}
	})
}
