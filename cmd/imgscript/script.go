package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/imgscript/imgscript/core/nearest"
	"github.com/imgscript/imgscript/starlib"
)

// script is what run was asked to run.
type script struct {
	root     string // an absolute path
	name     string // the file below the root, slash-separated
	function string // "" runs the file itself
}

// findScript reads the argument of run. The root is the one of the flag, or found from the file.
func findScript(arg, root string) (script, error) {
	file, function := splitFunction(arg)
	if err := checkScript(file, arg); err != nil {
		return script{}, err
	}
	if root == "" {
		dir, name, err := starlib.FindRoot(file)
		if err != nil {
			return script{}, usagef("%v", err)
		}
		return script{dir, name, function}, nil
	}
	dir, err := realPath(root)
	if err != nil {
		return script{}, usagef("--root %s: %v", root, reason(err))
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return script{}, usagef("--root %s: is not a directory", root)
	}
	full, err := realPath(file)
	if err != nil {
		return script{}, usagef("%s: %v", file, reason(err))
	}
	rel, err := filepath.Rel(dir, full)
	if err != nil || !filepath.IsLocal(rel) {
		return script{}, usagef("%s is not below the root %s", file, root).
			withHint("--root names a directory at or above the script's; without it, it is found")
	}
	return script{dir, filepath.ToSlash(rel), function}, nil
}

func checkScript(file, arg string) error {
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir():
		return usagef("%s: is a directory; want the file of a script", file)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return usagef("%s: %v", file, reason(err))
	}
	e := usagef("%s: no such file", file)
	if before, after, ok := cutLast(arg, ":"); ok && file == arg && exists(before) {
		return e.withHint("%q is no function's name", after)
	}
	if exists(file + ".star") {
		return e.withHint("did you mean %s.star?", file)
	}
	if near := nearFile(file); near != "" {
		return e.withHint("did you mean %s?", near)
	}
	return e
}

// nearFile is a file that one which is not there may be meant for, or "".
func nearFile(file string) string {
	dir, base := filepath.Split(file)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if near := nearest.File(base, names); near != "" {
		return dir + near
	}
	return ""
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// splitFunction splits FILE:FUNCTION at its last colon. A file whose name ends like a function is the file.
func splitFunction(arg string) (file, function string) {
	before, after, ok := cutLast(arg, ":")
	if !ok || before == "" || !isIdentifier(after) || exists(arg) {
		return arg, ""
	}
	return before, after
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// isIdentifier reports whether s can be a name in Starlark.
func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

// realPath is an absolute path without links, as FindRoot makes it.
func realPath(path string) (string, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(full)
}

// reason is what a file system's error says beside the path, which the message has already.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
