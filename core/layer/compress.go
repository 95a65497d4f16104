package layer

import (
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"
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
		most = gzip.BestCompression
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

// compressor returns a writer that compresses to w. Its output is a function of the input, the algorithm, the level and the version of
// klauspost/compress alone: one goroutine, no name and no time in the gzip header. Close ends the stream and leaves w open.
func compressor(w io.Writer, opts *Options) (io.WriteCloser, error) {
	level := defaultLevel
	if opts.Level != nil {
		level = *opts.Level
	}
	switch opts.Compression {
	case Zstd:
		// One megabyte of window in place of four keeps a build within its few megabytes of memory.
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
			zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	case None:
		return nopCloser{w}, nil
	default:
		z, err := gzip.NewWriterLevel(w, level)
		if err != nil {
			return nil, err
		}
		z.ModTime = time.Unix(0, 0) // the zero time.Time is written as a date of its own
		return z, nil
	}
}

type nopCloser struct{ io.Writer }

// Close implements io.Closer.
func (nopCloser) Close() error { return nil }
