package atomicfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openRoot(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func wantFile(t *testing.T, root *os.Root, name, want string) {
	t.Helper()
	if got, err := root.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v; want %q", name, got, err, want)
	}
}

// wantNoTemp checks that no temporary file is in the directory dir of root.
func wantNoTemp(t *testing.T, root *os.Root, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root.Name(), dir, Prefix+"*"))
	if err != nil || len(names) > 0 {
		t.Errorf("left: %q, %v", names, err)
	}
}

func TestWriteFile(t *testing.T) {
	root := openRoot(t)
	for _, text := range []string{"one", "", "three"} {
		if err := WriteFile(root, "tmp", "a/b/c", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		wantFile(t, root, "a/b/c", text)
	}
	for name, want := range map[string]fs.FileMode{"tmp": 0o700, "a": 0o700, "a/b/c": 0o600} {
		if info, err := root.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	wantNoTemp(t, root, "tmp")
}

func TestNothingBeforeCommit(t *testing.T) {
	root := openRoot(t)
	if err := WriteFile(root, ".", "x", []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Create(root, ".", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "ne")
	wantFile(t, root, "x", "old")
	io.WriteString(f, "w")
	if info, err := f.Stat(); err != nil || info.Size() != 3 {
		t.Errorf("Stat: %v, %v", info, err)
	}
	if err := f.Commit("x"); err != nil {
		t.Fatal(err)
	}
	wantFile(t, root, "x", "new")
	f, err = Create(root, ".", 0o644)
	if err != nil {
		t.Fatal(err)
	}
	f.Discard()
	wantNoTemp(t, root, ".")
}

func TestCommitFails(t *testing.T) {
	root := openRoot(t)
	if err := root.MkdirAll("directory/full", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(root.Name(), "out")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"directory", "../escape", "out/escape"} {
		if err := WriteFile(root, ".", name, []byte("x"), 0o644); err == nil {
			t.Errorf("WriteFile to %s: no error", name)
		} else if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), root.Name()) {
			t.Errorf("WriteFile to %s: the error names no path: %v", name, err)
		}
	}
	if _, err := Create(root, "out", 0o644); err == nil {
		t.Error("Create behind a link that leaves the root: no error")
	}
	wantNoTemp(t, root, ".")
}

func TestFill(t *testing.T) {
	root := openRoot(t)
	boom := errors.New("boom")
	ctx, cancel := context.WithCancelCause(t.Context())
	for _, c := range []struct {
		name string
		r    io.Reader
		want error
	}{
		{"whole", iotest.OneByteReader(strings.NewReader("abc")), nil},
		{"data with its end", iotest.DataErrReader(strings.NewReader("abc")), nil},
		{"error", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(boom)), boom},
		{"cancelled", readerFunc(func(p []byte) (int, error) { cancel(boom); return copy(p, "abc"), nil }), boom},
	} {
		f, err := Create(root, ".", 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Fill(ctx, c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if info, err := f.Stat(); err != nil || info.Size() != 3 {
			t.Errorf("%s: %v, %v; want 3 bytes", c.name, info, err)
		}
		f.Discard()
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestSweep(t *testing.T) {
	root := openRoot(t)
	alive, err := Create(root, "tmp", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	dead := "tmp/" + Prefix + "dead"
	fresh := "tmp/" + Prefix + "fresh"
	foreign := "tmp/foreign"
	for _, name := range []string{dead, fresh, foreign} {
		if err := root.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := root.Mkdir("tmp/"+Prefix+"dir", 0o700); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{alive.Name(), dead, foreign, "tmp/" + Prefix + "dir"} {
		if err := root.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	Sweep(root, "tmp", time.Minute)
	Sweep(root, "missing", time.Minute)
	if _, err := root.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file of a dead writer: %v", err)
	}
	for _, name := range []string{alive.Name(), fresh, foreign, "tmp/" + Prefix + "dir"} {
		if _, err := root.Stat(name); err != nil {
			t.Errorf("%s: %v, want it kept", name, err)
		}
	}
	if err := alive.Commit("done"); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	root := openRoot(t)
	if err := root.WriteFile("lock", []byte("of a process that was killed"), 0o644); err != nil {
		t.Fatal(err)
	}
	inside, total := 0, 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				unlock, err := Lock(t.Context(), root, "lock")
				if err != nil {
					t.Error(err)
					return
				}
				if inside++; inside != 1 { // the race detector watches these too
					t.Errorf("%d hold the lock", inside)
				}
				total++
				inside--
				unlock()
			}
		})
	}
	wg.Wait()
	if total != 160 {
		t.Errorf("%d times, want 160", total)
	}
	if _, err := root.Stat("lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file stays: %v", err)
	}
}

// TestLockBehindALink: nobody has to wait for a link to become the file of its name.
func TestLockBehindALink(t *testing.T) {
	for _, text := range []string{"other", "missing", "lock", "../outside"} {
		root := openRoot(t)
		if err := errors.Join(root.WriteFile("other", nil, 0o644), root.Symlink(text, "lock")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if _, err := Lock(ctx, root, "lock"); err == nil || ctx.Err() != nil {
			t.Errorf("Lock behind a link to %s: got error %v", text, err)
		}
		cancel()
	}
}

func TestLockEndsWithItsContext(t *testing.T) {
	root := openRoot(t)
	unlock, err := Lock(t.Context(), root, "lock")
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Millisecond, boom)
	defer cancel()
	if _, err := Lock(ctx, root, "lock"); !errors.Is(err, boom) {
		t.Errorf("Lock while another has it: %v, want the cause", err)
	}
	unlock()
	again, err := Lock(t.Context(), root, "lock")
	if err != nil {
		t.Fatal(err)
	}
	again()
	if _, err := Lock(t.Context(), root, "missing/lock"); err == nil {
		t.Error("Lock in a missing directory: no error")
	}
}
