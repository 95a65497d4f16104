//go:build unix

package build_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/layer"
)

// secretText is what files have that no run may read.
const secretText = "SECRET of another place"

// lab is a root beside places that are not in it. outside has secrets; allowed, one (a file) and out may be given to a run.
type lab struct {
	t                                     testing.TB
	top, root, outside, allowed, one, out string
	engine                                *build.Engine
}

func newLab(t testing.TB) *lab {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	l := &lab{t: t, top: top, engine: newEngine(t, 2)}
	for path, name := range map[*string]string{&l.root: "root", &l.outside: "outside", &l.allowed: "allowed", &l.one: "one", &l.out: "out"} {
		*path = filepath.Join(top, name)
	}
	for name, text := range map[string]string{
		"root/dir/file": "inside", "root/file": "inside", "outside/file": secretText, "outside/dir/file": secretText, "outside/.gitignore": "", "one": "one file", "two": secretText,
		"allowed/file": "allowed", "allowed/dir/file": "allowed", "out/layout/x": "",
	} {
		full := filepath.Join(top, name)
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		must(t, os.WriteFile(full, []byte(text), 0o644))
	}
	must(t, os.RemoveAll(filepath.Join(top, "out/layout")))
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// link makes a link in the top directory.
func (l *lab) link(name, text string) {
	l.t.Helper()
	full := filepath.Join(l.top, name)
	must(l.t, os.MkdirAll(filepath.Dir(full), 0o755))
	must(l.t, os.Symlink(text, full))
}

// do is a run in the root, which must end soon whatever it opens.
func (l *lab) do(p build.Permissions, f func(r *build.Run) error) error {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := l.engine.Do(ctx, &build.Options{Root: l.root, Policy: policyOf(l.t, p, l.root)}, f)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(2 * time.Minute):
		l.t.Fatal("it hangs")
		return nil
	}
}

// readers are all ways to read what a path names. They return what they read.
func readers() map[string]func(r *build.Run, p string) (string, error) {
	return map[string]func(r *build.Run, p string) (string, error){
		"read": func(r *build.Run, p string) (string, error) {
			data, err := r.ReadFile(p, 1<<20)
			return string(data), err
		},
		"data": func(r *build.Run, p string) (string, error) {
			blob, err := r.FileBlob(p)
			if err != nil {
				return "", err
			}
			data, err := r.Read(blob, 1<<20)
			return string(data), err
		},
		"layer": func(r *build.Run, p string) (string, error) { return packed(r, p, "") },
		"key": func(r *build.Run, p string) (string, error) {
			_, err := r.Credential("reg.example/app", auth.Map{"reg.example": {KeyFilename: p}})
			return "", err
		},
	}
}

// packed is the archive of a layer with what a path names.
func packed(r *build.Run, p string, links layer.SymlinkMode) (string, error) {
	img, err := r.Image(at("image"), "scratch", nil)
	if err != nil {
		return "", err
	}
	l := img.AddFiles(at("add"), []build.File{{Target: "/x", Local: p}}, &layer.Options{Compression: layer.None, Symlinks: links})
	if _, err := l.NeededBy(at("needed"), "needed"); err != nil {
		return "", err
	}
	data, err := r.Read(l.Blob(), 1<<20)
	return string(data), err
}

