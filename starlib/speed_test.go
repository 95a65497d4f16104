package starlib_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/starlib"
)

// thousandCalls runs a script that calls add_files 1,000 times. It does so in a file that is loaded: nothing uses the image, and so nothing but the calls themselves
// is done.
func thousandCalls(t testing.TB) func() {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.star": "load('lib.star', 'img')\n",
		"lib.star":  "img = image('scratch', 'oci:out')\nfor i in range(1000):\n    img.add_files({'/f%d' % i: custom_file('text %d' % i)}, mode = 0o600)\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := build.NewEngine(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	return func() {
		t.Helper()
		rt, err := starlib.New(&starlib.Options{Engine: engine, Root: dir})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rt.ExecFile(t.Context(), "main.star", nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestThousandCalls: the interpreter and the bindings take about 15 ms for 1,000 calls of add_files, and about ten times as much under the race detector.
func TestThousandCalls(t *testing.T) {
	const limit = (1 + 9*raceDetector) * 150 * time.Millisecond
	run := thousandCalls(t)
	least := time.Hour
	for range 30 {
		start := time.Now()
		run()
		if least = min(least, time.Since(start)); least < limit {
			break
		}
	}
	if least > limit {
		t.Errorf("1,000 calls take %v, want at most %v", least, limit)
	}
}

func BenchmarkThousandCalls(b *testing.B) {
	run := thousandCalls(b)
	for b.Loop() {
		run()
	}
}
