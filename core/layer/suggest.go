package layer

import (
	"fmt"
	"path"
	"strings"
)

// didYouMean returns a hint for a local path that does not exist: the name beside its first missing part that is most like it. source is how
// the call names the path.
func didYouMean(v view, source, name string) string {
	dir, rest := ".", strings.Split(name, "/")
	for len(rest) > 1 {
		next := path.Join(dir, rest[0])
		if st, err := v.lstat(next); err != nil || !st.isDir() {
			break
		}
		dir, rest = next, rest[1:]
	}
	names, err := v.readNames(dir, stat{})
	if err != nil {
		return ""
	}
	best, least := "", len(rest[0])/3+1
	for _, n := range names {
		if d := distance(rest[0], n, least); d < least || d == least && best == "" && d > 0 {
			best, least = n, d
		}
	}
	if best == "" {
		best = longer(rest[0], names)
	}
	if best == "" {
		return ""
	}
	missing := len(rest)
	if words := strings.Split(strings.TrimRight(source, "/"), "/"); len(words) >= missing && words[len(words)-missing] == rest[0] {
		words[len(words)-missing] = best
		return fmt.Sprintf("did you mean %q?", strings.Join(words, "/"))
	}
	return fmt.Sprintf("did you mean %q?", path.Join(append([]string{dir, best}, rest[1:]...)...))
}

// distance is the number of bytes to insert, remove or replace to make b of a; more than most is most+1.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return min(row[len(b)], most+1)
}

// longer returns the first name that begins with another of at least three letters: "dist-prod" for "dist".
func longer(short string, names []string) string {
	for _, n := range names {
		if len(short) >= 3 && strings.HasPrefix(n, short) {
			return n
		}
	}
	return ""
}
