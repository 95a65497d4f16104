package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

// object is a JSON object whose values are the bytes that stood in the text: what nobody sets is written as it was read, whatever it is.
// Only the white space between its members is lost.
type object struct {
	members []member
}

type member struct {
	key   string          // decoded
	raw   json.RawMessage // the key as it stands in the text, quotes included
	value json.RawMessage
}

// parseObject reads an object; null and no text at all are the empty one. The text must have passed content.CheckJSON, which refuses
// duplicate keys.
func parseObject(data []byte) (*object, error) {
	o := &object{}
	if isNull(data) {
		return o, nil
	}
	err := content.Members(data, func(m content.Member) error {
		o.members = append(o.members, member{key: m.Key, raw: m.Text, value: m.Value})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %s is no JSON object", content.ErrInvalid, excerpt(data))
	}
	return o, nil
}

// index finds a key exactly, or else in another case: readers written in Go, which runtimes are, take "env" for "Env".
// Objects whose keys are free (labels) use exact.
func (o *object) index(key string) int {
	if i := o.exact(key); i >= 0 {
		return i
	}
	for i, m := range o.members {
		if strings.EqualFold(m.key, key) {
			return i
		}
	}
	return -1
}

func (o *object) exact(key string) int {
	for i, m := range o.members {
		if m.key == key {
			return i
		}
	}
	return -1
}

// get returns the value of a known key, nil when there is none.
func (o *object) get(key string) json.RawMessage {
	if i := o.index(key); i >= 0 {
		return o.members[i].value
	}
	return nil
}

// keys are those of the members, decoded, in their order.
func (o *object) keys() []string {
	keys := make([]string, len(o.members))
	for i, m := range o.members {
		keys[i] = m.key
	}
	return keys
}

// getExact is get for keys that anybody may have chosen.
func (o *object) getExact(key string) json.RawMessage {
	if i := o.exact(key); i >= 0 {
		return o.members[i].value
	}
	return nil
}

// set gives a known key a value in its place, or adds it at the end. A value that says the same as the present one leaves that as it is.
func (o *object) set(key string, value json.RawMessage) { o.put(o.index(key), key, value) }

// setExact is set for keys that anybody may have chosen.
func (o *object) setExact(key string, value json.RawMessage) { o.put(o.exact(key), key, value) }

func (o *object) put(i int, key string, value json.RawMessage) {
	switch {
	case i < 0:
		o.members = append(o.members, member{key: key, raw: encode(key), value: value})
	case !equal(o.members[i].value, value):
		o.members[i].value = value
	}
}

// remove takes a known key out. A value that says nothing (null, "", [], {}) may stay: the meaning is the same.
func (o *object) remove(key string) {
	if i := o.index(key); i >= 0 && !isEmpty(o.members[i].value) {
		o.members = append(o.members[:i:i], o.members[i+1:]...)
	}
}

// drop takes a known key out whatever its value.
func (o *object) drop(key string) {
	if i := o.index(key); i >= 0 {
		o.members = append(o.members[:i:i], o.members[i+1:]...)
	}
}

// dropExact is drop for keys that anybody may have chosen.
func (o *object) dropExact(key string) {
	if i := o.exact(key); i >= 0 {
		o.members = append(o.members[:i:i], o.members[i+1:]...)
	}
}

// edit calls f with the object under a known key and puts what comes of it in its place. Nothing is written when f changes nothing.
func (o *object) edit(key string, f func(*object) error) error {
	child, err := parseObject(o.get(key))
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	before := child.bytes()
	if err := f(child); err != nil {
		return err
	}
	if after := child.bytes(); !bytes.Equal(before, after) {
		o.put(o.index(key), key, after)
	}
	return nil
}

// oneCase refuses two keys that differ only in case: a reader in Go takes the later one, others the one that they know.
func (o *object) oneCase() error {
	seen := map[string]string{}
	for _, m := range o.members {
		folded := strings.ToLower(m.key)
		if other, ok := seen[folded]; ok {
			return fmt.Errorf("%w: keys %q and %q differ only in case", content.ErrInvalid, other, m.key)
		}
		seen[folded] = m.key
	}
	return nil
}

// bytes returns the object's text: its members' bytes, with nothing between them but commas and colons.
func (o *object) bytes() json.RawMessage {
	out := []byte{'{'}
	for i, m := range o.members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, m.raw...), ':'), m.value...)
	}
	return append(out, '}')
}

// parseArray reads the elements of an array; null and no text at all have none.
func parseArray(data []byte) ([]json.RawMessage, error) {
	var elements []json.RawMessage
	if isNull(data) {
		return nil, nil
	}
	if err := json.Unmarshal(data, &elements); err != nil {
		return nil, fmt.Errorf("%w: %s is no JSON array", content.ErrInvalid, excerpt(data))
	}
	return elements, nil
}

func joinArray(elements []json.RawMessage) json.RawMessage {
	return append(append([]byte{'['}, bytes.Join(asBytes(elements), []byte{','})...), ']')
}

func asBytes(elements []json.RawMessage) [][]byte {
	out := make([][]byte, len(elements))
	for i, e := range elements {
		out[i] = e
	}
	return out
}

// encode writes v compactly, and "<", ">" and "&" as they are: other tools' text changes its digest when it is escaped anew. v must
// be a value that JSON can hold; the package passes no others.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

func isNull(data []byte) bool {
	data = bytes.TrimSpace(data)
	return len(data) == 0 || string(data) == "null"
}

func isEmpty(data []byte) bool {
	switch b := string(compact(data)); b {
	case "", "null", `""`, "[]", "{}":
		return true
	default:
		return false
	}
}

// compact takes the white space out of a JSON text.
func compact(data []byte) json.RawMessage {
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return data
	}
	return b.Bytes()
}

// excerpt quotes the beginning of somebody else's text.
func excerpt(data []byte) string {
	const most = 60
	if len(data) > most {
		return fmt.Sprintf("%q…", data[:most])
	}
	return fmt.Sprintf("%q", data)
}
