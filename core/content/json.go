package content

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxDepth bounds how deeply documents may be nested; real ones stay below 10.
const maxDepth = 200

// CheckJSON reports as [ErrInvalid] what two readers of one JSON document may understand in two ways: bytes that are not UTF-8, a key that
// stands twice in one object, something behind the value, and objects and arrays nested more than 200 deep.
func CheckJSON(data []byte) error {
	if !utf8.Valid(data) {
		return fmt.Errorf("%w JSON: not UTF-8", ErrInvalid)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // a number that no float64 can hold is none of our business here
	if err := checkValue(dec, 0); err != nil {
		return fmt.Errorf("%w JSON: %w", ErrInvalid, unexpected(err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w JSON: something follows the document", ErrInvalid)
	}
	return nil
}

// unexpected gives the end of the text within a value the name that a reader understands.
func unexpected(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}

func checkValue(dec *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested more than %d deep", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if delim == '{' {
			if err := checkKey(dec, seen); err != nil {
				return err
			}
		}
		if err := checkValue(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func checkKey(dec *json.Decoder, seen map[string]bool) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	key, ok := tok.(string)
	if !ok {
		return fmt.Errorf("%v in place of a key", tok)
	}
	if seen[key] {
		return fmt.Errorf("key %q stands twice in one object", short(key))
	}
	seen[key] = true
	return nil
}
