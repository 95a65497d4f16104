package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// baseScript makes an image that can run out of one static program.
const baseScript = `
base = image("scratch", "oci:base:v1")
base.add_files({
    "/bin/busybox": "busybox",
    "/bin/sh": custom_file(type = "symlink", link_path = "busybox"),
    "/etc/passwd": custom_file("root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000:web:/app:/bin/sh\n"),
    "/etc/group": custom_file("root:x:0:\nweb:x:1000:\n"),
    "/etc/motd": custom_file("hello\n"),
    "/var/cache/old/file": custom_file("old\n"),
    "/tmp": custom_file(type = "directory", mode = 0o1777),
})
base.env = {"PATH": "/bin", "COLOR": "red"}
base.cmd = ["/bin/sh"]
base.labels = {"base": "yes"}
base.save()
`

// appScript builds on $BASE and saves to TARGET.
const appScript = `
img = image(BASE, TARGET)
img.add_files({
    "/app": "app",
    "/app/secret": file("app.secret", mode = 0o600, uid = 1000, gid = 1000),
    "/app/big": custom_file(b"0123456789" * 500000),
    "/etc/motd": whiteout(),
    "/var/cache/old": opaque(),
})
img.add_files({"/late": custom_file("second layer\n")})
img.env["COLOR"] = "green"
img.env["HELLO"] = "world"
img.working_dir = "/app"
img.cmd = ["/bin/busybox", "cat", "hello"]
img.save(["v1", "latest"])
`

