//go:build unix

package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/core/content"
)

// children are what the test binary does when a test starts it again as another process. The argument is "DIRECTORY NUMBER".
var children = map[string]func(dir string){
	"tag":  func(arg string) { must(tagMany(arg)) },
	"kill": func(arg string) { must(pushForEver(arg)) },
	"user": func(arg string) { must(useAnothers(arg)) },
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, name, dir string, n int) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], fmt.Sprintf("%s %d", dir, n))
	cmd.Env = append(os.Environ(), "LAYOUT_TEST_CHILD="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func parseArg(arg string) (*Layout, int, error) {
	dir, number, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return nil, 0, err
	}
	l, err := Open(dir, nil)
	return l, n, err
}

const tagsEach = 25

// tagMany pushes manifests under names of this process and under one that all share.
func tagMany(arg string) error {
	l, n, err := parseArg(arg)
	if err != nil {
		return err
	}
	for i := range tagsEach {
		desc, data := manifest(n*tagsEach + i)
		ctx := context.Background()
		if err := l.PushTagged(ctx, desc, content.FromBytes(data), fmt.Sprintf("p%d-%d", n, i)); err != nil {
			return err
		}
		if err := l.Tag(ctx, desc, "shared"); err != nil {
			return err
		}
	}
	return nil
}

// manifest makes a small manifest of its own for each n.
func manifest(n int) (content.Descriptor, []byte) {
	data := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[],"annotations":{"n":"%d"}}`,
		content.OCIManifest, content.OCIConfig, digest.FromString("{}"), n)
	return content.Of(content.OCIManifest, data), data
}

func TestProcessesTagAtOnce(t *testing.T) {
	const processes = 4
	dir := filepath.Join(t.TempDir(), "out")
	var wg sync.WaitGroup
	for n := range processes {
		wg.Go(func() {
			if err := child(t, "tag", dir, n).Run(); err != nil {
				t.Errorf("child: %v", err)
			}
		})
	}
	wg.Wait()
	l := open(t, dir)
	for n := range processes {
		for i := range tagsEach {
			want, _ := manifest(n*tagsEach + i)
			wantResolves(t, l, fmt.Sprintf("p%d-%d", n, i), want)
		}
	}
	if x := readIndex(t, dir); len(x.entries) != processes*tagsEach+1 {
		t.Errorf("%d entries, want %d", len(x.entries), processes*tagsEach+1)
	}
	wantOnlyLayout(t, dir)
}

func TestGoroutinesTagAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	one, two := open(t, dir), open(t, dir)
	var wg sync.WaitGroup
	for i := range 40 {
		l := []*Layout{one, two}[i%2]
		wg.Go(func() {
			desc, data := manifest(i)
			if err := l.PushTagged(t.Context(), desc, content.FromBytes(data), fmt.Sprint("t", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 40 {
		want, _ := manifest(i)
		wantResolves(t, one, fmt.Sprint("t", i), want)
	}
	wantOnlyLayout(t, dir)
}

func pushForEver(arg string) error {
	l, _, err := parseArg(arg)
	if err != nil {
		return err
	}
	for i := range 1 << 20 {
		desc, data := manifest(i)
		if err := l.PushTagged(context.Background(), desc, content.FromBytes(data), fmt.Sprint("t", i%50)); err != nil {
			return err
		}
	}
	return nil
}

// Whatever moment a writer is killed at: every file is whole, and the next writer goes on.
func TestKilledWriters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	for i := range 12 {
		cmd := child(t, "kill", dir, i)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+i*9) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	l := open(t, dir)
	desc, data := manifest(1 << 21)
	if err := l.PushTagged(t.Context(), desc, content.FromBytes(data), "after"); err != nil {
		t.Fatal(err)
	}
	wantResolves(t, l, "after", desc)
	for _, e := range readIndex(t, dir).entries {
		if _, err := content.ReadAll(t.Context(), l, e.desc); err != nil {
			t.Errorf("entry %s: %v", e.raw, err)
		}
	}
	old := time.Now().Add(-time.Hour)
	names, err := filepath.Glob(filepath.Join(dir, atomicfile.Prefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		os.Chtimes(name, old, old)
	}
	if err := l.Tag(t.Context(), desc, "again"); err != nil {
		t.Error(err)
	}
	wantOnlyLayout(t, dir)
}

// useAnothers reads a layout of another user and cannot write to it.
func useAnothers(arg string) error {
	l, n, err := parseArg(arg)
	if err != nil {
		return err
	}
	ctx := context.Background()
	desc, err := l.Resolve(ctx, "v1")
	if err != nil {
		return err
	}
	if _, err := content.ReadAll(ctx, l, desc); err != nil {
		return err
	}
	other, data := manifest(n)
	for what, err := range map[string]error{
		"push": l.Push(ctx, other, content.FromBytes(data)),
		"tag":  l.Tag(ctx, desc, "v2"),
	} {
		if !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%s: got error %w, want permission denied", what, err)
		}
	}
	return nil
}

func TestAnotherUsersLayout(t *testing.T) {
	base := t.TempDir()
	binary := filepath.Join(base, "test") // where go test puts it only its owner can go
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, data, 0o755); err != nil {
		t.Fatal(err)
	}
	l := open(t, filepath.Join(base, "out"))
	desc, data := manifest(1)
	if err := l.PushTagged(t.Context(), desc, content.FromBytes(data), "v1"); err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "user", l.Dir(), 2)
	cmd.Path = binary
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if err := os.Chmod(filepath.Dir(base), 0o755); err != nil {
			t.Fatal(err)
		}
	} else if err := os.Chmod(l.Dir(), 0o555); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Run(); err != nil {
		t.Errorf("child: %v", err)
	}
	if err := os.Chmod(l.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	wantOnlyLayout(t, l.Dir())
}