// TestNothingOutsideIsRead tries every way to name what is outside the root with every way to read: each is forbidden, with the flag for it.
func TestNothingOutsideIsRead(t *testing.T) {
	l := newLab(t)
	secret := filepath.Join(l.outside, "file")
	open, err := os.Open(secret)
	must(t, err)
	defer open.Close()
	l.link("root/to-file", "../outside/file")
	l.link("root/to-file-absolute", secret)
	l.link("root/to-dir", "../outside")
	l.link("root/deep/middle", "../../outside")
	l.link("root/chain", "dir/../chain2")
	l.link("root/chain2", "to-dir/dir/../file")
	l.link("root/to-proc", "/proc/self/root"+secret)
	l.link("root/to-cwd", "/proc/self/cwd/../../../../../../../../../../.."+secret)
	l.link("root/to-fd", fmt.Sprintf("/proc/self/fd/%d", open.Fd()))
	paths := []string{
		secret, "../outside/file", "//../outside/file", "dir/../../outside/file", l.root + "/../outside/file", "./././../outside/./file", "//dir/../../outside/file", l.root + "2/../outside/file",
		"to-file", "//to-file", l.root + "/to-file", "to-file-absolute", "to-dir/file", "to-dir/dir/../file", "to-dir/dir/file", "deep/middle/file", "chain", "chain2",
	}
	if _, err := os.Stat("/proc/self/root"); err == nil {
		paths = append(paths, "/proc/self/root"+secret, "to-proc", "to-cwd", "to-fd", fmt.Sprintf("/proc/self/fd/%d", open.Fd()), fmt.Sprintf("/dev/fd/%d", open.Fd()))
	}
	for _, p := range append(paths, "/etc/passwd", "/dev/zero", "/dev/null", "/dev", "/", "..", "../outside", "../root2") {
		for name, read := range readers() {
			var text string
			err := l.do(build.Permissions{}, func(r *build.Run) (err error) {
				text, err = read(r, p)
				return err
			})
			var denied *build.PermissionError
			if text != "" || !errors.As(err, &denied) || !errors.Is(err, build.ErrPolicy) || denied.Flag != "allow-read" {
				t.Errorf("%s %s: got %q, %v", name, p, text, err)
			} else if strings.Contains(p, "outside/file") && denied.Value != secret {
				t.Errorf("%s %s: the hint is %s", name, p, denied.Hint())
			}
		}
	}
}

// TestNothingOutsideIsListed: patterns reach no further than paths.
func TestNothingOutsideIsListed(t *testing.T) {
	l := newLab(t)
	l.link("root/to-dir", "../outside")
	l.link("root/deep/middle", "../../outside")
	for _, pattern := range []string{"../*", "../outside/*", "//../outside/*", "to-dir/*", "deep/middle/**", "dir/../../outside/*", l.outside + "/*", "/etc/*", "/proc/self/root/etc/*"} {
		var names []string
		err := l.do(build.Permissions{}, func(r *build.Run) (err error) {
			names, err = r.Glob([]string{pattern}, nil, nil)
			return err
		})
		if !errors.Is(err, build.ErrPolicy) || len(names) > 0 {
			t.Errorf("%s: got %q, %v", pattern, names, err)
		}
	}
	for _, pattern := range []string{"**", "*/*", "*/../../outside/*", "{../outside,dir}/*", "[t]o-dir/*", "d*/../../outside/file", "**/../outside/*"} {
		var names []string
		_ = l.do(build.Permissions{}, func(r *build.Run) (err error) {
			names, err = r.Glob([]string{pattern}, nil, nil)
			return err
		})
		if slices.ContainsFunc(names, func(name string) bool {
			return strings.Contains(name, "outside") || strings.HasPrefix(name, "to-dir/") || strings.HasPrefix(name, "deep/middle/")
		}) {
			t.Errorf("%s: got %q", pattern, names)
		}
	}
}

// TestAllowedIsRead: a directory or a file that is allowed is read whichever way it is named; what is beside it, and what links in it lead to, is not.
func TestAllowedIsRead(t *testing.T) {
	l := newLab(t)
	l.link("root/to-allowed", "../allowed")
	l.link("root/to-one", l.one)
	l.link("allowed/here", "dir/file")
	l.link("allowed/leak", "../outside/file")
	l.link("allowed/leaks", "../outside")
	l.link("elsewhere", "allowed")
	must(t, syscall.Mkfifo(filepath.Join(l.allowed, "pipe"), 0o644))
	p := build.Permissions{Read: []string{l.allowed, l.one, "/dev"}}
	for _, c := range []struct {
		path, want string // what is read; "" is forbidden
	}{
		{"../allowed/file", "allowed"}, {l.allowed + "/dir/file", "allowed"}, {"to-allowed/dir/file", "allowed"}, {"to-allowed/here", "allowed"}, {"../elsewhere/file", "allowed"}, {"../one", "one file"}, {"to-one", "one file"},
		{"../outside/dir/../../root/file", "inside"}, {"file", "inside"}, {"../two", ""}, {"../allowed/leak", ""}, {"../allowed/leaks/file", ""}, {"dir/../to-allowed/leak", ""}, {"../allowed/../two", ""}, {"../one/../two", ""},
	} {
		for name, read := range readers() {
			if name == "key" {
				continue
			}
			var text string
			err := l.do(p, func(r *build.Run) (err error) {
				text, err = read(r, c.path)
				return err
			})
			if c.want == "" && (!errors.Is(err, build.ErrPolicy) || text != "") || c.want != "" && (err != nil || !strings.Contains(text, c.want)) {
				t.Errorf("%s %s: got %q, %v; want %q", name, c.path, text, err, c.want)
			}
		}
	}
	for _, path := range []string{"../allowed/pipe", "/dev/zero", "/dev/null"} { // allowed, and no files
		for name, read := range readers() {
			if err := l.do(p, func(r *build.Run) error { _, err := read(r, path); return err }); err == nil && name != "key" {
				t.Errorf("%s %s: no error", name, path)
			}
		}
	}
	for _, links := range []layer.SymlinkMode{layer.SymlinksAuto, layer.SymlinksFollow, layer.SymlinksKeep} {
		must(t, os.RemoveAll(filepath.Join(l.allowed, "pipe")))
		var text string
		err := l.do(p, func(r *build.Run) (err error) {
			text, err = packed(r, "../allowed", links)
			return err
		})
		if strings.Contains(text, secretText) || (links == layer.SymlinksKeep) != (err == nil) || err != nil && !errors.Is(err, layer.ErrOutside) {
			t.Errorf("%s: got %d bytes, %v", links, len(text), err)
		}
	}
}

