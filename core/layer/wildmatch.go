package layer

import "strings"

// wildmatch reports whether pattern matches all of name as in git (its wildmatch.c with WM_PATHNAME): "*" and "?" stay within one part of
// a path, "**" as a whole part stands for any number of parts, "[…]" is one of a set of bytes. A malformed pattern matches nothing.
//
// It is written here because no library has git's rules: go-git matches each part by filepath.Match, which knows neither "[!a]" nor
// "[[:alpha:]]"; doublestar expands braces, takes "a/**" for "a" too and counts characters where git counts bytes; git-lfs/wildmatch
// misreads "[]a]", "[c-a]" and escapes in ranges, and panics at "[[:x:]]". TestGitCheckIgnore compares this one with git itself.
func wildmatch(pattern, name string) bool {
	m := matcher{pattern: pattern, name: name}
	return m.match(0, 0)
}

// matcher remembers where a star has failed, so that many stars take quadratic and not exponential time.
type matcher struct {
	pattern, name string
	failed        map[[2]int]bool
}

// match matches pattern[p:] with name[n:].
func (m *matcher) match(p, n int) bool {
	for p < len(m.pattern) {
		c := m.pattern[p]
		if c == '*' {
			return m.star(p, n)
		}
		if n == len(m.name) {
			return false
		}
		ok, next := matchByte(m.pattern, p, m.name[n])
		if !ok {
			return false
		}
		p, n = next, n+1
	}
	return n == len(m.name)
}

// star matches from a star at pattern[p] on.
func (m *matcher) star(p, n int) bool {
	key := [2]int{p, n}
	if m.failed[key] {
		return false
	}
	end := p
	for end < len(m.pattern) && m.pattern[end] == '*' {
		end++
	}
	ok := false
	if end-p == 2 && (p == 0 || m.pattern[p-1] == '/') && (end == len(m.pattern) || m.pattern[end] == '/') {
		ok = m.doubleStar(end, n)
	} else {
		ok = m.singleStar(end, n)
	}
	if !ok {
		m.fail(key)
	}
	return ok
}

func (m *matcher) fail(key [2]int) {
	if m.failed == nil {
		m.failed = make(map[[2]int]bool)
	}
	m.failed[key] = true
}

// doubleStar matches any number of whole parts of the path; end is behind the stars.
func (m *matcher) doubleStar(end, n int) bool {
	if end == len(m.pattern) {
		return true
	}
	for {
		if m.match(end+1, n) {
			return true
		}
		slash := strings.IndexByte(m.name[n:], '/')
		if slash < 0 {
			return false
		}
		n += slash + 1
	}
}

// singleStar matches any bytes of one part of the path.
func (m *matcher) singleStar(end, n int) bool {
	for ; ; n++ {
		if m.match(end, n) {
			return true
		}
		if n == len(m.name) || m.name[n] == '/' {
			return false
		}
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
