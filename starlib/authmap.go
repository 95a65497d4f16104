package starlib

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/nearest"
)

// secretValue is a Secret: a text that a script cannot see.
type secretValue struct {
	name string
	read func(context.Context) ([]byte, error)
}

// String implements starlark.Value.
func (v *secretValue) String() string { return fmt.Sprintf("<secret %s>", printable(v.name)) }

// Type implements starlark.Value.
func (v *secretValue) Type() string { return "Secret" }

// Freeze implements starlark.Value.
func (v *secretValue) Freeze() {}

// Truth implements starlark.Value.
func (v *secretValue) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (v *secretValue) Hash() (uint32, error) { return 0, unhashable(v) }

// text is the secret itself.
func (v *secretValue) text(s *session) (string, error) {
	data, err := v.read(s.run.Context())
	if err != nil {
		return "", fmt.Errorf("secret %q: %w", v.name, err)
	}
	return string(data), nil
}

type secretArgs struct {
	Name string `arg:"name"`
}

func secret(thread *starlark.Thread, a *secretArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	read, ok := s.rt.opts.Secrets[a.Name]
	if !ok {
		hint := fmt.Sprintf("run with --secret %s=env:VARIABLE or --secret %s=file:PATH", a.Name, a.Name)
		if near := nearest.Names(a.Name, slices.Sorted(maps.Keys(s.rt.opts.Secrets))); len(near) > 0 {
			hint = fmt.Sprintf("there is --secret %s", near[0])
		}
		return nil, withHint(fmt.Errorf("secret: there is no secret %q", a.Name), hint)
	}
	s.run.NoteInput(build.Input{Kind: build.InputSecret, Name: a.Name})
	return &secretValue{a.Name, read}, nil
}

// authArg is an auth map as scripts write it: credentials by host, or by host and path.
type authArg struct{ dict starlark.IterableMapping }

// Unpack implements starlark.Unpacker.
func (a *authArg) Unpack(v starlark.Value) error {
	dict, ok := v.(starlark.IterableMapping)
	if !ok {
		return wanted("a dict of credentials by host", v, "")
	}
	a.dict = dict
	return nil
}

// resolve reads the map and the secrets in it.
func (a authArg) resolve(s *session) (auth.Map, error) {
	if a.dict == nil {
		return nil, nil
	}
	m := auth.Map{}
	for _, item := range a.dict.Items() {
		key, ok := starlark.AsString(item[0])
		if !ok {
			return nil, wanted("hosts that are strings", item[0], "")
		}
		fields, ok := item[1].(starlark.IterableMapping)
		if !ok {
			return nil, fmt.Errorf("[%q]: %w", key, wanted(`a dict such as {"token": …} or {"Username": …, "Secret": …}`, item[1], ""))
		}
		entry, err := s.authEntry(fields)
		if err != nil {
			return nil, fmt.Errorf("[%q]: %w", key, err)
		}
		m[key] = entry
	}
	return m, nil
}

// authEntry reads the credential of one host by the names of the npm library.
func (s *session) authEntry(fields starlark.IterableMapping) (auth.Entry, error) {
	var entry auth.Entry
	for _, item := range fields.Items() {
		name, _ := starlark.AsString(item[0])
		if item[1] == starlark.None {
			continue
		}
		text, err := s.authText(name, item[1])
		if err != nil {
			return entry, err
		}
		switch name {
		case "token":
			entry.Token = text
		case "Username":
			entry.Username = text
		case "Secret":
			entry.Secret = text
		case "credentials":
			entry.Credentials = []byte(text)
		case "keyFilename":
			entry.KeyFilename = text
		default:
			return entry, unknownAuthField(name)
		}
	}
	return entry, nil
}

func unknownAuthField(name string) error {
	names := []string{"token", "Username", "Secret", "credentials", "keyFilename"}
	if near := nearest.Names(name, names); len(near) > 0 {
		return fmt.Errorf("unexpected %q (did you mean %s?)", name, quoteAll(near, " or "))
	}
	return fmt.Errorf("unexpected %q (there are %s)", name, quoteAll(names, ", "))
}

