package rootfs

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"
)

// search looks for one file from the topmost layer down, by the paths of entries as they stand there.
//
// Where a path really is depends on the links of the layers below: "lib/x" is "usr/lib/x" where "lib" is a link. That does not matter to who asks for lib/x too, so that mostly the path tells. It
// does where two layers may have the file by different ways: then the search gives up, and all layers together tell (see sure).
type search struct {
	r      *Reader
	path   string   // clean; links in it that were met are followed
	lists  [][]File // by layer: all of those above, and of the present one what was read
	layer  int      // the present one
	links  int      // followed so far
	hidden bool     // what is below the present layer is hidden
	unsure bool     // only all layers together tell
	hit    *hit
}

// hit is the entry that was looked for, or, of a hard link, the one that it stands for.
type hit struct {
	layer, entry int
	file         File
}

// openFromAbove is Open, but gives nothing where it cannot be sure.
func (r *Reader) openFromAbove(ctx context.Context, name string) (File, io.ReadCloser, error) {
	if slices.Contains(parts(name), "..") {
		return File{}, nil, nil // what that means depends on links
	}
	s := &search{r: r, path: path.Join("/", name), lists: make([][]File, len(r.layers))}
	for s.layer = len(r.layers) - 1; s.layer >= 0 && !s.done(); s.layer-- {
		a, err := s.look(ctx)
		if err != nil {
			return File{}, nil, err
		}
		if s.hit != nil {
			return s.open(ctx, name, a)
		}
		s.unsure = s.unsure || s.hidden
	}
	return File{}, nil, nil
}

func (s *search) done() bool { return s.hit != nil || s.unsure }

// look goes through the present layer. The archive, if there is one, is at the last entry that was read; the caller closes it.
func (s *search) look(ctx context.Context) (*archive, error) {
	list := s.r.known(ctx, s.layer)
	if list == nil {
		a, _, err := s.r.scan(ctx, s.r.src, s.layer, func(list []File) bool {
			s.lists[s.layer] = list
			s.meet(s.layer, len(list)-1)
			return s.hit != nil // who gives up reads on: the list will be wanted
		})
		return a, err
	}
	for i := range list {
		s.lists[s.layer] = list[:i+1]
		if s.meet(s.layer, i); s.done() {
			break
		}
	}
	return nil, nil
}

// open opens the contents of what was found. a is the archive of the present layer, or nil.
func (s *search) open(ctx context.Context, name string, a *archive) (File, io.ReadCloser, error) {
	h := s.hit
	h.file.Path, h.file.Layer = s.path, h.layer
	switch {
	case h.file.Type != Regular:
		if a != nil {
			a.close()
		}
		return File{}, nil, notRegular(name, h.file.Type)
	case a != nil && h.layer == s.layer && h.entry == len(s.lists[s.layer])-1:
		return h.file, a.contents(ctx), nil
	case a != nil:
		a.close()
	}
	data, err := openEntry(ctx, s.r.src, s.r.layers, h.layer, h.entry)
	return h.file, data, err
}

// meet looks at an entry.
func (s *search) meet(layer, entry int) {
	if s.done() {
		return
	}
	f := &s.lists[layer][entry]
	name := cleanName(f)
	dir, base := path.Split(name)
	if removed, ok := strings.CutPrefix(base, whiteoutPrefix); ok {
		switch {
		case base == opaqueName:
			s.hidden = s.hidden || below(s.path, path.Clean(dir))
		case !reserved(removed):
			s.hidden = s.hidden || reaches(s.path, path.Join(dir, removed))
		}
		return
	}
	if !reaches(s.path, name) || f.Type == Directory && name != s.path {
		return
	}
	switch {
	case !s.sure(layer, name):
		s.unsure = true
	case f.Type == Symlink:
		s.follow(layer, name, f.Link)
	case name != s.path:
		s.unsure = true // a file in the place of a directory
	case f.Type == Hardlink:
		s.linked(layer, f.Link)
	default:
		s.hit = &hit{layer, entry, *f}
	}
}

// reaches reports whether a path is another or leads through it; below whether it leads through it.
func reaches(name, through string) bool { return name == through || below(name, through) }

func below(name, dir string) bool {
	return strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/") && name != dir
}

// follow goes on with what a link points to, which may have been met already.
func (s *search) follow(layer int, name, link string) {
	rest := strings.TrimPrefix(s.path, name)
	target := "/"
	if !path.IsAbs(link) {
		target = path.Dir(name)
	}
	todo := parts(link)
	for len(todo) > 0 && todo[0] == ".." {
		if !s.declared(layer).has(name) { // a parent may be a link, whose parent is elsewhere
			s.unsure = true
			return
		}
		target, todo = path.Dir(target), todo[1:]
	}
	if s.links++; s.links > maxLinks || slices.Contains(todo, "..") {
		s.unsure = true
		return
	}
	s.path, s.hidden = path.Join(target, path.Join(todo...), rest), false
	s.again()
}

// again looks through what was read so far, the topmost first, for the path as it is now.
func (s *search) again() {
	for layer := len(s.lists) - 1; layer >= s.layer && !s.done(); layer-- {
		before := s.path
		for entry := range s.lists[layer] {
			if s.meet(layer, entry); s.done() || s.path != before {
				return
			}
		}
		s.unsure = s.unsure || s.hidden && layer > s.layer
	}
}

// linked finds the file that a hard link is another name of, in its own layer.
func (s *search) linked(layer int, link string) {
	target := path.Join("/", link)
	for entry, f := range s.lists[layer] {
		if f.Type == Regular && cleanName(&f) == target {
			s.hit = &hit{layer, entry, f}
			return
		}
	}
	s.unsure = true
}

// sure reports whether what a layer has at a path is what the image has there: whether nothing of the layers above can have come there by another way, through a link that a layer below has. Only
// what has a name of the path can, and only if one of the two has a parent that its own layer does not say to be a directory.
func (s *search) sure(layer int, name string) bool {
	if layer == len(s.lists)-1 || name == "/" {
		return true
	}
	words := parts(name)
	last := words[len(words)-1]
	fixed := s.declared(layer).has(name)
	for above := layer + 1; above < len(s.lists); above++ {
		var dirs directories
		for i := range s.lists[above] {
			f := &s.lists[above][i]
			base := path.Base(f.Path)
			removed := strings.TrimPrefix(base, whiteoutPrefix)
			if base != opaqueName && !slices.Contains(words, removed) {
				continue
			}
			if fixed && f.Type == Directory && base != last {
				continue // a directory upon a directory changes nothing in it
			}
			if dirs == nil {
				dirs = s.declared(above)
			}
			if !fixed || !dirs.has(cleanName(f)) {
				return false
			}
		}
	}
	return true
}

// directories are those that a layer says to be some.
type directories map[string]bool

// declared lists them, as far as the layer was read.
func (s *search) declared(layer int) directories {
	dirs := directories{"/": true}
	for i := range s.lists[layer] {
		if f := &s.lists[layer][i]; f.Type == Directory {
			dirs[cleanName(f)] = true
		}
	}
	return dirs
}

// has reports whether all that a path leads through is among them.
func (d directories) has(name string) bool {
	for name != "/" {
		if name = path.Dir(name); !d[name] {
			return false
		}
	}
	return true
}
