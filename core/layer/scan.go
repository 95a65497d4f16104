package layer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// Scan finds what the sources of one call put into a layer: sorted by path, each path once, checked. Nothing but ignore files is read. All that is wrong with
// the sources is reported at once, as Errors; the context's end and bad options are reported alone.
func Scan(ctx context.Context, files []File, opts *Options) ([]Entry, error) {
	o, err := prepared(opts)
	if err != nil {
		return nil, err
	}
	found, err := scan(ctx, files, o)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, found.len())
	for i := range entries {
		found.at(i, &entries[i])
	}
	return entries, nil
}

func scan(ctx context.Context, files []File, o *Options) (*list, error) {
	s := &scanner{opts: o, rules: newRules(o.Ignores), views: map[*Tree]view{}, hasParents: map[string]bool{}}
	defer s.close()
	if err := s.run(ctx, files); err != nil {
		return nil, err
	}
	nodes := s.finish()
	for _, w := range sortedOnce(s.warnings) {
		o.Warn(w)
	}
	if len(s.problems) > 0 {
		return nil, s.errors()
	}
	if err := checkAmount(nodes, o); err != nil {
		return nil, err
	}
	return &list{nodes, o, s.rules.read.list}, nil
}

// scanner is one call of Scan.
type scanner struct {
	opts  *Options
	rules *rules
	views map[*Tree]view

	mu       sync.Mutex // guards what follows while directories are walked
	pending  []found
	walkers  int
	folders  []*folder
	found    amount
	problems []*Error
	warnings []string

	roots      []root          // the source directories, whether or not they get entries
	hasParents map[string]bool // the directories that parents saw
}

// root is a source directory: where it goes, and where it stands.
type root struct {
	target string
	placed
}

// rank says which of several directories of one path gives the entry.
type rank uint8

const (
	rankParent rank = iota // only there because something is below it
	rankTarget             // where a source directory goes
	rankEmpty              // ignored unless something below it is not
	rankLocal
	rankCustom
)

// place is where a local file stands and where it goes.
type place struct {
	tree   *Tree
	view   view
	local  string // its path in the tree, without links
	target string // its path in the layer, "" is the root
	rel    string // its path in the source, which ignore rules see; "" is the source
	source string // the source's name
	order  int
	depth  int // levels below the source
	rules  *rules
	ignore ignoreInfo
	via    []string // the links, by their paths in the tree, that led here
	over   *File    // of the source itself: what it overrides
}

func (p *place) placed() placed { return placed{p.tree, p.local, p.rel} }

func (p *place) child(name string) place {
	c := *p
	c.local, c.target, c.rel = below(p.local, name), below(p.target, name), below(p.rel, name)
	c.depth++
	c.over = nil
	return c
}

