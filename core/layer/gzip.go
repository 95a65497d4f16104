package layer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// CompressOptions changes what CompressTar does. nil and the zero value ask for nothing, on all processors.
type CompressOptions struct {
	// DiffID is the archive's digest, if it is known; another archive is content.ErrVerification.
	DiffID digest.Digest
	// Workers are those that builds share.
	Workers *Workers
	// Cache remembers what came of archives whose DiffID is given. Of one that it knows nothing is read, and nothing stored: the blob was stored when it was made.
	Cache Cache
}

// CompressTar stores an archive that is not compressed as a layer that is, by gzip as Build compresses. It reads the archive once, and holds no more than a chunk of it. The blob is a function of the
// archive's bytes and of the version of klauspost/compress, and so the same on each machine. What is in the archive is not looked at.
func CompressTar(ctx context.Context, dst content.Ingester, open content.Opener, opts *CompressOptions) (Layer, error) {
	c := &compression{diffID: sha256.New()}
	if opts != nil {
		c.opts = *opts
	}
	if c.opts.Workers == nil {
		c.opts.Workers = NewWorkers(0)
	}
	if known, ok := c.known(ctx); ok {
		return known, nil
	}
	r, err := open(ctx)
	if err != nil {
		return Layer{}, fmt.Errorf("open tar: %w", err)
	}
	defer r.Close()
	c.in = contextReader{ctx, r}
	desc, err := dst.Ingest(ctx, content.OCILayerGzip, func(w io.Writer) error { return c.writeTo(ctx, w) })
	if err != nil {
		return Layer{}, fmt.Errorf("compress tar: %w", err)
	}
	c.remember(ctx, desc)
	return Layer{Descriptor: desc, DiffID: c.sum()}, nil
}

// compression is one call of CompressTar.
type compression struct {
	opts   CompressOptions
	in     io.Reader
	diffID hash.Hash
}

func (c *compression) sum() digest.Digest { return digest.NewDigest(digest.SHA256, c.diffID) }

// key is what the cache knows the archive by.
func (c *compression) key() string {
	return fmt.Sprintf("compress %s %+v %s", compressorVersion(), coding{Gzip, defaultLevel}, c.opts.DiffID)
}

// known is what came of the archive before.
func (c *compression) known(ctx context.Context) (Layer, bool) {
	if c.opts.Cache == nil || c.opts.DiffID == "" {
		return Layer{}, false
	}
	data, ok := c.opts.Cache.Get(ctx, c.key())
	desc := content.Descriptor{MediaType: content.OCILayerGzip}
	if ok {
		_, err := fmt.Sscanf(string(data), "%s %d", &desc.Digest, &desc.Size)
		ok = err == nil && content.CheckPush(desc) == nil
	}
	return Layer{Descriptor: desc, DiffID: c.opts.DiffID}, ok
}

func (c *compression) remember(ctx context.Context, desc content.Descriptor) {
	if c.opts.Cache != nil && c.opts.DiffID != "" {
		_ = c.opts.Cache.Put(ctx, c.key(), fmt.Appendf(nil, "%s %d", desc.Digest, desc.Size)) // without it, the next one compresses again
	}
}

func (c *compression) writeTo(ctx context.Context, w io.Writer) error {
	j := &joiner{coding: coding{Gzip, defaultLevel}, w: w}
	if err := j.begin(); err != nil {
		return err
	}
	for {
		more, err := c.chunk(ctx, j)
		switch {
		case err != nil:
			return err
		case more:
			continue
		case c.opts.DiffID != "" && c.sum() != c.opts.DiffID:
			return fmt.Errorf("%w: the diff ID is %s and not %s", content.ErrVerification, c.sum(), c.opts.DiffID)
		}
		return j.end()
	}
}

// chunk compresses the next bytes of the archive, which is cut at multiples of the largest chunk, and reports whether there may be more.
func (c *compression) chunk(ctx context.Context, j *joiner) (more bool, err error) {
	b, err := c.opts.Workers.buffer(ctx, chunkMax)
	if err != nil {
		return false, err
	}
	defer c.opts.Workers.put(b)
	b.raw = grown(b.raw[:0], chunkMax)
	for err == nil && len(b.raw) < chunkMax {
		var n int
		n, err = c.in.Read(b.raw[len(b.raw):chunkMax])
		b.raw = b.raw[:len(b.raw)+n]
	}
	if err != nil && err != io.EOF {
		return false, err
	}
	more = err == nil
	if len(b.raw) == 0 { // the end was not known before
		return more, nil
	}
	if busy := c.opts.Workers.do(ctx, func() { err = c.pack(j, b) }); busy != nil {
		return false, busy
	}
	if err != nil {
		return false, err
	}
	return more, j.add(b.spare, crc32.ChecksumIEEE(b.raw), int64(len(b.raw)))
}

// pack compresses what is in a buffer.
func (c *compression) pack(j *joiner, b *buffer) error {
	c.diffID.Write(b.raw)
	enc, err := c.opts.Workers.encoder(j.coding)
	if err != nil {
		return err
	}
	if b.spare, err = enc.encode(b.spare[:0], b.raw); err == nil {
		c.opts.Workers.putEncoder(j.coding, enc)
	}
	return err
}