// withApp puts the files of appScript into the root.
func (w *world) withApp() {
	w.write("app/hello", "hello from an image\n")
	w.write("app/run.sh", "#!/bin/sh\necho \"$HELLO $COLOR $(pwd)\"\n")
	w.write("app/sub/file", "sub\n")
	w.write("app.secret", "s3cret\n")
	if err := os.Chmod(w.path("app/run.sh"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Symlink("hello", w.path("app/link")); err != nil {
		w.t.Fatal(err)
	}
}

// TestBuild builds on a base that another tool pushed, in each format and on each registry, and has the result read and run by others.
func TestBuild(t *testing.T) {
	for _, k := range kinds {
		for _, format := range []string{"oci", "v2s2"} {
			t.Run(k.name+"/"+format, func(t *testing.T) {
				t.Parallel()
				tools(t, "skopeo", "crane", "buildah", "busybox")
				w := newWorld(t, map[string]*server{"REG": start(t, k)})
				w.busybox()
				w.withApp()
				w.run(baseScript)
				w.sh("skopeo", "copy", "--format", format, "oci:base:v1", "docker://$REG/library/base:v1")
				app := w.save("BASE = REG + '/library/base:v1'\nTARGET = REG + '/team/app'" + appScript)
				w.checkRemote(app, format)
				if k.auth == open && k.command != "" { // running it takes the longest, and asks nothing else of the registry
					w.checkRun("docker://$REG/team/app:v1")
				}
			})
		}
	}
}

// checkRemote has skopeo and crane read what appScript pushed.
func (w *world) checkRemote(app saved, format string) {
	t := w.t
	t.Helper()
	equal(t, "media type", app.MediaType, map[string]string{"oci": "application/vnd.oci.image.manifest.v1+json", "v2s2": "application/vnd.docker.distribution.manifest.v2+json"}[format])
	if app.Mounted != 1 {
		t.Errorf("%d blobs were mounted, want 1: the base's layer", app.Mounted)
	}
	var info struct {
		Digest   string
		RepoTags []string
		Env      []string
		Labels   map[string]string
		Layers   []string
	}
	decode(t, w.sh("skopeo", "inspect", "docker://$REG/team/app:v1"), &info)
	equal(t, "digest", info.Digest, app.Digest)
	equal(t, "tags", info.RepoTags, []string{"latest", "v1"})
	equal(t, "env", info.Env, []string{"PATH=/bin", "COLOR=green", "HELLO=world"})
	equal(t, "labels", info.Labels, map[string]string{"base": "yes"})
	equal(t, "number of layers", len(info.Layers), 3)
	w.sh("crane", "validate", "--remote", "$REG/team/app:latest")
	w.sh("skopeo", "copy", "docker://$REG/team/app:v1", "dir:copy")
	equal(t, "digest of skopeo's copy", fileDigest(t, w.path("copy/manifest.json")), app.Digest)
	w.sh("skopeo", "copy", "docker://$REG/team/app:v1", "oci:converted:v1") // schema 2 is rewritten here, which reads every layer
}

// buildah runs the tool with a storage of its own.
func (w *world) buildah(args ...string) string {
	w.t.Helper()
	storage := []string{"--root", filepath.Join(w.home, "storage"), "--runroot", filepath.Join(w.home, "running"), "--storage-driver", "vfs"}
	return strings.TrimSpace(w.sh("buildah", append(storage, args...)...))
}

// runIn runs a program in a container of buildah's that has busybox.
func (w *world) runIn(id string, args ...string) string {
	w.t.Helper()
	// buildah 1.28 sometimes ends before it passed on what a short program printed: the mark tells that from a program that printed nothing.
	const mark = "[the end]"
	script := "'" + strings.Join(args, "' '") + "'; echo '" + mark + "'"
	for range 5 {
		if out, whole := strings.CutSuffix(w.buildah("run", "--isolation", "chroot", id, "--", "/bin/busybox", "sh", "-c", script), mark); whole {
			return strings.TrimSpace(out)
		}
	}
	w.t.Error("buildah lost what the program printed, five times")
	return ""
}

// checkRun runs the image that appScript made.
func (w *world) checkRun(image string) {
	t := w.t
	t.Helper()
	id := w.buildah("from", image)
	run := func(args ...string) string {
		t.Helper()
		return w.runIn(id, args...)
	}
	equal(t, "a file", run("/bin/busybox", "cat", "/app/hello"), "hello from an image")
	equal(t, "a program, the environment and the directory", run("./run.sh"), "world green /app")
	stat := "/app 755:0:0 directory\n/app/secret 600:1000:1000 regular file\n/app/run.sh 755:0:0 regular file\n/app/hello 644:0:0 regular file\n" +
		"/app/link 777:0:0 symbolic link\n/tmp 1777:0:0 directory"
	equal(t, "modes and owners", run("busybox", "stat", "-c", "%n %a:%u:%g %F", "/app", "/app/secret", "/app/run.sh", "/app/hello", "/app/link", "/tmp"), stat)
	equal(t, "what was whited out", run("sh", "-c", "busybox ls -A /var/cache/old; test -e /etc/motd || echo gone"), "gone")
	equal(t, "a big file", run("busybox", "md5sum", "/app/big"), "130cde57239bd21743ef43742ea3259c  /app/big")
	equal(t, "a second layer", run("busybox", "cat", "/late"), "second layer")
	equal(t, "the command", w.buildah("inspect", "--format", "{{.OCIv1.Config.Cmd}} {{.OCIv1.Config.WorkingDir}}", id), "[/bin/busybox cat hello] /app")
}

// TestUnpack has umoci unpack a layout that the program wrote.
func TestUnpack(t *testing.T) {
	t.Parallel()
	tools(t, "umoci", "busybox")
	w := newWorld(t, nil)
	w.busybox()
	w.withApp()
	w.run(baseScript)
	w.run("BASE = 'oci:base:v1'\nTARGET = 'oci:out:v1'" + appScript)
	unpack := []string{"unpack", "--image", "out:v1", "bundle"}
	if os.Geteuid() != 0 {
		unpack = append(unpack, "--rootless")
	}
	w.sh("umoci", unpack...)
	for name, want := range map[string]string{
		"app": "drwxr-xr-x", "app/hello": "-rw-r--r--", "app/run.sh": "-rwxr-xr-x", "app/secret": "-rw-------", "app/link": "Lrwxrwxrwx", "tmp": "dtrwxrwxrwx",
		"etc/motd": "", "var/cache/old": "drwxr-xr-x", "var/cache/old/file": "", "late": "-rw-r--r--",
	} {
		got := ""
		if info, err := os.Lstat(w.path("bundle/rootfs/" + name)); err == nil {
			got = info.Mode().String()
		}
		equal(t, name, got, want)
	}
	equal(t, "a link", readLink(t, w.path("bundle/rootfs/app/link")), "hello")
	equal(t, "a file", readFile(t, w.path("bundle/rootfs/app/hello")), "hello from an image\n")
	var runtime struct {
		Process struct {
			Args, Env []string
			Cwd       string
		}
	}
	decode(t, readFile(t, w.path("bundle/config.json")), &runtime)
	equal(t, "args and cwd", append(runtime.Process.Args, runtime.Process.Cwd), []string{"/bin/busybox", "cat", "hello", "/app"})
	if env := fmt.Sprint(runtime.Process.Env); !strings.Contains(env, "COLOR=green") || !strings.Contains(env, "HELLO=world") {
		t.Errorf("env: %s", env)
	}
}

func decode(t *testing.T, data string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(data), into); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func readLink(t *testing.T, path string) string {
	t.Helper()
	to, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func fileDigest(t *testing.T, path string) string {
	t.Helper()
	return digest.FromString(readFile(t, path)).String()
}
