package starlib

import (
	"slices"
	"strconv"
	"strings"
)

// nearest returns those of candidates that name may be a misspelling of, the nearest first. Case and underscores do not count, so that
// copyRemoteLayers finds copy_remote_layers.
func nearest(name string, candidates []string) []string {
	type scored struct {
		name     string
		distance int
	}
	x := fold(name)
	var near []scored
	for _, c := range candidates {
		if d := distance(x, fold(c)); d <= max(1, len(x)/3) {
			near = append(near, scored{c, d})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return a.distance - b.distance })
	var names []string
	for _, n := range near {
		names = append(names, n.name)
	}
	return names
}

func fold(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }

// distance counts the letters to insert, delete, replace or swap with their neighbour to get from a to b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// quoteAll quotes names and joins them.
func quoteAll(names []string, sep string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	return strings.Join(quoted, sep)
}
