package layer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	byPath map[string][]*node
	todo   []*node
	copied int // directories that took a link's place
}

// maxCopied is how many directories may take a link's place. Directories with two links to the next one each would become 2^n of them.
const maxCopied = 30_000

// links decides about every link that was found, and about those in directories that take a link's place. Their order is that of their
// paths, so that the outcome depends on nothing else.
func (s *scanner) links(ctx context.Context) error {
	if s.opts.Symlinks == SymlinksKeep {
		return nil
	}
	if !slices.ContainsFunc(s.nodes, func(n *node) bool { return n.link != nil }) {
		return nil
	}
	l := &linker{scanner: s, byPath: make(map[string][]*node, len(s.nodes))}
	l.index(s.roots)
	l.index(s.nodes)
	for len(l.todo) > 0 {
		n := l.todo[0]
		l.todo = l.todo[1:]
		if err := l.decide(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (l *linker) index(nodes []*node) {
	nodes = slices.SortedStableFunc(slices.Values(nodes), func(a, b *node) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.order, b.order))
	})
	for _, n := range nodes {
		l.byPath[n.Path] = append(l.byPath[n.Path], n)
		if n.link != nil {
			l.todo = append(l.todo, n)
		}
	}
}

// decide keeps the link n or puts what it points to in its place. The error is only that of the context.
func (l *linker) decide(ctx context.Context, n *node) error {
	if n.link == nil || n.link.busy {
		return nil
	}
	n.link.busy = true
	p := n.link.place
	name, st, err := resolve(p.tree, p.view, path.Dir(p.local), n.Link)
	switch {
	case isNotExist(err) && l.opts.Symlinks == SymlinksAuto:
		n.link = nil
		return nil
	case isNotExist(err):
		err = errors.New("link to a file that is not there")
	case err == nil && l.opts.Symlinks == SymlinksAuto:
		kept, err := l.staysTrue(ctx, n, name)
		if err != nil {
			return err
		}
		if kept {
			n.link = nil
			return nil
		}
	}
	n.link = nil
	if err != nil {
		l.problemOf(p, err)
		return nil
	}
	return l.replace(ctx, n, p, name, st)
}

// staysTrue reports whether the link n leads, in the layer, to the local file name of its tree.
func (l *linker) staysTrue(ctx context.Context, n *node, name string) (bool, error) {
	end, err := l.follow(ctx, path.Dir(n.Path), n.Link)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(l.byPath[end], func(m *node) bool {
		return m.local != nil && !m.dropped && m.local.tree == n.local.tree && m.local.name == name
	}), nil
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
	for _, n := range l.byPath[name] {
		if err := l.decide(ctx, n); err != nil {
			return "", false, err
		}
		if n.link != nil {
			return "", true, nil
		}
		if n.Type == TypeSymlink && !n.dropped {
			return n.Link, false, nil
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
	real, err := l.node(p, st)
	l.problemOf(p, err)
	if real == nil {
		n.dropped = true
		return
	}
	n.Entry, n.link = real.Entry, nil
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
			n.dropped = true
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
	before := len(l.nodes)
	group, ctx := errgroup.WithContext(ctx)
	start(group, func() error { return l.walk(ctx, group, p, st) })
	if err := group.Wait(); err != nil {
		return err
	}
	l.index(l.nodes[before:])
	return nil
}
