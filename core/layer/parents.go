package layer

import (
	"strings"
)

// parents adds entries for the directory dir and those above it.
func (s *scanner) parents(dir, source string, order int) {
	for ; dir != "" && !s.hasParents[dir]; dir = parent(dir) {
		s.hasParents[dir] = true
		if s.wantsParent(dir) {
			folder, _ := parentFolder(dir, source, order)
			s.add(folder)
		}
	}
}

// parent is the directory of a path of the layer; "" is the root.
func parent(target string) string {
	dir, _ := split(target)
	return dir
}

// parentFolder makes the node of a directory that is there because something is below it.
func parentFolder(dir, source string, order int) (*folder, *node) {
	f, n := folderOf(dir, source, order)
	n.rank, n.kind, n.mode = rankParent, TypeDirectory, 0o755
	return f, n
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
