package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// field is what a member of a config must be for engines to read it: one of another type makes an image that cannot be started. null is of each type.
type field struct {
	want     string // for people
	holds    func(json.RawMessage) bool
	members  map[string]field   // of an object, those that are known
	elements *field             // of a list
	check    func(string) error // of a text
	keys     func(string) error // of an object, its keys
	entries  func(string) error // of a list of texts
}

func holds[T any](value json.RawMessage) bool { return json.Unmarshal(value, new(T)) == nil }

// checkFields holds what was edited in a config (image-spec, config.md, "Properties", and what Docker has beyond) to the types and values that engines read. What a base has is its own
// matter.
func checkFields(before, after []byte) error {
	return errors.Join(configField().changed("", before, after)...)
}

// changed checks a value that is not what it was.
func (f field) changed(path string, before, after json.RawMessage) []error {
	if isNull(after) || bytes.Equal(before, after) {
		return nil
	}
	if !f.holds(after) {
		return []error{invalid("config: %s: want %s, got %.100s", path, f.want, after)}
	}
	switch {
	case f.members != nil || f.keys != nil:
		return f.object(path, before, after)
	case f.elements != nil || f.entries != nil:
		return f.list(path, before, after)
	case f.check != nil:
		var text string
		_ = json.Unmarshal(after, &text) // it is one
		return wrongAt(path, text, f.check(text))
	}
	return nil
}

// wrongAt is what is wrong with a text at a path, if anything is.
func wrongAt(path, text string, err error) []error {
	if err == nil {
		return nil
	}
	return []error{invalid("config: %s: %q: %w", path, text, err)}
}

func (f field) object(path string, before, after json.RawMessage) (errs []error) {
	was, err := parseObject(before)
	if err != nil {
		was = &object{}
	}
	now, err := parseObject(after)
	if err != nil {
		return []error{err}
	}
	slices.SortFunc(now.members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	for _, m := range now.members {
		if f.keys != nil && was.exact(m.key) < 0 {
			errs = append(errs, wrongAt(path, m.key, f.keys(m.key))...)
		}
		name, known := f.member(m.key)
		if known {
			errs = append(errs, f.members[name].changed(below(path, name), was.get(name), m.value)...)
		}
	}
	return errs
}

// member is a known member by its name, which readers written in Go find in any case.
func (f field) member(key string) (string, bool) {
	if _, ok := f.members[key]; ok {
		return key, true
	}
	for name := range f.members {
		if strings.EqualFold(name, key) {
			return name, true
		}
	}
	return "", false
}

// below is the path of a member. What is in the config's object "config" is known by its own name.
func below(path, name string) string {
	if path == "" || path == "config" {
		return name
	}
	return path + "." + name
}

func (f field) list(path string, before, after json.RawMessage) (errs []error) {
	was, _ := parseArray(before) // none, if it was no list
	now, err := parseArray(after)
	if err != nil {
		return []error{err}
	}
	for i, value := range now {
		at := fmt.Sprintf("%s[%d]", path, i)
		var text string
		switch {
		case slices.ContainsFunc(was, func(old json.RawMessage) bool { return bytes.Equal(old, value) }):
		case f.entries == nil && len(was) == len(now):
			errs = append(errs, f.elements.changed(at, was[i], value)...)
		case f.entries == nil:
			errs = append(errs, f.elements.changed(at, nil, value)...)
		case json.Unmarshal(value, &text) == nil:
			errs = append(errs, wrongAt(at, text, f.entries(text))...)
		}
	}
	return errs
}

// The types of fields.
func textField(check func(string) error) field {
	return field{want: "a string", holds: holds[string], check: check}
}

func listField(entries func(string) error) field {
	return field{want: "a list of strings", holds: holds[[]string], entries: entries}
}

func setField(keys func(string) error) field {
	return field{want: "an object whose keys are the names, such as {\"80/tcp\": {}}", holds: holds[map[string]struct{}], keys: keys}
}

func objectField(members map[string]field) field {
	return field{want: "an object", holds: holds[map[string]json.RawMessage], members: members}
}

func numberField() field { return field{want: "a whole number", holds: holds[int64]} }

func boolField() field { return field{want: "true or false", holds: holds[bool]} }

// checkTime wants RFC 3339 (section 5.6), without which Go programs, which engines are, read nothing of the config.
func checkTime(s string) error {
	if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
		return meaning(MeantTime(s), "it is no RFC 3339 time, such as \"2024-01-31T12:00:00Z\"")
	}
	return nil
}

// MeantTime is the RFC 3339 time that a text was probably meant for: a date alone, or one with a blank before the time or without a zone, which is taken for UTC. "" is none.
func MeantTime(s string) string {
	for _, form := range []string{
		time.DateOnly, "2006/01/02", time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04",
		"2006-01-02T15:04", "2006-01-02T15:04Z07:00", time.RFC1123, time.RFC1123Z,
	} {
		if t, err := time.Parse(form, strings.TrimSpace(s)); err == nil {
			return timestamp(t)
		}
	}
	return ""
}

// configField is all of a config.
func configField() field {
	text, list, when := textField(nil), listField(nil), textField(checkTime)
	entry := objectField(map[string]field{"created": when, "created_by": text, "author": text, "comment": text, "empty_layer": boolField()})
	return objectField(map[string]field{
		"created": when, "author": text, "architecture": text, "variant": text, "os": text, "os.version": text, "os.features": list, "docker_version": text,
		"config":  containerField(),
		"rootfs":  objectField(map[string]field{"type": text, "diff_ids": list}),
		"history": {want: "a list of objects", holds: holds[[]map[string]json.RawMessage], elements: &entry},
	})
}

// containerField is the object "config" of one, which says how a container is started.
func containerField() field {
	text, list, number, flag := textField(nil), listField(nil), numberField(), boolField()
	duration := field{want: "a whole number of nanoseconds, such as 30000000000 for 30 seconds", holds: holds[int64]}
	health := objectField(map[string]field{
		"Test": list, "Interval": duration, "Timeout": duration, "StartPeriod": duration, "StartInterval": duration, "Retries": number,
	})
	return objectField(map[string]field{
		"User": textField(checkUser), "WorkingDir": text, "StopSignal": textField(checkSignal), "StopTimeout": number,
		"Env": listField(checkEnv), "Cmd": list, "Entrypoint": list, "Shell": list, "OnBuild": listField(checkInstruction),
		"ExposedPorts": setField(checkPort), "Volumes": setField(nil),
		"Labels":      {want: "an object of strings", holds: holds[map[string]string]},
		"Healthcheck": health,
		"Hostname":    text, "Domainname": text, "Image": text, "MacAddress": text, "ArgsEscaped": flag, "NetworkDisabled": flag,
		"Memory": number, "MemorySwap": number, "CpuShares": number,
		"AttachStdin": flag, "AttachStdout": flag, "AttachStderr": flag, "OpenStdin": flag, "StdinOnce": flag, "Tty": flag,
	})
}
