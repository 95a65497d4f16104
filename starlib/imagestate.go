package starlib

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/image"
)

// state is what a script has set on an image.
type state struct {
	set   map[string]starlark.Value
	dicts map[string]map[string]string
	order map[string][]string // of the keys of dicts
}

// state copies what is set now.
func (i *imageValue) state() state {
	st := state{set: maps.Clone(i.set), dicts: map[string]map[string]string{}, order: map[string][]string{}}
	for name, dict := range i.dicts {
		st.dicts[name] = map[string]string{}
		for _, item := range dict.Items() {
			key, _ := starlark.AsString(item[0])
			value, _ := starlark.AsString(item[1])
			st.dicts[name][key] = value
			st.order[name] = append(st.order[name], key)
		}
	}
	return st
}

// checkDicts finds what a script put into a dict that is not text.
func (i *imageValue) checkDicts() error {
	for _, name := range dictAttributes() {
		if _, err := textPairs(name == "env", i.dicts[name]); err != nil {
			return i.setWrong(name, err)
		}
		for _, key := range slices.Sorted(maps.Keys(i.committed.dicts[name])) {
			if _, ok, err := i.dicts[name].Get(starlark.String(key)); err != nil || !ok {
				return i.inData(fmt.Sprintf("%s[%q]", name, key))
			}
		}
	}
	return nil
}

// setWrong is the error for what a script put into a dict, which is found only when the image is looked at: its place is where the script took
// the dict.
func (i *imageValue) setWrong(name string, err error) error {
	err = attrError(name, err)
	return &Error{Kind: KindScript, Msg: err.Error(), Hint: hintOf(err), Step: slices.Clone(i.touched[name].frames), err: err}
}

// inData is the error for who takes back what the image underneath has for good, since the dicts of get_image_config show it, or since something was set on another view of the
// image.
func (i *imageValue) inData(what string) error {
	if i.data() == nil {
		return withHint(fmt.Errorf("%s: it cannot be taken back after on(…) was used to set something else", what), "set it to something else, or do not set it")
	}
	return withHint(fmt.Errorf("%s: it cannot be taken back after get_image_config() or get_image_data()", what), "change the dict that they gave")
}

// flush tells the image underneath what the script has set since it last looked, on it and on the views of its platforms. What reads or saves the image calls it first.
func (i *imageValue) flush() error {
	for _, m := range i.kin.members {
		if err := m.flushOwn(); err != nil {
			return err
		}
	}
	return nil
}

// flushOwn is flush for what was set on this one alone.
func (i *imageValue) flushOwn() error {
	if err := i.checkDicts(); err != nil {
		return err
	}
	if err := i.absorb(); err != nil {
		return err
	}
	now := i.state()
	changed := now.without(i.committed)
	told := fmt.Sprint(changed.set, changed.dicts)
	if told == i.sent || i.sent == "" && len(changed.names()) == 0 {
		clear(i.touched)
		return nil
	}
	changes, err := changed.changes()
	if err != nil {
		return err
	}
	name, at := i.firstTouched(changed.names())
	i.kin.tell(i, now)
	i.sent = told
	clear(i.touched)
	i.warnOfVariables(at, changed.dicts["env"])
	i.keepCommand(&changes)
	i.b.Configure(at, "setting "+name, changes)
	return nil
}

// warnOfVariables tells who is used to Dockerfiles that nothing expands $PATH.
func (i *imageValue) warnOfVariables(at site, env map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		for _, variable := range []string{name, "PATH"} {
			if strings.Contains(env[name], "$"+variable) || strings.Contains(env[name], "${"+variable+"}") {
				i.s.run.Warn(at, fmt.Sprintf("env[%q]: $%s is not expanded; write img.get_env(%q) + …", name, variable, variable))
				break
			}
		}
	}
}

// firstTouched is the change to name in an error, and where it was made.
func (i *imageValue) firstTouched(names []string) (string, site) {
	first, at := "an attribute", i.s.here()
	for _, name := range names {
		where, ok := i.touched[name]
		if !ok || len(where.frames) == 0 {
			continue
		}
		if first == "an attribute" || where.frames[0].File == at.frames[0].File && where.frames[0].Line < at.frames[0].Line {
			first, at = name, where
		}
	}
	return first, at
}

// without is what of st is not in base.
func (st state) without(base state) state {
	left := state{set: map[string]starlark.Value{}, dicts: map[string]map[string]string{}, order: st.order}
	for name, v := range st.set {
		if old, ok := base.set[name]; !ok || old != v {
			left.set[name] = v
		}
	}
	for name, dict := range st.dicts {
		entries := map[string]string{}
		for key, value := range dict {
			if old, ok := base.dicts[name][key]; !ok || old != value {
				entries[key] = value
			}
		}
		left.dicts[name] = entries
	}
	return left
}

// names are the attributes that are set, sorted.
func (st state) names() []string {
	names := slices.Collect(maps.Keys(st.set))
	for name, dict := range st.dicts {
		if len(dict) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// changes is what is set, for the engine.
func (st state) changes() (image.Changes, error) {
	c := image.Changes{
		WorkingDir: st.text("working_dir"), User: st.text("user"), StopSignal: st.text("stop_signal"), Author: st.text("author"),
		Cmd: st.list("cmd"), Entrypoint: st.list("entrypoint"), Shell: st.list("shell"), OnBuild: st.list("on_build"),
		ExposedPorts: st.list("exposed_ports"), Volumes: st.list("volumes"),
	}
	for _, key := range st.order["env"] {
		if value, ok := st.dicts["env"][key]; ok {
			c.Env = append(c.Env, key+"="+value)
		}
	}
	if len(st.dicts["labels"]) > 0 {
		c.Labels = st.dicts["labels"]
	}
	if len(st.dicts["annotations"]) > 0 {
		c.Annotations = st.dicts["annotations"]
	}
	if len(st.dicts["entry_annotations"]) > 0 {
		c.EntryAnnotations = st.dicts["entry_annotations"]
	}
	if len(st.dicts["index_annotations"]) > 0 {
		c.IndexAnnotations = st.dicts["index_annotations"]
	}
	if v, ok := st.set["created"]; ok {
		var t timeArg
		if err := t.Unpack(v); err != nil {
			return c, err
		}
		c.Created = t.ptr()
	}
	if v, ok := st.set["healthcheck"]; ok {
		h, err := healthcheck(v)
		if err != nil {
			return c, err
		}
		c.Healthcheck = h
	}
	return c, nil
}

func (st state) text(name string) *string {
	if s, ok := starlark.AsString(st.set[name]); ok && st.set[name] != nil {
		return &s
	}
	return nil
}

func (st state) list(name string) []string {
	list, ok := st.set[name].(*starlark.List)
	if !ok {
		return nil
	}
	words := make([]string, list.Len())
	for k := range words {
		words[k], _ = starlark.AsString(list.Index(k))
	}
	return words
}
