package layer

import (
	"bytes"
	"go/build"
	"io"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// TestCompressedSize has chunks that are compressed on their own take at most 3 % more than the same level in one stream. The data is Go's own source. For zstd
// the one stream has the window that the reference implementation has at level 1, 512 KiB.
func TestCompressedSize(t *testing.T) {
	files := []File{{Target: "/src", Tree: openTree(t, filepath.Join(build.Default.GOROOT, "src")), Local: "runtime"}}
	plain, m, err := scanBuild(t, files, &Options{Compression: None})
	must(t, err)
	archive, err := readAll(t, m, plain.Descriptor)
	must(t, err)
	for compression, stream := range map[string]func(w io.Writer) (io.WriteCloser, error){
		Gzip: func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, defaultLevel) },
		Zstd: func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(defaultLevel)), zstd.WithWindowSize(512<<10))
		},
	} {
		var one bytes.Buffer
		w, err := stream(&one)
		must(t, err)
		_, err = w.Write(archive)
		must(t, err)
		must(t, w.Close())
		l, _, err := scanBuild(t, files, &Options{Compression: compression})
		must(t, err)
		t.Logf("%s: %d bytes of %d, in one stream %d", compression, l.Descriptor.Size, len(archive), one.Len())
		if l.Descriptor.Size*100 > int64(one.Len())*103 {
			t.Errorf("%s: %d bytes, in one stream %d", compression, l.Descriptor.Size, one.Len())
		}
	}
}