// TestHistoryHasNoPathOfThisMachine: what is allowed outside of the root is packed as the same layer with the same history wherever it lies.
func TestHistoryHasNoPathOfThisMachine(t *testing.T) {
	var made []string
	for range 2 {
		l := newLab(t)
		must(t, l.do(build.Permissions{Read: []string{l.allowed, l.one}}, func(r *build.Run) error {
			img, err := r.Image(at("image"), "scratch", nil)
			if err != nil {
				return err
			}
			built := img.AddFiles(at("add"), []build.File{{Target: "/x", Local: l.allowed}, {Target: "/one", Local: "../one"}}, nil)
			finished, err := built.NeededBy(at("needed"), "needed")
			made = append(made, built.CreatedBy()+" "+finished.DiffID.String())
			return err
		}))
	}
	if made[0] != made[1] || !strings.HasPrefix(made[0], `add_files({"/one": "//one", "/x": "//"})`) {
		t.Errorf("got %q", made)
	}
}

// TestHardLinkIsTheFile: a hard link in the root is the file itself, so it is read. Nothing tells where its other names are; who can make one could read the file
// (and, with Linux's fs.protected_hardlinks, owns it or may write it).
func TestHardLinkIsTheFile(t *testing.T) {
	l := newLab(t)
	must(t, os.Link(filepath.Join(l.outside, "file"), filepath.Join(l.root, "hard")))
	err := l.do(build.Permissions{}, func(r *build.Run) error {
		data, err := r.ReadFile("hard", 1<<20)
		if string(data) != secretText {
			t.Errorf("got %q", data)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPipesAreNotWaitedFor: a named pipe in the place of a file or a directory is an error, or is no ignore file, and never a wait for who writes into it.
func TestPipesAreNotWaitedFor(t *testing.T) {
	l := newLab(t)
	must(t, syscall.Mkfifo(filepath.Join(l.root, "pipe"), 0o644))
	must(t, os.Mkdir(filepath.Join(l.root, "ignored"), 0o755))
	must(t, syscall.Mkfifo(filepath.Join(l.root, "ignored/.gitignore"), 0o644))
	for name, read := range readers() {
		if err := l.do(build.Permissions{}, func(r *build.Run) error { _, err := read(r, "pipe"); return err }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, f := range map[string]func(r *build.Run) error{
		"base":           func(r *build.Run) error { return readLayers(r, "oci:pipe") },
		"target":         func(r *build.Run) error { return saveTo(r, "oci:pipe") },
		"below":          func(r *build.Run) error { return saveTo(r, "oci:pipe/layout") },
		"base archive":   func(r *build.Run) error { return readLayers(r, "oci-archive:pipe") },
		"docker archive": func(r *build.Run) error { return readLayers(r, "docker-archive:pipe") },
		"archive below":  func(r *build.Run) error { return saveTo(r, "oci-archive:pipe/archive") },
		"glob":           func(r *build.Run) error { _, err := r.Glob([]string{"pipe/*"}, nil, nil); return err },
	} {
		if err := l.do(build.Permissions{}, f); err == nil && name != "glob" {
			t.Errorf("%s: no error", name)
		}
	}
	err := l.do(build.Permissions{}, func(r *build.Run) error {
		img, err := r.Image(at("image"), "scratch", nil)
		if err != nil {
			return err
		}
		_, err = img.AddFiles(at("add"), []build.File{{Target: "/x", Local: "ignored"}}, &layer.Options{IgnoreFiles: []string{".gitignore"}}).NeededBy(at("needed"), "needed")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "named pipe") {
		t.Errorf("got %v", err)
	}
}

// TestLayoutTargets: layouts are written where it is allowed, whichever way that is named, and nowhere else.
func TestLayoutTargets(t *testing.T) {
	for _, c := range []struct {
		target string
		out    []string // nil is the default
		want   string   // where it is then; "" is forbidden
	}{
		{"oci:new", nil, "root/new"}, {"oci:a/b/c", nil, "root/a/b/c"}, {"oci://dir/new", nil, "root/dir/new"}, {"oci:TOP/root/new", nil, "root/new"}, {"oci:to-dir/new", nil, "root/dir/new"},
		{"oci:../new", nil, ""}, {"oci:TOP/new", nil, ""}, {"oci:to-outside", nil, ""}, {"oci:to-outside/new", nil, ""}, {"oci:dir/../../outside/new", nil, ""}, {"oci:to-outside/../new", nil, "root/new"}, {"oci:/proc/self/root/TOP/new", nil, ""},
		{"oci:../out", []string{"TOP/out"}, "out"}, {"oci:../out/a/b", []string{"TOP/out"}, "out/a/b"}, {"oci:../fresh/a", []string{"TOP/fresh"}, "fresh/a"}, {"oci:../fresh", []string{"TOP/fresh"}, "fresh"}, {"oci:to-out/new", []string{"TOP/out"}, "out/new"},
		{"oci:../very/fresh/a", []string{"TOP/very/fresh"}, "very/fresh/a"}, {"oci:../both/a", []string{"TOP/out", "TOP/both"}, "both/a"},
		{"oci:new", []string{"TOP/out"}, ""}, {"oci:../out2", []string{"TOP/out"}, ""}, {"oci:../out/../new", []string{"TOP/out"}, ""}, {"oci:../out/to-outside/new", []string{"TOP/out"}, ""}, {"oci:new", []string{""}, ""},
	} {
		l := newLab(t)
		l.link("root/to-dir", "dir")
		l.link("root/to-outside", "../outside")
		l.link("root/to-out", "../out")
		if strings.Contains(c.target, "out/to-outside") {
			l.link("out/to-outside", "../outside")
		}
		out := slices.Clone(c.out)
		for i := range out {
			out[i] = strings.ReplaceAll(out[i], "TOP", l.top)
		}
		before := files(t, l.top)
		err := l.do(build.Permissions{Out: out}, func(r *build.Run) error { return saveTo(r, strings.ReplaceAll(c.target, "TOP", l.top)) })
		if c.want != "" {
			if _, there := os.Stat(filepath.Join(l.top, c.want, "index.json")); err != nil || there != nil {
				t.Errorf("%s with %q: got %v, %v", c.target, out, err, there)
			}
			continue
		}
		var denied *build.PermissionError
		if !errors.As(err, &denied) || denied.Flag != "allow-out" || !slices.Equal(files(t, l.top), before) {
			t.Errorf("%s with %q: got %v; there are %q", c.target, out, err, files(t, l.top))
		}
	}
}

// TestLayoutLinks: links in a layout, and links that point to nothing, lead nowhere.
func TestLayoutLinks(t *testing.T) {
	for name, text := range map[string]string{"layout": "../outside/new", "layout/blobs": "../../outside", "layout/index.json": "../../outside/file", "layout/blobs/sha256": "../../../outside", "layout/oci-layout": "../../outside/file"} {
		l := newLab(t)
		l.link("root/"+name, text)
		before := files(t, l.outside)
		err := l.do(build.Permissions{}, func(r *build.Run) error { return saveTo(r, "oci:layout") })
		if name != "layout/index.json" && err == nil { // a link in its place is replaced
			t.Errorf("%s: no error", name)
		}
		data, _ := os.ReadFile(filepath.Join(l.outside, "file"))
		if !slices.Equal(files(t, l.outside), before) || string(data) != secretText {
			t.Errorf("%s: %v; there are %q", name, err, files(t, l.outside))
		}
	}
}

// TestLayoutBases: layouts are read as files are.
func TestLayoutBases(t *testing.T) {
	l := newLab(t)
	must(t, l.do(build.Permissions{Out: []string{l.out, l.root}}, func(r *build.Run) error { return errors.Join(saveTo(r, "oci:../out/layout"), saveTo(r, "oci:inside")) }))
	l.link("root/to-layout", "../out/layout")
	for _, base := range []string{"oci:../out/layout", "oci:to-layout", "oci:" + l.out + "/layout"} {
		if err := l.do(build.Permissions{}, func(r *build.Run) error { return readLayers(r, base) }); !errors.Is(err, build.ErrPolicy) {
			t.Errorf("%s: got %v", base, err)
		}
		if err := l.do(build.Permissions{Read: []string{l.out}}, func(r *build.Run) error { return readLayers(r, base) }); err != nil {
			t.Errorf("%s: got %v", base, err)
		}
	}
	if err := l.do(build.Permissions{Read: []string{""}, Out: []string{""}}, func(r *build.Run) error { return readLayers(r, "oci:inside") }); err != nil {
		t.Error(err) // the root may always be read
	}
}

// TestManyPathsOutside: paths outside the root leave nothing open behind the run, and, of one directory, no more than that open in it.
func TestManyPathsOutside(t *testing.T) {
	l := newLab(t)
	for i := range 300 {
		must(t, os.WriteFile(filepath.Join(l.allowed, fmt.Sprint(i)), []byte("x"), 0o644))
	}
	err := l.do(build.Permissions{Read: []string{l.allowed}}, func(r *build.Run) error {
		for i := range 300 {
			data, err := r.ReadFile("../allowed/"+fmt.Sprint(i), 1)
			if err != nil || !bytes.Equal(data, []byte("x")) {
				return fmt.Errorf("got %q, %w", data, err)
			}
		}
		if open := openBelow(t, l.top); len(open) > 5 {
			t.Errorf("%d are open: %q", len(open), open)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if open := openBelow(t, l.top); len(open) > 0 {
		t.Errorf("%q are open", open)
	}
}

// TestOddFilesInLayouts puts pipes and links in the place of each file of a layout: nothing waits for them, and nothing outside is read or written.
func TestOddFilesInLayouts(t *testing.T) {
	for _, name := range []string{"oci-layout", "index.json", "index.json.lock", "blobs", "blobs/sha256", "BLOB"} {
		for kind, put := range map[string]func(file string) error{
			"pipe":         func(file string) error { return syscall.Mkfifo(file, 0o644) },
			"directory":    func(file string) error { return os.Mkdir(file, 0o755) },
			"link outside": func(file string) error { return os.Symlink("../../../../outside/file", file) },
			"link to pipe": func(file string) error {
				return errors.Join(syscall.Mkfifo(filepath.Dir(file)+"/pipe", 0o644), os.Symlink("pipe", file))
			},
			"link to self": func(file string) error { return os.Symlink(filepath.Base(file), file) },
			"link inside": func(file string) error {
				return errors.Join(os.WriteFile(filepath.Dir(file)+"/other", nil, 0o644), os.Symlink("other", file))
			},
			"hard link": func(file string) error {
				return os.Link(filepath.Join(file[:strings.Index(file, "/root/")], "outside/file"), file)
			},
		} {
			l := newLab(t)
			must(t, l.do(build.Permissions{}, func(r *build.Run) error { return saveTo(r, "oci:layout") }))
			dir := filepath.Join(l.root, "layout")
			file := filepath.Join(dir, name)
			if name == "BLOB" {
				file = files(t, filepath.Join(dir, "blobs"))[0]
			}
			must(t, os.RemoveAll(file))
			must(t, put(file))
			before := files(t, l.outside)
			for what, f := range map[string]func(r *build.Run) error{
				"read": func(r *build.Run) error { return readLayers(r, "oci:layout") }, "write": func(r *build.Run) error { return saveTo(r, "oci:layout:new") },
			} {
				start := time.Now()
				err := l.do(build.Permissions{}, f)
				if took := time.Since(start); took > 20*time.Second {
					t.Errorf("%s as a %s: %s took %v: %v", name, kind, what, took, err)
				}
				if err != nil && strings.Contains(err.Error(), secretText) {
					t.Errorf("%s as a %s: %s tells %v", name, kind, what, err)
				}
			}
			if data, err := os.ReadFile(filepath.Join(l.outside, "file")); string(data) != secretText || !slices.Equal(files(t, l.outside), before) {
				t.Errorf("%s as a %s: outside there is %q, %v, %q", name, kind, data, err, files(t, l.outside))
			}
		}
	}
}
