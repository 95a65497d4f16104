package starlib

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/image"
)

var imageClass = &class[*imageValue]{
	name: "Image",
	attributes: []attribute[*imageValue]{
		{
			name: "base",
			get:  func(i *imageValue) (starlark.Value, error) { return starlark.String(i.b.Base()), nil },
			hint: "image() makes an image of another base",
		},
		{
			name: "target",
			get:  func(i *imageValue) (starlark.Value, error) { return stringOrNone(i.b.Target()), nil },
			hint: `fork("…") makes an image with another target, save(to = "…") saves to one`,
		},
		{
			name: "platforms",
			get:  (*imageValue).platforms,
			hint: `image(…, platforms = ["linux/amd64", "linux/arm64"]) makes an image of several`,
		},
		imageAttr("working_dir", toText),
		imageAttr("cmd", toCommand),
		imageAttr("entrypoint", toCommand),
		imageDict("env"),
		imageAttr("user", toText),
		imageDict("labels"),
		imageDict("annotations"),
		imageDict("entry_annotations"),
		imageDict("index_annotations"),
		imageAttr("exposed_ports", toPorts),
		imageAttr("volumes", toList),
		imageAttr("stop_signal", toText),
		imageAttr("healthcheck", toHealthcheck),
		imageAttr("shell", toCommand),
		imageAttr("on_build", toList),
		imageAttr("author", toText),
		imageAttr("created", toTime),
	},
	methods: []binding{
		method("Image.add_files", (*imageValue).addFiles),
		method("Image.add_layer", (*imageValue).addLayer),
		method("Image.remove_layer", (*imageValue).removeLayer),
		method("Image.save", (*imageValue).save),
		method("Image.sync", (*imageValue).sync),
		method("Image.client", (*imageValue).client),
		method("Image.get_env", (*imageValue).getEnv),
		method("Image.get_image_config", (*imageValue).getImageConfig),
		method("Image.get_image_data", (*imageValue).getImageData),
		method("Image.layers", (*imageValue).layers),
		method("Image.files", (*imageValue).listFiles),
		method("Image.read", (*imageValue).readFile),
		method("Image.fork", (*imageValue).fork),
		method("Image.rebase", (*imageValue).rebase),
		method("Image.flatten", (*imageValue).flatten),
		method("Image.append", (*imageValue).append),
		method("Image.remove_files", (*imageValue).removeFiles),
		method("Image.on", (*imageValue).on),
	},
}

func dictAttributes() []string {
	return []string{"env", "labels", "annotations", "entry_annotations", "index_annotations"}
}

func stringOrNone(s string) starlark.Value {
	if s == "" {
		return starlark.None
	}
	return starlark.String(s)
}

// imageAttr is an attribute that is None until it is set, and None again when it is set to that. take checks what is assigned and makes of it what is read.
func imageAttr(name string, take func(v starlark.Value) (starlark.Value, error)) attribute[*imageValue] {
	checked := func(v starlark.Value) (starlark.Value, error) {
		taken, err := take(v)
		if err != nil {
			return nil, attrError(name, err)
		}
		return taken, checkState(state{set: map[string]starlark.Value{name: taken}})
	}
	return attribute[*imageValue]{
		name: name,
		get: func(i *imageValue) (starlark.Value, error) {
			if v, ok := i.set[name]; ok {
				return v, nil
			}
			return starlark.None, nil
		},
		set: func(i *imageValue, v starlark.Value) error {
			if err := i.touch(name); err != nil {
				return err
			}
			if v == starlark.None {
				if _, ok := i.committed.set[name]; ok {
					return i.inData(name)
				}
				delete(i.set, name)
				return nil
			}
			taken, err := checked(v)
			if err != nil {
				return err
			}
			i.set[name] = taken
			return i.writeThrough(name)
		},
		check: func(v starlark.Value) error {
			if v == starlark.None {
				return nil
			}
			_, err := checked(v)
			return err
		},
	}
}

