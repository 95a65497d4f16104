package layer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

// Build writes a layer of entries, which are sorted by path as Scan returns them, to dst in one pass: every file is read once, and nothing is
// kept in memory. The diff ID is a function of the entries alone; the blob's digest of the entries, the compression, its level and the
// version of klauspost/compress.
//
// Of opts only Compression, Level and Workers matter; Prepare makes layers with the help of a cache. A file that is not as Scan found it, or changes while it is read, is ErrChanged. When files cannot
// be read for want of permission, all of them are reported.
func Build(ctx context.Context, dst content.Ingester, entries []Entry, opts *Options) (Layer, error) {
	o, err := prepared(opts)
	if err != nil {
		return Layer{}, err
	}
	if err := checkEntries(entries); err != nil {
		return Layer{}, err
	}
	o.Cache = nil
	return (&Plan{opts: o, entries: entryList(entries)}).Build(ctx, dst)
}

// checkEntries makes sure of what Scan promises, for entries that a caller made.
func checkEntries(entries []Entry) error {
	for i := range entries {
		e := &entries[i]
		err := e.check()
		switch {
		case e.Path == ".":
			err = errUncleanPath
		case err == nil && i > 0 && entries[i-1].Path >= e.Path:
			err = fmt.Errorf("%w, or entries are not sorted by path", ErrConflict)
		}
		if err != nil {
			return e.wrap(err)
		}
	}
	return nil
}

var errUncleanPath = errors.New("not a clean path relative to the root")

// check returns what keeps an entry from being written.
func (e *Entry) check() error {
	switch {
	case checkLocal("", e.Path) != nil || e.Path == "." && e.Type != TypeDirectory:
		return errUncleanPath
	case int(e.Type) >= len(typeFlags) || typeFlags[e.Type] == 0:
		return fmt.Errorf("%v is no type of an entry", e.Type)
	case e.Type == TypeFile && e.local == nil && e.Data == nil && e.Size != 0:
		return fmt.Errorf("size is %d and there is no data", e.Size)
	case e.Size < 0 || e.UID < 0 || e.GID < 0:
		return errors.New("size, uid or gid is negative")
	case e.Major < 0 || e.Major > maxOctal7 || e.Minor < 0 || e.Minor > maxOctal7:
		return fmt.Errorf("there is no device %d:%d", e.Major, e.Minor)
	case strings.Contains(e.Link, "\x00"):
		return errors.New("link has a NUL byte")
	}
	return nil
}

// views are the looks of one build at the trees of its entries.
type views map[*Tree]view

func openViews(entries source) views {
	v := views{}
	for i := range entries.len() {
		if t := entries.tree(i); t != nil && v[t] == nil {
			v[t] = t.view()
		}
	}
	return v
}

func (v views) close() {
	for _, view := range v {
		view.close()
	}
}

// wrapUnlessDone names the entry in an error that is the entry's, and not that of the context or of another goroutine.
func wrapUnlessDone(ctx context.Context, e *Entry, err error) error {
	var own *Error
	if err == nil || ctx.Err() != nil || errors.As(err, &own) {
		return err
	}
	return e.wrap(err)
}

// unreadable looks for all files that cannot be opened when one cannot.
func unreadable(ctx context.Context, views views, entries source, first error) error {
	var all Errors
	var e Entry
	for i := range entries.len() {
		entries.at(i, &e)
		if e.local == nil || e.Type != TypeFile {
			continue
		}
		if ctx.Err() != nil {
			return first
		}
		f, err := e.local.openSame(views[e.local.tree()])
		if err == nil {
			f.Close()
			continue
		}
		all = append(all, &Error{Source: e.Source, Path: written(e.Source, e.local.placed().rel), Err: err, Hint: "make it readable or ignore it"})
	}
	if len(all) == 0 {
		return first
	}
	slices.SortFunc(all, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return all
}
