//go:build unix

package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/imgscript/imgscript/core/content"
)

// old makes a file so old that it is read only once.
func old(t testing.TB) { t.Helper(); time.Sleep(racy + 5*time.Millisecond) }

// TestFileChangesBeforeRead changes a file between Scan and Build.
func TestFileChangesBeforeRead(t *testing.T) {
	for name, change := range map[string]func(file string) error{
		"grows":         func(f string) error { return appendTo(f, "more") },
		"shrinks":       func(f string) error { return os.Truncate(f, 3) },
		"is rewritten":  func(f string) error { return os.WriteFile(f, []byte("87654321"), 0o644) },
		"is replaced":   func(f string) error { return replaceFile(f, "12345678") },
		"is removed":    os.Remove,
		"becomes a dir": func(f string) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o755)) },
		"becomes a link": func(f string) error {
			return errors.Join(os.Rename(f, f+"2"), os.Symlink(filepath.Base(f)+"2", f))
		},
		"becomes a pipe": func(f string) error { return errors.Join(os.Remove(f), syscall.Mkfifo(f, 0o644)) },
		"changes mode":   func(f string) error { return os.Chmod(f, 0o600) },
		"changes in place with its time kept": func(f string) error {
			info, err := os.Stat(f)
			return errors.Join(err, os.WriteFile(f, []byte("87654321"), 0o644), os.Chtimes(f, info.ModTime(), info.ModTime()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "sub", "file")
			must(t, os.Mkdir(filepath.Dir(file), 0o755))
			must(t, os.WriteFile(file, []byte("12345678"), 0o644))
			old(t)
			entries, err := Scan(t.Context(), []File{{Target: "/", Tree: openTree(t, dir), Local: "."}}, nil)
			must(t, err)
			must(t, change(file))
			var m content.Memory
			_, err = Build(t.Context(), &m, entries, nil)
			if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), `./sub/file: `) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func replaceFile(file, text string) error {
	return errors.Join(os.WriteFile(file+".new", []byte(text), 0o644), os.Rename(file+".new", file))
}

// TestFileChangesWhileRead changes a file when its first half has been read.
func TestFileChangesWhileRead(t *testing.T) {
	const size = 64 << 10
	for name, change := range map[string]func(file string) error{
		"grows":       func(f string) error { return appendTo(f, "more") },
		"shrinks":     func(f string) error { return os.Truncate(f, size/2) },
		"a byte":      func(f string) error { return writeAt(f, size-1, "x") },
		"a read byte": func(f string) error { return writeAt(f, 0, "x") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "file")
			must(t, os.WriteFile(file, make([]byte, size), 0o644))
			old(t)
			entries, err := Scan(t.Context(), []File{{Target: "/file", Tree: openTree(t, dir), Local: "file"}}, nil)
			must(t, err)
			r, err := entries[0].Open(t.Context())
			must(t, err)
			defer r.Close()
			_, err = io.ReadFull(r, make([]byte, size/2))
			must(t, err)
			must(t, change(file))
			if _, err := io.Copy(io.Discard, r); !errors.Is(err, ErrChanged) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func writeAt(file string, at int64, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), at)
	return errors.Join(err, f.Close())
}

// TestYoungFileIsReadTwice changes a file within one tick of the clock that its times come from, which only a second reading shows.
func TestYoungFileIsReadTwice(t *testing.T) {
	l := &local{node: &node{in: &folder{}, base: "file"}, stat: stat{size: 4, mtime: time.Now().UnixNano()}}
	v := &tickingView{local: l, contents: []string{"aaaa", "bbbb"}}
	r, err := l.open(t.Context(), v)
	must(t, err)
	if data, err := io.ReadAll(r); !errors.Is(err, ErrChanged) {
		t.Errorf("%q, %v", data, err)
	}
	l.stat.mtime = time.Now().UnixNano()
	v = &tickingView{local: l, contents: []string{"aaaa", "aaaa"}}
	r, err = l.open(t.Context(), v)
	must(t, err)
	data, err := io.ReadAll(r)
	must(t, err)
	if string(data) != "aaaa" || len(v.contents) != 0 {
		t.Errorf("%q, not read: %q", data, v.contents)
	}
	l.stat.mtime = time.Now().Add(-time.Second).UnixNano()
	v = &tickingView{local: l, contents: []string{"aaaa", "bbbb"}}
	r, err = l.open(t.Context(), v)
	must(t, err)
	if _, err = io.ReadAll(r); err != nil || len(v.contents) != 1 {
		t.Errorf("an old file: %v, not read: %q", err, v.contents)
	}
}

