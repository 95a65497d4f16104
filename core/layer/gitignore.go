package layer

import (
	"path"
	"strings"
)

// gitRule is one pattern of a file with gitignore's rules (git's Documentation/gitignore.txt).
type gitRule struct {
	pattern string
	include bool // the pattern began with "!"
	dirOnly bool // it ended with "/"
	base    bool // it has no slash before its end: it is for base names at every depth
	literal bool // it has nothing special in it
	suffix  bool // it has nothing special in it but the star it begins with
}

// parseGitignore reads the patterns of a file or of a list joined by newlines. Nothing is an error in one: what git cannot match, matches nothing.
func parseGitignore(text string) []gitRule {
	var rules []gitRule
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if r, ok := parseGitRule(strings.TrimSuffix(line, "\r")); ok {
			rules = append(rules, r)
		}
	}
	return rules
}

func parseGitRule(line string) (gitRule, bool) {
	if strings.HasPrefix(line, "#") {
		return gitRule{}, false
	}
	line, _, _ = strings.Cut(line, "\x00") // the end of a pattern for git, which is written in C
	line = trimTrailingSpaces(line)
	var r gitRule
	line, r.include = strings.CutPrefix(line, "!")
	line, r.dirOnly = strings.CutSuffix(line, "/")
	if line == "" {
		return gitRule{}, false
	}
	r.base = !strings.Contains(line, "/")
	r.pattern = strings.TrimPrefix(line, "/")
	r.literal = isLiteral(r.pattern)
	r.suffix = r.base && strings.HasPrefix(line, "*") && isLiteral(line[1:])
	return r, true
}

func isLiteral(pattern string) bool { return !strings.ContainsAny(pattern, `*?[\`) }

// trimTrailingSpaces takes off the spaces at the end of a line that have no backslash before them.
func trimTrailingSpaces(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
			continue
		case '\\':
			i++
		}
		end = min(i+1, len(line))
	}
	return line[:end]
}

// match reports whether the rule is for name, which is relative to the directory of the rule's file.
func (r *gitRule) match(name string, isDir bool) bool {
	if r.dirOnly && !isDir {
		return false
	}
	if r.base {
		name = path.Base(name)
	}
	switch {
	case r.literal:
		return name == r.pattern
	case r.suffix:
		return strings.HasSuffix(name, r.pattern[1:])
	}
	return wildmatch(r.pattern, name)
}

// gitRules are the rules of one directory, on top of those of the directories above.
type gitRules struct {
	above *gitRules
	dir   string // relative to the source; "" is its root
	rules []gitRule
}

// match returns what the last rule for name says, those of deeper directories first. decided is false when there is none.
func (g *gitRules) match(name string, isDir bool) (ignored, decided bool) {
	for ; g != nil; g = g.above {
		rel := name
		if g.dir != "" {
			rel = strings.TrimPrefix(name[len(g.dir):], "/")
		}
		for i := len(g.rules) - 1; i >= 0; i-- {
			if g.rules[i].match(rel, isDir) {
				return !g.rules[i].include, true
			}
		}
	}
	return false, false
}
