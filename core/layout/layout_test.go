package layout

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

func TestMain(m *testing.M) {
	if run, ok := children[os.Getenv("LAYOUT_TEST_CHILD")]; ok {
		run(os.Args[len(os.Args)-1])
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string) *Layout {
	t.Helper()
	l, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestConformance(t *testing.T) {
	damage := &contenttest.Options{
		Corrupt: func(t *testing.T, s content.Store, desc content.Descriptor) {
			rewrite(t, s.(*Layout), desc, func(data []byte) []byte { data[len(data)/2] ^= 1; return data })
		},
		Truncate: func(t *testing.T, s content.Store, desc content.Descriptor) {
			rewrite(t, s.(*Layout), desc, func(data []byte) []byte { return data[:len(data)/2] })
		},
	}
	fresh := func(t *testing.T) *Layout { return open(t, filepath.Join(t.TempDir(), "out")) }
	contenttest.TestStore(t, func(t *testing.T) content.Store { return fresh(t) }, damage)
	contenttest.TestRepository(t, func(t *testing.T) content.Repository { return fresh(t) }, damage)
}

// rewrite changes the file of a blob behind the layout's back.
func rewrite(t *testing.T, l *Layout, desc content.Descriptor, change func([]byte) []byte) {
	t.Helper()
	name, err := blobName(desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(l.Dir(), name)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(data), 0o644); err != nil {
		t.Fatal(err)
	}
}
