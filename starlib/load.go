package starlib

import (
	"fmt"
	"maps"
	"path"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	smath "go.starlark.net/lib/math"
)

// modulePath is the path below the root of a file that another loads: "//x" is from the root, the rest relative to the loading file.
func modulePath(from, name string) (string, error) {
	file := path.Join(path.Dir(from), name)
	if rest, ok := strings.CutPrefix(name, "//"); ok {
		file = path.Clean(rest)
	}
	if name == "" || path.IsAbs(file) || file == ".." || strings.HasPrefix(file, "../") {
		return "", fmt.Errorf("load %q: the file is outside the root", name)
	}
	return file, nil
}

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
