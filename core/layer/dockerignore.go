package layer

import (
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// dockerIgnore is the name of the ignore file that has Docker's rules.
const dockerIgnore = ".dockerignore"

// dockerRules are those of one .dockerignore file.
type dockerRules struct {
	mu      sync.Mutex // the matcher compiles its patterns at their first use and may not be shared
	matcher *patternmatcher.PatternMatcher
	again   []string // the patterns behind "!"
}

func parseDockerignore(text string) (*dockerRules, error) {
	patterns, err := ignorefile.ReadAll(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	d := &dockerRules{matcher: m}
	for _, p := range m.Patterns() {
		if p.Exclusion() {
			d.again = append(d.again, p.String())
		}
	}
	return d, nil
}

// match reports whether name, which is relative to the source, is ignored. above is the result for its directory, as BuildKit asks for it.
func (d *dockerRules) match(name string, above patternmatcher.MatchInfo) (bool, patternmatcher.MatchInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.matcher.MatchesUsingParentResults(name, above)
}

// mayInclude reports whether a pattern with "!" can match something below the ignored directory dir.
func (d *dockerRules) mayInclude(dir string) bool {
	for _, p := range d.again {
		if mayMatchBelow(strings.Split(p, "/"), strings.Split(dir, "/")) {
			return true
		}
	}
	return false
}

// mayMatchBelow compares part by part up to the first that has something special in it.
func mayMatchBelow(pattern, dir []string) bool {
	for i, part := range pattern {
		if !isLiteral(part) || i == len(dir) {
			return true
		}
		if part != dir[i] {
			return false
		}
	}
	return false
}
