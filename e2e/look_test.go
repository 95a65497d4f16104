package e2e_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// debian is a base as Debian's are, with /lib as a link into /usr, and layers upon it of every kind that unpacking depends on.
const debian = `
img = image("scratch", "oci:out:v1")
img.add_files({
    "/usr/lib/libc.so": custom_file("libc", mtime = 1000000001),
    "/usr/lib/os-release": custom_file("NAME=test\n"),
    "/usr/bin/perl": custom_file("perl", mode = 0o755),
    "/usr/bin/perl5": custom_file(type = "hardlink", link_path = "/usr/bin/perl"),
    "/usr/bin/su": custom_file("su", mode = 0o4755),
    "/lib": custom_file(type = "symlink", link_path = "usr/lib"),
    "/bin": custom_file(type = "symlink", link_path = "/usr/bin"),
    "/etc/passwd": custom_file("root", mode = 0o640, uid = 0, gid = 42),
    "/etc/os-release": custom_file(type = "symlink", link_path = "../usr/lib/os-release"),
    "/etc/apt/sources.list": custom_file("deb"),
    "/etc/apt/keys/a": custom_file("a"),
    "/home/ann/.profile": custom_file("profile", uid = 1000, gid = 1000),
    "/home/ann": custom_file(type = "directory", mode = 0o700, uid = 1000, gid = 1000),
    "/var/cache/apt/archives/x.deb": custom_file("x"),
    "/var/cache/apt/y": custom_file("y"),
    "/tmp": custom_file(type = "directory", mode = 0o1777),
    "/was/directory": custom_file("was"),
    "/was_file": custom_file("file"),
    "/kept": custom_file("kept"),
    "/also": custom_file(type = "hardlink", link_path = "/kept"),
}, parents = True)
img.add_files({
    "/etc/passwd": custom_file("root:ann", mode = 0o644),
    "/etc/apt/sources.list": whiteout(),
    "/var/cache/apt": opaque(),
    "/var/cache/apt/new": custom_file("new"),
    "/was": whiteout(),
    "/was_file/now": custom_file("directory"),
    "/kept": whiteout(),
    "/usr/bin/perl": custom_file("another perl", mode = 0o755),
}, parents = True)
img.add_files({
    "/lib/libm.so": custom_file("libm"),
    "/bin/tool": custom_file("tool", mode = 0o755),
    "/lib/os-release": custom_file("NAME=new\n"),
    "/was": custom_file("a file now"),
    "/app/one": custom_file("one"),
    "/app/two": custom_file(type = "hardlink", link_path = "/app/one"),
}, parents = False)
img.add_files({"/lib/libc.so": whiteout(), "/etc/apt/keys": whiteout()}, parents = False)
img.save()
`

// TestExport: the archive of all files, unpacked by tar, is what umoci unpacks.
func TestExport(t *testing.T) {
	asRoot(t, "unpacking the files of several users")
	tools(t, "umoci", "tar")
	w := newWorld(t, nil)
	w.run(debian)
	w.sh("umoci", "unpack", "--image", "out:v1", "bundle")
	w.sh(program, "export", "oci:out:v1", "all.tar.zst")
	w.sh("mkdir", "ours")
	w.sh("tar", "xf", "all.tar.zst", "-p", "-C", "ours")
	want, got := unpacked(t, w.path("bundle/rootfs")), unpacked(t, w.path("ours"))
	if len(want) < 20 {
		t.Errorf("umoci unpacked only %d files", len(want))
	}
	sameFiles(t, got, want)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if strings.HasPrefix(want[name], "-") {
			equal(t, "cat "+name, w.sh(program, "cat", "oci:out:v1:/"+name), readFile(t, w.path("bundle/rootfs/"+name)))
		}
	}
}

// TestExportAsCrane: where crane export is right, it writes the same files.
func TestExportAsCrane(t *testing.T) {
	asRoot(t, "unpacking the files of several users")
	tools(t, "crane", "tar")
	w := newWorld(t, map[string]*server{"REG": start(t, anyKind)})
	// Of the layers of debian crane 0.22.1 makes what tar cannot unpack: a file in /lib of an upper layer stands under that path, before the link /lib. What is removed by way of a link stays, and
	// a hard link to a file that an upper layer has anew gets the new contents.
	layers := strings.Split(debian, "img.add_files(")
	w.run(strings.Replace(strings.Join(append(layers[:2:2], `{
    "/etc/passwd": custom_file("root:ann", mode = 0o644),
    "/etc/apt/sources.list": whiteout(),
    "/var/cache/apt": opaque(),
    "/var/cache/apt/new": custom_file("new"),
    "/usr/lib/libm.so": custom_file("libm"),
    "/app/one": custom_file("one"),
    "/app/two": custom_file(type = "hardlink", link_path = "/app/one"),
}, parents = True)
img.save()
`), "img.add_files("), `"oci:out:v1"`, `REG + "/app:v1"`, 1))
	w.sh("crane", "export", "$REG/app:v1", "crane.tar")
	w.sh(program, "export", "$REG/app:v1", "ours.tar")
	for _, name := range []string{"crane", "ours"} {
		w.sh("mkdir", name)
		w.sh("tar", "xf", name+".tar", "-p", "-C", name)
	}
	sameFiles(t, unpacked(t, w.path("ours")), unpacked(t, w.path("crane")))
}

// unpacked describes what is in a directory: type, mode, owner, time and contents, and of files with several names the first.
func unpacked(t *testing.T, dir string) map[string]string {
	t.Helper()
	all, first := map[string]string{}, map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		sys := info.Sys().(*syscall.Stat_t)
		what := fmt.Sprintf("%v %d:%d", info.Mode(), sys.Uid, sys.Gid)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			what += " -> " + readLink(t, path)
		case info.Mode().IsRegular():
			what += " " + info.ModTime().UTC().Format("2006-01-02T15:04:05") + " " + readFile(t, path)
			if sys.Nlink > 1 {
				if first[sys.Ino] == "" {
					first[sys.Ino] = name
				}
				what += " = " + first[sys.Ino]
			}
		}
		all[name] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sameFiles(t *testing.T, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: got %q, want %q", name, got[name], want[name])
		}
		delete(got, name)
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		t.Errorf("%s: got %q, want nothing", name, got[name])
	}
}
