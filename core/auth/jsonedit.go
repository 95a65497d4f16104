package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// jsonObject is the text of a JSON object whose members are set and removed in place: every other byte stays as it is, white space included.
type jsonObject struct {
	fold    bool // whether names that differ in case are one, as they are to encoding/json where it fills a struct
	text    []byte
	start   int // of what is behind "{"
	end     int // of what is before "}"
	members []jsonMember
}

// jsonMember is where a member stands in the text of its object.
type jsonMember struct {
	name                          string
	from, colon, value, valueEnds int // of the quoted name, behind it, of the value, behind that
}

// parseJSONObject reads an object and what white space is around it. A name that stands twice is an error: readers differ about which one
// counts. Errors repeat no value of the text.
func parseJSONObject(text []byte, fold bool) (*jsonObject, error) {
	if !json.Valid(text) {
		return nil, errors.New("not valid JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	o := &jsonObject{fold: fold, text: text, start: int(dec.InputOffset()), end: bytes.LastIndexByte(text, '}')}
	at := o.start
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, errors.New("not valid JSON")
		}
		m := jsonMember{colon: int(dec.InputOffset())}
		m.name, _ = name.(string) // the Decoder allows nothing else here
		m.from = at + bytes.IndexByte(text[at:], '"')
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("not valid JSON")
		}
		m.valueEnds = int(dec.InputOffset())
		m.value = m.valueEnds - len(value)
		if o.index(m.name) >= 0 {
			return nil, fmt.Errorf("%q stands twice in one object", m.name)
		}
		o.members = append(o.members, m)
		at = m.valueEnds
	}
	return o, nil
}

// index finds a member by its name; -1 if there is none.
func (o *jsonObject) index(name string) int {
	return slices.IndexFunc(o.members, func(m jsonMember) bool { return m.name == name || o.fold && strings.EqualFold(m.name, name) })
}

// get returns the text of a member's value, nil if there is none.
func (o *jsonObject) get(name string) []byte {
	i := o.index(name)
	if i < 0 {
		return nil
	}
	return o.text[o.members[i].value:o.members[i].valueEnds]
}

// with returns the text with a member of that value: in the place of its old value, or as the last member, which begins as the others do, or else
// behind the white space lead. The text ends with the white space tail then.
func (o *jsonObject) with(name string, value []byte, lead, tail string) []byte {
	if i := o.index(name); i >= 0 {
		return splice(o.text, o.members[i].value, o.members[i].valueEnds, string(value))
	}
	quoted, _ := json.Marshal(name) // a string can always be written
	colon := ": "
	if lead == "" {
		colon = ":"
	}
	if len(o.members) == 0 {
		return splice(o.text, o.start, o.end, lead+string(quoted)+colon+string(value)+tail)
	}
	last := o.members[len(o.members)-1]
	colon = string(o.text[last.colon:last.value])
	return splice(o.text, last.valueEnds, last.valueEnds, ","+o.lead()+string(quoted)+colon+string(value))
}

// without returns the text without a member, if it is there.
func (o *jsonObject) without(name string) []byte {
	i := o.index(name)
	switch last := len(o.members) - 1; {
	case i < 0:
		return o.text
	case last == 0:
		return splice(o.text, o.start, o.end, "")
	case i == last:
		return splice(o.text, o.members[i-1].valueEnds, o.members[i].valueEnds, "")
	default:
		return splice(o.text, o.members[i].from, o.members[i+1].from, "")
	}
}

// lead is the white space before the last member, "" if there is none.
func (o *jsonObject) lead() string {
	if len(o.members) == 0 {
		return ""
	}
	last := o.members[len(o.members)-1].from
	start := len(bytes.TrimRight(o.text[:last], " \t\r\n"))
	return string(o.text[start:last])
}

// splice puts a text in the place of others[from:to].
func splice(others []byte, from, to int, text string) []byte {
	out := make([]byte, 0, len(others)+len(text))
	out = append(out, others[:from]...)
	out = append(out, text...)
	return append(out, others[to:]...)
}
