package layer_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/layer"
)

// TestCompress: what Compress wrote is what Decompress reads, and nothing is lost at the end.
func TestCompress(t *testing.T) {
	text := strings.Repeat("some text ", 100_000)
	for algorithm, head := range map[string]string{"": layer.Gzip, layer.Gzip: layer.Gzip, layer.Zstd: layer.Zstd, layer.None: layer.None} {
		var b bytes.Buffer
		w, err := layer.Compress(&b, algorithm)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(w, text)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		if got := layer.CompressionOf(b.Bytes()[:4]); got != head {
			t.Errorf("%q: the file is %q", algorithm, got)
		}
		r, err := layer.Decompress(&b)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(data) != text {
			t.Errorf("%q: %d bytes, %v", algorithm, len(data), err)
		}
	}
	if _, err := layer.Compress(io.Discard, "bzip2"); err == nil {
		t.Error("bzip2 is known")
	}
}
