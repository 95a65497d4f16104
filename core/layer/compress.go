package layer

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"github.com/imgscript/imgscript/core/content"
)

// defaultLevel is the compression level of both algorithms: the bytes of a layer are sent and kept once, but compressed in the way of
// everybody who waits, and level 1 is where a core keeps up with a disk.
const defaultLevel = 1

func checkCompression(algorithm string, level *int) error {
	most := 0
	switch algorithm {
	case "", Gzip:
		most = flate.BestCompression
	case Zstd:
		most = 22
	case None:
		if level != nil {
			return fmt.Errorf("level %d: compression \"none\" has no levels", *level)
		}
	default:
		return fmt.Errorf(`compression %q: want "gzip", "zstd" or "none"`, algorithm)
	}
	if level != nil && (*level < 1 || *level > most) {
		return fmt.Errorf("level %d: want 1 to %d", *level, most)
	}
	return nil
}

func mediaType(algorithm string) string {
	switch algorithm {
	case Zstd:
		return content.OCILayerZstd
	case None:
		return content.OCILayer
	default:
		return content.OCILayerGzip
	}
}

// algorithmOf is what mediaType was made of.
func algorithmOf(mediaType string) string {
	switch mediaType {
	case content.OCILayerZstd:
		return Zstd
	case content.OCILayer:
		return None
	default:
		return Gzip
	}
}

// coding is how a layer is compressed.
type coding struct {
	algorithm string
	level     int
}

func (o *Options) coding() coding {
	if o.Level == nil {
		return coding{o.Compression, defaultLevel}
	}
	return coding{o.Compression, *o.Level}
}

// encoder compresses one chunk after the other. What it appends to dst is a function of the chunk alone, whatever it compressed before, and can be joined to
// what it makes of other chunks.
type encoder interface {
	encode(dst, chunk []byte) ([]byte, error)
}

func newEncoder(e coding) (encoder, error) {
	switch e.algorithm {
	case Zstd:
		// No checksum in the frame: the blob has a digest, and that of what is in it is the diff ID.
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(e.level)),
			zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(chunkMax), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
		if err != nil {
			return nil, err
		}
		return zstdEncoder{z}, nil
	case None:
		return plainEncoder{}, nil
	default:
		z, err := flate.NewWriter(nil, e.level)
		if err != nil {
			return nil, err
		}
		return deflateEncoder{z}, nil
	}
}

// plainEncoder copies nothing: dst, which is empty, is not used.
type plainEncoder struct{}

func (plainEncoder) encode(_, chunk []byte) ([]byte, error) { return chunk, nil }

// zstdEncoder makes a frame of each chunk (RFC 8878: "one or more frames" are a valid stream).
type zstdEncoder struct{ z *zstd.Encoder }

func (e zstdEncoder) encode(dst, chunk []byte) ([]byte, error) { return e.z.EncodeAll(chunk, dst), nil }

// deflateEncoder makes of each chunk deflate blocks that refer to nothing before them and end at a byte (RFC 1951): the last is an empty one that is
// stored, as zlib's Z_SYNC_FLUSH makes it.
type deflateEncoder struct{ z *flate.Writer }

func (e deflateEncoder) encode(dst, chunk []byte) ([]byte, error) {
	out := &appender{dst}
	e.z.Reset(out)
	if _, err := e.z.Write(chunk); err != nil {
		return nil, err
	}
	err := e.z.Flush()
	return out.buf, err
}

type appender struct{ buf []byte }

// Write implements io.Writer.
func (a *appender) Write(p []byte) (int, error) {
	a.buf = append(a.buf, p...)
	return len(p), nil
}

// joiner writes compressed chunks as one stream.
type joiner struct {
	coding
	w    io.Writer
	crc  uint32
	size uint32 // modulo 2^32, as gzip has it
}

// begin writes what comes before the first chunk.
func (j *joiner) begin() error {
	_, err := j.w.Write(j.head())
	return err
}

// head is what comes before the first chunk: for gzip the header of the one member (RFC 1952), without a name and a time and with no
// operating system. It says how hard was tried where the RFC has a number for that.
func (c coding) head() []byte {
	if c.algorithm != Gzip {
		return nil
	}
	effort := byte(0)
	switch c.level {
	case flate.BestSpeed:
		effort = 4
	case flate.BestCompression:
		effort = 2
	}
	return []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 255}
}

// add writes the next chunk, packed, which was size bytes with that CRC before.
func (j *joiner) add(packed []byte, crc uint32, size int64) error {
	j.crc = combineCRC(j.crc, crc, size)
	j.size += uint32(size)
	_, err := j.w.Write(packed)
	return err
}

// end writes what comes after the last chunk: for gzip an empty block that says that it is the last, and the checksum and size of it all.
func (j *joiner) end() error {
	if j.algorithm != Gzip {
		return nil
	}
	tail := binary.LittleEndian.AppendUint32([]byte{3, 0}, j.crc)
	_, err := j.w.Write(binary.LittleEndian.AppendUint32(tail, j.size))
	return err
}

// combineCRC returns the CRC-32 of two texts, one after the other, from those of the two; the second is size bytes long. A CRC is the remainder of a
// polynomial over GF(2). What follows a text multiplies its remainder by x^8 for each byte.
func combineCRC(first, second uint32, size int64) uint32 {
	power, factor := uint32(1)<<31, uint32(1)<<23 // 1 and x^8: the highest bit is the coefficient of x^0
	for ; size > 0; size >>= 1 {
		if size&1 != 0 {
			power = multiplyCRC(power, factor)
		}
		factor = multiplyCRC(factor, factor)
	}
	return multiplyCRC(first, power) ^ second
}

// multiplyCRC multiplies two polynomials modulo that of CRC-32.
func multiplyCRC(a, b uint32) uint32 {
	var product uint32
	for bit := uint32(1) << 31; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		odd := b & 1
		b >>= 1
		if odd != 0 {
			b ^= crc32.IEEE
		}
	}
	return product
}
