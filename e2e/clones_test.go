package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTwoClones builds out of two clones of one repository: in other directories, with another umask, locale and time zone, by a program whose clock says 2009 and, if
// the test is root's, by another user. The images have one digest.
func TestTwoClones(t *testing.T) {
	t.Parallel()
	if os.Getenv("IMGSCRIPT_E2E") != "require" {
		t.Skip("it builds Go's library once more; .ci/run does that")
	}
	tools(t, "git", "sh")
	w := newWorld(t, nil)
	w.run(`
base = image("scratch", "oci:repository/base:v1")
base.add_files({"/etc/base": custom_file("base\n")})
base.save()
`)
	for name, data := range tree() {
		if !strings.HasSuffix(name, "/") { // git keeps no empty directories
			w.write("repository/app/"+name, data)
		}
	}
	w.write("repository/.dockerignore", "*.md\n")
	w.write("repository/lib/common.star", "def common(img):\n    img.labels[\"vendor\"] = \"Ünïcode\"\n")
	w.write("repository/build.star", `
load("lib/common.star", "common")
img = image("oci:base:v1", "oci:" + var("out") + ":v1")
img.add_files({"/app": "app"}, ignore_files = [".dockerignore"])
img.add_files({"/also": glob("app/dir*/**")[0]})
common(img)
img.cmd = ["/app/run.sh"]
img.save()
`)
	git := func(args ...string) {
		t.Helper()
		w.sh("git", append([]string{"-C", w.path("repository"), "-c", "user.name=ann", "-c", "user.email=ann@example.com"}, args...)...)
	}
	git("init", "-q")
	git("add", "-A")
	git("commit", "-q", "-m", "all")

	fake := filepath.Join(openDir(t), "imgscript")
	// Go's own way to a program with another clock: the one of its playground, where it is always 2009-11-10 23:00.
	if out, err := exec.Command("go", "build", "-tags", "faketime", "-o", fake, "../cmd/imgscript").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	var digests []string
	for i, c := range []struct {
		umask, program string
		env            []string
		uid            uint32
	}{
		{"022", program, []string{"LC_ALL=C", "TZ=UTC"}, 0},
		{"077", fake, []string{"LC_ALL=tr_TR.UTF-8", "TZ=Asia/Kathmandu"}, 65534},
	} {
		dir := openDir(t)
		clone := filepath.Join(dir, []string{"one", "a/second place"}[i])
		w.sh("sh", "-c", `umask `+c.umask+` && git clone -q "`+w.path("repository")+`" "`+clone+`"`)
		cmd := exec.Command(c.program, "run", filepath.Join(clone, "build.star"), "--no-cache", "--progress", "quiet", "--var", "out=out")
		cmd.Env = append(append(w.environment(), c.env...), "HOME="+dir, "TMPDIR="+dir)
		cmd.Dir = dir
		if os.Geteuid() == 0 && c.uid != 0 {
			owned(t, dir, int(c.uid))
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.uid}}
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var index struct{ Manifests []struct{ Digest string } }
		decode(t, readFile(t, filepath.Join(clone, "out/index.json")), &index)
		digests = append(digests, index.Manifests[0].Digest)
	}
	equal(t, "the digest of the second clone", digests[1], digests[0])
}

// openDir is a temporary directory that other users may look into, as t.TempDir is none.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "imgscript-clone-")
	if err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// owned gives a directory with all that is in it to a user.
func owned(t *testing.T, dir string, uid int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, uid, uid)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
