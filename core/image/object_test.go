package image

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/imgscript/imgscript/core/content"
)

func mustObject(t *testing.T, text string) *object {
	t.Helper()
	o, err := parseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestObject(t *testing.T) {
	one := json.RawMessage(`1`)
	for _, c := range []struct {
		name, text string
		edit       func(o *object)
		want       string
	}{
		{"nothing", `{ "a" : [ 1 ] , "\u0062" : 2.0 }`, func(*object) {}, `{"a":[ 1 ],"\u0062":2.0}`},
		{"set in its place", `{"x": 0, "a": {"k" : 1}, "y": 2}`, func(o *object) { o.set("a", one) }, `{"x":0,"a":1,"y":2}`},
		{"set the same value", `{"x": 1.0}`, func(o *object) { o.set("x", one) }, `{"x":1.0}`},
		{"set a new key", `{"x": 0}`, func(o *object) { o.set("<a>", one) }, `{"x":0,"<a>":1}`},
		{"set by another case", `{"env": 0}`, func(o *object) { o.set("Env", one) }, `{"env":1}`},
		{"set the exact one of two", `{"env": 0, "Env": 2}`, func(o *object) { o.set("Env", one) }, `{"env":0,"Env":1}`},
		{"setExact", `{"env": 0}`, func(o *object) { o.setExact("Env", one) }, `{"env":0,"Env":1}`},
		{"set by an escaped key", `{"\u0061": 0}`, func(o *object) { o.set("a", one) }, `{"\u0061":1}`},
		{"remove", `{"a": 1, "b": 2, "c": 3}`, func(o *object) { o.remove("b") }, `{"a":1,"c":3}`},
		{"remove what says nothing", `{"a": null, "b": [ ], "c": "", "d": {}}`, func(o *object) {
			for _, key := range []string{"a", "b", "c", "d", "e"} {
				o.remove(key)
			}
		}, `{"a":null,"b":[ ],"c":"","d":{}}`},
		{"drop", `{"a": null, "b": 2}`, func(o *object) { o.drop("a"); o.drop("x") }, `{"b":2}`},
		{"null", `null`, func(o *object) { o.set("a", one) }, `{"a":1}`},
		{"no text", ``, func(o *object) { o.set("a", one) }, `{"a":1}`},
		{"a key with quotes and commas", `{"a\",\"b" : "},{" , "c":1}`, func(o *object) { o.set("c", json.RawMessage(`2`)) }, `{"a\",\"b":"},{","c":2}`},
		{"edit", `{"c": {"a" : 1 , "b": [ ]}, "d": 1}`, func(o *object) {
			_ = o.edit("c", func(c *object) error { c.set("a", json.RawMessage(`2`)); return nil })
		}, `{"c":{"a":2,"b":[ ]},"d":1}`},
		{"edit nothing", `{"c": {"a" : 1 }}`, func(o *object) { _ = o.edit("c", func(*object) error { return nil }) }, `{"c":{"a" : 1 }}`},
		{"edit what is not there", `{}`, func(o *object) { _ = o.edit("c", func(*object) error { return nil }) }, `{}`},
		{"edit null, nothing", `{"c":null}`, func(o *object) { _ = o.edit("c", func(*object) error { return nil }) }, `{"c":null}`},
		{"edit null", `{"c":null}`, func(o *object) {
			_ = o.edit("c", func(c *object) error { c.set("a", one); return nil })
		}, `{"c":{"a":1}}`},
	} {
		o := mustObject(t, c.text)
		c.edit(o)
		if got := string(o.bytes()); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestParseObjectRefuses(t *testing.T) {
	for _, text := range []string{`[]`, `1`, `"x"`, `true`, `nul`, `{"a":}`, `{"a" 1}`, `{`} {
		if o, err := parseObject([]byte(text)); err == nil {
			t.Errorf("%s: %s", text, o.bytes())
		}
	}
}

func TestOneCase(t *testing.T) {
	for text, ok := range map[string]bool{`{"Env":1,"Cmd":2}`: true, `{"env":1}`: true, `{"Env":1,"env":2}`: false, `{}`: true} {
		if err := mustObject(t, text).oneCase(); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, same := range [][]string{
		{"0", "-0", "0.0", "0e5", "-0.00e-7"}, {"1", "1.0", "10e-1", "0.1e1", "1E0", "1e+0"}, {"-12.5", "-125e-1", "-0.125e2"}, {"1e400", "10e399"},
	} {
		for _, s := range same {
			if decimal(s) != decimal(same[0]) {
				t.Errorf("%s is not %s: %s, %s", s, same[0], decimal(s), decimal(same[0]))
			}
		}
	}
	if decimal("1") == decimal("-1") || decimal("1") == decimal("10") || decimal("9007199254740993") == decimal("9007199254740992") {
		t.Error("different numbers are the same")
	}
}

// Setting one key never changes another value, nor its bytes.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{ "a" : [ 1 ] , "\u0062" : 2.0 }`, `{"x":{"y":"}"},"é":"\ud83d\ude00","k":null}`, `{"a\",\"b":1,",":"{"}`} {
		f.Add([]byte(s), "a", "v")
		f.Add([]byte(s), "k", "<&>\u2028")
	}
	f.Fuzz(func(t *testing.T, text []byte, key, val string) {
		if content.CheckJSON(text) != nil {
			return
		}
		before, err := parseObject(text)
		if err != nil {
			return
		}
		if !equal(before.bytes(), text) && !isNull(text) {
			t.Fatalf("%s was written as %s", text, before.bytes())
		}
		after, _ := parseObject(text)
		after.setExact(key, encode(val))
		written := after.bytes()
		if err := content.CheckJSON(written); err != nil && content.CheckJSON(encode(key)) == nil {
			t.Fatalf("%s: %v", written, err)
		}
		read, err := parseObject(written)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range before.members {
			if m.key != key && !bytes.Equal(read.members[i].value, m.value) {
				t.Errorf("%q of %s became %s", m.key, text, read.members[i].value)
			}
		}
		if len(read.members) > len(before.members)+1 {
			t.Errorf("%s has more members than were set", written)
		}
	})
}