// imageDict is an attribute that is a dict of what was added. Assigning takes the place of all that was added; the dict stays the same.
func imageDict(name string) attribute[*imageValue] {
	checked := func(v starlark.Value) ([][2]string, error) {
		entries, err := pairsOf(name, v)
		if err != nil {
			return nil, attrError(name, err)
		}
		return entries, checkState(dictState(name, entries))
	}
	return attribute[*imageValue]{
		name: name,
		get: func(i *imageValue) (starlark.Value, error) {
			if i.frozen {
				return i.dicts[name], nil
			}
			return i.dicts[name], i.touch(name)
		},
		set: func(i *imageValue, v starlark.Value) error {
			if err := i.touch(name); err != nil {
				return err
			}
			if v == i.dicts[name] {
				return nil // img.env |= {…}
			}
			entries, err := checked(v)
			if err != nil {
				return err
			}
			return i.replaceDict(name, entries)
		},
		check: func(v starlark.Value) error {
			_, err := checked(v)
			return err
		},
	}
}

// attrError says which attribute's value an error is about.
func attrError(name string, err error) error {
	return eachWrong(err, func(err error) *argumentError {
		bad := &argumentError{name: name}
		shown := name
		if inner := (*argumentError)(nil); errors.As(err, &inner) {
			bad.path = inner.path
		} else if w := (*wantError)(nil); errors.As(err, &w) {
			bad.path = w.path
			shown += w.path
		}
		bad.error = fmt.Errorf("%s: %w", shown, err)
		return bad
	})
}

// checkState finds values that no image can have where they are set, but for paths, which differ on Windows.
func checkState(st state) error {
	changes, err := st.changes()
	if err != nil {
		return err
	}
	changes.Volumes, changes.WorkingDir = nil, nil
	_, err = image.Scratch(image.Platform{OS: "linux", Architecture: "amd64"}, image.FormatOCI, time.Time{}).With(&changes)
	return err
}

// dictState is the state with one dict alone.
func dictState(name string, entries [][2]string) state {
	dict := map[string]string{}
	var order []string
	for _, entry := range entries {
		dict[entry[0]] = entry[1]
		order = append(order, entry[0])
	}
	return state{dicts: map[string]map[string]string{name: dict}, order: map[string][]string{name: order}}
}

func (i *imageValue) replaceDict(name string, entries [][2]string) error {
	dict := i.dicts[name]
	if err := dict.Clear(); err != nil {
		return err
	}
	for _, entry := range entries {
		if err := dict.SetKey(starlark.String(entry[0]), starlark.String(entry[1])); err != nil {
			return err
		}
	}
	return i.writeThrough(name)
}

// touch remembers the first place since the last look at which an attribute was set or, of a dict, read: a dict is changed by whoever has it.
func (i *imageValue) touch(name string) error {
	if err := i.flushKin(); err != nil {
		return err
	}
	if _, ok := i.touched[name]; !ok {
		i.touched[name] = i.s.here()
	}
	return nil
}

// pairsOf reads what a dict attribute is set to: a dict of strings, for env also a list of NAME=value, or None.
func pairsOf(name string, v starlark.Value) ([][2]string, error) {
	if v == starlark.None {
		return nil, nil
	}
	if _, isDict := v.(starlark.IterableMapping); !isDict && name == "env" {
		var entries envArg
		err := entries.Unpack(v)
		pairs := make([][2]string, len(entries))
		for k, entry := range entries {
			pairs[k][0], pairs[k][1], _ = strings.Cut(entry, "=")
		}
		return pairs, err
	}
	return textPairs(name == "env", v)
}

// textPairs reads a dict of strings; the keys of env are names.
func textPairs(isEnv bool, v starlark.Value) ([][2]string, error) {
	dict, ok := v.(starlark.IterableMapping)
	if !ok {
		return nil, wanted("a dict of strings", v, "")
	}
	var pairs [][2]string
	var wrong []error
	for _, item := range dict.Items() {
		pair, err := textPair(isEnv, item)
		if err != nil {
			wrong = append(wrong, err)
		}
		pairs = append(pairs, pair)
	}
	if err := together(wrong); err != nil {
		return nil, err
	}
	return pairs, nil
}

