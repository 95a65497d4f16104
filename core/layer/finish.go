package layer

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// finish sorts what was found, takes each path once and checks the whole.
func (s *scanner) finish() []*node {
	nodes := slices.DeleteFunc(s.nodes, func(n *node) bool { return n.dropped })
	nodes = withoutEmpty(nodes)
	slices.SortFunc(nodes, func(a, b *node) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(b.rank, a.rank), cmp.Compare(b.order, a.order))
	})
	nodes = s.once(nodes)
	t := table(nodes)
	s.checkParents(t)
	s.checkWhiteouts(t)
	s.warnFolded(t)
	if s.opts.KeepHardLinks {
		keepHardLinks(t)
	}
	s.orderHardLinks(t)
	return nodes
}

// withoutEmpty takes out the ignored directories that nothing below needs.
func withoutEmpty(nodes []*node) []*node {
	if !slices.ContainsFunc(nodes, func(n *node) bool { return n.rank == rankEmpty }) {
		return nodes
	}
	needed := map[string]bool{}
	for _, n := range nodes {
		if n.rank == rankEmpty {
			continue
		}
		for dir := path.Dir(n.Path); !needed[dir]; dir = path.Dir(dir) {
			needed[dir] = true
		}
	}
	return slices.DeleteFunc(nodes, func(n *node) bool { return n.rank == rankEmpty && !needed[n.Path] })
}

// once keeps the first of the nodes of each path, which must all be directories: the most explicit one, of these that of the latest source.
func (s *scanner) once(nodes []*node) []*node {
	kept := nodes[:0]
	for _, n := range nodes {
		if len(kept) == 0 || kept[len(kept)-1].Path != n.Path {
			kept = append(kept, n)
			continue
		}
		if first := kept[len(kept)-1]; first.Type != TypeDirectory || n.Type != TypeDirectory {
			first.taken = true
			s.conflict(first, n)
		}
	}
	return kept
}

func (s *scanner) conflict(a, b *node) {
	if a.order > b.order {
		a, b = b, a
	}
	err := fmt.Errorf("%w: %q puts a %v there and %q a %v", ErrConflict, a.Source, a.Type, b.Source, b.Type)
	if a.Source == b.Source {
		err = fmt.Errorf("%w: by a %v and a %v", ErrConflict, a.Type, b.Type)
	}
	s.problem(b.Source, "/"+b.Path, err, "")
}

// table is nodes sorted by path, each path once.
type table []*node

func (t table) find(name string) *node {
	if i, ok := t.search(name); ok {
		return t[i]
	}
	return nil
}

func (t table) search(name string) (int, bool) {
	return slices.BinarySearchFunc(t, name, func(n *node, name string) int { return cmp.Compare(n.Path, name) })
}

// below returns the first node that is in the directory name or deeper.
func (t table) below(name string) *node {
	i, _ := t.search(name + "/")
	if i < len(t) && strings.HasPrefix(t[i].Path, name+"/") {
		return t[i]
	}
	return nil
}

// checkParents refuses what lies below a path that is not a directory in this layer.
func (s *scanner) checkParents(t table) {
	seen := map[string]bool{".": true}
	for _, n := range t {
		for dir := path.Dir(n.Path); !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			if above := t.find(dir); above != nil && above.Type != TypeDirectory && !above.taken {
				err := fmt.Errorf("%w: %q puts %q there and %q a %v at %q", ErrConflict, n.Source, n.Path, above.Source, above.Type, above.Path)
				s.problem(n.Source, "/"+n.Path, err, "")
			}
		}
	}
}

// checkWhiteouts refuses to remove and to add a path in one layer: engines do not agree on what comes of it.
func (s *scanner) checkWhiteouts(t table) {
	for _, n := range t {
		gone, ok := strings.CutPrefix(path.Base(n.Path), whiteoutPrefix)
		if !ok || path.Base(n.Path) == opaqueName {
			continue
		}
		name := path.Join(path.Dir(n.Path), gone)
		there, hint := t.find(name), "a file of this layer replaces that of the base without a whiteout"
		if there == nil {
			there, hint = t.below(name), "opaque() empties a directory of the base and keeps what this call puts there"
		}
		if there != nil {
			err := fmt.Errorf("%w: %q removes it and %q puts a %v at %q", ErrConflict, n.Source, there.Source, there.Type, there.Path)
			s.problem(n.Source, "/"+name, err, hint)
		}
	}
}

// warnFolded warns about names that are one name where case does not count.
func (s *scanner) warnFolded(t table) {
	seen := map[string]*node{}
	for _, n := range t {
		base := path.Base(n.Path)
		folded := strings.ToLower(base)
		if folded == base {
			continue
		}
		name := path.Join(path.Dir(n.Path), folded)
		other := t.find(name)
		if other == nil {
			other = seen[name]
		}
		if other != nil {
			s.warn(fmt.Sprintf("%s: %q and %q differ only in case", quoted(n.Source), other.Path, n.Path))
		}
		seen[name] = n
	}
}
