package layer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// finish sorts what was found, takes each path once and checks the whole.
func (s *scanner) finish() []*node {
	nodes := withoutEmpty(s.nodes())
	slices.SortFunc(nodes, func(a, b *node) int {
		if c := comparePaths(a, b); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(b.in.order, a.in.order))
	})
	nodes = s.once(nodes)
	t := table(nodes)
	s.checkParents(t)
	s.checkWhiteouts(t)
	s.warnFolded(t)
	if s.opts.KeepHardLinks {
		s.keepHardLinks(t)
	}
	s.orderHardLinks(t)
	return nodes
}

// nodes are those of all folders.
func (s *scanner) nodes() []*node {
	count := 0
	for _, f := range s.folders {
		count += len(f.nodes)
	}
	nodes := make([]*node, 0, count)
	for _, f := range s.folders {
		for i := range f.nodes {
			if n := &f.nodes[i]; !n.has(dropped) {
				nodes = append(nodes, n)
			}
		}
	}
	return nodes
}

// withoutEmpty takes out the ignored directories that nothing below needs.
func withoutEmpty(nodes []*node) []*node {
	if !slices.ContainsFunc(nodes, func(n *node) bool { return n.rank == rankEmpty }) {
		return nodes
	}
	needed := map[string]bool{"": true}
	for _, n := range nodes {
		if n.rank == rankEmpty {
			continue
		}
		for dir := n.in.target; !needed[dir]; dir = parent(dir) {
			needed[dir] = true
		}
	}
	return slices.DeleteFunc(nodes, func(n *node) bool { return n.rank == rankEmpty && !needed[n.path()] })
}

// once keeps the first of the nodes of each path, which must all be directories: the most explicit one, of these that of the latest source.
func (s *scanner) once(nodes []*node) []*node {
	kept := nodes[:0]
	for _, n := range nodes {
		if len(kept) == 0 || comparePaths(kept[len(kept)-1], n) != 0 {
			kept = append(kept, n)
			continue
		}
		if first := kept[len(kept)-1]; first.kind != TypeDirectory || n.kind != TypeDirectory {
			first.status |= refused
			s.conflict(first, n)
		}
	}
	return kept
}

func (s *scanner) conflict(a, b *node) {
	if a.in.order > b.in.order {
		a, b = b, a
	}
	err := fmt.Errorf("%w: %q puts a %v there and %q a %v", ErrConflict, a.in.source, a.kind, b.in.source, b.kind)
	if a.in.source == b.in.source {
		err = fmt.Errorf("%w: by a %v and a %v", ErrConflict, a.kind, b.kind)
	}
	s.problem(b.in.source, "/"+b.path(), err, "")
}

// table is nodes sorted by path, each path once.
type table []*node

func (t table) find(name string) *node { return t.findIn(split(name)) }

func (t table) findIn(dir, base string) *node {
	if i, ok := t.search(dir, base); ok {
		return t[i]
	}
	return nil
}

func (t table) search(dir, base string) (int, bool) {
	return slices.BinarySearchFunc(t, base, func(n *node, base string) int { return compareJoined(n.in.target, n.base, dir, base) })
}

// below returns the first node that is in the directory name or deeper.
func (t table) below(name string) *node {
	i, _ := t.search(name, "")
	if i < len(t) && (t[i].in.target == name || strings.HasPrefix(t[i].in.target, name+"/")) {
		return t[i]
	}
	return nil
}

// checkParents refuses what lies below a path that is not a directory in this layer.
func (s *scanner) checkParents(t table) {
	seen := map[string]bool{"": true}
	for _, n := range t {
		for dir := n.in.target; !seen[dir]; dir = parent(dir) {
			seen[dir] = true
			if above := t.find(dir); above != nil && above.kind != TypeDirectory && !above.has(refused) {
				err := fmt.Errorf("%w: %q puts %q there and %q a %v at %q", ErrConflict, n.in.source, n.path(), above.in.source, above.kind, above.path())
				s.problem(n.in.source, "/"+n.path(), err, "")
			}
		}
	}
}

// checkWhiteouts refuses to remove and to add a path in one layer: engines do not agree on what comes of it.
func (s *scanner) checkWhiteouts(t table) {
	for _, n := range t {
		gone, ok := strings.CutPrefix(n.base, whiteoutPrefix)
		if !ok || n.base == opaqueName {
			continue
		}
		name := below(n.in.target, gone)
		there, hint := t.find(name), "a file of this layer replaces that of the base without a whiteout"
		if there == nil {
			there, hint = t.below(name), "opaque() empties a directory of the base and keeps what this call puts there"
		}
		if there != nil {
			err := fmt.Errorf("%w: %q removes it and %q puts a %v at %q", ErrConflict, n.in.source, there.in.source, there.kind, there.path())
			s.problem(n.in.source, "/"+name, err, hint)
		}
	}
}

// warnFolded warns about names that are one name where case does not count.
func (s *scanner) warnFolded(t table) {
	type name struct{ dir, folded string }
	seen := map[name]*node{}
	for _, n := range t {
		folded := strings.ToLower(n.base)
		if folded == n.base {
			continue
		}
		key := name{n.in.target, folded}
		other := t.findIn(key.dir, key.folded)
		if other == nil {
			other = seen[key]
		}
		if other != nil {
			s.warn(fmt.Sprintf("%s: %q and %q differ only in case", quoted(n.in.source), other.path(), n.path()))
		}
		seen[key] = n
	}
}
