package layer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// fingerprint tells a chunk of an archive from others without reading its files: it is a hash of the metadata of its entries and of the looks of their files.
type fingerprint [sha256.Size]byte

// printer makes the fingerprint of a chunk out of its entries.
type printer struct {
	buf    []byte
	newest int64 // the latest time of one of its files
	blind  bool  // it has contents whose change would not show
}

// begin starts with the place of the chunk's cuts.
func (p *printer) begin(from, to position, last bool) {
	p.buf, p.newest, p.blind = p.buf[:0], 0, false
	p.number(from.offset, to.offset)
	p.buf = append(p.buf, truth(last))
}

// add adds an entry.
func (p *printer) add(e *Entry) (err error) {
	p.buf = append(p.buf, byte(e.Type))
	if e.isPlain() {
		p.text(e.Path)
		p.text(e.Link)
		p.number(e.ModTime.Unix(), int64(e.ModTime.Nanosecond()), int64(e.Mode), int64(e.UID), int64(e.GID), e.Size)
	} else {
		if p.buf, err = appendHeader(append(p.buf, 255), e); err != nil {
			return err
		}
	}
	if e.Type != TypeFile {
		return nil
	}
	if e.local == nil {
		p.text(string(e.data))
		p.blind = p.blind || e.Data != nil && e.data == nil
		return nil
	}
	s := &e.local.stat
	p.number(s.size, s.mtime, s.ctime, int64(s.ino), int64(s.dev), int64(s.mode))
	p.newest = max(p.newest, s.mtime, s.ctime)
	p.blind = p.blind || s.ctime == 0 || s.ino == 0
	return nil
}

// isPlain reports whether an entry has nothing that is rare.
func (e *Entry) isPlain() bool {
	return e.Uname == "" && e.Gname == "" && e.AccessTime.IsZero() && e.ChangeTime.IsZero() && len(e.Xattrs) == 0 && e.Major == 0 && e.Minor == 0
}

func (p *printer) number(numbers ...int64) {
	for _, n := range numbers {
		p.buf = binary.LittleEndian.AppendUint64(p.buf, uint64(n))
	}
}

func (p *printer) text(s string) {
	p.number(int64(len(s)))
	p.buf = append(p.buf, s...)
}

// sum is the fingerprint.
func (p *printer) sum() fingerprint { return sha256.Sum256(p.buf) }

// trusted reports whether a later change of a file must show in the fingerprint, when reading began then: the file's times, which come from a clock that moves in
// steps, are then other ones.
func (p *printer) trusted(began time.Time) bool {
	return !p.blind && p.newest <= began.Add(-racy).UnixNano()
}

func truth(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// looks returns the fingerprints of the first chunks, at most as many as most, and whether that are all.
func (a *archive) looks(ctx context.Context, most int) (prints []fingerprint, all bool, err error) {
	plan := planner{entries: a.entries}
	var cuts []cut
	for len(cuts) < most {
		c, ok := plan.next()
		if !ok {
			break
		}
		cuts = append(cuts, c)
	}
	prints = make([]fingerprint, len(cuts))
	err = a.workers.each(ctx, len(cuts), func(from, to int) error {
		var p printer
		for i := from; i < to; i++ {
			if err := a.look(&p, cuts[i]); err != nil {
				return err
			}
			prints[i] = p.sum()
		}
		return nil
	})
	return prints, plan.ended, err
}

// look makes the fingerprint of one chunk.
func (a *archive) look(p *printer, c cut) error {
	p.begin(c.from, c.to, c.last)
	var e Entry
	for i := c.from.entry; i < c.end(); i++ {
		a.entries.at(i, &e)
		if err := p.add(&e); err != nil {
			return err
		}
	}
	return nil
}
