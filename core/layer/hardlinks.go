package layer

import (
	"fmt"
)

// keepHardLinks makes hard links of the local files that share an inode and their metadata with one before them.
func (s *scanner) keepHardLinks(t table) {
	type inode struct {
		tree     *Tree
		dev, ino uint64
	}
	first := map[inode]*node{}
	for _, n := range t {
		if !n.has(isLocal) || n.kind != TypeFile || n.looks.nlink < 2 {
			continue
		}
		id := inode{n.placed().tree, n.looks.dev, n.looks.ino}
		f := first[id]
		if f == nil {
			first[id] = n
			continue
		}
		if s.sameMetadata(f, n) {
			n.kind, n.status = TypeHardlink, n.status&^isLocal
			n.extra().text = f.path()
		}
	}
}

// sameMetadata reports whether two files have one mode, owner and time.
func (s *scanner) sameMetadata(a, b *node) bool {
	var x, y Entry
	l := &list{nodes: []*node{a, b}, opts: s.opts}
	l.at(0, &x)
	l.at(1, &y)
	return x.Mode == y.Mode && x.UID == y.UID && x.GID == y.GID && x.ModTime.Equal(y.ModTime)
}

// orderHardLinks makes sure that a hard link comes after its file, since engines unpack a layer in order: of a file and its links the
// one that sorts first becomes the file, and the others links to it.
func (s *scanner) orderHardLinks(t table) {
	for _, n := range t {
		if n.kind != TypeHardlink {
			continue
		}
		file, err := linkedFile(t, n)
		if err != nil {
			s.problem(n.in.source, "/"+n.path(), err, "")
			continue
		}
		if file == nil {
			continue
		}
		n.more.text = file.path()
		if comparePaths(file, n) > 0 {
			swapWithFile(n, file)
		}
	}
}

// linkedFile follows hard links to the entry of their file; nil when it is in a layer below.
func linkedFile(t table, n *node) (*node, error) {
	for seen := map[*node]bool{}; n != nil && n.kind == TypeHardlink; n = t.find(n.text()) {
		if seen[n] {
			return nil, fmt.Errorf("hard link to itself: %w", ErrConflict)
		}
		seen[n] = true
	}
	if n != nil && n.kind == TypeDirectory {
		return nil, fmt.Errorf("hard link to the directory %q", n.path())
	}
	return n, nil
}

// swapWithFile makes link the file and file the link.
func swapWithFile(link, file *node) {
	at := file.placed()
	*link, *file = node{in: link.in, base: link.base, more: file.more, looks: file.looks, mode: file.mode, kind: file.kind, rank: file.rank, status: file.status},
		node{in: file.in, base: file.base, more: link.more, looks: link.looks, mode: link.mode, kind: link.kind, rank: link.rank, status: link.status}
	if link.has(isLocal) {
		link.extra().local = &at
	}
	file.more.text = link.path()
}
