package layer

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestSorted holds the order of directories that are put together to the order of the bytes of whole paths.
func TestSorted(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "a-", "a-b", "a.b", "a0", "ab", "B", "\xff", " ", "a\x01", "é"}
	for range 2000 {
		var folders []*folder
		var want []*node
		for order := range 1 + random.IntN(8) {
			var parts []string
			for range random.IntN(4) {
				parts = append(parts, names[random.IntN(len(names))])
			}
			f := newFolder(place{target: strings.Join(parts, "/"), order: order})
			for _, name := range names {
				if random.IntN(3) == 0 {
					f.nodes = append(f.nodes, node{in: f, base: name, rank: rank(random.IntN(4))})
				}
			}
			slices.SortFunc(f.nodes, func(a, b node) int { return cmp.Compare(a.base, b.base) })
			for i := range f.nodes {
				if n := &f.nodes[i]; random.IntN(9) == 0 {
					n.status |= dropped
				} else {
					want = append(want, n)
				}
			}
			folders = append(folders, f)
		}
		if random.IntN(2) == 0 {
			f, n := folderOf("", "", 9)
			folders, want = append(folders, f), append(want, n)
		}
		slices.SortFunc(want, func(a, b *node) int {
			return cmp.Or(cmp.Compare(a.path(), b.path()), cmp.Compare(b.rank, a.rank), cmp.Compare(b.in.order, a.in.order))
		})
		if got := directories(folders).sorted(); !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", paths(got), paths(want))
		}
	}
}

func paths(nodes []*node) (list []string) {
	for _, n := range nodes {
		list = append(list, n.path())
	}
	return list
}

// TestFoldedOnce: a directory that several sources have gives one warning.
func TestFoldedOnce(t *testing.T) {
	var folders []*folder
	for order, name := range []string{"in/A", "in/A", "in/a"} {
		f, n := folderOf(name, "source", order)
		n.kind = TypeDirectory
		n.in.source = string(rune('x' + order))
		folders = append(folders, f)
	}
	s := &scanner{}
	s.warnFolded(directories(folders))
	if len(s.warnings) != 1 {
		t.Errorf("got %q", s.warnings)
	}
}
