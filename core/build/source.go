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

// named finds what a path as a script writes it stands for by its text: its name in the root, or its absolute path outside of it. A path is relative to the script's
// directory, "//x" to the root.
func (r *Run) named(p string) (name, outside string, err error) {
	if p == "" {
		return "", "", errors.New("the path is empty")
	}
	if strings.ContainsRune(p, 0) {
		return "", "", fmt.Errorf("%q: the path has a NUL byte", p)
	}
	rest, fromRoot := strings.CutPrefix(p, "//")
	name = path.Join(r.opts.Dir, p)
	switch {
	case fromRoot:
		name = path.Clean(strings.TrimLeft(rest, "/"))
	case path.IsAbs(p):
		if r.opts.Files != nil || !within(r.opts.Root, path.Clean(p)) {
			return "", path.Clean(p), nil
		}
		rel, err := filepath.Rel(r.opts.Root, path.Clean(p))
		if err != nil {
			return "", "", err
		}
		name = filepath.ToSlash(rel)
	}
	if name == "" {
		name = "."
	}
	if name == ".." || strings.HasPrefix(name, "../") {
		return "", r.inRoot(name), nil
	}
	return name, "", nil
}

// inRoot is the absolute path of a name that is relative to the root.
func (r *Run) inRoot(name string) string { return filepath.Join(r.opts.Root, filepath.FromSlash(name)) }

// local finds the tree and the name in it for a path as a script writes it; outside the root, by its text or by the links in it, only where the policy allows
// it. The caller does not close the tree.
func (r *Run) local(p string) (*layer.Tree, string, error) {
	name, outside, err := r.named(p)
	switch {
	case err != nil:
		return nil, "", err
	case outside != "":
		return r.elsewhere(p, outside)
	case r.leadsOut(name):
		return r.elsewhere(p, r.inRoot(name))
	}
	return r.tree, name, nil
}

// source is local for what goes into a layer. That decides about links itself, so a link that is the source is left to it where links are kept, and so is one that
// leads back into the root by an absolute path.
func (r *Run) source(p string, links layer.SymlinkMode) (*layer.Tree, string, error) {
	name, outside, err := r.named(p)
	if err != nil || outside != "" {
		return r.local(p)
	}
	last := name
	if links == layer.SymlinksKeep {
		last = path.Dir(name)
	}
	if !r.leadsOut(last) {
		return r.tree, name, nil
	}
	if real, err := realPath(r.inRoot(name)); err == nil && within(r.opts.Root, real) {
		return r.tree, name, nil
	}
	return r.local(p)
}

// leadsOut reports whether the way to a name in the root leaves it, through a link that does.
func (r *Run) leadsOut(name string) bool {
	_, err := r.tree.Stat(name)
	return err != nil && errors.Is(reason(err), layer.ErrOutside)
}

// show names a file of the tree as history and messages do: from the root, and never with a path of this machine.
func show(name string) string {
	if name == "." {
		return "//"
	}
	return "//" + name
}

// outPath is the absolute path for a layout that a script names, and what the policy says of it. Links in what exists of it are followed
// first, so that none leads out of the root unnoticed.
func (r *Run) outPath(p string, ask func(string) error) (string, error) {
	if r.opts.Files != nil {
		return "", fmt.Errorf("%w: %q: this run has no directory of its own to read or write layouts in", ErrPolicy, p)
	}
	real, err := realPath(r.fullPath(p))
	if err != nil {
		return "", err
	}
	return real, ask(real)
}

// fullPath is the path of a layout on this machine, links and all.
func (r *Run) fullPath(p string) string {
	if rest, ok := strings.CutPrefix(p, "//"); ok {
		return r.inRoot(rest)
	}
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return r.inRoot(path.Join(r.opts.Dir, p))
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
	return r.readFile(kind, tree, name, p, limit)
}

// readFile reads a file of a tree, which messages call p.
func (r *Run) readFile(kind InputKind, tree *layer.Tree, name, p string, limit int64) ([]byte, error) {
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
