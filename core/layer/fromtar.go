package layer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// TarOptions changes what FromTar does. nil and the zero value ask for nothing.
type TarOptions struct {
	// DiffID is what the diff ID has to be; another one is content.ErrVerification. "" takes any.
	DiffID digest.Digest
	// MaxFiles bounds the entries of the archive, MaxBytes its bytes when it is not compressed; more is ErrTooManyFiles or ErrTooLarge. 0: there is no limit.
	MaxFiles, MaxBytes int64
}

// The limits on what a compressed archive may do to its reader. A gzip of zeros grows a thousandfold, a layer hardly ever tenfold.
const (
	maxWindow     = 64 << 20 // of a zstd frame, in memory
	ratioFrom     = 1 << 30  // bytes of an archive up to which any ratio is fine
	maxRatio      = 200
	tarBufferSize = 256 << 10
)

// FromTar stores an archive that exists, byte for byte, as a layer: a tar, or one compressed by gzip or zstd, told apart by their first bytes. It reads
// the archive once and to its end. The error is ErrTar when it is malformed, has no end (two blocks of zeros), or something other
// than zeros comes after that, and when it is compressed more than two hundredfold after its first GiB. Then nothing is stored.
func FromTar(ctx context.Context, dst content.Ingester, open content.Opener, opts *TarOptions) (Layer, error) {
	var o TarOptions
	if opts != nil {
		o = *opts
	}
	r, err := open(ctx)
	if err != nil {
		return Layer{}, fmt.Errorf("open tar: %w", err)
	}
	defer r.Close()
	in := bufio.NewReaderSize(contextReader{ctx, r}, tarBufferSize)
	algorithm, err := sniff(in)
	if err != nil {
		return Layer{}, fmt.Errorf("read tar: %w", err)
	}
	var diffID digest.Digest
	desc, err := dst.Ingest(ctx, mediaType(algorithm), func(w io.Writer) (err error) {
		diffID, err = copyTar(w, in, algorithm, &o)
		if err == nil && o.DiffID != "" && o.DiffID != diffID {
			err = fmt.Errorf("%w: the diff ID is %s and not %s", content.ErrVerification, diffID, o.DiffID)
		}
		return err
	})
	if err != nil {
		return Layer{}, fmt.Errorf("read tar: %w", err)
	}
	return Layer{Descriptor: desc, DiffID: diffID}, nil
}

// sniff returns the compression by which the bytes of in begin.
func sniff(in *bufio.Reader) (string, error) {
	head, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return "", err
	}
	if bytes.HasPrefix(head, []byte("BZh")) || bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X'}) {
		return "", fmt.Errorf("%w: compressed by something other than gzip and zstd", ErrTar)
	}
	return CompressionOf(head), nil
}

// copyTar copies in to w and walks the archive in it.
func copyTar(w io.Writer, in io.Reader, algorithm string, o *TarOptions) (digest.Digest, error) {
	packed := &counter{r: io.TeeReader(in, w)}
	archive := &tarReader{packed: packed, hash: sha256.New(), limit: limitOr(o.MaxBytes)}
	plain, closePlain, err := decompress(packed, algorithm)
	if err != nil {
		return "", tarError(archive, err)
	}
	defer closePlain()
	archive.r = plain
	if err := walkTar(archive, limitOr(o.MaxFiles)); err != nil {
		return "", err
	}
	if n, err := io.Copy(io.Discard, packed); err != nil || n > 0 {
		return "", errors.Join(err, fmt.Errorf("%w: something comes after the compressed archive", ErrTar))
	}
	return digest.NewDigest(digest.SHA256, archive.hash), nil
}

func decompress(r io.Reader, algorithm string) (io.Reader, func(), error) {
	switch algorithm {
	case Gzip:
		// A buffer makes the reader take no more than what it needs from the archive; the rest is read through it too.
		z, err := gzip.NewReader(bufio.NewReaderSize(r, tarBufferSize))
		if err != nil {
			return nil, nil, err
		}
		return z, func() { z.Close() }, nil
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return r, func() {}, nil
}

// walkTar reads an archive of at most so many entries to its end and past it.
func walkTar(in *tarReader, most int64) error {
	buffered := &endReader{r: bufio.NewReaderSize(in, tarBufferSize)}
	archive := tar.NewReader(buffered)
	for n := int64(0); ; n++ {
		_, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return tarError(in, err)
		}
		if n == most {
			return ErrTooManyFiles
		}
	}
	if buffered.ended {
		return fmt.Errorf("%w: it ends without the two blocks of zeros that say that it is whole", ErrTar)
	}
	return onlyZeros(in, buffered)
}

// tarError tells a malformed archive from a source that cannot be read.
func tarError(in *tarReader, err error) error {
	if in.packed.err != nil {
		return in.packed.err
	}
	if errors.Is(err, ErrTar) || errors.Is(err, ErrTooLarge) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrTar, err)
}

// onlyZeros reads what comes after an archive's end, which pads it to the size of a tape's record.
func onlyZeros(in *tarReader, r io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if len(bytes.TrimLeft(buf[:n], "\x00")) > 0 {
			return fmt.Errorf("%w: something other than zeros comes after its end", ErrTar)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return tarError(in, err)
		}
	}
}

// tarReader hashes an uncompressed archive and ends when it grows out of proportion to what it is read from.
type tarReader struct {
	r      io.Reader
	packed *counter
	hash   hash.Hash
	n      int64
	limit  int64 // of n
}

// Read implements io.Reader.
func (t *tarReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.hash.Write(p[:n])
	t.n += int64(n)
	if t.n > t.limit {
		return 0, ErrTooLarge
	}
	if t.n > ratioFrom && t.n/maxRatio > t.packed.n {
		return 0, fmt.Errorf("%w: %d bytes make more than %d", ErrTar, t.packed.n, t.n)
	}
	return n, err
}

// counter counts what is read and remembers what went wrong.
type counter struct {
	r   io.Reader
	n   int64
	err error
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// endReader remembers that its reader was asked for more than it has.
type endReader struct {
	r     io.Reader
	ended bool
}

// Read implements io.Reader.
func (e *endReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.ended = e.ended || err == io.EOF
	return n, err
}
