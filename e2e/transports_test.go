package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// appForTransports is an image that can be run, saved to TARGET.
const appForTransports = `
img = image("scratch", TARGET)
img.add_files({"/bin/busybox": file("busybox")})
img.add_files({"/hello": custom_file("hello\n")})
img.cmd = ["/bin/busybox", "cat", "/hello"]
img.save()
`

// TestTransports copies an image from each transport to each, keeping its digest, and has skopeo and crane read what comes out.
func TestTransports(t *testing.T) {
	tools(t, "skopeo", "crane", "busybox")
	w := newWorld(t, map[string]*server{"REG": start(t, anyKind)})
	w.busybox()
	sources := w.places("source")
	var digest string
	for _, target := range sources {
		saved := w.save("TARGET = '" + strings.ReplaceAll(target, w.dir+"/", "") + "'\n" + appForTransports)
		if digest == "" {
			digest = saved.Digest
		}
		equal(t, target, saved.Digest, digest)
	}
	for from, source := range sources {
		for to, target := range w.places(from) {
			t.Run(from+" to "+to, func(t *testing.T) {
				equal(t, "digest", w.copyTo(source, target)[0].Digest, digest)
				w.checkTransport(t, from+" to "+to, target, "")
				switch to {
				case "registry":
					w.sh("crane", "validate", "--remote", target)
				case "docker-archive":
					w.sh("crane", "validate", "--tarball", w.path(from+"-docker.tar"))
				}
			})
		}
	}
}

// places are references of an image for each transport but a daemon.
func (w *world) places(name string) map[string]string {
	return map[string]string{
		"registry":       w.hosts["REG"] + "/" + name + ":v1",
		"layout":         "oci:" + w.path(name) + ":v1",
		"oci-archive":    "oci-archive:" + w.path(name+"-oci.tar") + ":v1",
		"docker-archive": "docker-archive:" + w.path(name+"-docker.tar") + ":" + name + ":v1",
	}
}

// checkTransport has skopeo read the config and every layer of appForTransports's image. id is the digest of its config, if it is known.
func (w *world) checkTransport(t *testing.T, what, ref, id string) {
	t.Helper()
	var inspect, copying []string
	switch {
	case strings.HasPrefix(ref, "docker-daemon:"):
		inspect, copying = []string{"--daemon-host", w.daemon}, []string{"--src-daemon-host", w.daemon}
	case strings.HasPrefix(ref, w.hosts["REG"]+"/"):
		ref = "docker://" + ref
	}
	raw := w.sh("skopeo", append(append([]string{"inspect", "--config", "--raw"}, inspect...), ref)...)
	var config struct{ Config struct{ Cmd []string } }
	decode(t, raw, &config)
	equal(t, what+": command by skopeo", config.Config.Cmd, []string{"/bin/busybox", "cat", "/hello"})
	if id != "" {
		equal(t, what+": config by skopeo", digest.FromString(raw).String(), id)
	}
	w.sh("skopeo", append(append([]string{"copy"}, copying...), ref, "dir:"+strings.NewReplacer("-", "", " ", "").Replace(what))...) // reads every layer
}

// TestArchivesOfOthers builds on archives that skopeo wrote, one of them compressed.
func TestArchivesOfOthers(t *testing.T) {
	tools(t, "skopeo", "crane", "busybox", "pigz")
	w := newWorld(t, map[string]*server{"REG": start(t, anyKind)})
	w.busybox()
	w.save("TARGET = REG + '/app:v1'\n" + appForTransports)
	w.sh("skopeo", "copy", "docker://$REG/app:v1", "oci-archive:"+w.path("o.tar")+":v1")
	w.sh("skopeo", "copy", "docker://$REG/app:v1", "docker-archive:"+w.path("d.tar")+":app:v1")
	w.sh("crane", "pull", "$REG/app:v1", w.path("c.tar"))
	w.sh("pigz", "-k", w.path("d.tar"))
	for i, base := range []string{"oci-archive:o.tar:v1", "docker-archive:d.tar:app:v1", "docker-archive:d.tar.gz:app:v1", "docker-archive:c.tar"} {
		target := "REG + '/by" + string(rune('0'+i)) + ":v1'"
		w.run("img = image('" + base + "', " + target + ")\nimg.add_files({'/more': custom_file('more')})\nimg.save()\n")
		w.sh("crane", "validate", "--remote", "$REG/by"+string(rune('0'+i))+":v1") // which takes no plain layers, as docker-archive: has them
		equal(t, base, w.tarNames("$REG/by"+string(rune('0'+i))+":v1"), "bin/busybox hello more")
	}
	copied := w.copyTo("docker-archive:"+w.path("d.tar")+":app:v1", w.hosts["REG"]+"/copied:v1")[0]
	w.sh("crane", "validate", "--remote", "$REG/copied:v1")
	w.copyTo("docker-archive:"+w.path("d.tar")+":app:v1", "oci:"+w.path("unpacked")+":v1")
	w.checkTransport(t, "an archive of skopeo to a layout", "oci:unpacked:v1", "")
	equal(t, "the same from a compressed archive", w.copyTo("docker-archive:"+w.path("d.tar.gz")+":app:v1", w.hosts["REG"]+"/copied:v2")[0].Digest, copied.Digest)
}

// TestContainerd imports archives into containerd's store, which reads both kinds. It runs with IMGSCRIPT_NIGHTLY alone: containerd is root's.
func TestContainerd(t *testing.T) {
	if os.Getenv("IMGSCRIPT_NIGHTLY") == "" {
		t.Skip("runs in .ci/nightly")
	}
	asRoot(t, "containerd")
	tools(t, "containerd", "ctr", "busybox")
	w := newWorld(t, nil)
	w.busybox()
	w.run("TARGET = 'oci-archive:o.tar:v1'\n" + appForTransports)
	w.run("TARGET = 'docker-archive:d.tar:team/app:v2'\n" + appForTransports)
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	cmd := exec.Command("containerd", "--address", socket, "--root", filepath.Join(dir, "root"), "--state", filepath.Join(dir, "state"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for range 100 {
		if exec.Command("ctr", "-a", socket, "version").Run() == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.sh("ctr", "-a", socket, "image", "import", "--base-name", "example.com/o", w.path("o.tar"))
	w.sh("ctr", "-a", socket, "image", "import", w.path("d.tar"))
	images := w.sh("ctr", "-a", socket, "image", "list", "-q")
	equal(t, "images", strings.Fields(images), []string{"docker.io/team/app:v2", "example.com/o:v1"})
}
