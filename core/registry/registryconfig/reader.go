package registryconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/imgscript/imgscript/core/nearest"
)

// reader reads a configuration and notes all that is wrong in it.
type reader struct {
	file string
	opts Options
	errs Errors
}

// value is a value in the file, and what errors call it.
type value struct {
	node *yaml.Node
	name string
}

// fields are what a mapping may have: by key, what takes the value.
type fields map[string]func(v value)

// fail notes what is wrong at a place.
func (r *reader) fail(v value, format string, args ...any) *Error {
	e := &Error{File: r.file, Line: max(v.node.Line, 1), Column: max(v.node.Column, 1), Key: v.name, Msg: fmt.Sprintf(format, args...)}
	r.errs = append(r.errs, e)
	return e
}

// yamlLine is how the parser begins its errors.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// document parses the text. An empty one, and one that can't be parsed, is an empty mapping.
func (r *reader) document(data []byte) value {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	empty := value{node: &yaml.Node{Kind: yaml.MappingNode}}
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return empty
	}
	if err == nil {
		if err = decoder.Decode(&more); errors.Is(err, io.EOF) {
			return value{node: doc.Content[0]}
		}
		if err == nil {
			r.fail(value{node: &more}, "a second document: there can be only one")
			return empty
		}
	}
	at, text := &yaml.Node{}, err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	if strings.HasPrefix(text, "unknown anchor") {
		text = "a value that begins with * names an anchor that there is not: quote it" // and it may be a secret
	}
	r.fail(value{node: at}, "not YAML: %s", text)
	return empty
}

// fields reads a mapping, each key once. of is what it belongs to, "" for the file.
func (r *reader) fields(v value, of string, known fields) {
	r.entries(v, func(key value) string {
		name := key.node.Value
		if of != "" {
			name += " of " + of
		}
		return name
	}, func(key, v value) {
		read, ok := known[key.node.Value]
		if !ok {
			r.unknown(key, of, slices.Sorted(maps.Keys(known)))
			return
		}
		read(v)
	})
}

// unknown notes a key that there is not. What it is said to be is not shown: it may be a secret.
func (r *reader) unknown(key value, of string, known []string) {
	key.name = of
	e := r.fail(key, "there is no key %s", quote(key.node.Value))
	e.Hint = "there are " + strings.Join(known, ", ")
	if len(key.node.Value) > maxShown {
		return
	}
	if near := nearest.Name(key.node.Value, known); near != "" {
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	}
}

// entries reads a mapping of any keys, each once. name says what errors call the value of a key.
func (r *reader) entries(v value, name func(key value) string, read func(key, v value)) {
	node := resolve(v.node)
	if isNull(node) {
		return
	}
	if node.Kind != yaml.MappingNode {
		r.fail(v, "want a mapping, got %s", kind(node))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := value{resolve(node.Content[i]), v.name}
		if key.node.Kind != yaml.ScalarNode {
			r.fail(key, "want a text as key, got %s", kind(key.node))
			continue
		}
		if line, ok := seen[key.node.Value]; ok {
			r.fail(key, "the key %s is in line %d already", quote(key.node.Value), line)
			continue
		}
		seen[key.node.Value] = key.node.Line
		read(key, value{node.Content[i+1], name(key)})
	}
}

// list reads a sequence.
func (r *reader) list(v value, read func(v value)) {
	node := resolve(v.node)
	if node.Kind != yaml.SequenceNode {
		r.fail(v, "want a list, got %s", kind(node))
		return
	}
	for _, item := range node.Content {
		read(value{item, v.name})
	}
}

// text reads a string that is not empty.
func (r *reader) text(v value) (string, bool) {
	node := resolve(v.node)
	switch {
	case node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str":
		r.fail(v, "want a text, got %s", kind(node))
	case node.Value == "":
		r.fail(v, "it is empty")
	case strings.ContainsRune(node.Value, 0):
		r.fail(v, "it has a NUL byte")
	default:
		return node.Value, true
	}
	return "", false
}

// flag reads true or false.
func (r *reader) flag(v value) bool {
	node := resolve(v.node)
	var b bool
	if node.ShortTag() != "!!bool" || node.Decode(&b) != nil {
		r.fail(v, "want true or false, got %s", kind(node))
	}
	return b
}

// number reads a number from least to most.
func (r *reader) number(v value, least, most float64) float64 {
	node := resolve(v.node)
	var f float64
	if tag := node.ShortTag(); tag != "!!int" && tag != "!!float" || node.Decode(&f) != nil {
		r.fail(v, "want a number, got %s", kind(node))
		return 0
	}
	if !(f >= least && f <= most) { // NaN is neither
		r.fail(v, "want a number from %g to %g", least, most)
		return 0
	}
	return f
}

// integer is number without a fraction.
func (r *reader) integer(v value, least, most int) int {
	if node := resolve(v.node); node.ShortTag() == "!!float" {
		r.fail(v, "want a whole number")
		return 0
	}
	return int(r.number(v, float64(least), float64(most)))
}

// resolve follows an alias.
func resolve(node *yaml.Node) *yaml.Node {
	for range 10 { // an alias of an alias is not in the language
		if node.Kind != yaml.AliasNode {
			break
		}
		node = node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" }

// kind says what a value is, and not which.
func kind(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch node.ShortTag() {
	case "!!str":
		return "a text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	}
	return "something else"
}

// quote shows a key or a name of the file: cut, and without what a terminal would obey.
func quote(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return strconv.Quote(s)
}

// maxShown is how many bytes of a name errors show.
const maxShown = 100
