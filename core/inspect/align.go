package inspect

import "github.com/opencontainers/go-digest"

// maxTable bounds what aligning two lists takes, in pairs of elements.
const maxTable = 1 << 22

// match is a place in two lists: the number of an element in each, or -1 where the list has none that belongs there.
type match struct{ old, new int }

// align lays two lists beside each other so that as many elements as possible meet the same ones, in their order. What only the old one has comes before what the new one has in its place. Lists
// that differ in thousands of elements are only aligned where they begin and end alike.
func align[T comparable](old, new []T) []match {
	var head, tail []match
	lo := 0
	for lo < len(old) && lo < len(new) && old[lo] == new[lo] {
		head = append(head, match{lo, lo})
		lo++
	}
	a, b := len(old), len(new)
	for a > lo && b > lo && old[a-1] == new[b-1] {
		a, b = a-1, b-1
	}
	for i := range len(old) - a {
		tail = append(tail, match{a + i, b + i})
	}
	return append(append(head, alignMiddle(old, new, lo, a, b)...), tail...)
}

// alignMiddle aligns old[lo:a] with new[lo:b] by their longest common subsequence.
func alignMiddle[T comparable](old, new []T, lo, a, b int) []match {
	n, m := a-lo, b-lo
	var best [][]int // the length of what is common behind each place
	if n*m <= maxTable {
		best = make([][]int, n+1)
		for i := range best {
			best[i] = make([]int, m+1)
		}
		for i := n - 1; i >= 0; i-- {
			for k := m - 1; k >= 0; k-- {
				best[i][k] = max(best[i+1][k], best[i][k+1])
				if old[lo+i] == new[lo+k] {
					best[i][k] = best[i+1][k+1] + 1
				}
			}
		}
	}
	var all []match
	i, k := 0, 0
	for i < n || k < m {
		switch {
		case best != nil && i < n && k < m && old[lo+i] == new[lo+k]:
			all = append(all, match{lo + i, lo + k})
			i, k = i+1, k+1
		case i < n && (k == m || best == nil || best[i+1][k] >= best[i][k+1]):
			all = append(all, match{lo + i, -1})
			i++
		default:
			all = append(all, match{-1, lo + k})
			k++
		}
	}
	return all
}

// layerChanges lays the layers of two images beside each other.
func layerChanges(old, new []Layer) []LayerChange {
	var all []LayerChange
	for _, m := range align(layerIDs(old), layerIDs(new)) {
		switch {
		case m.new < 0:
			all = append(all, LayerChange{Change: Removed, Old: &old[m.old]})
		case m.old < 0:
			all = append(all, LayerChange{Change: Added, New: &new[m.new]})
		case old[m.old].Digest != new[m.new].Digest:
			all = append(all, LayerChange{Recompressed, &old[m.old], &new[m.new]})
		default:
			all = append(all, LayerChange{Kept, &old[m.old], &new[m.new]})
		}
	}
	return all
}

// layerIDs are what layers have in common with those that are the same.
func layerIDs(layers []Layer) []digest.Digest {
	ids := make([]digest.Digest, len(layers))
	for i, l := range layers {
		if ids[i] = l.DiffID; l.DiffID == "" {
			ids[i] = l.Digest
		}
	}
	return ids
}

// differentLayers reports whether the archives of two images' layers are not the same.
func differentLayers(changes []LayerChange) bool {
	for _, c := range changes {
		if c.Change == Added || c.Change == Removed {
			return true
		}
	}
	return false
}

// stepChanges lists the steps that only one history has. Whatever layer a step made, it is the same if it says the same.
func stepChanges(old, new []Step) []StepChange {
	bare := func(steps []Step) []Step {
		all := make([]Step, len(steps))
		for i, s := range steps {
			all[i] = s
			all[i].Layer = 0
		}
		return all
	}
	var all []StepChange
	for _, m := range align(bare(old), bare(new)) {
		switch {
		case m.new < 0:
			all = append(all, StepChange{Removed, old[m.old]})
		case m.old < 0:
			all = append(all, StepChange{Added, new[m.new]})
		}
	}
	return all
}
