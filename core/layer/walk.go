package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
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
	names, err := p.view.readNames(p.local, st)
	err = changed(err)
	if err != nil {
		s.problemOf(p, err)
		return nil
	}
	p.rules, err = p.rules.enter(p.tree, p.view, p.rel, p.local, names, s.opts.IgnoreFiles, p.ignore)
	if err != nil {
		s.problemOf(p, err)
		return nil
	}
	nodes := make([]*node, 0, len(names))
	for _, name := range names {
		child := p.child(name)
		n, st := s.visit(&child)
		if n == nil {
			continue
		}
		nodes = append(nodes, n)
		if n.Type == TypeDirectory {
			if err := s.descend(ctx, group, child, st); err != nil {
				return err
			}
		}
	}
	s.add(nodes...)
	return nil
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

// visit looks at one name of a directory. It returns no node for what is ignored, skipped or a problem.
func (s *scanner) visit(p *place) (*node, stat) {
	st, err := p.view.lstat(p.local)
	err = changed(err)
	if err != nil {
		s.problemOf(*p, err)
		return nil, st
	}
	verdict, info, err := p.rules.match(p.rel, st.isDir())
	if err != nil {
		s.problemOf(*p, err)
		return nil, st
	}
	if verdict == ignored {
		return nil, st
	}
	p.ignore = info
	n, err := s.node(*p, st)
	if err != nil {
		s.problemOf(*p, err)
		return nil, st
	}
	if n != nil && verdict == empty {
		n.rank = rankEmpty
	}
	return n, st
}

// node makes the entry of a local file. It is nil for what is skipped.
func (s *scanner) node(p place, st stat) (*node, error) {
	base := path.Base(p.target)
	if strings.HasPrefix(base, whiteoutPrefix) {
		return nil, &Error{Path: p.local, Err: errWhiteoutName, Hint: "whiteout() removes a file of the base"}
	}
	if !s.opts.RawNames && !utf8.ValidString(base) {
		return nil, &Error{Path: p.local, Err: errors.New("name is not UTF-8"), Hint: rawHint}
	}
	n := &node{rank: rankLocal, order: p.order, Entry: Entry{
		Path: p.target, UID: s.opts.UID, GID: s.opts.GID, ModTime: s.opts.ModTime, Source: p.source,
		local: &local{p.tree, p.local, p.rel, st},
	}}
	switch st.mode.Type() {
	case 0:
		n.Mode, n.Size = s.mode(st.mode), st.size
	case fs.ModeDir:
		n.Type, n.Mode = TypeDirectory, s.mode(st.mode)
	case fs.ModeSymlink:
		text, err := p.view.readLink(p.local)
		if err != nil {
			return nil, err
		}
		if !s.opts.RawNames && !utf8.ValidString(text) {
			return nil, &Error{Path: p.local, Err: errors.New("link to a name that is not UTF-8"), Hint: rawHint}
		}
		n.Type, n.Mode, n.Link = TypeSymlink, 0o777, text
		n.link = &link{place: p}
	case fs.ModeSocket:
		s.warn(quoted(written(p.source, p.rel)) + ": socket skipped")
		return nil, nil
	default:
		return nil, fmt.Errorf("is a %s, which layers of local files cannot have", kindOf(st.mode))
	}
	if p.over != nil {
		n.override(*p.over)
	}
	return n, nil
}

// mode returns the permission bits that a local file or directory gets.
func (s *scanner) mode(m fs.FileMode) uint32 {
	switch {
	case s.opts.PreserveMode:
		return bits(m)
	case s.opts.Mode != nil && m.IsDir():
		return *s.opts.Mode | *s.opts.Mode&0o444>>2
	case s.opts.Mode != nil:
		return *s.opts.Mode
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
