package content_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/content"
)

// TestMembers gives the members in their order, with the very bytes that stand there.
func TestMembers(t *testing.T) {
	const object = " { \"a\" : [ 1 , {} ] ,\n\"\\u0062\":\"}\\\"\" , \"c\":-1.5e3}\n"
	var got []string
	err := content.Members([]byte(object), func(m content.Member) error {
		got = append(got, m.Key+"|"+string(m.Text)+"|"+string(m.Value))
		if want := strings.Index(object, string(m.Value)) + len(m.Value); m.End != want {
			t.Errorf("%s ends at %d, want %d", m.Key, m.End, want)
		}
		return nil
	})
	if want := "a|\"a\"|[ 1 , {} ]\nb|\"\\u0062\"|\"}\\\"\"\nc|\"c\"|-1.5e3"; err != nil || strings.Join(got, "\n") != want {
		t.Errorf("got %q, %v", got, err)
	}
	own := errors.New("own")
	if err := content.Members([]byte(object), func(content.Member) error { return own }); !errors.Is(err, own) {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"", "null", "[]", `"x"`, "1", `{"a":1`, `{"a":1}x`, `{"a":{"b":1,"b":2}}`} {
		if err := content.Members([]byte(bad), func(content.Member) error { return nil }); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// FuzzCheckJSON: what is let through is JSON that every reader understands in one way, and Members sees what encoding/json sees.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":null}],"\u0061b":"x\\\"\u0000"}`, `{"a":1,"\u0061":2}`, " [ ] ", `"\ud800"`, `-0.1e+9`, `{"":{"":{"":[]}}}`, "[1,]", `{"a" 1}`, "\ufeff{}",
		strings.Repeat("[", 300), `{"annotations":{"Layers":1}}`, "tru", "1 2", "nul"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := content.CheckJSON(data)
		if err != nil {
			if !errors.Is(err, content.ErrInvalid) {
				t.Errorf("%q: %v", data, err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q is no JSON", data)
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) != nil || want == nil {
			return
		}
		n := 0
		err = content.Members(data, func(m content.Member) error {
			n++
			if string(want[m.Key]) != string(m.Value) {
				t.Errorf("%q of %q is %q, want %q", m.Key, data, m.Value, want[m.Key])
			}
			return nil
		})
		if err != nil || n != len(want) {
			t.Errorf("%q: %d members, %v, want %d", data, n, err, len(want))
		}
	})
}

// FuzzParseDigest: a digest is safe in a path and in a URL, whatever it was made from.
func FuzzParseDigest(f *testing.F) {
	good := "sha256:" + strings.Repeat("0a", 32)
	for _, s := range []string{good, "sha512:" + strings.Repeat("f0", 64), strings.ToUpper(good), "sha256:../../x", good + "/", good + "?x", good + "\x00", good + "\n", "", ":",
		"sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256+b64:" + strings.Repeat("0", 64), "ſha256:" + strings.Repeat("0", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		dgst, err := content.ParseDigest(s)
		if err != nil {
			if !errors.Is(err, content.ErrInvalid) || len(err.Error()) > 700 {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		algorithm, hex, _ := strings.Cut(s, ":")
		if dgst.String() != s || len(hex) != map[string]int{"sha256": 64, "sha512": 128}[algorithm] || strings.Trim(hex, "0123456789abcdef") != "" {
			t.Errorf("%q is taken for a digest", s)
		}
		if dgst.Validate() != nil || !dgst.Algorithm().Available() {
			t.Errorf("%q is none for others", s)
		}
	})
}
