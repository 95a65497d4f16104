package content

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The bounds of a JSON document. What is held in memory of one must not be many times its size, whatever it consists of.
const (
	maxDepth  = 200     // objects and arrays in each other; real ones stay below 10
	maxKey    = 1 << 16 // bytes of a key
	maxKeys   = 1 << 14 // keys of one object, with those of the objects around it
	maxValues = 1 << 17 // values in all: an index of 4 MiB that names 30,000 manifests comes near
)

// CheckJSON reports as [ErrInvalid] what two readers of one JSON document may understand in two ways: bytes that are not UTF-8, a key that
// stands twice in one object, something behind the value, and objects and arrays nested more than 200 deep. So it does with documents that take their
// readers more memory than time to send them: more than 16,384 keys in an object, keys of more than 64 KiB, or more than 131,072 values.
func CheckJSON(data []byte) error {
	return checkJSON(data, func([]byte) error { return nil })
}

// checkJSON is CheckJSON with a word of the caller on each key but those of annotations, which are free.
func checkJSON(data []byte, check func(key []byte) error) error {
	if !utf8.Valid(data) {
		return fmt.Errorf("%w JSON: not UTF-8", ErrInvalid)
	}
	if !json.Valid(data) {
		return fmt.Errorf("%w JSON: %w", ErrInvalid, whyInvalid(data))
	}
	w := &jsonWalker{data: data, check: check}
	if err := w.value(0, false); err != nil {
		return fmt.Errorf("%w JSON: %w", ErrInvalid, err)
	}
	return nil
}

// whyInvalid is what is wrong with a text that is no JSON value.
func whyInvalid(data []byte) error {
	err := json.Unmarshal(data, &struct{}{}) // looks at all of it before it reads any
	var syntax *json.SyntaxError
	switch {
	case !errors.As(err, &syntax):
		return errors.New("it is none")
	case strings.HasPrefix(syntax.Error(), "unexpected end"):
		return errors.New("it ends too early")
	case strings.HasSuffix(syntax.Error(), "after top-level value"):
		return errors.New("something follows the document")
	case strings.HasSuffix(syntax.Error(), "max depth"):
		return fmt.Errorf("nested more than %d deep", maxDepth)
	}
	return fmt.Errorf("%w at byte %d", syntax, syntax.Offset)
}

// jsonWalker goes once through a text that is valid JSON, and keeps nothing of it but the keys of the objects that it is in.
type jsonWalker struct {
	data   []byte
	at     int // the next byte
	values int
	keys   [][]byte // of all objects around the next byte, those of the innermost last
	check  func(key []byte) error
}

// next skips white space, and the commas and colons which stand where they have to, and returns the byte there.
func (w *jsonWalker) next() byte {
	for {
		switch c := w.data[w.at]; c {
		case ' ', '\t', '\n', '\r', ',', ':':
			w.at++
		default:
			return c
		}
	}
}

// value walks over one value. In free ones no key is shown to check.
func (w *jsonWalker) value(depth int, free bool) error {
	if w.values++; w.values > maxValues {
		return fmt.Errorf("more than %d values", maxValues)
	}
	switch c := w.next(); c {
	case '{', '[':
		if depth >= maxDepth {
			return fmt.Errorf("nested more than %d deep", maxDepth)
		}
		w.at++
		if c == '[' {
			return w.array(depth, free)
		}
		return w.object(depth, free)
	case '"':
		w.skipText()
	default: // a number, true, false or null ends where something else begins
		for w.at < len(w.data) && strings.IndexByte(" \t\n\r,:]}", w.data[w.at]) < 0 {
			w.at++
		}
	}
	return nil
}

func (w *jsonWalker) array(depth int, free bool) error {
	for w.next() != ']' {
		if err := w.value(depth+1, free); err != nil {
			return err
		}
	}
	w.at++
	return nil
}

func (w *jsonWalker) object(depth int, free bool) error {
	first := len(w.keys)
	for w.next() != '}' {
		key := w.text()
		switch {
		case len(key) > maxKey:
			return fmt.Errorf("a key of %d bytes", len(key))
		case len(w.keys) == maxKeys:
			return fmt.Errorf("more than %d keys", maxKeys)
		}
		w.keys = append(w.keys, key)
		if !free {
			if err := w.check(key); err != nil {
				return err
			}
		}
		if err := w.value(depth+1, free || string(key) == "annotations"); err != nil {
			return err
		}
	}
	w.at++
	keys := w.keys[first:]
	w.keys = w.keys[:first]
	slices.SortFunc(keys, bytes.Compare)
	for i := 1; i < len(keys); i++ {
		if bytes.Equal(keys[i-1], keys[i]) {
			return fmt.Errorf("key %q stands twice in one object", short(string(keys[i])))
		}
	}
	return nil
}

// text walks over a text and returns what it says.
func (w *jsonWalker) text() []byte {
	raw, escaped := w.skipText()
	if !escaped {
		return raw[1 : len(raw)-1]
	}
	var text string
	_ = json.Unmarshal(raw, &text) // it is valid
	return []byte(text)
}

// skipText walks over a text and returns it as it stands there.
func (w *jsonWalker) skipText() (raw []byte, escaped bool) {
	start := w.at
	for w.at++; w.data[w.at] != '"'; w.at++ {
		if w.data[w.at] == '\\' {
			escaped = true
			w.at++
		}
	}
	w.at++
	return w.data[start:w.at], escaped
}

// Member is a member of a JSON object.
type Member struct {
	Key   string
	Text  []byte // the key as it stands there, quotes included
	Value []byte // without white space around it
	End   int    // offset behind the value in the object
}

// Members calls each for the members of a JSON object in their order, until it fails. The slices are parts of object. What is no object, or what CheckJSON
// refuses within a value, is [ErrInvalid].
func Members(object []byte, each func(m Member) error) error {
	if !json.Valid(object) {
		return fmt.Errorf("%w JSON: %w", ErrInvalid, whyInvalid(object))
	}
	w := &jsonWalker{data: object, check: func([]byte) error { return nil }}
	if w.next() != '{' {
		return fmt.Errorf("%w JSON: it is no object", ErrInvalid)
	}
	for w.at++; w.next() != '}'; {
		start := w.at
		m := Member{Key: string(w.text()), Text: object[start:w.at:w.at]}
		w.next()
		start = w.at
		if err := w.value(0, true); err != nil {
			return fmt.Errorf("%w JSON: %w", ErrInvalid, err)
		}
		m.Value, m.End = object[start:w.at:w.at], w.at
		if err := each(m); err != nil {
			return err
		}
	}
	return nil
}

// elements calls each for the elements of an array, which is valid JSON, until it fails.
func elements(array []byte, each func(element []byte) error) error {
	w := &jsonWalker{data: array, at: 1, check: func([]byte) error { return nil }}
	for w.next() != ']' {
		start := w.at
		if err := w.value(0, true); err != nil {
			return err
		}
		if err := each(array[start:w.at]); err != nil {
			return err
		}
	}
	return nil
}