// run finds all nodes.
func (s *scanner) run(ctx context.Context, files []File) error {
	group, walking := errgroup.WithContext(ctx)
	for i, f := range files {
		if f.Custom == nil && f.Tree != nil && s.views[f.Tree] == nil {
			s.views[f.Tree] = f.Tree.view()
		}
		s.source(walking, group, i, f)
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.links(ctx)
}

func (s *scanner) close() {
	for _, v := range s.views {
		v.close()
	}
}

// source adds what one source of the call gives.
func (s *scanner) source(ctx context.Context, group *errgroup.Group, order int, f File) {
	name := sourceName(f)
	target, into, err := cleanTarget(f.Target)
	if err != nil {
		s.problem(name, f.Target, err, "")
		return
	}
	if s.opts.OnBase && isLinkInBases(target) {
		s.warn(fmt.Sprintf("%s: target %q is below a directory that is a link in many bases: name the one below /usr", quoted(name), f.Target))
	}
	if f.Custom != nil {
		s.custom(order, name, target, into, f)
		return
	}
	p := place{tree: f.Tree, view: s.views[f.Tree], target: target, source: name, order: order, rules: s.rules, over: &f}
	st, ok := s.find(&p, f)
	if !ok {
		return
	}
	s.localSource(ctx, group, p, f, st, into)
}

// find sets where the source stands.
func (s *scanner) find(p *place, f File) (stat, bool) {
	if f.Tree == nil {
		s.problem(p.source, f.Local, errors.New("has neither a local path nor a custom file"), "")
		return stat{}, false
	}
	if f.Local != "" {
		f.Local = path.Clean(f.Local)
	}
	if err := checkLocal("add", f.Local); err != nil {
		s.problem(p.source, p.source, fmt.Errorf("%w: want a path below the root", ErrOutside), "")
		return stat{}, false
	}
	dir, _, err := resolve(p.tree, p.view, ".", path.Dir(f.Local))
	if err == nil {
		p.local = path.Join(dir, path.Base(f.Local))
		var st stat
		if st, err = p.view.lstat(p.local); err == nil {
			return st, true
		}
	}
	hint := ""
	if isNotExist(err) {
		hint = didYouMean(p.view, p.source, f.Local)
	}
	s.problem(p.source, p.source, err, hint)
	return stat{}, false
}

// localSource adds a local file, or a directory and all below it.
func (s *scanner) localSource(ctx context.Context, group *errgroup.Group, p place, f File, st stat, into bool) {
	if st.isLink() && into && s.opts.Symlinks != SymlinksKeep {
		if name, to, err := resolve(p.tree, p.view, ".", p.local); err == nil && to.isDir() {
			p.local, st = name, to
		}
	}
	if st.isDir() {
		if f.overrides() {
			s.problem(p.source, p.source, errOverrides, "")
			return
		}
		s.roots = append(s.roots, root{p.target, p.placed()})
		s.parents(p.target, p.source, p.order)
		s.targetDir(p, st)
		s.walk(ctx, group, found{p, st})
		return
	}
	if into {
		p.target = path.Join(p.target, path.Base(f.Local))
	}
	if p.target == "" {
		s.problem(p.source, p.source, errors.New(`is a file and cannot become the root directory`), `end the target in "/" to put the file there`)
		return
	}
	s.parents(parent(p.target), p.source, p.order)
	in, n := folderOf(p.target, p.source, p.order)
	n.extra().local = new(p.placed())
	taken, err := s.fill(n, st, &p)
	s.problemOf(p, err)
	if taken {
		s.add(in)
	}
}

var errOverrides = errors.New("is a directory; mode, uid, gid and mtime can be set for a file")

func (f *File) overrides() bool {
	return f.Mode != nil || f.UID != nil || f.GID != nil || f.ModTime != nil
}

// targetDir adds the entry of the directory that a source directory goes to.
func (s *scanner) targetDir(p place, st stat) {
	if !s.wantsParent(p.target) {
		return
	}
	in, n := parentFolder(p.target, p.source, p.order)
	n.rank, n.extra().local = rankTarget, new(p.placed())
	n.setLooks(st)
	s.add(in)
}

func (n *node) override(f File) {
	if f.Mode != nil && n.kind != TypeSymlink {
		n.mode = uint16(*f.Mode & 0o7777)
	}
	if f.UID != nil || f.GID != nil || f.ModTime != nil {
		m := n.extra()
		m.uid, m.gid, m.modTime = f.UID, f.GID, f.ModTime
	}
}

func sourceName(f File) string {
	switch {
	case f.Name != "":
		return f.Name
	case f.Custom == nil:
		return f.Local
	}
	return f.Custom.Call()
}

// cleanTarget returns a target relative to "/", "" being the root; into says that it ends in "/".
func cleanTarget(target string) (clean string, into bool, err error) {
	if target == "" {
		return "", false, errors.New(`empty target; "/" is the root`)
	}
	if strings.Contains(target, "\x00") {
		return "", false, errors.New("target has a NUL byte")
	}
	if !utf8.ValidString(target) {
		return "", false, errors.New("target is not UTF-8")
	}
	clean = path.Clean(strings.TrimLeft(target, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", false, fmt.Errorf("target %w", ErrOutside)
	}
	into = strings.HasSuffix(target, "/")
	if clean == "." {
		return "", into, nil
	}
	for part := range strings.SplitSeq(path.Dir(clean), "/") {
		if strings.HasPrefix(part, whiteoutPrefix) {
			return "", false, errWhiteoutName
		}
	}
	return clean, into, nil
}

func (s *scanner) add(f *folder) {
	s.mu.Lock()
	s.folders = append(s.folders, f)
	for i := range f.nodes {
		s.found.add(&f.nodes[i])
	}
	s.mu.Unlock()
}

func (s *scanner) warn(msg string) {
	s.mu.Lock()
	s.warnings = append(s.warnings, msg)
	s.mu.Unlock()
}

func (s *scanner) problem(source, name string, err error, hint string) {
	s.mu.Lock()
	s.problems = append(s.problems, &Error{Source: source, Path: name, Err: err, Hint: hint})
	s.mu.Unlock()
}

// problemOf reports err, unless it is nil, for a local file.
func (s *scanner) problemOf(p place, err error) {
	if err == nil {
		return
	}
	var own *Error
	if errors.As(err, &own) {
		rel := p.rel
		if own.Path != p.local {
			rel = path.Join(rel, path.Base(own.Path)) // a file in it
		}
		s.problem(p.source, written(p.source, rel), own.Err, own.Hint)
		return
	}
	hint := ""
	if errors.Is(err, ErrOutside) || errors.Is(err, ErrLoop) {
		hint = `symlinks = "keep" keeps links as they are`
	}
	if errors.Is(err, fs.ErrPermission) {
		hint = "make it readable or ignore it"
	}
	s.problem(p.source, written(p.source, p.rel), err, hint)
}

// errors returns the problems in an order that does not depend on who found which first.
func (s *scanner) errors() Errors {
	slices.SortFunc(s.problems, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Err.Error(), b.Err.Error()))
	})
	s.problems = slices.CompactFunc(s.problems, func(a, b *Error) bool { return a.Error() == b.Error() })
	errs := make(Errors, len(s.problems))
	for i, p := range s.problems {
		errs[i] = p
	}
	return errs
}

func sortedOnce(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
