package build

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// openTree opens the root.
func (r *Run) openTree() error {
	if r.opts.Files != nil {
		r.tree = layer.TreeFS(r.opts.Files)
		if r.opts.Policy == nil {
			r.opts.Policy = &Policy{Net: DefaultPolicy("").Net, Push: DefaultPolicy("").Push}
		}
		return nil
	}
	if r.opts.Root == "" {
		r.opts.Root = "."
	}
	root, err := filepath.Abs(r.opts.Root)
	if err != nil {
		return err
	}
	// The real path, so that a root that is reached through a link is not taken for another place.
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	r.opts.Root = root
	if r.opts.Policy == nil {
		r.opts.Policy = DefaultPolicy(root)
	}
	r.tree, err = layer.OpenTree(root)
	return err
}

// within reports whether the clean absolute path is root or below it.
func within(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// local finds the tree and the name in it for a path as a script writes it: relative to the script's directory, "//x" to the root,
// absolute only where the policy allows it or the path is below the root. The caller does not close the tree.
func (r *Run) local(p string) (*layer.Tree, string, error) {
	if p == "" {
		return nil, "", errors.New("the path is empty")
	}
	if strings.ContainsRune(p, 0) {
		return nil, "", fmt.Errorf("%q: the path has a NUL byte", p)
	}
	rest, fromRoot := strings.CutPrefix(p, "//")
	name := path.Join(r.opts.Dir, p)
	switch {
	case fromRoot:
		name = path.Clean(rest)
		if rest == "" {
			name = "."
		}
	case path.IsAbs(p):
		if r.opts.Files != nil || !within(r.opts.Root, path.Clean(p)) {
			return r.elsewhere(p, path.Clean(p))
		}
		rel, err := filepath.Rel(r.opts.Root, path.Clean(p))
		if err != nil {
			return nil, "", err
		}
		name = filepath.ToSlash(rel)
	}
	if name == "" {
		name = "."
	}
	if name == ".." || strings.HasPrefix(name, "../") {
		return r.elsewhere(p, filepath.Join(r.opts.Root, filepath.FromSlash(name)))
	}
	return r.tree, name, nil
}

// elsewhere opens what is outside the root, where the policy allows that.
func (r *Run) elsewhere(p, full string) (*layer.Tree, string, error) {
	if r.opts.Files != nil || r.opts.Policy.Read == nil {
		return nil, "", r.outside(p)
	}
	if err := r.opts.Policy.Read(full); err != nil {
		return nil, "", err
	}
	dir, name := full, "."
	if info, err := os.Stat(full); err == nil && !info.IsDir() {
		dir, name = filepath.Split(full)
	}
	tree, err := layer.OpenTree(dir)
	if err != nil {
		return nil, "", err
	}
	r.trees = append(r.trees, tree)
	return tree, name, nil
}

// outside is the error for a path that leaves the root.
func (r *Run) outside(p string) error {
	return fmt.Errorf("%w: %q is outside the root %s, and nothing outside it is read", ErrPolicy, p, r.opts.Root)
}

// show names a file of the tree as history and messages do: from the root, and never with a path of this machine.
func show(name string) string {
	if name == "." {
		return "//"
	}
	return "//" + name
}

// outPath is the absolute path for a layout that a script names, and whether it may be used. Links in what exists of it are followed
// first, so that none leads out of the root unnoticed.
func (r *Run) outPath(p string, write bool) (string, error) {
	if r.opts.Files != nil {
		return "", fmt.Errorf("%w: %q: this run has no directory of its own to read or write layouts in", ErrPolicy, p)
	}
	real, err := realPath(r.fullPath(p))
	if err != nil {
		return "", err
	}
	if write {
		return real, allow(r.opts.Policy.Out, "writing", real)
	}
	if within(r.opts.Root, real) {
		return real, nil
	}
	if r.opts.Policy.Read == nil {
		return "", r.outside(p)
	}
	return real, r.opts.Policy.Read(real)
}

// fullPath is the path of a layout on this machine, links and all.
func (r *Run) fullPath(p string) string {
	if rest, ok := strings.CutPrefix(p, "//"); ok {
		return filepath.Join(r.opts.Root, filepath.FromSlash(rest))
	}
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(r.opts.Root, filepath.FromSlash(r.opts.Dir), filepath.FromSlash(p))
}

// realPath follows the links in the part of a path that exists.
func realPath(full string) (string, error) {
	real, err := filepath.EvalSymlinks(full)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	// A dangling link would be created where it points to: nothing good comes from that.
	if info, err := os.Lstat(full); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return "", fmt.Errorf("%s is a symbolic link that points to nothing", full)
	}
	parent, err := realPath(filepath.Dir(full))
	return filepath.Join(parent, filepath.Base(full)), err
}

