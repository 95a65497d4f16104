package auth

import (
	"encoding/json"
	"slices"
	"strings"
)

// emptyConfig is what a config begins as.
const emptyConfig = "{}\n"

// configText is the text of Docker's config, which is changed in place.
type configText struct {
	text []byte
}

// lead is the white space before a member at a depth, from 1, in the manner of the file; Docker's own is a tab. A file on one line has none.
func (c *configText) lead(depth int) string {
	unit := "\t"
	if top, err := parseJSONObject(c.text, true); err == nil && len(top.members) > 0 {
		line, found := strings.CutPrefix(strings.ReplaceAll(top.lead(), "\r\n", "\n"), "\n")
		if !found {
			return ""
		}
		unit = line
	}
	return "\n" + strings.Repeat(unit, depth)
}

// set gives a setting at the top a value.
func (c *configText) set(name, value string) error {
	top, err := parseJSONObject(c.text, true)
	if err != nil {
		return err
	}
	quoted, err := json.Marshal(value)
	if err != nil {
		return err
	}
	c.text = top.with(name, quoted, c.lead(1), c.lead(0))
	return nil
}

// editAuths changes the text of "auths", which is made if it is missing.
func (c *configText) editAuths(edit func(auths *jsonObject) ([]byte, error)) error {
	top, err := parseJSONObject(c.text, true)
	if err != nil {
		return err
	}
	old := top.get("auths")
	if old == nil || string(old) == "null" {
		old = []byte("{}")
	}
	auths, err := parseJSONObject(old, false)
	if err != nil {
		return prefix(err, "auths")
	}
	edited, err := edit(auths)
	if err != nil {
		return err
	}
	if string(edited) != string(old) {
		c.text = top.with("auths", edited, c.lead(1), c.lead(0))
	}
	return nil
}

// put makes an entry the only one of its host.
func (c *configText) put(host string, entry dockerAuth) error {
	key := loginName(host)
	if _, err := c.drop(host, key); err != nil {
		return err
	}
	return c.editAuths(func(auths *jsonObject) ([]byte, error) {
		text, err := c.entry(entry)
		return auths.with(key, text, c.lead(2), c.lead(1)), err
	})
}

// drop removes the entries of a host, but for the one under the key keep, and those of its repositories. It reports whether there was one that said
// something.
func (c *configText) drop(host, keep string) (dropped bool, err error) {
	for {
		found := ""
		err := c.editAuths(func(auths *jsonObject) ([]byte, error) {
			i := slices.IndexFunc(auths.members, func(m jsonMember) bool { return m.name != keep && isKeyOf(m.name, host) })
			if i < 0 {
				return auths.text, nil
			}
			found = auths.members[i].name
			var entry dockerAuth
			dropped = json.Unmarshal(auths.get(found), &entry) != nil || entry != dockerAuth{} || dropped
			return auths.without(found), nil
		})
		if found == "" || err != nil {
			return dropped, err
		}
	}
}

// isKeyOf reports whether a key of auths stands for a whole host.
func isKeyOf(key, host string) bool {
	s, err := parseServer(key)
	return err == nil && s == server{host: host}
}

// entry writes an entry of auths.
func (c *configText) entry(entry dockerAuth) ([]byte, error) {
	text, err := json.Marshal(entry)
	if lead := c.lead(2); err == nil && lead != "" && string(text) != "{}" {
		unit := strings.TrimPrefix(c.lead(1), "\n")
		return json.MarshalIndent(entry, strings.TrimPrefix(lead, "\n"), unit)
	}
	return text, err
}
