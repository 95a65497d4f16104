package layer

import (
	"fmt"
	"path"
	"strings"

	"github.com/imgscript/imgscript/core/nearest"
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
	best := nearest.Name(rest[0], names)
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
