package layer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// link is a symbolic link of which it is not decided whether it is kept.
type link struct {
	place place
	busy  bool // being decided further up the stack
}

// linker decides about links when all that the call puts into the layer is known.
type linker struct {
	*scanner
	byDir  map[string][]*folder // by the path in the layer
	todo   []*node
	copied int // directories that took a link's place
}

// maxCopied is how many directories may take a link's place. Directories with two links to the next one each would become 2^n of them.
const maxCopied = 30_000

// links decides about every link that was found, and about those in directories that take a link's place. Their order is that of their
// paths, so that the outcome depends on nothing else.
func (s *scanner) links(ctx context.Context) error {
	if s.opts.Symlinks == SymlinksKeep || !slices.ContainsFunc(s.folders, (*folder).hasUndecided) {
		return nil
	}
	l := &linker{scanner: s, byDir: make(map[string][]*folder, len(s.folders))}
	l.index(s.folders)
	for len(l.todo) > 0 {
		n := l.todo[0]
		l.todo = l.todo[1:]
		if err := l.decide(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) hasUndecided() bool {
	for i := range f.nodes {
		if f.nodes[i].undecided() != nil {
			return true
		}
	}
	return false
}

// index adds folders, and the links in them to those that are still to be decided.
func (l *linker) index(folders []*folder) {
	var links []*node
	for _, f := range folders {
		same := append(l.byDir[f.target], f)
		slices.SortStableFunc(same, func(a, b *folder) int { return cmp.Compare(a.order, b.order) })
		l.byDir[f.target] = same
		for i := range f.nodes {
			if n := &f.nodes[i]; n.undecided() != nil {
				links = append(links, n)
			}
		}
	}
	slices.SortStableFunc(links, func(a, b *node) int { return cmp.Or(comparePaths(a, b), cmp.Compare(a.in.order, b.in.order)) })
	l.todo = append(l.todo, links...)
}

// at returns the nodes of a path, in the order of their sources.
func (l *linker) at(target string) iter.Seq[*node] {
	dir, base := split(target)
	return func(yield func(*node) bool) {
		for _, f := range l.byDir[dir] {
			i, ok := slices.BinarySearchFunc(f.nodes, base, func(n node, base string) int { return cmp.Compare(n.base, base) })
			if ok && !yield(&f.nodes[i]) {
				return
			}
		}
	}
}

// decide keeps the link n or puts what it points to in its place. The error is only that of the context.
func (l *linker) decide(ctx context.Context, n *node) error {
	if n.undecided() == nil || n.more.link.busy {
		return nil
	}
	n.more.link.busy = true
	p := n.more.link.place
	name, st, err := resolve(p.tree, p.view, path.Dir(p.local), n.text())
	switch {
	case isNotExist(err) && l.opts.Symlinks == SymlinksAuto:
		n.more.link = nil
		return nil
	case isNotExist(err):
		err = errors.New("link to a file that is not there")
	case err == nil && l.opts.Symlinks == SymlinksAuto:
		kept, err := l.staysTrue(ctx, n, name)
		if err != nil {
			return err
		}
		if kept {
			n.more.link = nil
			return nil
		}
	}
	n.more.link = nil
	if err != nil {
		l.problemOf(p, err)
		return nil
	}
	return l.replace(ctx, n, p, name, st)
}

// staysTrue reports whether the link n leads, in the layer, to the local file name of its tree.
func (l *linker) staysTrue(ctx context.Context, n *node, name string) (bool, error) {
	end, err := l.follow(ctx, n.in.target, n.text())
	if err != nil {
		return false, err
	}
	tree := n.placed().tree
	for _, r := range l.roots {
		if r.target == end && r.tree == tree && r.name == name {
			return true, nil
		}
	}
	for m := range l.at(end) {
		if at := m.placed(); m.has(isLocal) && !m.has(dropped) && at.tree == tree && at.name == name {
			return true, nil
		}
	}
	return false, nil
}

// nowhere is no path of a layer.
const nowhere = "/"

// follow returns where text, a link in the directory dir of the layer, leads there. Links on its way are decided first.
func (l *linker) follow(ctx context.Context, dir, text string) (string, error) {
	at, todo, links := dir, []string(nil), 0
	push := func(text string) {
		if strings.HasPrefix(text, "/") {
			at = "."
		}
		parts := strings.Split(text, "/")
		slices.Reverse(parts)
		todo = append(todo, parts...)
	}
	for push(text); len(todo) > 0; {
		next := path.Join("/", at, todo[len(todo)-1])[1:]
		todo = todo[:len(todo)-1]
		text, undecided, err := l.linkAt(ctx, next)
		if err != nil || undecided {
			return nowhere, err
		}
		if text == "" {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return nowhere, nil
		}
		at = path.Dir(next)
		push(text)
	}
	return strings.TrimPrefix(path.Join("/", at), "/"), nil
}

// linkAt returns the text of the link that the layer has at name; "" when there is none.
func (l *linker) linkAt(ctx context.Context, name string) (text string, undecided bool, err error) {
	for n := range l.at(name) {
		if err := l.decide(ctx, n); err != nil {
			return "", false, err
		}
		if n.undecided() != nil {
			return "", true, nil
		}
		if n.kind == TypeSymlink && !n.has(dropped) {
			return n.text(), false, nil
		}
	}
	return "", false, nil
}

// replace puts the local file name, and all below it, in the place of the link n.
func (l *linker) replace(ctx context.Context, n *node, p place, name string, st stat) error {
	if st.isDir() {
		return l.replaceByDir(ctx, n, p, name, st)
	}
	p.local = name
	l.become(n, p, st)
	return nil
}

// become gives n the metadata of a local file that is no link.
func (l *linker) become(n *node, p place, st stat) {
	real := node{in: n.in, base: n.base, more: &more{local: new(p.placed())}, rank: n.rank}
	taken, err := l.fill(&real, st, &p)
	l.problemOf(p, err)
	if !taken {
		n.status |= dropped
		return
	}
	real.rank, real.more.link = n.rank, nil
	*n = real
}

func (l *linker) replaceByDir(ctx context.Context, n *node, p place, name string, st stat) error {
	for _, from := range append(slices.Clone(p.via), p.local) {
		if name == "." || from == name || strings.HasPrefix(from, name+"/") {
			l.problemOf(p, ErrLoop)
			return nil
		}
	}
	if p.over != nil && p.over.overrides() {
		l.problemOf(p, errOverrides)
		return nil
	}
	if p.rel != "" {
		// A rule that ends in "/" is not for links and is for the directory that comes in its place.
		verdict, info, err := p.rules.match(p.rel, true)
		l.problemOf(p, err)
		if verdict == ignored {
			n.status |= dropped
			return nil
		}
		p.ignore = info
	}
	if l.copied++; l.copied > maxCopied {
		l.problemOf(p, fmt.Errorf("%w: more than %d links to directories are followed", ErrLoop, maxCopied))
		l.todo = nil
		return nil
	}
	p.via = append(slices.Clone(p.via), p.local)
	p.local = name
	l.become(n, p, st)
	before := len(l.folders)
	group, ctx := errgroup.WithContext(ctx)
	l.walk(ctx, group, found{p, st})
	if err := group.Wait(); err != nil {
		return err
	}
	l.index(l.folders[before:])
	return nil
}
