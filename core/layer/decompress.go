package layer

import (
	"bufio"
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Decompress reads the archive that is in a layer's blob, whose compression, gzip, zstd or none, its first bytes tell: media types are not always right. Closing what it returns leaves r open. Another
// compression is ErrTar.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, tarBufferSize)
	algorithm, err := sniff(in)
	if err != nil {
		return nil, err
	}
	plain, end, err := decompress(in, algorithm)
	if err != nil {
		return nil, err
	}
	return &decompressed{plain, end}, nil
}

// Compress returns a writer whose bytes come to w compressed by Gzip, which "" is too, or Zstd, at a level that is fast, or with None as they are. Closing it writes the end and leaves w open. It is for files that are
// no layers: it uses one processor, and another version may write other bytes.
func Compress(w io.Writer, algorithm string) (io.WriteCloser, error) {
	switch algorithm {
	case "", Gzip:
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	case None:
		return nopCloser{w}, nil
	}
	return nil, checkCompression(algorithm, nil)
}

type nopCloser struct{ io.Writer }

// Close implements io.Closer.
func (nopCloser) Close() error { return nil }

// CompressionOf tells Gzip, Zstd or None by the first bytes, up to four, of a file.
func CompressionOf(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return Gzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return Zstd
	}
	return None
}

type decompressed struct {
	io.Reader
	end func()
}

// Close implements io.Closer.
func (d *decompressed) Close() error {
	d.end()
	return nil
}
