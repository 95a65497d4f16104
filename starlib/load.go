package starlib

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	smath "go.starlark.net/lib/math"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/nearest"
)

// modulePath is the path below the root of a file that another loads: "//x" is from the root, the rest relative to the loading file.
func modulePath(from, name string) (string, error) {
	file := path.Join(path.Dir(from), name)
	if rest, ok := strings.CutPrefix(name, "//"); ok {
		file = path.Clean(rest)
	}
	if name == "" || path.IsAbs(file) || file == ".." || strings.HasPrefix(file, "../") {
		return "", &outsideError{name}
	}
	return file, nil
}

// outsideError is a load of a file outside the root. Modules come from the root alone, whatever else may be read: their places in messages and reports are paths
// below it.
type outsideError struct{ name string }

// Error implements error.
func (e *outsideError) Error() string {
	return fmt.Sprintf("load %q: the file is outside the root", e.name)
}

// Is makes it a permission that is missing.
func (e *outsideError) Is(target error) bool { return target == build.ErrPolicy }

// Hint says what to do about it.
func (e *outsideError) Hint() string { return "--root DIR makes a directory further up the root" }

// fileHint is what may have been meant by a file of scripts that is not there.
func (s *session) fileHint(err error, file string) string {
	if !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	near := s.near("//" + file)
	switch {
	case near != "" && file == s.file:
		return fmt.Sprintf("did you mean %q?", strings.TrimPrefix(near, "//"))
	case near != "":
		return fmt.Sprintf("did you mean %q?", near)
	case file == s.file:
		return ""
	}
	return `load("x.star", …) is beside the file that loads it, load("//x.star", …) in the root`
}

// near is the path of a file that a path which is not there may be meant for, or "".
func (s *session) near(p string) string {
	dir, base := path.Split(p)
	found, err := s.run.Glob([]string{globSigns.ReplaceAllString(dir, `\$0`) + "*"}, nil, nil)
	if err != nil {
		return ""
	}
	names := make([]string, len(found))
	for i, name := range found {
		names[i] = path.Base(name)
	}
	if name := nearest.File(base, names); name != "" {
		return dir + name
	}
	return ""
}

// globSigns are what means something in a pattern.
var globSigns = regexp.MustCompile(`[*?\[\]{}\\]`)

// predeclared are the global names of api.star.
func predeclared() starlark.StringDict {
	names := starlark.StringDict{
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
		"module": starlark.NewBuiltin("module", starlarkstruct.MakeModule),
		"json":   jsonModule(),
		"math":   smath.Module,
		"re":     moduleOf("re", regexpFunctions),
	}
	for _, b := range globalFunctions {
		names[b.name] = starlark.NewBuiltin(b.name, b.fn)
	}
	maps.Copy(names, metered())
	return names
}
