package e2e_test

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// debianScript saves two bases as Debian's images look: directories that are links into /usr, hard links, files of special modes. The first one has layers on top that remove, replace and
// empty, as apt does.
const debianScript = `
def debian(target, release):
    img = image("scratch", target)
    img.add_files({
        "/bin": custom_file(type = "symlink", link_path = "usr/bin"),
        "/lib": custom_file(type = "symlink", link_path = "usr/lib"),
        "/etc/os-release": custom_file(release),
        "/etc/shadow": custom_file("root:*\n", mode = 0o640, gid = 42),
        "/usr/bin/perl": custom_file("perl\n", mode = 0o755),
        "/usr/bin/perl5": custom_file(type = "hardlink", link_path = "/usr/bin/perl"),
        "/usr/bin/su": custom_file("su\n", mode = 0o4755),
        "/usr/lib/libc.so.6": custom_file(3000 * "libc\n", mode = 0o755),
        "/usr/lib/libc.so": custom_file(type = "symlink", link_path = "libc.so.6"),
        "/usr/share/doc/libc/copyright": custom_file("GPL\n"),
        "/usr/share/doc/perl/copyright": custom_file("Artistic\n"),
        "/usr/share/man/man1/perl.1": custom_file("man\n"),
        "/var/cache/apt/pkgcache.bin": custom_file(1000 * "cache"),
        "/var/lib/dpkg/status": custom_file("first\n"),
        "/tmp": custom_file(type = "directory", mode = 0o1777),
        "/home/größe": custom_file("UTF-8\n"),
    }, parents = True)
    img.env = {"PATH": "/usr/bin"}
    img.cmd = ["perl"]
    return img

first = debian(REG + "/debian:1", "1\n")
first.add_files({
    "/usr/share/man": whiteout(),
    "/usr/share/doc/perl": whiteout(),
    "/var/cache/apt": opaque(),
    "/var/cache/apt/archives": custom_file(type = "directory"),
    "/var/lib/dpkg/status": custom_file("second\n", mode = 0o600),
}, parents = True)
first.add_files({"/usr/share/doc/libc/copyright": custom_file(type = "symlink", link_path = "../../common-licenses/GPL")}, parents = True)
first.save()
debian(REG + "/debian:2", "2\n").save()
app = first.fork(REG + "/app:1")
app.add_files({"/srv": "srv", "/etc/app": custom_file("app\n")}, parents = True)
app.env = {"APP": "1"}
app.save()
`

// flatFiles lists all that a tar says of its files. Of a file with several names, each counts as the file; which one of them has the contents is a matter of taste.
func flatFiles(t *testing.T, name string) map[string]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files, links := map[string]string{}, map[string]string{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		path := "/" + strings.Trim(strings.TrimPrefix(h.Name, "./"), "/")
		if _, twice := files[path]; twice || links[path] != "" {
			t.Errorf("%s has %s twice", name, path)
		}
		if h.Typeflag == tar.TypeLink {
			links[path] = "/" + h.Linkname
			continue
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, r); err != nil {
			t.Fatal(err)
		}
		files[path] = fmt.Sprintf("%c %o %d:%d %q %d %x", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname, h.Size, hash.Sum(nil))
	}
	for path, target := range links {
		if files[target] == "" {
			t.Errorf("%s: %s is a hard link to %s, which is not there", name, path, target)
		}
		files[path] = files[target]
	}
	return files
}

// runConfig is what of a config says how containers run.
func (w *world) runConfig(image string) string {
	w.t.Helper()
	var config struct {
		Architecture, OS string
		Config           struct {
			Env, Cmd, Entrypoint []string
			WorkingDir, User     string
		}
	}
	decode(w.t, w.sh("crane", "config", image), &config)
	return fmt.Sprintf("%+v", config)
}

// layerDigests are the layers of an image.
func (w *world) layerDigests(image string) []string {
	w.t.Helper()
	var manifest struct{ Layers []struct{ Digest string } }
	decode(w.t, w.sh("crane", "manifest", image), &manifest)
	var digests []string
	for _, l := range manifest.Layers {
		digests = append(digests, l.Digest)
	}
	return digests
}

