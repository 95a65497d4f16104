package layer

import (
	"bufio"
	"bytes"
	"io"
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
