package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

// Merge lays an edited JSON document over the original one: a subtree whose value did not change keeps its original bytes, a changed one
// is written compactly, its keys in the edited order. A document of the same value is returned byte for byte. The order of an object's
// keys is no part of its value; numbers are compared exactly, never through float64.
//
// Either text is [content.ErrInvalid] when content.CheckJSON refuses it.
func Merge(original, edited []byte) ([]byte, error) {
	if err := content.CheckJSON(original); err != nil {
		return nil, fmt.Errorf("original: %w", err)
	}
	if err := content.CheckJSON(edited); err != nil {
		return nil, fmt.Errorf("edited: %w", err)
	}
	if equal(original, edited) {
		return original, nil
	}
	return merge(original, edited), nil
}

func merge(original, edited json.RawMessage) json.RawMessage {
	if equal(original, edited) {
		return bytes.TrimSpace(original)
	}
	switch kind(original) + kind(edited) {
	case "{{":
		return mergeObjects(original, edited)
	case "[[":
		return mergeArrays(original, edited)
	default:
		return compact(edited)
	}
}

func mergeObjects(original, edited json.RawMessage) json.RawMessage {
	was, err1 := parseObject(original)
	now, err2 := parseObject(edited)
	if err1 != nil || err2 != nil {
		return compact(edited)
	}
	for i, m := range now.members {
		if j := was.exact(m.key); j >= 0 {
			now.members[i].raw = was.members[j].raw
			now.members[i].value = merge(was.members[j].value, m.value)
		} else {
			now.members[i].value = compact(m.value)
		}
	}
	return now.bytes()
}

// mergeArrays keeps the bytes of elements that only moved because others came or went.
func mergeArrays(original, edited json.RawMessage) json.RawMessage {
	was, err1 := parseArray(original)
	now, err2 := parseArray(edited)
	if err1 != nil || err2 != nil {
		return compact(edited)
	}
	next := 0 // the first original element that may still be matched
	for i, e := range now {
		if j := find(was, next, e); j >= 0 {
			now[i], next = was[j], j+1
		} else if len(was) == len(now) {
			now[i] = merge(was[i], e)
		} else {
			now[i] = compact(e)
		}
	}
	return joinArray(now)
}

func find(elements []json.RawMessage, from int, e json.RawMessage) int {
	for j := from; j < len(elements); j++ {
		if equal(elements[j], e) {
			return j
		}
	}
	return -1
}

// kind is the first character of a JSON text, which tells objects, arrays and the rest apart.
func kind(data json.RawMessage) string {
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return ""
	}
	return string(data[:1])
}

// equal reports whether two JSON texts have the same value.
func equal(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err1 := decode(a)
	y, err2 := decode(b)
	return err1 == nil && err2 == nil && equalValues(x, y)
}

func decode(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

func equalValues(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && equalMaps(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && equalSlices(a, b)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || decimal(a.String()) == decimal(b.String()))
	default:
		return a == b
	}
}

func equalMaps(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for k, x := range a {
		if y, ok := b[k]; !ok || !equalValues(x, y) {
			return false
		}
	}
	return true
}

func equalSlices(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i, x := range a {
		if !equalValues(x, b[i]) {
			return false
		}
	}
	return true
}

// decimal brings a JSON number into one form, so that 1, 1.0 and 10e-1 are the same: its significant digits and the exponent of the last
// one. Nothing is multiplied out: 1e999999999 is as cheap as 1.
func decimal(s string) string {
	s, negative := strings.CutPrefix(s, "-")
	exponent := new(big.Int)
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		exponent.SetString(strings.TrimPrefix(s[i+1:], "+"), 10) // digits, as JSON's grammar has it
		s = s[:i]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent.Sub(exponent, big.NewInt(int64(len(fraction))))
	short := strings.TrimRight(digits, "0")
	exponent.Add(exponent, big.NewInt(int64(len(digits)-len(short))))
	switch {
	case short == "":
		return "0"
	case negative:
		return "-" + short + "e" + exponent.String()
	default:
		return short + "e" + exponent.String()
	}
}

// overlay makes o what comes of laying edited over original, of which it was parsed.
func (o *object) overlay(what string, original, edited []byte) error {
	if edited == nil {
		return nil
	}
	merged, err := Merge(original, edited)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	now, err := parseObject(merged)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	*o = *now
	return nil
}
