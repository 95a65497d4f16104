package rootfs

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// Removal is what a layer on top of a tree needs to remove some of it.
type Removal struct {
	// Entries are those of the layer, sorted: a whiteout for each file and directory that goes, and none for what is in such a directory, and the directories around them as they
	// are: engines give one that a layer implies a mode of their own.
	Entries []layer.Entry
	// Idle are the patterns that match nothing.
	Idle []IdlePattern
}

// IdlePattern is a pattern that matches nothing.
type IdlePattern struct {
	Pattern string
	Instead string // the pattern without the symbolic links that its directories are, if that may be why; or ""
}

// Removal finds out how to remove what matches at least one of some patterns, with whiteouts of that time. A pattern is that of a whole path, with or without a slash before it: "*" and "?" stay
// within one name, "**" crosses directories, and there are "[a-z]" and "{a,b}". Links are not followed. A directory that matches goes with all that is in it; "dir/**" is all that is in dir, which
// stays. The root itself can't be removed: a pattern for it, one that is empty or malformed, is content.ErrInvalid.
func (t *Tree) Removal(patterns []string, when time.Time) (*Removal, error) {
	r := &remover{gone: map[string]layer.Entry{}, when: when}
	for _, pattern := range patterns {
		plain, err := plainPattern(pattern)
		if err != nil {
			return nil, err
		}
		r.patterns = append(r.patterns, plain)
	}
	r.used = make([]bool, len(patterns))
	r.visit(t.root, false)
	found := &Removal{Entries: slices.SortedFunc(maps.Values(r.gone), func(a, b layer.Entry) int { return strings.Compare(a.Path, b.Path) })}
	for i, pattern := range patterns {
		if !r.used[i] {
			found.Idle = append(found.Idle, IdlePattern{pattern, t.withoutLinks(r.patterns[i])})
		}
	}
	return found, nil
}

// CheckPatterns returns what is wrong with patterns for Removal; nil is right.
func CheckPatterns(patterns []string) error {
	var errs []error
	for _, pattern := range patterns {
		_, err := plainPattern(pattern)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// plainPattern is a pattern as it is compared with relative paths.
func plainPattern(pattern string) (string, error) {
	plain := strings.TrimPrefix(path.Clean("/"+pattern), "/")
	switch {
	case pattern == "":
		return "", fmt.Errorf("%w pattern: it is empty", content.ErrInvalid)
	case plain == "":
		return "", fmt.Errorf(`%w pattern %q: the root can't be removed; "/**" is all that is in it`, content.ErrInvalid, pattern)
	case !doublestar.ValidatePattern(plain):
		return "", fmt.Errorf("%w pattern %q", content.ErrInvalid, pattern)
	}
	if plain == "**" || strings.HasSuffix(plain, "/**") {
		plain += "/*" // else it would match the directory too
	}
	return plain, nil
}

// remover looks for what matches.
type remover struct {
	patterns []string
	used     []bool
	when     time.Time
	gone     map[string]layer.Entry // by path
}

// visit looks at a node, which may be removed already by what is above it, and at what is below it.
func (r *remover) visit(n *node, removed bool) {
	if n.parent != n {
		if r.matches(n.relative(), removed) && !removed {
			r.remove(n)
			removed = true
		}
		if removed && !slices.Contains(r.used, false) {
			return
		}
	}
	for _, child := range n.children {
		r.visit(child, removed)
	}
}

// matches reports whether a pattern matches a path. For what is removed, only those are tried that have matched nothing yet.
func (r *remover) matches(name string, removed bool) (found bool) {
	for i, pattern := range r.patterns {
		if (removed || found) && r.used[i] {
			continue
		}
		if doublestar.MatchUnvalidated(pattern, name) {
			r.used[i], found = true, true
		}
	}
	return found
}

// remove adds the whiteout of a node, and the directories above it.
func (r *remover) remove(n *node) {
	name := path.Join(n.parent.relative(), whiteoutPrefix+n.name)
	r.gone[name] = layer.Entry{Path: name, Mode: 0o644, ModTime: r.when}
	for dir := n.parent; dir.parent != dir; dir = dir.parent {
		var e layer.Entry
		dir.describe(&e)
		r.gone[e.Path] = e
	}
}

// withoutLinks is a pattern whose literal directories are no links any more; "" when they are none, or when that one matches nothing either.
func (t *Tree) withoutLinks(pattern string) string {
	dir, rest := doublestar.SplitPattern(pattern)
	if dir == "." {
		return ""
	}
	n, err := walk(t.root, dir, nil)
	if err != nil || n.path() == "/"+dir {
		return ""
	}
	if strings.HasSuffix(rest, "**/*") {
		rest = strings.TrimSuffix(rest, "/*")
	}
	instead := path.Join(n.path(), rest)
	if found, err := t.Removal([]string{instead}, time.Time{}); err != nil || len(found.Idle) > 0 {
		return ""
	}
	return instead
}