// TestSurgeryAsCrane does what crane does by flatten, rebase and append, on a base like Debian's, and compares files and configs.
func TestSurgeryAsCrane(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		tools(t, "crane")
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		w.write("srv/index.html", "hello\n")
		w.run(debianScript)
		all := w.run(`
img = image(REG + "/debian:1", REG + "/debian:flat")
img.flatten()
img.save()
img = image(REG + "/app:1", REG + "/app:ours")
img.rebase(REG + "/debian:1", REG + "/debian:2")
img.save()
`)
		for _, s := range all {
			w.sh("crane", "validate", "--remote", s.Reference)
		}
		w.sh("crane", "flatten", "$REG/debian:1", "-t", "$REG/debian:crane")
		w.sh("crane", "export", "$REG/debian:crane", w.path("crane.tar"))
		w.sh("crane", "export", "$REG/debian:flat", w.path("flat.tar"))
		want := flatFiles(t, w.path("crane.tar"))
		if diff := cmp.Diff(want, flatFiles(t, w.path("flat.tar"))); diff != "" || len(want) < 20 {
			t.Errorf("flatten: %d files, (-crane +ours):\n%s", len(want), diff)
		}
		equal(t, "config of the flattened", w.runConfig("$REG/debian:flat"), w.runConfig("$REG/debian:crane"))
		equal(t, "layers of the flattened", len(w.layerDigests("$REG/debian:flat")), 1)

		w.sh("crane", "rebase", "$REG/app:1", "--old_base", "$REG/debian:1", "--new_base", "$REG/debian:2", "-t", "$REG/app:crane")
		equal(t, "layers of the rebased", w.layerDigests("$REG/app:ours"), w.layerDigests("$REG/app:crane"))
		equal(t, "config of the rebased", w.runConfig("$REG/app:ours"), w.runConfig("$REG/app:crane"))
		equal(t, "blobs sent for it", fmt.Sprint(all[1].Uploaded, all[1].UploadedBytes < 10_000), "1 true") // its config
	})
}

// TestSurgeryOfAnIndex flattens each platform of an index, as crane does, and rebases each, which crane does not.
func TestSurgeryOfAnIndex(t *testing.T) {
	t.Parallel()
	tools(t, "crane", "skopeo")
	w := newWorld(t, map[string]*server{"REG": start(t, kinds[0])})
	all := w.run(`
PLATFORMS = ["linux/amd64", "linux/arm64"]
def many(target, text):
    img = image("scratch", target, platforms = PLATFORMS)
    img.add_files({"/etc/base": custom_file(text), "/etc/gone": custom_file("x")}, parents = True)
    for p in PLATFORMS:
        img.on(p).add_files({"/etc/platform": custom_file(text + p)}, parents = True)
    return img
base = many(REG + "/many:1", "one ")
base.save()
many(REG + "/many:2", "two ").save()
app = base.fork(REG + "/app:1")
app.add_files({"/etc/gone": whiteout(), "/app": custom_file("app")}, parents = True)
app.save()
img = image(REG + "/app:1", REG + "/app:flat", platforms = "all")
img.flatten()
img.save()
img = image(REG + "/app:1", REG + "/app:2", platforms = "all")
img.rebase(REG + "/many:1", REG + "/many:2")
img.save()
`)
	for _, s := range all {
		w.sh("crane", "validate", "--remote", s.Reference)
	}
	w.sh("crane", "flatten", "$REG/app:1", "-t", "$REG/app:crane")
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		for _, tag := range []string{"crane", "flat", "2"} {
			w.sh("crane", "export", "--platform", platform, "$REG/app:"+tag, w.path(tag+".tar"))
		}
		if diff := cmp.Diff(flatFiles(t, w.path("crane.tar")), flatFiles(t, w.path("flat.tar"))); diff != "" {
			t.Errorf("%s: (-crane +ours):\n%s", platform, diff)
		}
		_, arch, _ := strings.Cut(platform, "/")
		var info struct {
			Architecture string
			Layers       []string
		}
		decode(t, w.sh("skopeo", "inspect", "--override-arch", arch, "docker://$REG/app:2"), &info)
		equal(t, "the rebased one by skopeo", fmt.Sprint(info.Architecture, len(info.Layers)), fmt.Sprint(arch, 3))
		want := fmt.Sprintf("%x", sha256.Sum256([]byte("two "+platform)))
		if files := flatFiles(t, w.path("2.tar")); !strings.HasSuffix(files["/etc/platform"], want) || files["/app"] == "" || files["/etc/gone"] != "" {
			t.Errorf("%s rebased has %q", platform, files)
		}
	}
}

// treeOf lists all files below a directory, with what a container sees of them.
func treeOf(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		what := fmt.Sprintf("%v %d:%d", info.Mode(), stat.Uid, stat.Gid)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			what += " " + readLink(t, name)
		case info.Mode().IsRegular():
			what += fmt.Sprintf(" %d links, %d s, %x", stat.Nlink, info.ModTime().Unix(), sha256.Sum256([]byte(readFile(t, name))))
		}
		files[strings.TrimPrefix(name, root)] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestFlattenAsUnpacked flattens layers that crane makes no right tar of: files that come through a directory that is a link, hard links to files of lower layers, and those whose first name was removed.
