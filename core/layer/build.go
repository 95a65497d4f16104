package layer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
)

// Build writes a layer of entries, which are sorted by path as Scan returns them, to dst in one pass: every file is read once, and nothing is
// kept in memory. The diff ID is a function of the entries alone; the blob's digest of the entries, the compression, its level and the
// version of klauspost/compress.
//
// Of opts only Compression and Level matter. A file that is not as Scan found it, or changes while it is read, is ErrChanged. When files cannot
// be read for want of permission, all of them are reported.
func Build(ctx context.Context, dst content.Ingester, entries []Entry, opts *Options) (Layer, error) {
	o, err := prepared(opts)
	if err != nil {
		return Layer{}, err
	}
	if err := checkEntries(entries); err != nil {
		return Layer{}, err
	}
	views := openViews(entries)
	defer views.close()
	var diffID digest.Digest
	desc, err := dst.Ingest(ctx, mediaType(o.Compression), func(w io.Writer) (err error) {
		diffID, err = write(ctx, w, views, entries, o)
		return err
	})
	if errors.Is(err, fs.ErrPermission) {
		err = unreadable(ctx, views, entries, err)
	}
	if err != nil {
		return Layer{}, err
	}
	return Layer{Descriptor: desc, DiffID: diffID}, nil
}

// checkEntries makes sure of what Scan promises, for entries that a caller made.
func checkEntries(entries []Entry) error {
	for i := range entries {
		e := &entries[i]
		switch {
		case checkLocal("", e.Path) != nil || e.Path == ".":
			return e.wrap(errors.New("not a clean path relative to the root"))
		case i > 0 && entries[i-1].Path >= e.Path:
			return e.wrap(fmt.Errorf("%w, or entries are not sorted by path", ErrConflict))
		case e.Type > TypeHardlink:
			return e.wrap(fmt.Errorf("%v is no type of an entry", e.Type))
		case e.Size < 0 || e.UID < 0 || e.GID < 0:
			return e.wrap(errors.New("size, uid or gid is negative"))
		case strings.Contains(e.Link, "\x00"):
			return e.wrap(errors.New("link has a NUL byte"))
		}
	}
	return nil
}

// views are the looks of one build at the trees of its entries.
type views map[*Tree]view

func openViews(entries []Entry) views {
	v := views{}
	for i := range entries {
		if l := entries[i].local; l != nil && v[l.tree] == nil {
			v[l.tree] = l.tree.view()
		}
	}
	return v
}

func (v views) close() {
	for _, view := range v {
		view.close()
	}
}

// write writes the compressed archive to w: one goroutine puts the archive together, one hashes it and one compresses it.
func write(ctx context.Context, w io.Writer, views views, entries []Entry, opts *Options) (digest.Digest, error) {
	c, err := compressor(w, opts)
	if err != nil {
		return "", err
	}
	group, ctx := errgroup.WithContext(ctx)
	p := newPipe(2)
	hash := sha256.New()
	start(group, func() error {
		return p.read(0, func(b []byte) error { hash.Write(b); return nil })
	})
	start(group, func() error {
		if err := p.read(1, func(b []byte) error { _, err := c.Write(b); return err }); err != nil {
			return err
		}
		return c.Close()
	})
	a := &archive{pipe: p, views: views, ahead: readAhead(ctx, group, views, entries)}
	start(group, func() (err error) {
		defer func() { p.close(err) }()
		return a.all(ctx, entries)
	})
	if err := group.Wait(); err != nil {
		return "", err
	}
	return digest.NewDigest(digest.SHA256, hash), nil
}

// archive puts a tar archive together.
type archive struct {
	*pipe
	views  views
	ahead  *ahead
	header []byte
}

// zeros is a source of padding and of the two blocks that end an archive.
var zeros = make([]byte, 2*blockSize)

func (a *archive) all(ctx context.Context, entries []Entry) error {
	for i := range entries {
		if err := a.entry(ctx, &entries[i]); err != nil {
			return err
		}
	}
	return a.write(ctx, zeros)
}

func (a *archive) entry(ctx context.Context, e *Entry) (err error) {
	if a.header, err = appendHeader(a.header[:0], e); err != nil {
		return err
	}
	if err := a.write(ctx, a.header); err != nil {
		return err
	}
	if e.Type != TypeFile {
		return nil
	}
	if err := a.contents(ctx, e); err != nil {
		return err
	}
	return a.write(ctx, zeros[:padding(e.Size)])
}

func (a *archive) contents(ctx context.Context, e *Entry) error {
	if isAhead(e) {
		err := a.ahead.next(ctx, func(b []byte) error { return a.write(ctx, b) })
		return wrapUnlessDone(ctx, e, err)
	}
	r, err := a.open(ctx, e)
	if err != nil {
		return err
	}
	defer r.Close()
	return wrapUnlessDone(ctx, e, a.copy(ctx, r))
}

func (a *archive) open(ctx context.Context, e *Entry) (io.ReadCloser, error) {
	if e.local == nil {
		return e.openData(ctx)
	}
	r, err := e.local.open(ctx, a.views[e.local.tree])
	if err != nil {
		return nil, e.wrap(err)
	}
	return r, nil
}

// copy reads straight into the chunks of the pipe.
func (a *archive) copy(ctx context.Context, r io.Reader) error {
	for idle := 0; idle < 100; idle++ {
		space, err := a.space(ctx)
		if err != nil {
			return err
		}
		n, err := r.Read(space)
		a.advance(n)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			idle = 0
		}
	}
	return io.ErrNoProgress
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
func unreadable(ctx context.Context, views views, entries []Entry, first error) error {
	var all Errors
	for i := range entries {
		e := &entries[i]
		if e.local == nil || e.Type != TypeFile {
			continue
		}
		if ctx.Err() != nil {
			return first
		}
		f, err := e.local.openSame(views[e.local.tree])
		if err == nil {
			f.Close()
			continue
		}
		all = append(all, &Error{Source: e.Source, Path: written(e.Source, e.local.rel), Err: err, Hint: "make it readable or ignore it"})
	}
	if len(all) == 0 {
		return first
	}
	slices.SortFunc(all, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return all
}
