package layer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Plan is a layer that is about to be built: its files were found, and what is known of an earlier build of theirs.
type Plan struct {
	opts    *Options
	entries source
	ignores []Source // the ignore files that were read
	keys    []string // under which the cache has its recipe
	old     *recipe
	prints  []fingerprint // of the first chunks, as many as old has
	whole   bool          // these are all
}

// Prepare finds what the sources of one call put into a layer, as Scan does, and looks up in Options.Cache how it was built before. Of the files it
// reads the ignore files, and of those made in memory the small ones, which are opened no more afterwards.
func Prepare(ctx context.Context, files []File, opts *Options) (*Plan, error) {
	o, err := prepared(opts)
	if err != nil {
		return nil, err
	}
	found, err := scan(ctx, files, o)
	if err != nil {
		return nil, err
	}
	p := &Plan{opts: o, entries: found, ignores: found.ignores}
	if o.Cache == nil {
		return p, nil
	}
	if err := found.readSmall(ctx); err != nil {
		return nil, err
	}
	p.keys = keys(files, o)
	if p.old = findRecipe(ctx, o.Cache, p.keys); p.old != nil {
		p.prints, p.whole, err = p.archive(nil).looks(ctx, len(p.old.chunks))
	}
	return p, err
}

// What of the files made in memory is read by Prepare, in bytes: since their contents are not seen in their metadata, an unchanged layer would have to be built for
// them otherwise.
const (
	smallData    = 64 << 10
	allSmallData = 8 << 20
)

func (l *list) readSmall(ctx context.Context) error {
	left := int64(allSmallData)
	var e Entry
	for i, n := range l.nodes {
		if n.more == nil || n.more.open == nil || n.more.size > min(smallData, left) {
			continue
		}
		l.at(i, &e)
		r, err := e.openData(ctx)
		if err == nil {
			n.more.data, err = appendFrom(make([]byte, 0, e.Size), r, e.Size)
			if err == nil {
				err = atEnd(r)
			}
			err = errors.Join(err, r.Close())
		}
		if err != nil {
			return wrapUnlessDone(ctx, &e, err)
		}
		left -= e.Size
	}
	return nil
}

// findRecipe returns the recipe under the first key that has one.
func findRecipe(ctx context.Context, cache Cache, keys []string) *recipe {
	for _, key := range keys {
		if data, ok := cache.Get(ctx, key); ok {
			if r, err := decodeRecipe(data); err == nil {
				return r
			}
		}
	}
	return nil
}

func (p *Plan) archive(views views) *archive {
	return &archive{entries: p.entries, views: views, workers: p.opts.Workers, coding: p.opts.coding(), keep: p.opts.Cache != nil}
}

// Known returns the layer if it was built before and nothing of it has changed since: no file was read to know that. Its blob is wherever it was stored then, if
// nobody has removed it; Build makes it anew.
func (p *Plan) Known() (Layer, bool) {
	if p.old == nil || !p.whole || len(p.prints) != len(p.old.chunks) || p.old.samePrefix(p.prints) != len(p.prints) {
		return Layer{}, false
	}
	return p.old.layer, true
}

// Build writes the layer to dst. What did not change since an earlier build is taken from the blob of that. It fails as the function Build does.
func (p *Plan) Build(ctx context.Context, dst content.Ingester) (Layer, error) {
	views := openViews(p.entries)
	defer views.close()
	a := p.archive(views)
	if p.old != nil {
		if a.past = newPast(ctx, p.opts.Cache, p.old, p.prints); a.past != nil {
			defer a.past.blob.Close()
		}
	}
	var diffID digest.Digest
	var chunks []made
	desc, err := dst.Ingest(ctx, mediaType(p.opts.Compression), func(w io.Writer) (err error) {
		diffID, chunks, err = a.write(ctx, w)
		return err
	})
	if errors.Is(err, fs.ErrPermission) {
		err = unreadable(ctx, views, p.entries, err)
	}
	if err != nil {
		return Layer{}, err
	}
	built := Layer{Descriptor: desc, DiffID: diffID}
	p.remember(ctx, &recipe{layer: built, chunks: chunks})
	return built, nil
}

// remember keeps how the layer was built. That this fails is no error of the build.
func (p *Plan) remember(ctx context.Context, r *recipe) {
	if p.opts.Cache == nil {
		return
	}
	data := r.encode()
	if p.old != nil && bytes.Equal(data, p.old.encode()) {
		return
	}
	for _, key := range p.keys {
		_ = p.opts.Cache.Put(ctx, key, data)
	}
}
