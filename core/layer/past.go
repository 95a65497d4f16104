package layer

import (
	"context"
	"crypto/sha256"
	"encoding"
	"hash"
)

// past is what an archive can take of an earlier one of the same sources. nil is nothing.
type past struct {
	recipe  *recipe
	blob    Blob
	same    int // the chunks at the beginning that look as they did: they are not even read
	byPrint map[fingerprint]*made
	bySum   map[[sha256.Size]byte]*made
	hashed  hash.Hash // the diff ID's hash after those that are the same
}

// newPast opens what is left of the layer of r. It is nil when nothing of it can be used. prints are the fingerprints of the chunks that are there now; the caller closes
// the blob.
func newPast(ctx context.Context, cache Cache, r *recipe, prints []fingerprint) *past {
	blob, err := cache.Blob(ctx, r.layer.Descriptor.Digest)
	if err != nil {
		return nil
	}
	p := &past{recipe: r, blob: blob, hashed: sha256.New(), byPrint: map[fingerprint]*made{}, bySum: map[[sha256.Size]byte]*made{}}
	p.same = r.samePrefix(prints)
	if p.same > 0 && p.hashed.(encoding.BinaryUnmarshaler).UnmarshalBinary(r.chunks[p.same-1].state) != nil {
		p.same, p.hashed = 0, sha256.New()
	}
	for i := range r.chunks {
		m := &r.chunks[i]
		p.bySum[m.sum] = m
		if m.trusted {
			p.byPrint[m.print] = m
		}
	}
	return p
}

// samePrefix is how many chunks at the beginning look as they did.
func (r *recipe) samePrefix(prints []fingerprint) int {
	n := 0
	for n < len(prints) && n < len(r.chunks) && r.chunks[n].trusted && r.chunks[n].print == prints[n] {
		n++
	}
	return n
}

// hash is the diff ID's hash, as it was after the chunks that are the same.
func (p *past) hash() hash.Hash {
	if p == nil {
		return sha256.New()
	}
	return p.hashed
}

// isSame reports whether the chunk is the one that the earlier archive had in its place.
func (p *past) isSame(c *chunk) bool { return p != nil && c.index < p.same }

// lookedLike returns the earlier chunk that looked like c and has its size and CRC.
func (p *past) lookedLike(c *chunk) *made {
	if p == nil || !c.trusted {
		return nil
	}
	if m := p.byPrint[c.print]; m != nil && c.like(m) {
		return m
	}
	return nil
}

// madeOf returns the earlier chunk that was made of the same bytes.
func (p *past) madeOf(c *chunk) *made {
	if p == nil {
		return nil
	}
	return p.bySum[c.sum]
}

func (c *chunk) like(m *made) bool { return c.size == m.size && c.crc == m.crc }

// reuse takes the compressed bytes of m out of the earlier blob for c. It reports whether they are there and right.
func (p *past) reuse(c *chunk, m *made) bool {
	c.spare = grown(c.spare[:0], m.packed)[:m.packed]
	if n, _ := p.blob.ReadAt(c.spare, m.offset); int64(n) < m.packed || sha256.Sum256(c.spare) != m.packedSum {
		return false
	}
	print, trusted := c.print, c.trusted
	c.made, c.bytes = *m, c.spare
	if !p.isSame(c) {
		c.print, c.trusted = print, trusted
	}
	return true
}
