package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
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
	byKey := map[string]member{}
	for _, m := range was.members {
		byKey[m.key] = m
	}
	for i, m := range now.members {
		if before, ok := byKey[m.key]; ok {
			now.members[i].raw, now.members[i].value = before.raw, merge(before.value, m.value)
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
	places := map[string][]int{}
	for i, e := range was {
		c := canonical(e)
		places[c] = append(places[c], i)
	}
	next := 0 // the first original element that may still be matched
	for i, e := range now {
		c := canonical(e)
		for len(places[c]) > 0 && places[c][0] < next {
			places[c] = places[c][1:]
		}
		switch {
		case len(places[c]) > 0:
			next = places[c][0] + 1
			now[i] = was[next-1]
		case len(was) == len(now):
			now[i] = merge(was[i], e)
		default:
			now[i] = compact(e)
		}
	}
	return joinArray(now)
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
	return bytes.Equal(a, b) || canonical(a) == canonical(b)
}

// canonical writes a JSON text in a form of which there is one for each value.
func canonical(data json.RawMessage) string {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "not JSON: " + string(data)
	}
	var b strings.Builder
	writeCanonical(&b, v)
	return b.String()
}

func writeCanonical(b *strings.Builder, value any) {
	switch v := value.(type) {
	case map[string]any:
		b.WriteByte('{')
		for _, key := range slices.Sorted(maps.Keys(v)) {
			fmt.Fprintf(b, "%q:", key)
			writeCanonical(b, v[key])
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for _, e := range v {
			writeCanonical(b, e)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case json.Number:
		b.WriteString(decimal(v.String()))
	case string:
		fmt.Fprintf(b, "%q", v)
	default:
		fmt.Fprint(b, v) // true, false and nil
	}
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
