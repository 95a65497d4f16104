package inspect

import (
	"bytes"
	"encoding/json"
)

// compact takes the white space out of a JSON text.
func compact(data []byte) json.RawMessage {
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return data
	}
	return b.Bytes()
}

// spaced writes a JSON value in one line, with a space behind each comma and colon, as people write lists.
func spaced(value json.RawMessage) string {
	var out []byte
	inside := false // a string
	text := compact(value)
	for i := 0; i < len(text); i++ {
		c := text[i]
		out = append(out, c)
		switch {
		case inside && c == '\\':
			i++
			out = append(out, text[i])
		case c == '"':
			inside = !inside
		case !inside && (c == ',' || c == ':'):
			out = append(out, ' ')
		}
	}
	return string(out)
}

// sameJSON reports whether two values are the same but for white space.
func sameJSON(a, b json.RawMessage) bool { return bytes.Equal(compact(a), compact(b)) }
