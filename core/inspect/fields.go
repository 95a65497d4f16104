package inspect

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// Field is one thing that a config says.
type Field struct {
	// Name is that of the attribute of images in scripts: "env", "working_dir". What has none there is a path of keys in the config: "config.Hostname", "docker_version".
	Name string
	// Key is the name of the variable or label, of "env" and "labels"; "" of others.
	Key string
	// Value is JSON. Of an environment variable it is the value as a string, of ports and volumes a sorted list.
	Value json.RawMessage
}

// Text is the value for people: a string as it is, lists and objects as JSON in one line.
func (f Field) Text() string { return valueText(f.Name, f.Value) }

// Fields lists what the config of an image or of an artifact says, in an order that people expect: each environment variable and each label is a field, what is null, empty, zero or false is
// left out, and so are the diff IDs and the history. What is no JSON object has no fields.
func Fields(config []byte) []Field {
	var all []Field
	top := members(config)
	for _, m := range top {
		switch {
		case m.key == "rootfs" || m.key == "history":
		case m.key == "config" && isObject(m.value):
			for _, inner := range members(m.value) {
				all = append(all, fieldsOf(inner)...)
			}
		default:
			all = append(all, Field{Name: nameOf(topNames(), m.key, m.key), Value: m.value})
		}
	}
	all = slices.DeleteFunc(all, func(f Field) bool { return f.Key == "" && isNothing(f.Value) })
	order := fieldOrder()
	slices.SortStableFunc(all, func(a, b Field) int {
		if d := rank(order, a.Name) - rank(order, b.Name); d != 0 {
			return d
		}
		return strings.Compare(a.Key, b.Key)
	})
	return all
}

// rank is the place of a name; what is not known comes last.
func rank(order []string, name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// member is a member of a JSON object.
type member struct {
	key   string
	value json.RawMessage
}

// members lists those of an object, in the order of their keys; none of what is no object.
func members(data []byte) []member {
	var all []member
	if content.Members(data, func(m content.Member) error {
		all = append(all, member{m.Key, m.Value})
		return nil
	}) != nil {
		return nil
	}
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.key, b.key) })
	return all
}

func isObject(value json.RawMessage) bool { return len(value) > 0 && value[0] == '{' }

// isNothing reports whether a value is what a field that is missing stands for.
func isNothing(value json.RawMessage) bool {
	var v any
	if json.Unmarshal(value, &v) != nil {
		return false
	}
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case float64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// name is what a key of a config is called.
type name struct{ key, name string }

// topNames are the keys beside "config" whose attributes are called otherwise (image-spec, config.md, "Properties").
func topNames() []name { return []name{{"os.version", "os_version"}, {"os.features", "os_features"}} }

// configNames are the keys in "config" that scripts have attributes for.
func configNames() []name {
	return []name{
		{"User", "user"}, {"WorkingDir", "working_dir"}, {"Entrypoint", "entrypoint"}, {"Cmd", "cmd"}, {"Shell", "shell"}, {"OnBuild", "on_build"}, {"Env", "env"},
		{"ExposedPorts", "exposed_ports"}, {"Volumes", "volumes"}, {"StopSignal", "stop_signal"}, {"Healthcheck", "healthcheck"}, {"Labels", "labels"},
	}
}

// nameOf finds a key in whatever case, as engines read configs.
func nameOf(names []name, key, otherwise string) string {
	for _, n := range names {
		if strings.EqualFold(n.key, key) {
			return n.name
		}
	}
	return otherwise
}

// fieldOrder is the order in which people look for fields.
func fieldOrder() []string {
	order := []string{"created", "author", "os", "architecture", "variant", "os_version", "os_features"}
	for _, n := range configNames() {
		order = append(order, n.name)
	}
	return order
}

// fieldsOf makes fields of a member of "config".
func fieldsOf(m member) []Field {
	name := nameOf(configNames(), m.key, "config."+m.key)
	var env []string
	var texts map[string]string
	var set map[string]json.RawMessage
	switch {
	case name == "env" && json.Unmarshal(m.value, &env) == nil:
		return variables(env)
	case name == "labels" && json.Unmarshal(m.value, &texts) == nil:
		return textFields(name, texts)
	case (name == "exposed_ports" || name == "volumes") && json.Unmarshal(m.value, &set) == nil:
		return []Field{{Name: name, Value: raw(slices.Sorted(maps.Keys(set)))}}
	}
	return []Field{{Name: name, Value: m.value}}
}

// variables are the fields of an environment. Of a variable that is there twice the last counts, as it does to runc.
func variables(env []string) []Field {
	values := map[string]string{}
	for _, entry := range env {
		key, value, _ := strings.Cut(entry, "=")
		values[key] = value
	}
	return textFields("env", values)
}

// textFields makes a field of each text, sorted by their keys.
func textFields(name string, texts map[string]string) []Field {
	var all []Field
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		all = append(all, Field{Name: name, Key: key, Value: raw(texts[key])})
	}
	return all
}

// raw is a string, or a list of them, as JSON.
func raw(v any) json.RawMessage {
	data, _ := encode(v) // it is valid
	return compact(data)
}

// valueText is a value for people.
func valueText(name string, value json.RawMessage) string {
	var text string
	var list []string
	var check healthcheck
	switch {
	case len(value) == 0:
		return ""
	case json.Unmarshal(value, &text) == nil:
		return text
	case (name == "exposed_ports" || name == "volumes") && json.Unmarshal(value, &list) == nil:
		return strings.Join(list, ", ")
	case name == "healthcheck" && json.Unmarshal(value, &check) == nil:
		return check.String()
	}
	return spaced(value)
}

// healthcheck is a health check as configs have it; durations are in nanoseconds.
type healthcheck struct {
	Test                                          []string
	Interval, Timeout, StartPeriod, StartInterval time.Duration
	Retries                                       int
}

// String is the check for people: "CMD curl -f localhost, every 30s, timeout 5s, 3 retries".
func (h *healthcheck) String() string {
	parts := []string{strings.Join(h.Test, " ")}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"every", h.Interval}, {"timeout", h.Timeout}, {"start period", h.StartPeriod}, {"at the start every", h.StartInterval}} {
		if d.value != 0 {
			parts = append(parts, d.name+" "+d.value.String())
		}
	}
	if h.Retries != 0 {
		parts = append(parts, fmt.Sprintf("%d retries", h.Retries))
	}
	return strings.Join(parts, ", ")
}