// ReadFile returns the content of a local file of at most limit bytes; of a larger one the error is content.ErrTooLarge.
func (r *Run) ReadFile(p string, limit int64) ([]byte, error) { return r.readAs(InputFile, p, limit) }

// ReadScript is ReadFile for a file of the language of an embedding program.
func (r *Run) ReadScript(p string, limit int64) ([]byte, error) {
	return r.readAs(InputScript, p, limit)
}

// readAs reads a file as an input of some kind.
func (r *Run) readAs(kind InputKind, p string, limit int64) ([]byte, error) {
	tree, name, err := r.local(p)
	if err != nil {
		return nil, err
	}
	f, err := tree.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quoted(p), reason(err))
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory", quoted(p))
	}
	data, err := io.ReadAll(io.LimitReader(f, min(limit, math.MaxInt64-1)+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has %w of %d bytes", quoted(p), content.ErrTooLarge, limit)
	}
	if err == nil {
		r.noteFile(kind, tree, name, p, data)
	}
	return data, err
}

// reason is the reason of a file system's error, without the path as the system knows it.
func reason(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		err = e.Err
	}
	if err.Error() == "path escapes from parent" { // os.Root's, which has no name
		return layer.ErrOutside
	}
	return err
}

// quoted is a path as it was written, in quotes if it could be taken for something else.
func quoted(p string) string {
	if q := strconv.Quote(p); q != `"`+p+`"` || strings.ContainsAny(p, " :") {
		return q
	}
	return p
}

// Glob returns the files (no directories) whose paths match one of include and none of exclude, sorted and once each, as paths that
// are written like the patterns: relative to the script's directory, or from the root when the pattern starts with "//". "**" crosses folders;
// links to directories are not followed.
func (r *Run) Glob(include, exclude []string, opts *GlobOptions) ([]string, error) {
	var o GlobOptions
	if opts != nil {
		o = *opts
	}
	var found []string
	for _, pattern := range include {
		names, err := r.glob(pattern, &o)
		if err != nil {
			return nil, err
		}
		found = append(found, names...)
	}
	for _, pattern := range exclude {
		if !doublestar.ValidatePattern(pattern) {
			return nil, fmt.Errorf("bad pattern %q", pattern)
		}
	}
	found = slices.DeleteFunc(found, func(name string) bool {
		return slices.ContainsFunc(exclude, func(pattern string) bool {
			return doublestar.MatchUnvalidated(path.Clean(pattern), path.Clean(name))
		})
	})
	slices.Sort(found)
	found = slices.Compact(found)
	r.noteGlob(include, exclude, found)
	return found, nil
}

// glob walks from the deepest directory that the pattern names literally.
func (r *Run) glob(pattern string, o *GlobOptions) ([]string, error) {
	if pattern == "" {
		return nil, errors.New("the pattern is empty")
	}
	if !doublestar.ValidatePattern(pattern) {
		return nil, fmt.Errorf("bad pattern %q", pattern)
	}
	base, rest := doublestar.SplitPattern(strings.TrimPrefix(pattern, "//"))
	start := base
	if strings.HasPrefix(pattern, "//") {
		start = "//" + base
	}
	tree, dir, err := r.local(start)
	if err != nil {
		return nil, err
	}
	below, err := fs.Sub(tree, dir)
	if err != nil {
		return nil, err
	}
	names, err := doublestar.Glob(o.watch(below), rest, doublestar.WithFilesOnly(), doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, ErrLimit) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("glob %q: %w", pattern, err)
	}
	for i, name := range names {
		names[i] = path.Join(base, name)
		if strings.HasPrefix(pattern, "//") {
			names[i] = "//" + names[i]
		}
	}
	return names, nil
}
