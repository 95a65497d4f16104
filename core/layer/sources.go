package layer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"path"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// Source is a local file, or a symbolic link that is kept, of which a layer is made, or an ignore file that had a say in it.
type Source struct {
	Tree   *Tree
	Name   string        // its path in the tree
	Path   string        // its path as the call would write it
	Digest digest.Digest // of a file's contents
	Size   int64         // of a file, in bytes
	Link   string        // the text of a link
}

// Sources returns the local files that go into the layer, in the order of its entries, with the digests of their contents, and the ignore files that were read. A file is
// read for that only if Options.Cache does not know its digest, by the looks that it has: those of a tree that has not changed since are not read at all. It fails
// as Build does when a file is no more as Prepare found it.
func (p *Plan) Sources(ctx context.Context) (files, ignores []Source, err error) {
	views := openViews(p.entries)
	defer views.close()
	known := p.knownSums(ctx)
	var list []summed
	var e Entry
	for i := range p.entries.len() {
		p.entries.at(i, &e)
		if e.local == nil || e.Type != TypeFile && e.Type != TypeSymlink {
			continue
		}
		placed := e.local.placed()
		s := summed{local: *e.local, Source: Source{Tree: placed.tree, Name: placed.name, Path: written(e.Source, placed.rel), Link: e.Link}}
		if e.Type == TypeFile {
			s.Size, s.isFile = e.Size, true
			s.sum, s.known = known.find(&s)
		}
		list = append(list, s)
	}
	err = p.opts.Workers.each(ctx, len(list), func(from, to int) error {
		for i := from; i < to; i++ {
			if err := list[i].read(ctx, views); err != nil && ctx.Err() != nil {
				return err
			} else if err != nil {
				return &Error{Source: list[i].Path, Path: list[i].Path, Err: err}
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	p.rememberSums(ctx, list)
	for i := range list {
		files = append(files, list[i].source())
	}
	return files, p.ignores, nil
}

// summed is a source in the making.
type summed struct {
	Source
	local   local
	isFile  bool
	sum     [sha256.Size]byte
	known   bool
	trusted bool // a change after it was read shows in its looks
}

func (s *summed) source() Source {
	if s.isFile {
		s.Digest = digest.NewDigestFromBytes(digest.SHA256, s.sum[:])
	}
	return s.Source
}

// read finds the digest of a file out.
func (s *summed) read(ctx context.Context, views views) error {
	if !s.isFile || s.known {
		s.trusted = s.isFile
		return nil
	}
	began := time.Now()
	r, err := s.local.open(ctx, views[s.Tree])
	if err != nil {
		return err
	}
	defer r.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, contextReader{ctx, r}); err != nil {
		return err
	}
	hash.Sum(s.sum[:0])
	st := &s.local.stat
	s.trusted = st.ctime != 0 && st.ino != 0 && max(st.mtime, st.ctime) <= began.Add(-racy).UnixNano()
	return nil
}

// sumsMagic begins the record of the digests that are known of the files of a call, and sumsKey ends its key.
const (
	sumsMagic = "imgscript files 1\n"
	sumsKey   = "files"
)

// sums are digests by what a file looks like.
type sums map[[looksSize]byte][sha256.Size]byte

// looksSize is the size of a hash of looks: a record has room for some 700,000 files. Those of larger layers are read each time.
const looksSize = 16

// looksOf is a hash of what must be the same for a file to have the digest that it had: device and inode, size, times and mode.
func looksOf(st *stat) (key [looksSize]byte) {
	var all []byte
	for _, n := range []int64{st.size, st.mtime, st.ctime, int64(st.ino), int64(st.dev), int64(st.mode)} {
		all = binary.BigEndian.AppendUint64(all, uint64(n))
	}
	sum := sha256.Sum256(all)
	return [looksSize]byte(sum[:looksSize])
}

func (k sums) find(s *summed) (sum [sha256.Size]byte, ok bool) {
	if s.local.stat.ctime == 0 || s.local.stat.ino == 0 {
		return sum, false
	}
	sum, ok = k[looksOf(&s.local.stat)]
	return sum, ok
}

// knownSums reads what is known of the files of the call. What is damaged is not known.
func (p *Plan) knownSums(ctx context.Context) sums {
	if p.opts.Cache == nil {
		return nil
	}
	data, ok := p.opts.Cache.Get(ctx, p.keys[0]+sumsKey)
	const each = looksSize + sha256.Size
	if !ok || len(data) < len(sumsMagic) || string(data[:len(sumsMagic)]) != sumsMagic || (len(data)-len(sumsMagic))%each != 0 {
		return nil
	}
	known := make(sums, (len(data)-len(sumsMagic))/each)
	for data = data[len(sumsMagic):]; len(data) > 0; data = data[each:] {
		known[[looksSize]byte(data)] = [sha256.Size]byte(data[looksSize:])
	}
	return known
}

// rememberSums keeps what is known now, unless that is nothing new. That this fails is no error.
func (p *Plan) rememberSums(ctx context.Context, list []summed) {
	if p.opts.Cache == nil {
		return
	}
	data, fresh := []byte(sumsMagic), false
	for i := range list {
		s := &list[i]
		if !s.trusted {
			continue
		}
		fresh = fresh || !s.known
		key := looksOf(&s.local.stat)
		data = append(append(data, key[:]...), s.sum[:]...)
	}
	if fresh {
		_ = p.opts.Cache.Put(ctx, p.keys[0]+sumsKey, data)
	}
}

// ignoresRead collects the ignore files that a scan read.
type ignoresRead struct {
	mu   sync.Mutex
	list []Source
}

// add notes an ignore file, whose source is unknown where it is read, by its path in the tree.
func (r *ignoresRead) add(t *Tree, dir, base, text string) {
	name := path.Join(dir, base)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, Source{Tree: t, Name: name, Path: name, Digest: digest.FromString(text), Size: int64(len(text))})
}
