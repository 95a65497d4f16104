package layer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Cache keeps what is known of layers that were built, for later builds of the same sources. It need not keep anything: whatever is missing or damaged is made
// anew. Its methods are called by many goroutines at once.
type Cache interface {
	// Get returns the value that was last put under a key, if it is there and whole.
	Get(ctx context.Context, key string) ([]byte, bool)
	// Put keeps a value under a key. A layer of a million files has one of some MiB.
	Put(ctx context.Context, key string, value []byte) error
	// Blob opens a blob that was built before. What is read is verified by the caller, who closes it.
	Blob(ctx context.Context, d digest.Digest) (Blob, error)
}

// Blob is an open blob.
type Blob interface {
	io.ReaderAt
	io.Closer
}

// recipe says of which chunks a layer was made.
type recipe struct {
	layer  Layer
	chunks []made
}

// made is what is known of a chunk that was made.
type made struct {
	print     fingerprint
	trusted   bool // its files were old when they were read, so that a change since then shows in print
	size      int64
	crc       uint32
	sum       [sha256.Size]byte // of its part of the archive
	offset    int64             // of its compressed bytes in the blob
	packed    int64             // their number
	packedSum [sha256.Size]byte
	state     []byte // of the diff ID's hash after the chunk, as crypto/sha256 writes it
}

const (
	recipeMagic = "imgscript layer 1\n"
	madeSize    = 3*sha256.Size + 1 + 8 + 4 + 8 + 1 // of a made without its state
)

// encode writes a recipe for decode. What keeps it has a checksum.
func (r *recipe) encode() []byte {
	b := make([]byte, 0, len(recipeMagic)+300+len(r.chunks)*(madeSize+108))
	b = append(b, recipeMagic...)
	for _, text := range []string{r.layer.Descriptor.MediaType, r.layer.Descriptor.Digest.String(), r.layer.DiffID.String()} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.layer.Descriptor.Size))
	for i := range r.chunks {
		m := &r.chunks[i]
		b = append(append(append(b, m.print[:]...), m.sum[:]...), m.packedSum[:]...)
		trusted := byte(0)
		if m.trusted {
			trusted = 1
		}
		b = binary.BigEndian.AppendUint64(append(b, trusted), uint64(m.size))
		b = binary.BigEndian.AppendUint32(b, m.crc)
		b = binary.BigEndian.AppendUint64(b, uint64(m.packed))
		b = append(append(b, byte(len(m.state))), m.state...)
	}
	return b
}

var errRecipe = errors.New("bad recipe")

// decodeRecipe reads what encode wrote. The chunks share its memory.
func decodeRecipe(b []byte) (*recipe, error) {
	b, ok := bytes.CutPrefix(b, []byte(recipeMagic))
	if !ok {
		return nil, errRecipe
	}
	var texts [3]string
	for i := range texts {
		n, width := binary.Uvarint(b)
		if width <= 0 || n > uint64(len(b)-width) {
			return nil, errRecipe
		}
		texts[i], b = string(b[width:][:n]), b[width+int(n):]
	}
	if len(b) < 8 {
		return nil, errRecipe
	}
	r := &recipe{layer: Layer{
		Descriptor: content.Descriptor{MediaType: texts[0], Digest: digest.Digest(texts[1]), Size: int64(binary.BigEndian.Uint64(b))},
		DiffID:     digest.Digest(texts[2]),
	}}
	b = b[8:]
	offset := int64(len(coding{algorithm: algorithmOf(texts[0])}.head()))
	r.chunks = make([]made, 0, len(b)/(madeSize+108))
	for len(b) > 0 {
		if len(b) < madeSize {
			return nil, errRecipe
		}
		m := made{offset: offset}
		copy(m.print[:], b)
		copy(m.sum[:], b[sha256.Size:])
		copy(m.packedSum[:], b[2*sha256.Size:])
		b = b[3*sha256.Size:]
		m.trusted, m.size, m.crc = b[0] == 1, int64(binary.BigEndian.Uint64(b[1:])), binary.BigEndian.Uint32(b[9:])
		m.packed = int64(binary.BigEndian.Uint64(b[13:]))
		n := int(b[21])
		if len(b) < 22+n || m.packed < 0 || m.packed > 2*chunkMax+1<<20 {
			return nil, errRecipe
		}
		m.state, b = b[22:][:n], b[22+n:]
		offset += m.packed
		r.chunks = append(r.chunks, m)
	}
	return r, nil
}

// keys are the names of a call's recipe: that of this checkout, and one for other checkouts of the same files.
func keys(files []File, o *Options) []string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %+v\n", compressorVersion(), o.coding())
	fmt.Fprintf(&b, "%q %q %q %v %d %d %v %v %v %d %v %v %v\n", o.Ignores, o.IgnoreFiles, o.Symlinks, o.KeepHardLinks, o.UID, o.GID,
		deref(o.Mode), o.PreserveMode, o.ModTime.Unix(), o.ModTime.Nanosecond(), deref(o.Parents), deref(o.MaxDepth), o.RawNames)
	roots := ""
	for i := range files {
		f := &files[i]
		fmt.Fprintf(&b, "%q %q %q\n", f.Target, sourceName(*f), f.Local)
		if f.Tree != nil && len(f.Tree.dirs) > 0 {
			roots += fmt.Sprintf("%q\n", f.Tree.dirs[len(f.Tree.dirs)-1])
		}
	}
	return []string{hashed(b.String() + roots), hashed(b.String())}
}

func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// compressorVersion is the version of the package that compresses, on which the compressed bytes depend. Where the program does not know of what it was built,
// it is empty.
func compressorVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/klauspost/compress" {
			if m.Replace != nil {
				m = m.Replace
			}
			return m.Path + " " + m.Version + " " + m.Sum
		}
	}
	return ""
}
