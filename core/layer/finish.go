package layer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// finish sorts what was found, takes each path once and checks the whole.
func (s *scanner) finish() []*node {
	s.dropEmpty()
	dirs := directories(s.folders)
	nodes := s.once(dirs.sorted())
	t := table(nodes)
	s.checkParents(t)
	s.checkWhiteouts(t)
	s.warnFolded(dirs)
	if s.opts.KeepHardLinks {
		s.keepHardLinks(t)
	}
	s.orderHardLinks(t)
	return nodes
}

// dropEmpty drops the ignored directories that nothing below needs.
func (s *scanner) dropEmpty() {
	var empty []*node
	var needing []*folder
	for _, f := range s.folders {
		needs := false
		for i := range f.nodes {
			n := &f.nodes[i]
			if n.rank == rankEmpty {
				empty = append(empty, n)
			} else {
				needs = needs || !n.has(dropped)
			}
		}
		if needs {
			needing = append(needing, f)
		}
	}
	if empty == nil {
		return
	}
	needed := map[string]bool{"": true}
	for _, f := range needing {
		for dir := f.target; !needed[dir]; dir = parent(dir) {
			needed[dir] = true
		}
	}
	for _, n := range empty {
		if !needed[n.path()] {
			n.status |= dropped
		}
	}
}

// directory is what goes into one directory of the layer.
type directory struct {
	nodes []*node  // by name; of one name the one that counts is the first
	mixed bool     // they are from more than one folder
	below []string // the names of the directories of which something is in the layer, in the order of the paths of that
}

// directoryTree has the directories of a layer by their paths.
type directoryTree map[string]*directory

// directories puts the nodes of folders together that go into the same directory.
func directories(folders []*folder) directoryTree {
	t := make(directoryTree, len(folders)+1)
	t[""] = &directory{}
	for _, f := range folders {
		d := t.at(f.target)
		d.mixed = len(d.nodes) > 0
		d.nodes = slices.Grow(d.nodes, len(f.nodes))
		for i := range f.nodes {
			if n := &f.nodes[i]; !n.has(dropped) {
				d.nodes = append(d.nodes, n)
			}
		}
	}
	for _, d := range t {
		if d.mixed {
			slices.SortFunc(d.nodes, func(a, b *node) int {
				return cmp.Or(strings.Compare(a.base, b.base), cmp.Compare(b.rank, a.rank), cmp.Compare(b.in.order, a.in.order))
			})
		}
		slices.SortFunc(d.below, func(a, b string) int { return compareJoined(a, "", b, "") })
	}
	return t
}

// at returns a directory, which it adds, with those above it, if need be.
func (t directoryTree) at(name string) *directory {
	d := t[name]
	if d == nil {
		d = &directory{}
		t[name] = d
		dir, base := split(name)
		above := t.at(dir)
		above.below = append(above.below, base)
	}
	return d
}

// sorted returns the nodes by the bytes of their paths. That is not the order of a walk: "a-b" is between "a" and "a/b". But what is in a directory is in one piece.
func (t directoryTree) sorted() []*node {
	count := 0
	for _, d := range t {
		count += len(d.nodes)
	}
	return t.appendSorted(make([]*node, 0, count), "")
}

func (t directoryTree) appendSorted(nodes []*node, name string) []*node {
	d := t[name]
	i := 0
	for _, base := range d.below {
		from := i
		for i < len(d.nodes) && compareJoined("", d.nodes[i].base, base, "") < 0 {
			i++
		}
		nodes = append(nodes, d.nodes[from:i]...)
		nodes = t.appendSorted(nodes, below(name, base))
	}
	return append(nodes, d.nodes[i:]...)
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
func (s *scanner) warnFolded(dirs directoryTree) {
	seen := map[string]*node{}
	for _, d := range dirs {
		clear(seen)
		for i, n := range d.nodes {
			folded := strings.ToLower(n.base)
			if folded == n.base || i > 0 && d.nodes[i-1].base == n.base { // of one name only the first counts
				continue
			}
			other := seen[folded]
			if i, ok := d.find(folded); ok {
				other = d.nodes[i]
			}
			if other != nil {
				s.warn(fmt.Sprintf("%s: %q and %q differ only in case", quoted(n.in.source), other.path(), n.path()))
			}
			seen[folded] = n
		}
	}
}

// find returns the place of the first node of a name.
func (d *directory) find(base string) (int, bool) {
	return slices.BinarySearchFunc(d.nodes, base, func(n *node, base string) int { return strings.Compare(n.base, base) })
}
