package layer

import (
	"fmt"
)

// keepHardLinks makes hard links of the local files that share an inode and their metadata with one before them.
func keepHardLinks(t table) {
	type inode struct {
		tree     *Tree
		dev, ino uint64
	}
	first := map[inode]*node{}
	for _, n := range t {
		if n.local == nil || n.Type != TypeFile || n.local.stat.nlink < 2 {
			continue
		}
		id := inode{n.local.tree, n.local.stat.dev, n.local.stat.ino}
		f := first[id]
		if f == nil {
			first[id] = n
			continue
		}
		if f.Mode == n.Mode && f.UID == n.UID && f.GID == n.GID && f.ModTime.Equal(n.ModTime) {
			n.Type, n.Link, n.Size, n.local = TypeHardlink, f.Path, 0, nil
		}
	}
}

// orderHardLinks makes sure that a hard link comes after its file, since engines unpack a layer in order: of a file and its links the
// one that sorts first becomes the file, and the others links to it.
func (s *scanner) orderHardLinks(t table) {
	for _, n := range t {
		if n.Type != TypeHardlink {
			continue
		}
		file, err := linkedFile(t, n)
		if err != nil {
			s.problem(n.Source, "/"+n.Path, err, "")
			continue
		}
		if file == nil {
			continue
		}
		n.Link = file.Path
		if file.Path > n.Path {
			swapWithFile(n, file)
		}
	}
}

// linkedFile follows hard links to the entry of their file; nil when it is in a layer below.
func linkedFile(t table, n *node) (*node, error) {
	for seen := map[*node]bool{}; n != nil && n.Type == TypeHardlink; n = t.find(n.Link) {
		if seen[n] {
			return nil, fmt.Errorf("hard link to itself: %w", ErrConflict)
		}
		seen[n] = true
	}
	if n != nil && n.Type == TypeDirectory {
		return nil, fmt.Errorf("hard link to the directory %q", n.Path)
	}
	return n, nil
}

// swapWithFile makes link the file and file the link.
func swapWithFile(link, file *node) {
	linkPath, filePath, linkSource, fileSource := link.Path, file.Path, link.Source, file.Source
	link.Entry, file.Entry = file.Entry, link.Entry
	link.Path, link.Source = linkPath, linkSource
	file.Path, file.Source, file.Link = filePath, fileSource, linkPath
}
