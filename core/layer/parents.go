package layer

import (
	"path"
	"strings"
)

// parents adds entries for the directory dir and those above it.
func (s *scanner) parents(dir, source string, order int) {
	for ; dir != "" && dir != "." && !s.hasParents[dir]; dir = path.Dir(dir) {
		s.hasParents[dir] = true
		if s.wantsParent(dir) {
			s.add(s.parent(dir, source, order))
		}
	}
}

func (s *scanner) parent(dir, source string, order int) *node {
	return &node{rank: rankParent, order: order, Entry: Entry{
		Path: dir, Type: TypeDirectory, Mode: 0o755, UID: s.opts.UID, GID: s.opts.GID, ModTime: s.opts.ModTime, Source: source,
	}}
}

func (s *scanner) wantsParent(dir string) bool {
	if dir == "" {
		return false
	}
	if s.opts.Parents != nil {
		return *s.opts.Parents
	}
	return !ownedByBases(dir)
}

// ownedByBases reports whether bases normally have dir with a mode of their own or as a link, which an entry would undo.
func ownedByBases(dir string) bool {
	top, below, nested := strings.Cut(dir, "/")
	if nested {
		return (top == "usr" || top == "var") && !strings.Contains(below, "/")
	}
	switch top {
	case "bin", "dev", "etc", "home", "opt", "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var":
		return true
	}
	return strings.HasPrefix(top, "lib")
}

// isLinkInBases reports whether target is at or below a directory that is a link into /usr in most bases.
func isLinkInBases(target string) bool {
	top, _, _ := strings.Cut(target, "/")
	return top == "bin" || top == "sbin" || strings.HasPrefix(top, "lib")
}