// tickingView opens other contents each time, under one stat.
type tickingView struct {
	view
	local    *local
	contents []string
}

func (v *tickingView) open(string, string) (file, error) {
	text := v.contents[0]
	v.contents = v.contents[1:]
	return tickingFile{strings.NewReader(text), v.local.stat}, nil
}

type tickingFile struct {
	*strings.Reader
	now stat
}

func (tickingFile) Close() error { return nil }

func (f tickingFile) readAt(p []byte, offset int64) (int, error) { return f.ReadAt(p, offset) }

func (f tickingFile) stat() (stat, error) { return f.now, nil }

// TestNoTornLayer rewrites a file all the time: a layer has one of its contents or is not made.
func TestNoTornLayer(t *testing.T) {
	dir := t.TempDir()
	tree := openTree(t, dir)
	const size = 16 << 10
	texts := [][]byte{bytes.Repeat([]byte("a"), size), bytes.Repeat([]byte("b"), size)}
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, texts[0], 0o644))
	stop := meanwhile(func(i int) {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err == nil {
			f.WriteAt(texts[i%2], 0)
			f.Close()
		}
		time.Sleep(time.Duration(i%40) * time.Millisecond)
	})
	defer stop()
	made := 0
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
		l, m, err := scanBuild(t, []File{{Target: "/file", Tree: tree, Local: "file"}}, &Options{Compression: None})
		if errors.Is(err, ErrChanged) {
			continue
		}
		must(t, err)
		made++
		if got := contents(t, m, l.Descriptor)["file"]; got != string(texts[0]) && got != string(texts[1]) {
			t.Fatal("a layer with a torn file")
		}
	}
	t.Log(made, "layers")
}

// meanwhile calls f in a goroutine until the function it returns is called, which waits for its end.
func meanwhile(f func(i int)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			f(i)
		}
	}()
	return func() { cancel(); <-done }
}

// TestSwapsNeverEscape swaps a directory and a file for links that lead out of the root, and for pipes, while they are packed.
func TestSwapsNeverEscape(t *testing.T) {
	for _, c := range []struct {
		name string
		swap func(dir string, outside string) error
	}{
		{"directory for a link", func(dir, outside string) error { return os.Symlink(outside, filepath.Join(dir, "swap")) }},
		{"directory for a relative link", func(dir, outside string) error { return os.Symlink("../outside", filepath.Join(dir, "swap")) }},
		{"directory for a pipe", func(dir, _ string) error { return syscall.Mkfifo(filepath.Join(dir, "swap"), 0o644) }},
		{"file for a link", func(dir, outside string) error { return os.Symlink(outside+"/file", filepath.Join(dir, "swap/file")) }},
		{"file for a pipe", func(dir, _ string) error { return syscall.Mkfifo(filepath.Join(dir, "swap/file"), 0o644) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := t.TempDir()
			dir, outside := filepath.Join(top, "root"), filepath.Join(top, "outside")
			must(t, os.MkdirAll(filepath.Join(dir, "swap"), 0o755))
			must(t, os.Mkdir(outside, 0o755))
			must(t, os.WriteFile(filepath.Join(dir, "swap/file"), []byte("inside"), 0o644))
			must(t, os.WriteFile(filepath.Join(outside, "file"), []byte("secret"), 0o644))
			name := strings.Fields(c.name)[0]
			swapped := map[string]string{"directory": filepath.Join(dir, "swap"), "file": filepath.Join(dir, "swap/file")}[name]
			stop := meanwhile(func(int) {
				if os.Rename(swapped, filepath.Join(top, "away")) != nil {
					return
				}
				c.swap(dir, outside)
				time.Sleep(100 * time.Microsecond)
				os.Remove(swapped)
				os.Rename(filepath.Join(top, "away"), swapped)
				time.Sleep(100 * time.Microsecond)
			})
			defer stop()
			tree := openTree(t, dir)
			for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
				for _, links := range []SymlinkMode{SymlinksAuto, SymlinksKeep, SymlinksFollow} {
					l, m, err := scanBuild(t, []File{{Target: "/", Tree: tree, Local: "."}}, &Options{Symlinks: links, Compression: None})
					if err != nil {
						continue
					}
					if got, ok := contents(t, m, l.Descriptor)["swap/file"]; ok && got != "inside" && got != "" {
						t.Fatalf("%s: packed %q", links, got)
					}
				}
			}
		})
	}
}