// authText is a field's text: a string, a secret, or for credentials the dict of a key file.
func (s *session) authText(name string, v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case *secretValue:
		return v.text(s)
	case starlark.IterableMapping:
		if name != "credentials" {
			break
		}
		plain, err := s.withoutSecrets(v)
		if err != nil {
			return "", err
		}
		data, err := namedToJSON(name, plain)
		return string(data), err
	}
	if name == "credentials" {
		return "", fmt.Errorf("%s: %w", name, wanted("a dict, its JSON text or a secret", v, ""))
	}
	return "", fmt.Errorf("%s: %w", name, wanted("a string or a secret", v, ""))
}

// withoutSecrets is a key file's dict with its secrets read.
func (s *session) withoutSecrets(dict starlark.IterableMapping) (*starlark.Dict, error) {
	plain := new(starlark.Dict)
	for _, item := range dict.Items() {
		value := item[1]
		if v, ok := value.(*secretValue); ok {
			text, err := v.text(s)
			if err != nil {
				return nil, err
			}
			value = starlark.String(text)
		}
		if err := plain.SetKey(item[0], value); err != nil {
			return nil, err
		}
	}
	return plain, nil
}

// credentialValue is a Credential. Its secret stays in Go.
type credentialValue struct {
	c auth.Credential
}

var credentialClass = &class[*credentialValue]{name: "Credential", attributes: []attribute[*credentialValue]{
	{name: "kind", get: func(c *credentialValue) (starlark.Value, error) { return starlark.String(c.c.Kind()), nil }},
	{name: "username", get: func(c *credentialValue) (starlark.Value, error) { return stringOrNone(c.c.Username), nil }},
	{name: "source", get: func(c *credentialValue) (starlark.Value, error) { return starlark.String(c.c.Source), nil }},
}}

// String implements starlark.Value.
func (c *credentialValue) String() string { return fmt.Sprintf("<Credential %s>", c.c) }

// Type implements starlark.Value.
func (c *credentialValue) Type() string { return credentialClass.name }

// Freeze implements starlark.Value.
func (c *credentialValue) Freeze() {}

// Truth implements starlark.Value: whether it is more than anonymous.
func (c *credentialValue) Truth() starlark.Bool { return starlark.Bool(!c.c.Anonymous()) }

// Hash implements starlark.Value.
func (c *credentialValue) Hash() (uint32, error) { return 0, unhashable(c) }

// Attr implements starlark.HasAttrs.
func (c *credentialValue) Attr(name string) (starlark.Value, error) {
	return credentialClass.attr(c, name)
}

// AttrNames implements starlark.HasAttrs.
func (c *credentialValue) AttrNames() []string { return credentialClass.attrNames() }

// entry is the credential as an auth map has it.
func (c *credentialValue) entry() auth.Entry {
	switch {
	case c.c.RegistryToken != "":
		return auth.Entry{Token: c.c.RegistryToken}
	case c.c.IdentityToken != "":
		return auth.Entry{Username: "<token>", Secret: c.c.IdentityToken}
	}
	return auth.Entry{Username: c.c.Username, Secret: c.c.Password}
}

type authArgs struct {
	Reference string  `arg:"reference"`
	Scope     string  `arg:"scope"`
	Options   authArg `arg:"options"`
}

func findAuth(thread *starlark.Thread, a *authArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	if a.Scope != "pull" && a.Scope != "push" && a.Scope != "push,pull" && a.Scope != "pull,push" {
		return nil, fmt.Errorf(`auth: scope %q: want "pull", "push" or "push,pull"`, a.Scope)
	}
	m, err := a.Options.resolve(s)
	if err != nil {
		return nil, fmt.Errorf("auth: options: %w", err)
	}
	found, err := s.run.Credential(a.Reference, m)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	return &credentialValue{found}, nil
}

// clientAuthArg is what client() takes: an auth map or a Credential.
type clientAuthArg struct {
	auth       authArg
	credential *credentialValue
}

// Unpack implements starlark.Unpacker.
func (c *clientAuthArg) Unpack(v starlark.Value) error {
	if credential, ok := v.(*credentialValue); ok {
		c.credential = credential
		return nil
	}
	if c.auth.Unpack(v) != nil {
		return wanted("an auth map or a Credential", v, "")
	}
	return nil
}

// resolve is the auth map to use for a host.
func (c clientAuthArg) resolve(s *session, host string) (auth.Map, error) {
	if c.credential == nil {
		return c.auth.resolve(s)
	}
	if c.credential.c.Anonymous() {
		return nil, nil
	}
	if host == "" {
		return nil, errors.New("a Credential is for a registry")
	}
	return auth.Map{host: c.credential.entry()}, nil
}
