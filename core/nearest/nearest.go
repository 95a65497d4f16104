// Package nearest finds what somebody may have meant: of the names that there are, those that are most like the one that was given. Hints
// of the form "did you mean …?" are made of it.
package nearest

import (
	"path"
	"slices"
	"strings"
)

// minPrefix is how many letters the beginning of a name must have to stand for it.
const minPrefix = 2

// Names returns those of candidates that name may be a misspelling of, the nearest first, or, if there are none, those that it is the beginning
// of. Of names that are equally near the order stays. Case and underscores do not count, so that copyRemoteLayers finds copy_remote_layers.
func Names(name string, candidates []string) []string {
	type scored struct {
		name     string
		distance int
	}
	x := fold(name)
	var near []scored
	var begun []string
	for _, c := range candidates {
		y := fold(c)
		if d := distance(x, y); d <= max(1, len(x)/3) && d < len(x) {
			near = append(near, scored{c, d})
		} else if len(x) >= minPrefix && strings.HasPrefix(y, x) {
			begun = append(begun, c)
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return a.distance - b.distance })
	var names []string
	for _, n := range near {
		names = append(names, n.name)
	}
	if names == nil {
		names = begun
	}
	return names
}

// Name returns the first of [Names], or "".
func Name(name string, candidates []string) string {
	if names := Names(name, candidates); len(names) > 0 {
		return names[0]
	}
	return ""
}

// File returns the file that a name may be meant for, or "". Of files with the same extension what is before it is compared, as all of them are a bit alike.
func File(name string, candidates []string) string {
	ext := path.Ext(name)
	var stems, others []string
	for _, c := range candidates {
		if stem, ok := strings.CutSuffix(c, ext); ok && path.Ext(c) == ext {
			stems = append(stems, stem)
		} else {
			others = append(others, c)
		}
	}
	if stem := Name(strings.TrimSuffix(name, ext), stems); stem != "" {
		return stem + ext
	}
	return Name(name, others)
}

func fold(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }

// distance counts the bytes to insert, delete, replace or swap with their neighbour to get from a to b. Three rows of the table are enough, as a
// swap looks two back.
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
