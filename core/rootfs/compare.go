package rootfs

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Layers are those of one image, the lowest first, and where they are read.
type Layers struct {
	Source content.Fetcher
	Layers []content.Descriptor
	// DiffIDs are the digests of the layers' archives, by which a layer that was compressed in two ways is known to be one. What an image's config says of them is taken for true, as
	// engines hold layers to it when they unpack them. nil: layers are the same when their blobs are.
	DiffIDs []digest.Digest
}

// id is what a layer has in common with those that are the same.
func (l Layers) id(i int) digest.Digest {
	if len(l.DiffIDs) == len(l.Layers) {
		return l.DiffIDs[i]
	}
	return l.Layers[i].Digest
}

// CompareOptions says more of a comparison. nil and the zero value: a file that differs in its time alone is only counted.
type CompareOptions struct {
	Times bool // such files are differences too
}

// Comparison is how the files of two images differ.
type Comparison struct {
	Differences []Difference // in the order of the names, each directory before what is in it
	Times       int          // how many files differ in their times alone and are no Differences for that
}

// Difference is a path at which two images do not have the same. What is not there is nil.
type Difference struct {
	Path     string
	Old, New *Summed
}

// Summed is a file with the digest of its contents, if it has any.
type Summed struct {
	File
	Digest digest.Digest // of a regular file and of a hard link to one
	kind   Type          // the type, but for a hard link that of what it is a name of
}

// Fields names what is not the same where both images have something: "type", "mode", "uid", "gid", "size", "digest", "link", "device", "xattrs", "mtime", in this order. It is nil where one
// has nothing. What engines make nothing of is not compared: the names of owners, and the modes of symbolic links.
func (d *Difference) Fields() []string {
	if d.Old == nil || d.New == nil {
		return nil
	}
	a, b := d.Old, d.New
	var fields []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{"type", a.kind == b.kind},
		{"mode", a.Mode == b.Mode || a.kind == Symlink && b.kind == Symlink},
		{"uid", a.UID == b.UID},
		{"gid", a.GID == b.GID},
		{"size", a.Size == b.Size},
		{"digest", a.Digest == b.Digest},
		{"link", a.Link == b.Link},
		{"device", a.Major == b.Major && a.Minor == b.Minor},
		{"xattrs", maps.Equal(a.Xattrs, b.Xattrs)},
		{timeField, a.ModTime.Truncate(time.Second).Equal(b.ModTime.Truncate(time.Second))},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	return fields
}

// timeField is the last of the fields, which differs most often and says the least. Fractions of seconds, which few archives have, are no difference.
const timeField = "mtime"

// Compare compares the files of two images. Layers that are the same from the lowest on are read only if what lies above them cannot be compared for itself, and each layer once. Layers are read
// to their ends, several at the same time, and verified.
func Compare(ctx context.Context, old, new Layers, opts *CompareOptions) (*Comparison, error) {
	c := &comparing{old: newSide(old), new: newSide(new)}
	if opts != nil {
		c.opts = *opts
	}
	lists := listings{}
	shared := sharedLayers(old, new)
	if err := lists.read(ctx, old, shared, len(old.Layers)); err != nil {
		return nil, err
	}
	if err := lists.read(ctx, new, shared, len(new.Layers)); err != nil {
		return nil, err
	}
	if lists.alone(old, new, shared) {
		return c.compare(lists, shared)
	}
	if err := lists.read(ctx, old, 0, shared); err != nil {
		return nil, err
	}
	return c.compare(lists, 0)
}

// sharedLayers is how many layers are the same from the lowest on.
func sharedLayers(a, b Layers) int {
	n := 0
	for n < min(len(a.Layers), len(b.Layers)) && a.id(n) == b.id(n) {
		n++
	}
	return n
}

// comparing is one call of Compare.
type comparing struct {
	opts     CompareOptions
	old, new *side
	found    Comparison
}

// side is one of the images.
type side struct {
	layers Layers
	lists  []*listing // by layer; nil of one that is not read
	tree   *builder
	first  map[*inode]*node
}

func newSide(l Layers) *side {
	return &side{layers: l, lists: make([]*listing, len(l.Layers)), tree: newBuilder()}
}

// compare compares what the layers make together from one on.
func (c *comparing) compare(lists listings, from int) (*Comparison, error) {
	for _, s := range []*side{c.old, c.new} {
		if err := s.apply(lists, from); err != nil {
			return nil, err
		}
	}
	c.walk(c.old.tree.root, c.new.tree.root)
	return &c.found, nil
}

// apply makes the tree. Layers of both images may be in one list, under other numbers.
func (s *side) apply(lists listings, from int) error {
	for i := from; i < len(s.lists); i++ {
		s.lists[i] = lists[s.layers.id(i)]
		files := slices.Clone(s.lists[i].files)
		for k := range files {
			files[k].Layer = i
		}
		if err := s.tree.apply(files); err != nil {
			return layerError(s.layers.Layers, i, err)
		}
	}
	s.first = firstNames(s.tree.root)
	return nil
}

// walk compares two nodes, of which one may be nil, and what is below them.
func (c *comparing) walk(old, new *node) {
	c.pair(old, new)
	var names []string
	for _, n := range []*node{old, new} {
		if n != nil {
			names = append(names, n.names()...)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		c.walk(old.child(name), new.child(name))
	}
}

func (n *node) child(name string) *node {
	if n == nil {
		return nil
	}
	return n.children[name]
}

// pair compares two nodes.
func (c *comparing) pair(old, new *node) {
	d := Difference{Old: c.old.file(old), New: c.new.file(new)}
	switch fields := d.Fields(); {
	case d.Old == nil:
		d.Path = d.New.Path
	case d.New == nil, len(fields) > 1, len(fields) == 1 && (c.opts.Times || fields[0] != timeField):
		d.Path = d.Old.Path
	default:
		c.found.Times += len(fields)
		return
	}
	c.found.Differences = append(c.found.Differences, d)
}

// file describes a node; nil for nil.
func (s *side) file(n *node) *Summed {
	if n == nil {
		return nil
	}
	f := &Summed{File: n.file(s.first), kind: n.inode.meta.Type}
	if f.kind == Regular {
		f.Digest = digest.NewDigestFromBytes(digest.SHA256, s.lists[f.Layer].sums[n.inode.entry][:])
	}
	return f
}
