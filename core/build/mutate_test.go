package build_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

// mutant is a document that was good before one thing in it was changed.
type mutant struct {
	name string
	text string
}

// member is one member of a JSON object, of which objects are slices here: they keep their order and may have keys twice.
type member struct {
	key   string
	value any
}

// mutants makes every change of a good document that people and fuzzers are known to make: of each value, of each key, and of the text.
func mutants(t *testing.T, good string) []mutant {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(good))
	dec.UseNumber()
	root, err := readTree(dec)
	if err != nil {
		t.Fatalf("%s: %v", good, err)
	}
	all := textMutants(good)
	change(root, "$", func(name string, changed any) { all = append(all, mutant{name, render(changed)}) })
	return all
}

// readTree reads one value.
func readTree(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, _ := tok.(json.Delim)
	switch delim {
	case '{':
		object := []member{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			value, err := readTree(dec)
			if err != nil {
				return nil, err
			}
			object = append(object, member{fmt.Sprint(key), value})
		}
		_, err = dec.Token()
		return object, err
	case '[':
		array := []any{}
		for dec.More() {
			value, err := readTree(dec)
			if err != nil {
				return nil, err
			}
			array = append(array, value)
		}
		_, err = dec.Token()
		return array, err
	}
	return tok, nil
}

// raw is a text that stands in the place of a value.
type raw string

func render(value any) string {
	switch value := value.(type) {
	case raw:
		return string(value)
	case []member:
		var parts []string
		for _, m := range value {
			parts = append(parts, render(m.key)+":"+render(m.value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		var parts []string
		for _, v := range value {
			parts = append(parts, render(v))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// replacements take the place of each value.
var replacements = []raw{
	`null`, `true`, `0`, `-1`, `1.5`, `1e999`, `9223372036854775808`, `""`, `"x"`, `[]`, `{}`, `[null]`, `[[]]`, `{"":{}}`, `"\u0000"`, `"\ud800"`,
	`"sha256:../../etc/passwd"`, `"\u001b[31m\u202e"`, `01`, `'x'`, ``, `NaN`,
}

// change calls tell with each document in which one thing below path is another.
func change(value any, path string, tell func(name string, changed any)) {
	for _, other := range replacements {
		if path != "$" || other != "" {
			tell(fmt.Sprintf("%s is %q", path, string(other)), other)
		}
	}
	switch value := value.(type) {
	case []member:
		for i, m := range value {
			with := func(ms ...member) []member {
				return append(append(append([]member{}, value[:i]...), ms...), value[i+1:]...)
			}
			at := path + "." + m.key
			tell(at+" is missing", with())
			tell(at+" stands twice", with(m, m))
			tell(at+" stands twice, once as null", with(m, member{m.key, nil}))
			tell(at+" in upper case", with(member{strings.ToUpper(m.key), m.value}))
			tell(at+" in upper case beside it", with(m, member{strings.ToUpper(m.key), m.value}))
			change(m.value, at, func(name string, changed any) { tell(name, with(member{m.key, changed})) })
		}
		tell(path+" has something unknown", append(append([]member{}, value...), member{"x-unknown", raw(`{"a":[1,"\u001b"]}`)}))
	case []any:
		for i, v := range value {
			change(v, fmt.Sprintf("%s[%d]", path, i), func(name string, changed any) {
				tell(name, append(append(append([]any{}, value[:i]...), changed), value[i+1:]...))
			})
		}
	}
}

// textMutants change the text and not what it says, or make it something else.
func textMutants(good string) []mutant {
	wide := utf16.Encode([]rune(good))
	var utf16le bytes.Buffer
	for _, unit := range wide {
		utf16le.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	inside := strings.TrimPrefix(good, "{")
	all := []mutant{
		{"nothing", ""}, {"blanks", " \n\t"}, {"a byte order mark", "\ufeff" + good}, {"UTF-16", utf16le.String()}, {"UTF-16 with its mark", "\xff\xfe" + utf16le.String()},
		{"a byte that is no UTF-8", `{"x":"` + "\xff" + `",` + inside}, {"a control character", `{"x":"` + "\x01" + `",` + inside}, {"a NUL before it", "\x00" + good},
		{"a NUL behind it", good + "\x00"}, {"a text behind it", good + "x"}, {"another document behind it", good + good}, {"a comma behind it", good + ","},
		{"white space around it", " \r\n\t" + good + " \n"}, {"a comment", "/* */" + good}, {"a login page", "<!doctype html><title>Log in</title>"}, {"gzip", "\x1f\x8b\x08\x00"},
		{"4 MiB of brackets", strings.Repeat("[", 4<<20)}, {"4 MiB of braces", strings.Repeat(`{"":`, 1<<20)}, {"300 deep", `{"x":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + "," + inside},
		{"4 MiB of quotes", strings.Repeat(`"`, 4<<20)}, {"4 MiB of backslashes", `{"x":"` + strings.Repeat(`\`, 4<<20)}, {"4 MiB of digits", strings.Repeat("9", 4<<20)},
		{"a million keys", `{` + strings.Repeat(`"a":1,`, 600_000) + inside}, {"a million other keys", `{` + manyKeys() + inside},
		{"a million values", `{"x":[` + strings.Repeat("1,", 1_000_000) + `1],` + inside}, {"a million objects", `{"x":[` + strings.Repeat("{},", 1_000_000) + `1],` + inside},
		{"a text of 3 MiB", `{"x":"` + strings.Repeat("x", 3<<20) + `",` + inside}, {"escapes of 3 MiB", `{"x":"` + strings.Repeat(`\u0041`, 500_000) + `",` + inside},
		{"a key of 3 MiB", `{"` + strings.Repeat("x", 3<<20) + `":1,` + inside}, {"more than 4 MiB", good + strings.Repeat(" ", 4<<20)}, {"5 MiB of nothing", strings.Repeat(" ", 5<<20)},
	}
	for i := range 8 {
		all = append(all, mutant{fmt.Sprintf("cut to %d of 8 parts", i), good[:1+i*(len(good)-1)/8]})
	}
	return all
}

func manyKeys() string {
	var b strings.Builder
	for i := range 300_000 {
		fmt.Fprintf(&b, `"%x":1,`, i)
	}
	return b.String()
}
