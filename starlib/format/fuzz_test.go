package format

import (
	"bytes"
	"slices"
	"testing"

	"github.com/imgscript/imgscript/starlib"
)

// FuzzSource: whatever parses is formatted so that it means the same and that to format it again changes nothing, or is refused.
func FuzzSource(f *testing.F) {
	for _, text := range scripts(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		once, err := Source("a.star", text)
		if err != nil {
			return
		}
		before, err := starlib.Parse("a.star", text)
		if err != nil {
			t.Fatal(err)
		}
		after, err := starlib.Parse("a.star", once)
		if err != nil || !slices.Equal(shape(before), shape(after)) {
			t.Errorf("%q became %q: %v", text, once, err)
		}
		if twice, err := Source("a.star", once); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q became %q, and that %q: %v", text, once, twice, err)
		}
	})
}
