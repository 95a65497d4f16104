package starlib

import (
	"bytes"
	"encoding/json"
	"testing"

	"go.starlark.net/starlark"
)

// FuzzJSONValue: what is read is written with the same meaning and order, and reading that again changes nothing.
func FuzzJSONValue(f *testing.F) {
	for _, seed := range []string{
		`null`, `{"z":1,"a":[true,false,null,"ä\u0000</b>\ud83d\ude00"]}`, `123456789012345678901234567890`, `[1.0,1e300,-0.0,-0,5e-324]`, `{"":{"":[]}}`, `"\ud800"`, `[1,`, `{"a":1,"a":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := jsonToValue(data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q was read", data)
		}
		once, err := valueToJSON(v)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		again, err := jsonToValue(once)
		if err != nil {
			t.Fatalf("%q, written as %q: %v", data, once, err)
		}
		twice, err := valueToJSON(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q, then %q, %v", once, twice, err)
		}
		if same, err := starlark.Equal(v, again); err != nil || !same {
			t.Errorf("%s became %s", v, again)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, once); err != nil || !bytes.Equal(compact.Bytes(), once) {
			t.Errorf("%q is not compact: %v", once, err)
		}
	})
}

// incomparable is a mapping that Go cannot compare, and that contains itself.
type incomparable struct {
	starlark.NoneType
	items []starlark.Tuple
}

func (i incomparable) Items() []starlark.Tuple                          { return i.items }
func (i incomparable) Iterate() starlark.Iterator                       { return starlark.Tuple{}.Iterate() }
func (i incomparable) Get(starlark.Value) (starlark.Value, bool, error) { return nil, false, nil }

func TestValueToJSONForeignMapping(t *testing.T) {
	m := incomparable{items: []starlark.Tuple{{starlark.String("a"), starlark.None}}}
	if got, err := valueToJSON(m); err != nil || string(got) != `{"a":null}` {
		t.Errorf("got %q, %v", got, err)
	}
	m.items[0][1] = m
	if _, err := valueToJSON(m); err == nil || err.Error() != "value: nested more than 1000 deep" {
		t.Errorf("got %v", err)
	}
}