// TestViewFollowsNoLink asks for what may have been swapped for a link since it was looked at: a last name and one on the way.
func TestViewFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "real"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "real/file"), nil, 0o644))
	must(t, os.Symlink("real", filepath.Join(dir, "dir")))
	must(t, os.Symlink("real/file", filepath.Join(dir, "file")))
	v := openTree(t, dir).view()
	defer v.close()
	if _, err := v.open(".", "file"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("open a link: %v", err)
	}
	_, err1 := v.open("dir", "file")
	_, err2 := v.lstat("dir/file")
	_, err3 := v.readNames("dir", stat{})
	_, err4 := v.readLink("dir/file")
	for _, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, syscall.ELOOP) && !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("through a link: %v", err)
		}
	}
	other, err := v.lstat("real")
	must(t, err)
	other.ino++
	if _, err := v.readNames("real", other); !errors.Is(err, ErrChanged) {
		t.Errorf("another directory: %v", err)
	}
}

// TestLinkBomb has directories of which each has two links to the next: 2^40 when all are followed.
func TestLinkBomb(t *testing.T) {
	dir := t.TempDir()
	for i := range 40 {
		d := filepath.Join(dir, fmt.Sprint(i))
		must(t, os.Mkdir(d, 0o755))
		for _, name := range []string{"a", "b"} {
			must(t, os.Symlink(fmt.Sprintf("../%d", i+1), filepath.Join(d, name)))
		}
	}
	must(t, os.Mkdir(filepath.Join(dir, "40"), 0o755))
	_, err := Scan(t.Context(), []File{{Target: "/", Tree: openTree(t, dir), Local: "0"}}, &Options{Symlinks: SymlinksFollow})
	if !errors.Is(err, ErrLoop) {
		t.Errorf("got %v", err)
	}
}

// TestSelfLinks has links through the machine's other ways to the same place.
func TestSelfLinks(t *testing.T) {
	dir := t.TempDir()
	for i, text := range []string{"/proc/self/root", "/proc/self/cwd", "/dev/fd/0", "/", "../../../../../../etc"} {
		must(t, os.Symlink(text, filepath.Join(dir, fmt.Sprint(i))))
	}
	for _, links := range []SymlinkMode{SymlinksAuto, SymlinksFollow} {
		_, err := Scan(t.Context(), []File{{Target: "/", Tree: openTree(t, dir), Local: "."}}, &Options{Symlinks: links})
		var all Errors
		if !errors.As(err, &all) || len(all) != 5 {
			t.Fatalf("got %v", err)
		}
		for _, err := range all {
			if !errors.Is(err, ErrOutside) {
				t.Error(err)
			}
		}
	}
}

// TestAbsoluteLinkKept keeps a link that is absolute when the layer has the same file at the same path.
func TestAbsoluteLinkKept(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	must(t, os.Symlink(filepath.Join(dir, "file"), filepath.Join(dir, "link")))
	entries, err := Scan(t.Context(), []File{{Target: dir, Tree: openTree(t, dir), Local: "."}}, nil)
	must(t, err)
	if last := entries[len(entries)-1]; last.Type != TypeSymlink || last.Link != filepath.Join(dir, "file") {
		t.Errorf("%+v", last)
	}
}

// TestDevicesRefused names a device, which everybody has one of.
func TestDevicesRefused(t *testing.T) {
	_, err := Scan(t.Context(), []File{{Target: "/null", Tree: openTree(t, "/dev"), Local: "null"}}, nil)
	if err == nil || err.Error() != `null: is a character device, which layers of local files cannot have` {
		t.Errorf("got %v", err)
	}
	if _, err := openTree(t, "/dev").Open("null"); err == nil {
		t.Error("opened a device")
	}
}

// TestOpenDoesNotWait opens a named pipe that nobody writes to.
func TestOpenDoesNotWait(t *testing.T) {
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	if _, err := openTree(t, dir).Open("pipe"); err == nil || err.Error() != "open pipe: is a named pipe" {
		t.Errorf("got %v", err)
	}
}

const unreadableDir = "IMGSCRIPT_TEST_UNREADABLE"

// TestUnreadable has files and a directory that may not be read. Root may read all, so that it is run again as somebody else.
func TestUnreadable(t *testing.T) {
	dir := os.Getenv(unreadableDir)
	if dir == "" {
		dir = t.TempDir()
		for _, name := range []string{"src/a", "src/b", "src/d/c"} {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
		}
	}
	if os.Getuid() == 0 {
		for d := dir; d != "/"; d = filepath.Dir(d) {
			if info, err := os.Stat(d); err == nil && info.Mode()&0o001 == 0 {
				must(t, os.Chmod(d, 0o755))
			}
		}
		must(t, filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chown(name, 65534, 65534))
		}))
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestUnreadable$", "-test.v")
		cmd.Env, cmd.Dir = append(os.Environ(), unreadableDir+"="+dir), "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("PASS")) {
			t.Errorf("as nobody: %v\n%s", err, out)
		}
		return
	}
	checkUnreadable(t, dir)
}

