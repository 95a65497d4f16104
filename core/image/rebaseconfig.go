package image

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// The rule of a rebase, for each part of a config: what the image has as its old base has it was the base's, so it becomes what the new base has. All else is the image's own.

// rebaseConfig edits the config of an image by what its old and its new base have.
func rebaseConfig(config *object, img, old, base *Image) error {
	was, err1 := parseObject(old.config)
	now, err2 := parseObject(base.config)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	own := []string{"architecture", "os", "variant", "created", "rootfs", "history"}
	return rebaseMembers(config, was, now, own, map[string]rebaseFunc{"config": img.rebaseContainer})
}

// rebaseFunc works out a value from what the image, its old and its new base have; nil is nothing.
type rebaseFunc func(mine, was, now json.RawMessage) (json.RawMessage, error)

// rebaseContainer is the rule for the object "config", which says how containers run.
func (img *Image) rebaseContainer(mineText, wasText, nowText json.RawMessage) (json.RawMessage, error) {
	mine, err1 := parseObject(mineText)
	was, err2 := parseObject(wasText)
	now, err3 := parseObject(nowText)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	var own []string
	if !sameValue(mine.get("Entrypoint"), was.get("Entrypoint")) {
		own = append(own, "cmd", "argsescaped") // they were made for the image's entrypoint
	}
	err := rebaseMembers(mine, was, now, own, map[string]rebaseFunc{
		"env": img.rebaseEnv, "labels": rebaseObject, "exposedports": rebaseObject, "volumes": rebaseObject,
	})
	return mine.bytes(), err
}

// rebaseMembers applies the rule to the known keys of objects; those in own are left alone, and some have a rule of their own. Both are in lower case.
func rebaseMembers(mine, was, now *object, own []string, rules map[string]rebaseFunc) error {
	for _, key := range unite(mine.keys(), now.keys(), strings.ToLower) {
		folded := strings.ToLower(key)
		if slices.Contains(own, folded) {
			continue
		}
		rule := rules[folded]
		if rule == nil {
			rule = ruleOf(sameValue)
		}
		value, err := rule(mine.get(key), was.get(key), now.get(key))
		switch {
		case err != nil:
			return err
		case isEmpty(value):
			mine.remove(key)
		default:
			mine.set(key, value)
		}
	}
	return nil
}

// unite returns the names of both lists in their order, each once; fold makes one of those that are the same.
func unite(a, b []string, fold func(string) string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Concat(a, b), func(name string) bool {
		known := seen[fold(name)]
		seen[fold(name)] = true
		return known
	})
}

func exactly(name string) string { return name }

// ruleOf is the rule for a value as a whole.
func ruleOf(same func(a, b json.RawMessage) bool) rebaseFunc {
	return func(mine, was, now json.RawMessage) (json.RawMessage, error) {
		if same(mine, was) {
			return now, nil
		}
		return mine, nil
	}
}

// sameValue compares values of known keys, where nothing, null and all that is empty say the same.
func sameValue(a, b json.RawMessage) bool { return isEmpty(a) && isEmpty(b) || equal(a, b) }

// sameExactly compares values of free keys, where an empty value is one.
func sameExactly(a, b json.RawMessage) bool { return (a == nil) == (b == nil) && equal(a, b) }

// rebaseObject is the rule for objects whose keys are free.
func rebaseObject(mineText, wasText, nowText json.RawMessage) (json.RawMessage, error) {
	mine, err1 := parseObject(mineText)
	was, err2 := parseObject(wasText)
	now, err3 := parseObject(nowText)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	err := rebaseNamed(mine, was, now)
	return mine.bytes(), err
}

// rebaseNamed applies the rule to each key of objects whose keys are free.
func rebaseNamed(mine, was, now *object) error {
	rule := ruleOf(sameExactly)
	for _, key := range unite(mine.keys(), now.keys(), exactly) {
		value, err := rule(mine.getExact(key), was.getExact(key), now.getExact(key))
		switch {
		case err != nil:
			return err
		case value == nil:
			mine.dropExact(key)
		default:
			mine.setExact(key, value)
		}
	}
	return nil
}

// rebaseEnv is the rule for environment variables: first those of the new base, in its order, then the image's own.
func (img *Image) rebaseEnv(mineText, wasText, nowText json.RawMessage) (json.RawMessage, error) {
	mine, err1 := img.parseEnv(mineText)
	was, err2 := img.parseEnv(wasText)
	now, err3 := img.parseEnv(nowText)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	var env []string
	for _, name := range unite(now.names, mine.names, exactly) {
		entry, has := mine.entries[name]
		if before, had := was.entries[name]; has == had && entry == before {
			entry, has = now.entries[name]
		}
		if has {
			env = append(env, entry)
		}
	}
	return merge(joinArray(mine.texts), encode(env)), nil
}

// variables are environment variables by name.
type variables struct {
	names   []string
	entries map[string]string // "NAME=value" as it stands there
	texts   []json.RawMessage
}

// parseEnv reads environment variables. Of one that stands there twice, the last counts.
func (img *Image) parseEnv(data json.RawMessage) (*variables, error) {
	v := &variables{entries: map[string]string{}}
	var err error
	if v.texts, err = parseArray(data); err != nil {
		return nil, err
	}
	for _, text := range v.texts {
		var entry string
		if err := json.Unmarshal(text, &entry); err != nil {
			return nil, invalid("config: Env: %s is no text", excerpt(text))
		}
		name, _, _ := strings.Cut(entry, "=")
		if img.windows() {
			name = strings.ToUpper(name)
		}
		if _, known := v.entries[name]; !known {
			v.names = append(v.names, name)
		}
		v.entries[name] = entry
	}
	return v, nil
}
