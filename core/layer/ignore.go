package layer

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
)

// maxIgnoreFile is the size in bytes up to which ignore files are read.
const maxIgnoreFile = 4 << 20

// rules are all ignore rules that hold in one directory of a source. They are not changed: each directory has its own.
type rules struct {
	call   []gitRule // of Options.Ignores
	git    *gitRules
	docker *dockerRules
	above  patternmatcher.MatchInfo // what docker said of the directory itself
	read   *ignoresRead             // by the whole scan
}

// verdict is what rules say of a file.
type verdict uint8

const (
	taken   verdict = iota
	ignored         // it and all below it is left out
	empty           // a directory that is left out unless something below it is taken
)

func newRules(ignores []string) *rules {
	return &rules{call: parseGitignore(strings.Join(ignores, "\n")), read: &ignoresRead{}}
}

// takeAll reports whether there is nothing to match.
func (r *rules) takeAll() bool { return len(r.call) == 0 && r.git == nil && r.docker == nil }

// match says what becomes of name, which is relative to the source and lies in the rules' directory. The rules of the directory itself begin with
// the MatchInfo.
func (r *rules) match(name string, isDir bool) (verdict, patternmatcher.MatchInfo, error) {
	for i := len(r.call) - 1; i >= 0; i-- {
		if r.call[i].match(name, isDir) {
			if !r.call[i].include {
				return ignored, patternmatcher.MatchInfo{}, nil
			}
			return r.matchDocker(name, isDir)
		}
	}
	if out, _ := r.git.match(name, isDir); out {
		return ignored, patternmatcher.MatchInfo{}, nil
	}
	return r.matchDocker(name, isDir)
}

func (r *rules) matchDocker(name string, isDir bool) (verdict, patternmatcher.MatchInfo, error) {
	if r.docker == nil {
		return taken, patternmatcher.MatchInfo{}, nil
	}
	out, info, err := r.docker.match(name, r.above)
	switch {
	case err != nil || !out:
		return taken, info, err
	case isDir && r.docker.mayInclude(name):
		return empty, info, nil
	default:
		return ignored, info, nil
	}
}

// enter returns the rules that hold inside the directory rel of the source, whose path in the tree is dir and which has names in it.
func (r *rules) enter(t *Tree, v view, rel, dir string, names, ignoreFiles []string, above patternmatcher.MatchInfo) (*rules, error) {
	in := *r
	in.above = above
	for _, base := range ignoreFiles {
		if _, there := slices.BinarySearch(names, base); !there || base == dockerIgnore && rel != "" {
			continue
		}
		text, err := readIgnoreFile(t, v, dir, base)
		if err != nil {
			return nil, &Error{Path: path.Join(dir, base), Err: err}
		}
		if text != "" {
			in.read.add(t, dir, base, text)
		}
		if base != dockerIgnore {
			in.git = &gitRules{above: in.git, dir: rel, rules: parseGitignore(text)}
		} else if in.docker, err = parseDockerignore(text); err != nil {
			return nil, &Error{Path: path.Join(dir, base), Err: err}
		}
	}
	return &in, nil
}

// readIgnoreFile reads an ignore file; a directory or device of that name is none, and links are followed inside the root.
func readIgnoreFile(t *Tree, v view, dir, base string) (string, error) {
	name, st, err := resolve(t, v, dir, base)
	if isNotExist(err) || err == nil && !st.mode.IsRegular() {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	f, err := v.open(path.Dir(name), path.Base(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIgnoreFile+1))
	if err == nil && len(data) > maxIgnoreFile {
		err = fmt.Errorf("ignore file has more than %d bytes", maxIgnoreFile)
	}
	return string(data), err
}
