package rootfs_test

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/rootfs"
)

// TestOpenAsTree makes images by chance, with links, hard links, whiteouts and opaque directories, entries by way of links of lower layers, and layers with and without entries for parents: from the topmost layer down every
// path is what all layers together say.
func TestOpenAsTree(t *testing.T) {
	opened, layers, found := 0, 0, 0
	for seed := range uint64(60) {
		m := &maker{t: t, r: rand.New(rand.NewPCG(seed, 1)), src: new(content.Memory)}
		m.base()
		for range 1 + m.r.IntN(4) {
			m.layer()
		}
		tree, err := rootfs.Read(t.Context(), m.src, m.layers)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, m.texts)
		}
		for _, name := range somePaths() {
			counted := newCounting(m.src, m.layers)
			got, gotErr := readAll(second(rootfs.NewReader(counted, m.layers, nil).Open(t.Context(), name)))
			for _, n := range counted.opened {
				opened += min(n, 1)
			}
			layers += len(m.layers)
			want, wantErr := readAll(tree.Open(t.Context(), name))
			if gotErr == nil {
				found++
			}
			if got != want || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
				t.Errorf("seed %d: %s: got %q, %v, want %q, %v\nlayers, the lowest first:\n%s", seed, name, got, gotErr, want, wantErr, strings.Join(m.texts, "\n---\n"))
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d files were found, %d of %d layers read", found, opened, layers)
	if found < 200 || opened >= layers {
		t.Errorf("only %d files were found, and %d of %d layers read", found, opened, layers)
	}
}

// somePaths are all of up to three of the names that the maker uses.
func somePaths() (all []string) {
	for _, a := range []string{"a", "b", "c"} {
		all = append(all, "/"+a)
		for _, b := range []string{"a", "b", "c"} {
			all = append(all, "/"+a+"/"+b)
			for _, c := range []string{"a", "b", "c"} {
				all = append(all, "/"+a+"/"+b+"/"+c)
			}
		}
	}
	return all
}

// maker makes layers that do not contradict themselves: none has a path twice, by whatever way, or replaces a link that another of its entries went by.
type maker struct {
	t      *testing.T
	r      *rand.Rand
	src    *content.Memory
	layers []content.Descriptor
	texts  []string
	files  int

	lines   []string        // of the present layer
	touched map[string]bool // by it: real paths
	used    map[string]bool // links that it went by
}

// base makes the lowest layer: directories with some files, and links to directories.
func (m *maker) base() {
	m.lines = []string{"d a", "d a/a", "d a/b", "d b", "f a/a/b 1", "f a/b/c 2", "f b/a 3"}
	for _, link := range []string{"l c a", "l c /a/b", "l b/b ../a", "l b/c /c", "l a/c b", "l a/a/c ../b/c", "f a/b/a 4", "h a/b/b b/a"} {
		if m.r.IntN(2) == 0 {
			m.lines = append(m.lines, link)
		}
	}
	if len(m.lines) > 8 && m.lines[7] == "l c a" && m.lines[8] == "l c /a/b" {
		m.lines = slices.Delete(m.lines, 8, 9)
	}
	m.files = 10
	m.texts, m.layers = append(m.texts, strings.Join(m.lines, "\n")), append(m.layers, m.push())
}

// layer makes one more layer.
func (m *maker) layer() {
	m.lines, m.touched, m.used = nil, map[string]bool{}, map[string]bool{}
	declares := m.r.IntN(3) > 0
	for range 1 + m.r.IntN(6) {
		all := somePaths()
		m.entry(all[m.r.IntN(len(all))], declares)
	}
	m.texts = append(m.texts, strings.Join(m.lines, "\n"))
	m.layers = append(m.layers, m.push())
}

func (m *maker) push() content.Descriptor {
	return layerOf(m.t, m.src, false, strings.Join(m.lines, "\n"))
}

// now is the tree as it is so far.
func (m *maker) now() *rootfs.Tree {
	tree, err := rootfs.Read(m.t.Context(), m.src, append(m.layers[:len(m.layers):len(m.layers)], m.push()))
	if err != nil {
		m.t.Fatalf("%v\n%s\n---\n%s", err, m.texts, m.lines)
	}
	return tree
}

// entry adds an entry at a path, if that can be done.
func (m *maker) entry(name string, declares bool) {
	tree := m.now()
	dir, base := path.Split(name)
	parent, err := tree.Lookup(dir, true)
	links, ok := m.linksOn(tree, dir)
	if err != nil || parent.Type != rootfs.Directory || !ok {
		return
	}
	real := path.Join(parent.Path, base)
	there, missing := tree.Lookup(real, false)
	var line string
	switch kind := m.r.IntN(12); {
	case kind < 5:
		m.files++
		line = fmt.Sprintf("f %s %d", name[1:], m.files)
	case kind < 7:
		if missing == nil && there.Type == rootfs.Directory {
			return // declared below, or not
		}
		line = "d " + name[1:]
	case kind < 9:
		targets := []string{"a", "b", "c", "/a", "/b", "/c", "../a", "../b"}
		line = "l " + name[1:] + " " + targets[m.r.IntN(len(targets))]
	case kind < 10:
		all := somePaths()
		target := all[m.r.IntN(len(all))]
		if f, err := tree.Lookup(target, false); err != nil || f.Type != rootfs.Regular || f.Path == real {
			return
		}
		line = "h " + name[1:] + " " + target[1:]
	case kind < 11:
		line = "f " + dir[1:] + ".wh." + base
	default:
		line, real = "f "+dir[1:]+".wh..wh..opq", parent.Path
	}
	if m.conflicts(real) {
		return
	}
	m.touched[real] = true
	for _, link := range links {
		m.used[link] = true
	}
	if declares {
		m.declare(tree, dir)
	}
	m.lines = append(m.lines, line)
}

// conflicts reports whether something of the layer is at a real path, below it, or was reached by way of it.
func (m *maker) conflicts(real string) bool {
	for _, marks := range []map[string]bool{m.touched, m.used} {
		for mark := range marks {
			if mark == real || strings.HasPrefix(mark, strings.TrimSuffix(real, "/")+"/") {
				return true
			}
		}
	}
	return false
}

// linksOn lists the links that a path goes by; it is false when the layer itself made one of them.
func (m *maker) linksOn(tree *rootfs.Tree, dir string) (links []string, ok bool) {
	for at := path.Clean(dir); at != "/"; at = path.Dir(at) {
		next := at
		for range 10 {
			f, err := tree.Lookup(next, false)
			if err != nil || f.Type != rootfs.Symlink {
				break
			}
			if m.touched[f.Path] {
				return nil, false
			}
			links = append(links, f.Path)
			if next = f.Link; !path.IsAbs(next) {
				next = path.Join(path.Dir(f.Path), next)
			}
		}
	}
	return links, true
}

// declare adds entries for the parents of a path that are directories.
func (m *maker) declare(tree *rootfs.Tree, dir string) {
	var lines []string
	for at := path.Clean(dir); at != "/"; at = path.Dir(at) {
		if f, err := tree.Lookup(at, false); err == nil && f.Type == rootfs.Directory && f.Path == at {
			lines = append([]string{"d " + at[1:]}, lines...)
		}
	}
	m.lines = append(m.lines, lines...)
}