// umoci unpacks the layers one after the other, as engines do, and has to find the same in the one layer.
func TestFlattenAsUnpacked(t *testing.T) {
	t.Parallel()
	asRoot(t, "unpacking the files of several users with umoci")
	tools(t, "umoci")
	w := newWorld(t, nil)
	w.run(`
img = image("scratch", "oci:layered:v1")
img.add_files({
    "/bin": custom_file(type = "symlink", link_path = "usr/bin"),
    "/usr/bin/a": custom_file("a\n", mode = 0o755, uid = 7),
    "/usr/bin/one": custom_file("one\n"),
    "/usr/bin/two": custom_file(type = "hardlink", link_path = "/usr/bin/one"),
    "/usr/lib": custom_file(type = "directory", mode = 0o2755, gid = 50),
    "/usr/lib/x/y/z": custom_file("z\n"),
    "/lib": custom_file(type = "symlink", link_path = "/usr/lib"),
    "/var/old/1": custom_file("1\n"), "/var/old/2": custom_file("2\n"),
    "/opt/dir/file": custom_file("file\n"),
}, parents = True)
img.add_files({"/bin/b": custom_file("b\n"), "/lib/x": opaque(), "/lib/x/new": custom_file("new\n"), "/usr/bin/one": whiteout()}, parents = False)
img.add_files({"/usr/bin/three": custom_file(type = "hardlink", link_path = "/usr/bin/two"), "/bin/a": whiteout(), "/opt/dir": custom_file("a file now\n")}, parents = False)
img.remove_files(["/var/old/*", "/usr/lib/x/y/**"], allow_empty = True)
img.save()
img.flatten()
img.save(to = "oci:flat:v1")
`)
	for _, name := range []string{"layered", "flat"} {
		w.sh("umoci", "unpack", "--image", name+":v1", name+"-bundle")
	}
	want, got := treeOf(t, w.path("layered-bundle/rootfs")), treeOf(t, w.path("flat-bundle/rootfs"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-layered +flat):\n%s", diff)
	}
	for name, there := range map[string]bool{
		"/usr/bin/b": true, "/usr/bin/three": true, "/usr/lib/x/new": true, "/var/old": true, "/opt/dir": true,
		"/usr/bin/a": false, "/usr/bin/one": false, "/usr/lib/x/y": false, "/var/old/1": false, "/opt/dir/file": false,
	} {
		if _, ok := got[name]; ok != there {
			t.Errorf("%s: %v, want %v", name, ok, there)
		}
	}
}

// TestSurgeryRuns has an image that all of surgery was done to read and run by others.
func TestSurgeryRuns(t *testing.T) {
	for _, format := range []string{"oci", "docker"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			tools(t, "skopeo", "crane", "buildah", "busybox")
			w := newWorld(t, map[string]*server{"REG": start(t, kinds[0])})
			w.busybox()
			w.withApp()
			w.run(baseScript + `
for tag, more in {"v1": "old\n", "v2": "new\n"}.items():
    img = image("oci:base:v1", REG + "/base:" + tag, format = "` + format + `")
    img.add_files({"/etc/release": custom_file(more)})
    img.labels = {"release": tag}
    img.save()
`)
			w.run("BASE = REG + '/base:v1'\nTARGET = REG + '/team/app'" + appScript)
			saved := w.save(`
extra = image("scratch")
extra.add_files({"/extra/keep": custom_file("keep\n"), "/extra/drop/me": custom_file("drop\n")})
img = image(REG + "/team/app:v1", REG + "/team/app:cut")
img.append(extra)
img.remove_files("/extra/drop/**")
img.rebase(REG + "/base:v1", REG + "/base:v2")
eq(img.get_image_config()["Labels"], {"base": "yes", "release": "v2"})
img.flatten()
eq(len(img.layers()), 1)
img.save()
`)
			w.sh("crane", "validate", "--remote", saved.Reference)
			w.sh("skopeo", "copy", "docker://$REG/team/app:cut", "oci:copied:v1")
			names := strings.Fields(w.tarNames("$REG/team/app:cut"))
			for name, there := range map[string]bool{"extra/keep": true, "extra/drop/": true, "extra/drop/me": false, "etc/release": true, "app/hello": true, "etc/motd": false} {
				if slices.Contains(names, name) != there && slices.Contains(names, strings.TrimSuffix(name, "/")) != there {
					t.Errorf("%s: want %v, in %q", name, there, names)
				}
			}
			w.checkRun("docker://$REG/team/app:cut")
		})
	}
}
