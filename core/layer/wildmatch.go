package layer

import (
	"slices"
	"strings"
)

// wildmatch reports whether pattern matches all of name as in git (wildmatch.c with WM_PATHNAME): "*" and "?" stay within one part of
// a path, "**" as a whole part stands for any number of parts, "[…]" is one of a set of bytes. A malformed pattern matches nothing.
//
// It is written here because no library has git's rules: go-git matches each part by filepath.Match, which knows neither "[!a]" nor
// "[[:alpha:]]"; doublestar expands braces, takes "a/**" for "a" too and counts characters where git counts bytes; git-lfs/wildmatch
// misreads "[]a]", "[c-a]" and escapes in ranges, and panics at "[[:x:]]". TestGitCheckIgnore compares this one with git itself.
//
// It goes through the pattern once and keeps all positions of name that what it has seen may end at, so that no pattern takes long.
func wildmatch(pattern, name string) bool {
	ends := make([]bool, len(name)+1)
	ends[0] = true
	for p := 0; p < len(pattern); {
		if pattern[p] != '*' {
			next, ok := byteEnds(ends, pattern, p, name)
			if !ok {
				return false
			}
			p = next
			continue
		}
		first := p
		for p < len(pattern) && pattern[p] == '*' {
			p++
		}
		switch {
		case p-first < 2 || first > 0 && pattern[first-1] != '/' || p < len(pattern) && pattern[p] != '/':
			starEnds(ends, name)
		case p == len(pattern):
			return slices.Contains(ends, true)
		default:
			p++ // the slash belongs to the stars: they match parts with a slash behind each, or nothing
			partEnds(ends, name)
		}
	}
	return ends[len(name)]
}

// byteEnds moves the ends over the element at pattern[p], which matches one byte. It returns where the next element begins; ok is false when
// nothing is left or the pattern is malformed.
func byteEnds(ends []bool, pattern string, p int, name string) (next int, ok bool) {
	for n := len(name); n > 0; n-- {
		before := ends[n-1]
		ends[n] = false
		if before {
			ends[n], next = matchByte(pattern, p, name[n-1])
			ok = ok || ends[n]
		}
	}
	ends[0] = false
	return next, ok
}

// starEnds adds to the ends those that any bytes of one part reach.
func starEnds(ends []bool, name string) {
	for n := range len(name) {
		ends[n+1] = ends[n+1] || ends[n] && name[n] != '/'
	}
}

// partEnds adds to the ends those that any number of parts, with the slash behind each, reach.
func partEnds(ends []bool, name string) {
	for n, any := 0, false; n < len(name); n++ {
		any = any || ends[n]
		ends[n+1] = ends[n+1] || any && name[n] == '/'
	}
}

// matchByte matches one byte with the element at pattern[p] and returns where the next one begins.
func matchByte(pattern string, p int, c byte) (bool, int) {
	switch pattern[p] {
	case '?':
		return c != '/', p + 1
	case '[':
		return matchSet(pattern, p+1, c)
	case '\\':
		if p++; p == len(pattern) {
			return false, p
		}
	}
	return pattern[p] == c, p + 1
}

// matchSet matches one byte with the set whose "[" is before pattern[p].
func matchSet(pattern string, p int, c byte) (bool, int) {
	negated := p < len(pattern) && (pattern[p] == '!' || pattern[p] == '^')
	if negated {
		p++
	}
	found := false
	for first := true; ; first = false {
		if p >= len(pattern) {
			return false, p
		}
		if pattern[p] == ']' && !first {
			return found != negated && c != '/', p + 1
		}
		in, next, ok := matchMember(pattern, p, c)
		if !ok {
			return false, p
		}
		found, p = found || in, next
	}
}

// matchMember matches one byte with the class, range or byte at pattern[p] in a set; ok is false when it is malformed.
func matchMember(pattern string, p int, c byte) (in bool, next int, ok bool) {
	if strings.HasPrefix(pattern[p:], "[:") {
		end := strings.IndexByte(pattern[p+2:], ']')
		if end < 0 {
			return false, p, false
		}
		if name, isClass := strings.CutSuffix(pattern[p+2:p+2+end], ":"); isClass {
			in, ok = matchClass(name, c)
			return in, p + 2 + end + 1, ok
		}
	}
	low, p, ok := setByte(pattern, p)
	if !ok || p+1 >= len(pattern) || pattern[p] != '-' || pattern[p+1] == ']' {
		return c == low, p, ok
	}
	high, p, ok := setByte(pattern, p+1)
	return low <= c && c <= high, p, ok
}

// setByte reads one byte of a set, with or without a backslash before it.
func setByte(pattern string, p int) (byte, int, bool) {
	if pattern[p] == '\\' {
		p++
	}
	if p >= len(pattern) {
		return 0, p, false
	}
	return pattern[p], p + 1, true
}

// matchClass matches one byte with a class of POSIX's C locale; ok is false when there is no such class.
func matchClass(name string, c byte) (in, ok bool) {
	lower, upper, digit := 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9'
	graph := '!' <= c && c <= '~'
	switch name {
	case "alnum":
		return lower || upper || digit, true
	case "alpha":
		return lower || upper, true
	case "blank":
		return c == ' ' || c == '\t', true
	case "cntrl":
		return c < ' ' || c == 0x7f, true
	case "digit":
		return digit, true
	case "graph":
		return graph, true
	case "lower":
		return lower, true
	case "print":
		return graph || c == ' ', true
	case "punct":
		return graph && !lower && !upper && !digit, true
	case "space":
		return c == ' ' || '\t' <= c && c <= '\r', true
	case "upper":
		return upper, true
	case "xdigit":
		return digit || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F', true
	}
	return false, false
}
