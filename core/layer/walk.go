package layer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/moby/patternmatcher"
	"golang.org/x/sync/errgroup"
)

// ignoreInfo is what Docker's rules remember of a directory for what is in it.
type ignoreInfo = patternmatcher.MatchInfo

// whiteoutPrefix begins the names that remove files of the layers below; opaqueName empties its directory (image-spec, layer.md).
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
)

const rawHint = "raw_names = True packs it all the same"

var errWhiteoutName = errors.New(`name begins with ".wh.", which removes files of the layers below`)

// walk adds all that is below the directory p. Directories in it are walked by other goroutines of the group while there are slots.
func (s *scanner) walk(ctx context.Context, group *errgroup.Group, p place, st stat) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.opts.MaxDepth != nil && p.depth >= *s.opts.MaxDepth {
		return nil
	}
	p.over = nil
	in := newFolder(p)
	var dirs []found
	var err error
	if busy := s.opts.Workers.do(ctx, func() { dirs, err = s.list(in, st) }); busy != nil {
		return busy
	}
	if err != nil {
		s.problemOf(p, err)
		return nil
	}
	s.add(in)
	if err := s.tooMuch(); err != nil {
		return err
	}
	if p.tree.shuffled {
		shuffle(dirs)
	}
	for _, dir := range dirs {
		if err := s.descend(ctx, group, dir.place, dir.stat); err != nil {
			return err
		}
	}
	return nil
}

// found is a directory that is to be walked.
type found struct {
	place
	stat
}

// list fills a folder, and returns the directories in it.
func (s *scanner) list(in *folder, st stat) (dirs []found, err error) {
	p := in.place
	listErr := p.view.readDir(p.local, st, func(names []string, lstat func(base string) (stat, error)) {
		if in.rules, err = p.rules.enter(p.tree, p.view, p.rel, p.local, names, s.opts.IgnoreFiles, p.ignore); err != nil {
			return
		}
		in.nodes = make([]node, 0, len(names))
		for _, name := range names {
			st, err := lstat(name)
			if dir := s.visit(in, name, st, changed(err)); dir != nil {
				dirs = append(dirs, found{*dir, st})
			}
		}
	})
	return dirs, cmp.Or(changed(listErr), err)
}

// descend walks a directory in a goroutine of its own if there is a slot, else here.
func (s *scanner) descend(ctx context.Context, group *errgroup.Group, p place, st stat) error {
	select {
	case s.slots <- struct{}{}:
		start(group, func() error {
			defer func() { <-s.slots }()
			return s.walk(ctx, group, p, st)
		})
		return nil
	default:
		return s.walk(ctx, group, p, st)
	}
}

// visit adds one name of a directory to its folder, unless it is ignored, skipped or a problem, as err is. It returns the place of a directory that is to be
// walked.
func (s *scanner) visit(in *folder, name string, st stat, err error) *place {
	var p place
	verdict := taken
	if err == nil && !in.rules.takeAll() {
		p = in.child(name)
		verdict, p.ignore, err = in.rules.match(p.rel, st.isDir())
	}
	if err != nil {
		s.problemOf(in.child(name), err)
		return nil
	}
	if verdict == ignored {
		return nil
	}
	in.nodes = append(in.nodes, node{in: in, base: name})
	n := &in.nodes[len(in.nodes)-1]
	kept, err := s.fill(n, st, nil)
	if err != nil {
		s.problemOf(in.child(name), err)
	}
	if !kept {
		in.nodes = in.nodes[:len(in.nodes)-1]
		return nil
	}
	if verdict == empty {
		n.rank = rankEmpty
	}
	if n.kind != TypeDirectory {
		return nil
	}
	if p.view == nil {
		p = in.child(name)
	}
	return &p
}

// fill makes n the entry of a local file. p is its place, or nil for a child of the node's folder. It is false for what is skipped.
func (s *scanner) fill(n *node, st stat, p *place) (bool, error) {
	if strings.HasPrefix(n.base, whiteoutPrefix) {
		return false, &Error{Path: n.placed().name, Err: errWhiteoutName, Hint: "whiteout() removes a file of the base"}
	}
	if !s.opts.RawNames && !utf8.ValidString(n.base) {
		return false, &Error{Path: n.placed().name, Err: errors.New("name is not UTF-8"), Hint: rawHint}
	}
	n.rank = rankLocal
	n.setLooks(st)
	switch st.mode.Type() {
	case 0:
		n.kind, n.mode = TypeFile, s.mode(st.mode)
	case fs.ModeDir:
		n.kind, n.mode = TypeDirectory, s.mode(st.mode)
	case fs.ModeSymlink:
		if p == nil {
			p = new(n.in.child(n.base))
		}
		text, err := p.view.readLink(p.local)
		if err != nil {
			return false, err
		}
		if !s.opts.RawNames && !utf8.ValidString(text) {
			return false, &Error{Path: p.local, Err: errors.New("link to a name that is not UTF-8"), Hint: rawHint}
		}
		n.kind, n.mode, n.extra().text, n.more.link = TypeSymlink, 0o777, text, &link{place: *p}
	case fs.ModeSocket:
		s.warn(quoted(written(n.in.source, n.placed().rel)) + ": socket skipped")
		return false, nil
	default:
		return false, fmt.Errorf("is a %s, which layers of local files cannot have", kindOf(st.mode))
	}
	if p != nil && p.over != nil {
		n.override(*p.over)
	}
	return true, nil
}

// mode returns the permission bits that a local file or directory gets.
func (s *scanner) mode(m fs.FileMode) uint16 {
	switch {
	case s.opts.PreserveMode:
		return uint16(bits(m))
	case s.opts.Mode != nil && m.IsDir():
		return uint16(*s.opts.Mode | *s.opts.Mode&0o444>>2)
	case s.opts.Mode != nil:
		return uint16(*s.opts.Mode)
	case m.IsDir() || m&0o111 != 0:
		return 0o755
	default:
		return 0o644
	}
}

// bits returns mode as tar and chmod write it.
func bits(m fs.FileMode) uint32 {
	b := uint32(m.Perm())
	for _, flag := range [...]struct {
		mode fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&flag.mode != 0 {
			b |= flag.bit
		}
	}
	return b
}