func textPair(isEnv bool, item starlark.Tuple) (pair [2]string, err error) {
	key, ok := starlark.AsString(item[0])
	if !ok {
		return pair, wanted("keys that are strings", item[0], asText(item[0]))
	}
	if isEnv {
		if err := checkName(key); err != nil {
			return pair, err
		}
	}
	value, ok := starlark.AsString(item[1])
	if !ok {
		return pair, &wantError{path: fmt.Sprintf("[%q]", key), want: "a string", got: typeOf(item[1]), write: asText(item[1])}
	}
	return [2]string{key, value}, nil
}

// checkName refuses what no variable can be called.
func checkName(name string) error {
	before, after, ok := strings.Cut(name, "=")
	switch {
	case ok && before != "":
		return fmt.Errorf("%q is no name of a variable; write {%q: %q}", name, before, after)
	case ok || name == "" || strings.ContainsRune(name, 0):
		return fmt.Errorf("%q is no name of a variable", name)
	case strings.ContainsFunc(name, unicode.IsSpace):
		return fmt.Errorf("%q is no name of a variable: it has a space", name)
	}
	return nil
}

// envArg is a dict of strings, or a list of NAME=value: entries in order.
type envArg []string

// Unpack implements starlark.Unpacker.
func (e *envArg) Unpack(v starlark.Value) error {
	*e = envArg{}
	if _, isDict := v.(starlark.IterableMapping); isDict {
		pairs, err := textPairs(true, v)
		for _, pair := range pairs {
			*e = append(*e, pair[0]+"="+pair[1])
		}
		return err
	}
	if _, isList := v.(starlark.Indexable); !isList || v.Type() == "string" {
		return wanted(`a dict of strings or a list of "NAME=value"`, v, "")
	}
	if err := storeStrings(v, (*[]string)(e)); err != nil {
		return err
	}
	var wrong []error
	for _, entry := range *e {
		if name, _, ok := strings.Cut(entry, "="); !ok || name == "" {
			wrong = append(wrong, withHint(fmt.Errorf("%q is not NAME=value", entry), `write a dict: {"NAME": "value"}`))
		}
	}
	return together(wrong)
}

func toText(v starlark.Value) (starlark.Value, error) {
	if _, ok := starlark.AsString(v); !ok {
		return nil, wanted("a string", v, asText(v))
	}
	return v, nil
}

// toCommand takes a list of words. A string is what people who know Dockerfiles try.
func toCommand(v starlark.Value) (starlark.Value, error) {
	if s, ok := starlark.AsString(v); ok {
		return nil, wanted("a list of strings", v, commandOf(s))
	}
	return toList(v)
}

// commandOf shows how a command that was given as one text is written.
func commandOf(s string) string {
	shell := starlark.NewList([]starlark.Value{starlark.String("sh"), starlark.String("-c"), starlark.String(s)}).String()
	words := strings.Fields(s)
	switch {
	case len(s) > 60 || len(words) == 0:
		return `["program", "argument"], or ["sh", "-c", "…"] for a shell`
	case strings.ContainsAny(s, "|&;<>()$`\\\"'*?[]#~=%{}"):
		return shell
	}
	return frozenStrings(words).String() + " or " + shell + " for a shell"
}

func toList(v starlark.Value) (starlark.Value, error) {
	var list []string
	if err := storeStrings(v, &list); err != nil {
		return nil, err
	}
	return frozenStrings(list), nil
}

// toPorts takes "8080/tcp", "8080" and 8080.
func toPorts(v starlark.Value) (starlark.Value, error) {
	seq, ok := v.(starlark.Indexable)
	if _, isString := v.(starlark.String); !ok || isString {
		return nil, wanted("a list of ports", v, listOf(v))
	}
	var ports []string
	var wrong []error
	for k := range seq.Len() {
		switch p := seq.Index(k).(type) {
		case starlark.String:
			ports = append(ports, string(p))
		case starlark.Int:
			ports = append(ports, p.String()+"/tcp")
		default:
			wrong = append(wrong, &wantError{path: fmt.Sprintf("[%d]", k), want: `"8080/tcp" or 8080`, got: typeOf(p)})
		}
	}
	return frozenStrings(ports), together(wrong)
}

func toTime(v starlark.Value) (starlark.Value, error) {
	var t timeArg
	return v, t.Unpack(v)
}
