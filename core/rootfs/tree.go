package rootfs

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// File is what an image has at a path. The fields are those of the layer's entry.
type File struct {
	Path         string // absolute: "/usr/bin/env"; "/" is the root
	Type         Type
	Mode         uint32 // permission bits, 07777
	UID, GID     int
	Uname, Gname string
	Size         int64  // of a regular file's contents in bytes
	Link         string // the text of a symbolic link; of a hard link the path that the file is listed at with its contents
	ModTime      time.Time
	Major, Minor int64             // of a device
	Xattrs       map[string]string // by name, such as "security.capability"
	Layer        int               // the layer that has it, 0 is the lowest; -1 of a directory that no layer has
}

// Type is the kind of a File.
type Type string

// The types of files.
const (
	Regular   Type = "file"
	Directory Type = "directory"
	Symlink   Type = "symlink"
	Hardlink  Type = "hardlink"
	Char      Type = "char"
	Block     Type = "block"
	FIFO      Type = "fifo"
)

// inode is a file apart from its names.
type inode struct {
	meta  *File // but for Path
	entry int   // which entry of its layer it is
}

// node is a name in a directory.
type node struct {
	name     string
	parent   *node // of the root itself
	inode    *inode
	children map[string]*node // of a directory
}

func newDirectory(name string, parent *node, layer int) *node {
	return &node{name: name, parent: parent, children: map[string]*node{}, inode: &inode{meta: &File{Type: Directory, Mode: 0o755, ModTime: time.Unix(0, 0).UTC(), Layer: layer}}}
}

// path is the absolute path of a node.
func (n *node) path() string {
	if n.parent == n {
		return "/"
	}
	return path.Join(n.parent.path(), n.name)
}

// names lists the names in a directory, sorted.
func (n *node) names() []string {
	names := make([]string, 0, len(n.children))
	for name := range n.children {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Tree is the files of an image. It does not change and may be used by many goroutines at once.
type Tree struct {
	root   *node
	src    content.Fetcher
	layers []content.Descriptor
	first  func() map[*inode]*node // of each file with several names the first of them
}

// The bounds of a tree, which is held in memory.
const (
	maxFiles = 20_000_000
	maxLinks = 40 // followed for one path, as Linux does
)

// builder applies layers to a tree.
type builder struct {
	root  *node
	files int
	fresh map[*node]bool // of the present layer, and what is above such
}

func newBuilder() *builder {
	root := newDirectory("", nil, -1)
	root.parent = root
	return &builder{root: root}
}

// apply applies the next layer.
func (b *builder) apply(list []File) error {
	b.fresh = map[*node]bool{}
	for entry := range list {
		f := &list[entry]
		if err := b.put(cleanName(f), f, entry); err != nil {
			return fmt.Errorf("%.300q: %w", f.Path, err)
		}
	}
	return nil
}

// cleanName is the absolute path that an entry of a layer is about.
func cleanName(f *File) string { return path.Join("/", f.Path) }

const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
)

// put applies one entry, which is about the path name.
func (b *builder) put(name string, f *File, entry int) error {
	if name == "/" {
		if f.Type == Directory {
			b.root.inode = &inode{f, entry}
		}
		return nil
	}
	dir, base := path.Split(name)
	if after, ok := strings.CutPrefix(base, whiteoutPrefix); ok {
		return b.whiteout(dir, base, after)
	}
	parent, err := b.parent(dir)
	if err != nil {
		return err
	}
	if f.Type == Hardlink {
		return b.hardlink(parent, base, f.Link)
	}
	old := parent.children[base]
	if old == nil {
		if b.files++; b.files > maxFiles {
			return fmt.Errorf("%w image: more than %d files", content.ErrInvalid, maxFiles)
		}
	}
	made := &node{name: base, parent: parent, inode: &inode{f, entry}}
	if f.Type == Directory {
		made.children = map[string]*node{}
		if old != nil && old.children != nil {
			made = old
			made.inode = &inode{f, entry}
		}
	}
	parent.children[base] = made
	b.touch(made)
	return nil
}

// touch marks a node and what is above it as having something of the present layer.
func (b *builder) touch(n *node) {
	for ; !b.fresh[n]; n = n.parent {
		b.fresh[n] = true
	}
}

// whiteout removes what the layers below have under a name, or in a directory.
func (b *builder) whiteout(dir, base, name string) error {
	parent, err := b.existing(dir)
	if err != nil || parent == nil {
		return err // a whiteout of nothing is allowed
	}
	switch {
	case base == opaqueName:
		for child := range parent.children {
			b.removeLower(parent, child)
		}
	case !reserved(name):
		b.removeLower(parent, name)
	}
	return nil
}

// reserved reports whether a whiteout of this name removes nothing: AUFS kept names of its own under such, which layer.md reserves and engines skip.
func reserved(name string) bool {
	return name == "" || name == "." || name == ".." || strings.HasPrefix(name, whiteoutPrefix)
}

// removeLower removes a name but for what the present layer has there.
func (b *builder) removeLower(parent *node, name string) {
	n := parent.children[name]
	switch {
	case n == nil:
	case !b.fresh[n]:
		delete(parent.children, name)
	case n.children != nil:
		for child := range n.children {
			b.removeLower(n, child)
		}
	}
}

// hardlink gives a file another name.
func (b *builder) hardlink(parent *node, base, target string) error {
	dir, last := path.Split(path.Join("/", target))
	from, err := b.existing(dir)
	if err != nil {
		return err
	}
	var n *node
	if from != nil {
		n = from.children[last]
	}
	switch {
	case n == nil:
		return fmt.Errorf("%w: it is a hard link to %.300q, which is not there", content.ErrInvalid, target)
	case n.children != nil:
		return fmt.Errorf("%w: it is a hard link to %.300q, a directory", content.ErrInvalid, target)
	}
	made := &node{name: base, parent: parent, inode: n.inode}
	parent.children[base] = made
	b.touch(made)
	return nil
}

// parent finds a directory, following links, and makes what is missing.
func (b *builder) parent(dir string) (*node, error) {
	return walk(b.root, dir, func(at *node, name string) *node {
		made := newDirectory(name, at, -1)
		at.children[name] = made
		b.touch(made)
		return made
	})
}

// existing finds a directory, following links; nil when it is not there.
func (b *builder) existing(dir string) (*node, error) {
	n, err := walk(b.root, dir, nil)
	if errors.Is(err, errMissing) {
		return nil, nil
	}
	return n, err
}

var errMissing = errors.New("no such file")

// walk goes from root along a path whose every part, the last one too, is a directory or a link to one. make makes what is missing; without it that is errMissing.
func walk(root *node, name string, create func(at *node, name string) *node) (*node, error) {
	at := root
	todo := parts(name)
	links := 0
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if next == ".." {
			at = at.parent
			continue
		}
		n := at.children[next]
		switch {
		case n == nil && create == nil:
			return nil, errMissing
		case n == nil:
			at = create(at, next)
		case n.children != nil:
			at = n
		case n.inode.meta.Type == Symlink:
			if links++; links > maxLinks {
				return nil, fmt.Errorf("%w: more than %d links, one after the other", content.ErrInvalid, maxLinks)
			}
			if path.IsAbs(n.inode.meta.Link) {
				at = root
			}
			todo = append(parts(n.inode.meta.Link), todo...)
		default:
			return nil, fmt.Errorf("%w: %.300q is no directory", content.ErrInvalid, n.path())
		}
	}
	return at, nil
}

// parts splits a path; ".." stays, since what it means depends on links.
func parts(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(s string) bool { return s == "" || s == "." })
}
