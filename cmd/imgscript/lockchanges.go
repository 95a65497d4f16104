package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/lock"
)

// lockChange is what became of one entry of the lock.
type lockChange struct{ old, new lock.Entry } // the zero value is none

// lockChanges compares two locks, entry by entry, sorted.
func lockChanges(before, after *lock.File) []lockChange {
	var all []lockChange
	for _, e := range before.Entries() {
		next, _ := after.Find(e.Reference, e.Platform)
		all = append(all, lockChange{e, next})
	}
	for _, e := range after.Entries() {
		if _, ok := before.Find(e.Reference, e.Platform); !ok {
			all = append(all, lockChange{new: e})
		}
	}
	slices.SortFunc(all, func(a, b lockChange) int { return strings.Compare(a.entry().Name(), b.entry().Name()) })
	return all
}

// entry is the newest that there is.
func (c lockChange) entry() lock.Entry {
	if c.new.Reference == "" {
		return c.old
	}
	return c.new
}

func (c lockChange) status() string {
	switch {
	case c.old == c.new:
		return "unchanged"
	case c.old.Reference == "":
		return "added"
	case c.new.Reference == "":
		return "dropped"
	}
	return "changed"
}

// line is the change for people: the digests of what runs use, or those of the indexes where nothing else is new.
func (c lockChange) line() string {
	name, old, now := c.entry().Name(), c.old.Digest(), c.new.Digest()
	switch {
	case old == "":
		return fmt.Sprintf("%s: (new) → %s", name, shortDigest(now))
	case now == "":
		return fmt.Sprintf("%s: %s → (dropped)", name, shortDigest(old))
	case old == now:
		return fmt.Sprintf("%s: index %s → %s", name, shortDigest(c.old.Root()), shortDigest(c.new.Root()))
	}
	return fmt.Sprintf("%s: %s → %s", name, shortDigest(old), shortDigest(now))
}

// lockChangeJSON is a line of --output json. These names are there to stay.
type lockChangeJSON struct {
	Reference string         `json:"reference"`
	Platform  string         `json:"platform"`
	Status    string         `json:"status"` // added, changed, dropped or unchanged
	Old       *lockedDigests `json:"old"`    // null of what was added
	New       *lockedDigests `json:"new"`    // null of what was dropped
}

// lockedDigests is an entry of the lock but for its name.
type lockedDigests struct {
	Index     digest.Digest `json:"index,omitempty"`
	Manifest  digest.Digest `json:"manifest,omitempty"`
	MediaType string        `json:"media_type"`
}

func digestsOf(e lock.Entry) *lockedDigests {
	if e.Reference == "" {
		return nil
	}
	return &lockedDigests{e.Index, e.Manifest, e.MediaType}
}

// writeLockChanges writes what changed, one a line, and how many entries did not; as JSON all of them.
func writeLockChanges(w io.Writer, format string, changes []lockChange) error {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	unchanged := 0
	for _, c := range changes {
		switch {
		case format == "json":
			e := c.entry()
			if err := encoder.Encode(lockChangeJSON{e.Reference, e.Platform, c.status(), digestsOf(c.old), digestsOf(c.new)}); err != nil {
				return err
			}
		case c.status() == "unchanged":
			unchanged++
		default:
			fmt.Fprintln(out, c.line())
		}
	}
	if unchanged > 0 {
		fmt.Fprintf(out, "%d unchanged\n", unchanged)
	}
	return out.Flush()
}
