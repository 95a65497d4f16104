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

// found is a directory that is to be walked.
type found struct {
	place
	stat
}

// walk has all that is below directories added by goroutines of the group. Whichever is free takes the directory that was found last, so that none idles
// while there is one, and that those above it are likely to be open still.
func (s *scanner) walk(ctx context.Context, group *errgroup.Group, dirs ...found) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, dirs...)
	for range min(len(dirs), s.maxWalkers()-s.walkers) {
		s.walkers++
		start(group, func() error { return s.walkPending(ctx, group) })
	}
}

// minWalkers is how many directories are walked at once at least. They share the processors with what else there is to do.
const minWalkers = 4

func (s *scanner) maxWalkers() int { return max(minWalkers, s.opts.Workers.cores) }

func (s *scanner) walkPending(ctx context.Context, group *errgroup.Group) error {
	for dir, ok := s.next(); ok; dir, ok = s.next() {
		if err := s.enter(ctx, group, dir); err != nil {
			return err
		}
	}
	return nil
}

// next takes a directory that is to be walked. Without one it is false, and whoever asked is no walker any more.
func (s *scanner) next() (found, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.pending) - 1
	if last < 0 {
		s.walkers--
		return found{}, false
	}
	dir := s.pending[last]
	s.pending[last] = found{}
	s.pending = s.pending[:last]
	return dir, true
}

// enter adds what is in one directory, and has those in it walked.
func (s *scanner) enter(ctx context.Context, group *errgroup.Group, dir found) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.opts.MaxDepth != nil && dir.depth >= *s.opts.MaxDepth {
		return nil
	}
	dir.over = nil
	in := newFolder(dir.place)
	var dirs []found
	var err error
	if busy := s.opts.Workers.do(ctx, func() { dirs, err = s.list(in, dir.stat) }); busy != nil {
		return busy
	}
	if err != nil {
		s.problemOf(dir.place, err)
		return nil
	}
	s.add(in)
	if err := s.tooMuch(); err != nil {
		return err
	}
	if dir.tree.shuffled {
		shuffle(dirs)
	}
	s.walk(ctx, group, dirs...)
	return nil
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
