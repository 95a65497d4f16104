package starlib

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/imgscript/imgscript/core/build"
)

const (
	maxJSONDepth  = 1000     // of arrays and objects in each other, both ways: deeper ones could exhaust the stack
	maxJSONBytes  = 16 << 20 // of a document that is written: a dict that is in another one twice, and that in another one, is there often
	jsonSteps     = 10       // that a byte of a document costs to read or write
	maxJSONDigits = 10_000   // of an integer: converting takes more than linear time
)

// jsonToValue reads one JSON document. Objects become dicts in the order of the document; a key that is there twice is an error, since
// programs disagree on what it means. Numbers without fraction and exponent become ints of any size, others floats.
func jsonToValue(data []byte) (starlark.Value, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("read JSON: not UTF-8")
	}
	d := jsonReader{json.NewDecoder(bytes.NewReader(data))}
	d.UseNumber()
	v, err := d.value(0)
	if err == nil {
		if _, err2 := d.Token(); err2 != io.EOF {
			err = errors.New("more than one document")
		}
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("read JSON: at byte %d: %w", d.InputOffset(), err)
	}
	return v, nil
}

type jsonReader struct{ *json.Decoder }

func (d jsonReader) value(depth int) (starlark.Value, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxJSONDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case bool:
		return starlark.Bool(token), nil
	case string:
		return starlark.String(token), nil
	case json.Number:
		return number(token.String())
	case json.Delim:
		if token == '{' {
			return d.object(depth)
		}
		return d.array(depth)
	default:
		return starlark.None, nil
	}
}

func (d jsonReader) object(depth int) (starlark.Value, error) {
	dict := new(starlark.Dict)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := starlark.String(key.(string)) // the decoder lets nothing else pass
		if _, found, _ := dict.Get(name); found {
			return nil, fmt.Errorf("key %q is there twice", string(name))
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if err := dict.SetKey(name, v); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return dict, err
}

func (d jsonReader) array(depth int) (starlark.Value, error) {
	var elems []starlark.Value
	for d.More() {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		elems = append(elems, v)
	}
	_, err := d.Token()
	return starlark.NewList(elems), err
}

func number(s string) (starlark.Value, error) {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("number %s is too large", shorten(s))
		}
		return starlark.Float(f), nil
	}
	if len(s) > maxJSONDigits {
		return nil, fmt.Errorf("number %s is too large", shorten(s))
	}
	i, _ := new(big.Int).SetString(s, 10)
	return starlark.MakeBigInt(i), nil
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// valueToJSON writes a value as compact JSON: None, booleans, ints, finite floats (always with a point or an exponent), UTF-8 strings,
// lists and tuples, dicts in their order, structs in the order of their names. An error names the place of what cannot be written as a script
// would, v itself being called "value".
func valueToJSON(v starlark.Value) ([]byte, error) { return namedToJSON("value", v) }

// namedToJSON is valueToJSON for a value with a name: an error speaks of `config["Env"][2]`.
func namedToJSON(name string, v starlark.Value) ([]byte, error) {
	w := jsonWriter{within: map[starlark.Value]bool{}}
	if err := w.value(v); err != nil {
		return nil, fmt.Errorf("%s%s: %w", name, strings.Join(w.path, ""), err)
	}
	return w.buf.Bytes(), nil
}

// jsonWriter writes one document.
type jsonWriter struct {
	buf    bytes.Buffer
	path   []string // to the value that is being written; it stays as it is when there is an error
	within map[starlark.Value]bool
}

func (w *jsonWriter) value(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.NoneType:
		w.buf.WriteString("null")
	case starlark.Bool:
		w.buf.WriteString(strconv.FormatBool(bool(v)))
	case starlark.Int:
		w.buf.WriteString(v.String())
	case starlark.Float:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("JSON has no %s", v)
		}
		w.buf.WriteString(v.String())
	case starlark.String:
		return w.text(string(v))
	case starlark.Tuple:
		return w.array(v)
	case *starlark.List:
		return w.nested(v, func() error { return w.array(v) })
	case starlark.IterableMapping:
		return w.nested(v, func() error { return w.object(v.Items()) })
	case *starlarkstruct.Struct:
		return w.nested(v, func() error { return w.fields(v) })
	default:
		return fmt.Errorf("JSON has no %s; it has None, bool, int, float, string, list, tuple, dict and struct", v.Type())
	}
	return nil
}

// nested writes a container that must not be in itself. Where Go cannot compare it, the limit of the depth finds that out.
func (w *jsonWriter) nested(v starlark.Value, write func() error) error {
	if !reflect.ValueOf(v).Comparable() {
		return write()
	}
	if w.within[v] {
		return fmt.Errorf("the %s contains itself", v.Type())
	}
	w.within[v] = true
	defer delete(w.within, v)
	return write()
}

// at writes what is below the current value at one more step of the path.
func (w *jsonWriter) at(step string, v starlark.Value) error {
	w.path = append(w.path, step)
	if len(w.path) > maxJSONDepth {
		w.path = nil
		return fmt.Errorf("nested more than %d deep", maxJSONDepth)
	}
	if w.buf.Len() > maxJSONBytes {
		w.path = nil
		return fmt.Errorf("more than %s of JSON", build.Bytes(maxJSONBytes))
	}
	if err := w.value(v); err != nil {
		return err
	}
	w.path = w.path[:len(w.path)-1]
	return nil
}

func (w *jsonWriter) array(list starlark.Indexable) error {
	w.buf.WriteByte('[')
	for i := range list.Len() {
		if i > 0 {
			w.buf.WriteByte(',')
		}
		if err := w.at(fmt.Sprintf("[%d]", i), list.Index(i)); err != nil {
			return err
		}
	}
	w.buf.WriteByte(']')
	return nil
}

func (w *jsonWriter) object(items []starlark.Tuple) error {
	w.buf.WriteByte('{')
	for i, item := range items {
		key, ok := starlark.AsString(item[0])
		if !ok {
			return fmt.Errorf("keys must be strings, got %s %s", item[0].Type(), item[0])
		}
		if err := w.member(i, key, fmt.Sprintf("[%s]", item[0]), item[1]); err != nil {
			return err
		}
	}
	w.buf.WriteByte('}')
	return nil
}

func (w *jsonWriter) fields(s *starlarkstruct.Struct) error {
	w.buf.WriteByte('{')
	for i, name := range s.AttrNames() {
		v, err := s.Attr(name)
		if err != nil {
			return err
		}
		if err := w.member(i, name, "."+name, v); err != nil {
			return err
		}
	}
	w.buf.WriteByte('}')
	return nil
}

func (w *jsonWriter) member(i int, key, step string, v starlark.Value) error {
	if i > 0 {
		w.buf.WriteByte(',')
	}
	if err := w.text(key); err != nil {
		return err
	}
	w.buf.WriteByte(':')
	return w.at(step, v)
}

// text writes a string without the escapes that are only of use in HTML.
func (w *jsonWriter) text(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("the string %s is not UTF-8", shorten(strconv.Quote(s)))
	}
	encoder := json.NewEncoder(&w.buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return err
	}
	w.buf.Truncate(w.buf.Len() - 1) // its newline
	return nil
}