func checkUnreadable(t *testing.T, dir string) {
	tree, all := openTree(t, dir), []File{{Target: "/", Tree: openTree(t, dir), Local: "src", Name: "./src"}}
	must(t, os.Chmod(filepath.Join(dir, "src/a"), 0))
	must(t, os.Chmod(filepath.Join(dir, "src/b"), 0))
	_, _, err := scanBuild(t, all, nil)
	want := "./src/a: permission denied\n./src/b: permission denied"
	if !errors.Is(err, fs.ErrPermission) || err.Error() != want {
		t.Errorf("files: got %v, want %s", err, want)
	}
	must(t, os.Chmod(filepath.Join(dir, "src/d"), 0))
	defer os.Chmod(filepath.Join(dir, "src/d"), 0o755)
	_, err = Scan(t.Context(), all, nil)
	var own *Error
	if !errors.As(err, &own) || own.Path != "./src/d" || !errors.Is(err, fs.ErrPermission) || own.Hint == "" {
		t.Errorf("directory: got %v", err)
	}
	if _, err := tree.Open("src/a"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("open: %v", err)
	}
}

// TestLongPaths packs a path of more than 4,096 bytes, which no system call takes as a whole, and more directories than are kept open.
func TestLongPaths(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY, 0)
	must(t, err)
	name := strings.Repeat("n", 63)
	for range 70 {
		must(t, unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY|unix.O_RDONLY, 0)
		must(t, err)
		unix.Close(fd)
		fd = next
	}
	f, err := unix.Openat(fd, "file", unix.O_CREAT|unix.O_WRONLY, 0o644)
	must(t, err)
	_, err = unix.Write(f, []byte("deep"))
	must(t, err)
	must(t, unix.Symlinkat("file", fd, "link"))
	unix.Close(f)
	unix.Close(fd)
	l, m, err := scanBuild(t, []File{{Target: "/", Tree: openTree(t, dir), Local: "."}}, &Options{Compression: None})
	must(t, err)
	path := strings.Repeat(name+"/", 70) + "file"
	if got := contents(t, m, l.Descriptor); got[path] != "deep" || len(got) != 72 {
		t.Errorf("%d entries, %q", len(got), got[path])
	}
}

// TestSparseFile packs a file that is mostly a hole; a far larger one only gets as far as its header.
func TestSparseFile(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int64{"small": 8 << 20, "large": 64 << 30} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
		must(t, os.Truncate(filepath.Join(dir, name), size))
	}
	tree := openTree(t, dir)
	l, _, err := scanBuild(t, []File{{Target: "/small", Tree: tree, Local: "small"}}, nil)
	must(t, err)
	if l.Descriptor.Size > 100_000 {
		t.Errorf("%d bytes compressed", l.Descriptor.Size)
	}
	entries, err := Scan(t.Context(), []File{{Target: "/large", Tree: tree, Local: "large"}}, nil)
	must(t, err)
	if entries[0].Size != 64<<30 {
		t.Errorf("size %d", entries[0].Size)
	}
	if _, err := Build(t.Context(), &fullStore{1 << 10}, entries, nil); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

// TestNoOpenFilesLeft counts descriptors after calls that succeed and calls that fail.
func TestNoOpenFilesLeft(t *testing.T) {
	count := func() int {
		list, err := os.ReadDir("/dev/fd")
		must(t, err)
		return len(list)
	}
	dir := t.TempDir()
	for i := range 200 {
		must(t, os.MkdirAll(filepath.Join(dir, fmt.Sprint(i)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i), "file"), make([]byte, i*1000), 0o644))
	}
	old(t)
	before := count()
	tree, err := OpenTree(dir)
	must(t, err)
	files := []File{{Target: "/", Tree: tree, Local: "."}}
	entries, err := Scan(t.Context(), files, nil)
	must(t, err)
	_, err = Build(t.Context(), &content.Memory{}, entries, nil)
	must(t, err)
	if _, err = Build(t.Context(), &fullStore{1000}, entries, &Options{Compression: None}); err == nil {
		t.Error("no error")
	}
	must(t, os.WriteFile(filepath.Join(dir, "70", "file"), nil, 0o644))
	if _, err = Build(t.Context(), &content.Memory{}, entries, nil); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
	must(t, tree.Close())
	if after := count(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
