package layer

// An archive is cut into chunks, which are read, hashed and compressed on their own. Where it is cut follows from the paths and sizes of its entries
// alone, so that all chunks are known before anything is read, and is decided at each entry for itself, so that a file that comes or goes moves
// only the cuts beside it. The compressed bytes depend on the cuts, which must therefore stay as they are.
const (
	chunkMin    = 256 << 10
	chunkTarget = 1 << 20 // on average
	chunkMax    = 4 << 20 // of whole entries; larger files are cut at multiples of it
)

// position is a place between two chunks: before an entry, or at an offset of its contents.
type position struct {
	entry  int
	offset int64
}

// planner finds the cuts of an archive in their order.
type planner struct {
	entries source
	at      position // the last cut
	ended   bool
}

// cut is a chunk as it is planned: the entries, or parts of them, from one position to another one.
type cut struct {
	from, to position
	planned  int64 // its bytes as they are planned: headers may be longer than one block
	last     bool  // it has the end of the archive
}

// end is the entry after the last one of which the chunk has something.
func (c *cut) end() int {
	if c.to.offset > 0 {
		return c.to.entry + 1
	}
	return c.to.entry
}

// next returns the chunk after the last one; ok is false when there is none. The last chunk has the end of the archive in it, and so there is one.
func (p *planner) next() (c cut, ok bool) {
	if p.ended {
		return cut{}, false
	}
	c.from = p.at
	c.planned = p.rest()
	for p.at.offset == 0 && p.at.entry < p.entries.len() {
		path, weight := p.entries.weight(p.at.entry)
		if c.planned > 0 && (c.planned+weight > chunkMax || c.planned >= chunkMin && cutsBefore(path, weight)) {
			break
		}
		if weight > chunkMax+blockSize {
			p.at.offset = chunkMax
			c.planned = chunkMax + blockSize
			break
		}
		c.planned += weight
		p.at.entry++
	}
	p.ended = p.at.entry == p.entries.len()
	c.to, c.last = p.at, p.ended
	return c, true
}

// rest takes what is left of the contents of a large file, or a chunk of it.
func (p *planner) rest() int64 {
	if p.at.offset == 0 {
		return 0
	}
	_, weight := p.entries.weight(p.at.entry)
	left := weight - blockSize - p.at.offset
	if left > chunkMax {
		p.at.offset += chunkMax
		return chunkMax
	}
	p.at = position{entry: p.at.entry + 1}
	return left
}

// cutsBefore decides by the hash of its path whether an entry begins a chunk. The more bytes an entry has, the likelier it does, so that chunks have one
// average size, whatever that of the files is.
func cutsBefore(path uint64, weight int64) bool {
	const one = 1 << 32
	return int64(path>>32) < weight*(one/(chunkTarget-chunkMin))
}

// The FNV-1a hash (draft-eastlake-fnv), and the last step of MurmurHash3, without which its high bits say little of short texts.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// pathHash continues the hash h with more of a path.
func pathHash(h uint64, text string) uint64 {
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * fnvPrime
	}
	return h
}

func mixed(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
