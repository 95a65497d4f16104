package lock_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/imgscript/imgscript/core/lock"
)

func TestReadMissing(t *testing.T) {
	if _, err := lock.Read(filepath.Join(t.TempDir(), lock.Name)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := lock.Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: got %v", err)
	}
}

func TestUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), lock.Name)
	add := func(e lock.Entry) func(*lock.File) (*lock.File, error) {
		return func(f *lock.File) (*lock.File, error) { return f.Set(e) }
	}
	for _, e := range []lock.Entry{plain(app, "linux/amd64", "app"), indexed(alpine, "linux/amd64", "alpine", "amd")} {
		if err := lock.Update(t.Context(), path, add(e)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := lock.Read(path)
	if err != nil || len(f.Entries()) != 2 {
		t.Errorf("got %v, %v", f.Entries(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the file there are %v, %v", entries, err)
	}

	// A change that fails, and one that changes nothing, leave the file as it is.
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	failure := errors.New("no")
	if err := lock.Update(t.Context(), path, func(*lock.File) (*lock.File, error) { return nil, failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if err := lock.Update(t.Context(), path, add(plain(app, "linux/amd64", "app"))); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Error("the file was written without a change")
	}

	// A damaged file is not overwritten.
	if err := os.WriteFile(path, []byte("<<<<<<< HEAD\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var damage *lock.Error
	if err := lock.Update(t.Context(), path, add(plain(app, "linux/amd64", "app"))); !errors.As(err, &damage) {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "<<<<<<< HEAD\n" {
		t.Errorf("the file is %q, %v", data, err)
	}
}

// TestUpdateThroughLink: a lock that is a link to one elsewhere stays a link.
func TestUpdateThroughLink(t *testing.T) {
	elsewhere, path := filepath.Join(t.TempDir(), "shared.lock"), filepath.Join(t.TempDir(), lock.Name)
	if err := errors.Join(os.WriteFile(elsewhere, (*lock.File)(nil).Bytes(), 0o644), os.Symlink(elsewhere, path)); err != nil {
		t.Fatal(err)
	}
	if err := lock.Update(t.Context(), path, func(f *lock.File) (*lock.File, error) { return f.Set(plain(app, "linux/amd64", "app")) }); err != nil {
		t.Fatal(err)
	}
	if f, err := lock.Read(elsewhere); err != nil || len(f.Entries()) != 1 {
		t.Errorf("got %v, %v", f.Entries(), err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
}

// TestUpdateEnds: who waits for the file gives up when it is told to.
func TestUpdateEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), lock.Name)
	ctx, cancel := context.WithCancel(t.Context())
	err := lock.Update(t.Context(), path, func(f *lock.File) (*lock.File, error) {
		cancel()
		if err := lock.Update(ctx, path, func(f *lock.File) (*lock.File, error) { return f, nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		return f, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// addFrom adds entries of a writer one by one, each by an update of its own.
func addFrom(ctx context.Context, path, writer string, n int) error {
	for i := range n {
		e := plain(fmt.Sprintf("reg.example.com/%s:v%d", writer, i), "linux/amd64", writer)
		err := lock.Update(ctx, path, func(f *lock.File) (*lock.File, error) {
			next, _, err := f.Add(e)
			return next, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// TestUpdateTogether: of many writers in several processes none undoes what another wrote.
func TestUpdateTogether(t *testing.T) {
	const each = 10
	if path := os.Getenv("IMGSCRIPT_LOCK_TEST"); path != "" {
		if err := addFrom(t.Context(), path, os.Getenv("IMGSCRIPT_LOCK_WRITER"), each); err != nil {
			t.Fatal(err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), lock.Name)
	var group sync.WaitGroup
	for _, writer := range []string{"one", "two", "three", "four"} {
		group.Go(func() {
			if writer == "one" || writer == "two" {
				if err := addFrom(t.Context(), path, writer, each); err != nil {
					t.Error(err)
				}
				return
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestUpdateTogether$")
			cmd.Env = append(os.Environ(), "IMGSCRIPT_LOCK_TEST="+path, "IMGSCRIPT_LOCK_WRITER="+writer)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	group.Wait()
	f, err := lock.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.Entries()); n != 4*each {
		t.Errorf("%d entries, want %d", n, 4*each)
	}
	if !slices.IsSortedFunc(f.Entries(), func(a, b lock.Entry) int { return strings.Compare(a.Name(), b.Name()) }) {
		t.Error("they are not sorted")
	}
}
