//go:build unix

package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

// children are what the test binary does when a test starts it again as another process, on the cache in dir.
var children = map[string]func(dir string){
	"same":  func(dir string) { must(ingestSame(dir)) },
	"kill":  func(dir string) { must(writeForEver(dir)) },
	"full":  func(dir string) { must(writeToFullDisk(dir)) },
	"use":   func(dir string) { must(useInRuns(dir)) },
	"prune": func(dir string) { must(pruneForEver(dir)) },
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir)
	cmd.Env = append(os.Environ(), "CACHE_TEST_CHILD="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// ingestSame writes and reads the same few blobs and records again and again.
func ingestSame(dir string) error {
	c, err := Open(dir, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	for i := range 60 {
		data := contenttest.Bytes(100_000 + i%3)
		desc, err := c.Ingest(ctx, content.OCILayer, func(w io.Writer) error {
			for rest := data; len(rest) > 0; rest = rest[min(7000, len(rest)):] {
				if _, err := w.Write(rest[:min(7000, len(rest))]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if _, err := content.ReadAll(ctx, c, desc); err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		if err := c.Put(ctx, "b", "k", data); err != nil {
			return err
		}
		if got, ok := c.Get(ctx, "b", "k"); !ok || len(got) < 100_000 {
			return fmt.Errorf("record: %d bytes, %t", len(got), ok)
		}
	}
	return nil
}

func TestProcessesIngestTheSame(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := child(t, "same", dir).Run(); err != nil {
				t.Errorf("child: %v", err)
			}
		})
	}
	wg.Wait()
	c := open(t, dir)
	wantNoTemp(t, c)
	if n := wantBlobsRight(t, c); n != 3 {
		t.Errorf("%d blobs, want 3", n)
	}
}

// wantBlobsRight hashes what lies under the names of blobs, and counts it.
func wantBlobsRight(t *testing.T, c *Cache) (n int) {
	t.Helper()
	for _, name := range files(t, c.Dir()) {
		if !strings.HasPrefix(name, "blobs/") {
			continue
		}
		n++
		data, err := os.ReadFile(filepath.Join(c.Dir(), name))
		if err != nil {
			t.Error(err)
		} else if got := digest.FromBytes(data).Encoded(); got != filepath.Base(name) {
			t.Errorf("%s has %d bytes of digest %s", name, len(data), got)
		}
	}
	return n
}

// writeForEver writes blobs and records until the process is killed.
func writeForEver(dir string) error {
	c, err := Open(dir, nil)
	if err != nil {
		return err
	}
	ctx := context.Background()
	for i := range 1 << 20 {
		data := contenttest.Bytes(200_000 + rand.IntN(1000))
		_, err := c.Ingest(ctx, content.OCILayer, func(w io.Writer) error {
			for rest := data; len(rest) > 0; rest = rest[min(999, len(rest)):] {
				if _, err := w.Write(rest[:min(999, len(rest))]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := c.Put(ctx, "b", fmt.Sprint(i%3), data); err != nil {
			return err
		}
	}
	return nil
}

func TestKilledWriters(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 8 {
				cmd := child(t, "kill", dir)
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Duration(20+rand.IntN(120)) * time.Millisecond)
				cmd.Process.Kill()
				cmd.Wait()
			}
		})
	}
	wg.Wait()
	c, err := Open(dir, &Options{Abandoned: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantNoTemp(t, c)
	if n := wantBlobsRight(t, c); n == 0 {
		t.Error("the children wrote nothing before they were killed")
	}
	for i := range 3 {
		if data, ok := c.Get(t.Context(), "b", fmt.Sprint(i)); ok && len(data) < 200_000 {
			t.Errorf("record %d has %d bytes", i, len(data))
		}
	}
}

// writeToFullDisk cannot write more than 10,000 bytes into a file, as on a disk that is full.
func writeToFullDisk(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	c, err := Open(dir, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 10_000, Max: 10_000}); err != nil {
		return err
	}
	ctx := context.Background()
	data := contenttest.Bytes(50_000)
	desc := content.Of(content.OCILayer, data)
	pushErr := c.Push(ctx, desc, content.FromBytes(data))
	_, ingestErr := c.Ingest(ctx, content.OCILayer, func(w io.Writer) error { _, err := w.Write(data); return err })
	_, swallowErr := c.Ingest(ctx, content.OCILayer, func(w io.Writer) error { w.Write(data); w.Write(data[:1]); return nil })
	putErr := c.Put(ctx, "b", "k", data)
	for i, err := range []error{pushErr, ingestErr, swallowErr, putErr} {
		if !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("write %d: %w, want %w", i, err, syscall.EFBIG)
		}
	}
	if there, err := c.Exists(ctx, desc); there || err != nil {
		return fmt.Errorf("exists: %t, %w", there, err)
	}
	return nil
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := child(t, "full", dir).Run(); err != nil {
		t.Errorf("child: %v", err)
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("left on the disk: %q", left)
	}
}

// useInRuns does what runs do, in a cache that others empty all the time: what it found or wrote in a run must be there until its end.
func useInRuns(dir string) error {
	c, err := Open(dir, &Options{MaxSize: 1})
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := context.Background()
	for range 150 {
		mine := 2000 + os.Getpid()%1000*8 + rand.IntN(8)
		if err := useInRun(ctx, c, 1000+rand.IntN(8), mine); err != nil {
			return err
		}
		// For the runs to come it was used long ago: they must note that they use it. No other process relies on it now.
		name, err := blobName(digest.FromBytes(contenttest.Bytes(mine)))
		if err != nil {
			return err
		}
		long := time.Now().Add(-100 * time.Hour)
		if err := c.root.Chtimes(name, long, long); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// useInRun finds or writes blobs of those sizes, and reads them some time later.
func useInRun(ctx context.Context, c *Cache, sizes ...int) error {
	defer c.Hold()()
	var all []content.Descriptor
	for _, size := range sizes {
		data := contenttest.Bytes(size)
		desc := content.Of(content.OCILayer, data)
		there, err := c.Exists(ctx, desc)
		if err == nil && !there {
			_, err = c.Ingest(ctx, content.OCILayer, func(w io.Writer) error { _, err := w.Write(data); return err })
		}
		if err != nil {
			return err
		}
		all = append(all, desc)
	}
	for _, desc := range all {
		if _, err := content.ReadAll(ctx, c, desc); err != nil {
			return fmt.Errorf("after it was found or written: %w", err)
		}
	}
	return nil
}

func pruneForEver(dir string) error {
	c, err := Open(dir, nil)
	if err != nil {
		return err
	}
	for {
		if _, err := c.Prune(context.Background(), 0); err != nil {
			return err
		}
	}
}

// TestProcessesPrune empties the cache under the hands of processes that use it.
func TestProcessesPrune(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	var pruners []*exec.Cmd
	for range 2 {
		cmd := child(t, "prune", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pruners = append(pruners, cmd)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := child(t, "use", dir).Run(); err != nil {
				t.Errorf("child: %v", err)
			}
		})
	}
	wg.Wait()
	for _, cmd := range pruners {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("a pruner ended before: %v", err)
		}
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() >= 0 {
			t.Errorf("a pruner ended by itself: %v", cmd.ProcessState)
		}
	}
	wantBlobsRight(t, open(t, dir))
}
