package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	place := func(name string) map[string]string {
		return map[string]string{
			"registry":       w.hosts["REG"] + "/" + name + ":v1",
			"layout":         "oci:" + w.path(name) + ":v1",
			"oci-archive":    "oci-archive:" + w.path(name+"-oci.tar") + ":v1",
			"docker-archive": "docker-archive:" + w.path(name+"-docker.tar") + ":" + name + ":v1",
		}
	}
	sources := place("source")
	var digest string
	for _, target := range sources {
		saved := w.save("TARGET = '" + strings.ReplaceAll(target, w.dir+"/", "") + "'\n" + appForTransports)
		if digest == "" {
			digest = saved.Digest
		}
		equal(t, target, saved.Digest, digest)
	}
	for from, source := range sources {
		for to, target := range place(from) {
			t.Run(from+" to "+to, func(t *testing.T) {
				equal(t, "digest", w.copyTo(source, target)[0].Digest, digest)
				skopeo := target
				if to == "registry" {
					skopeo = "docker://" + target
				}
				var config struct{ Config struct{ Cmd []string } }
				decode(t, w.sh("skopeo", "inspect", "--config", skopeo), &config)
				equal(t, "command by skopeo", config.Config.Cmd, []string{"/bin/busybox", "cat", "/hello"})
				w.sh("skopeo", "copy", skopeo, "dir:"+strings.ReplaceAll(from+to, "-", "")) // reads every layer
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
		w.sh("skopeo", "copy", "docker://$REG/by"+string(rune('0'+i))+":v1", "dir:by") // crane validate takes plain layers for compressed ones
		equal(t, base, w.tarNames("$REG/by"+string(rune('0'+i))+":v1"), "bin/busybox hello more")
	}
}

// TestDockerDaemon loads an image into a Docker daemon, which runs it, and reads it back; what the daemon has is not sent again. It runs with IMGSCRIPT_NIGHTLY alone: the daemon is
// root's.
func TestDockerDaemon(t *testing.T) {
	if os.Getenv("IMGSCRIPT_NIGHTLY") == "" {
		t.Skip("runs in .ci/nightly")
	}
	asRoot(t, "a Docker daemon")
	tools(t, "dockerd", "docker", "busybox", "skopeo")
	host := startDocker(t)
	w := newWorld(t, nil)
	w.daemon = host
	w.busybox()
	docker := func(args ...string) string { return w.sh("docker", append([]string{"-H", host}, args...)...) }
	for _, tags := range []string{"", `["v2", "v3"]`} {
		w.run("TARGET = 'docker-daemon:team/app:v1'\n" + strings.Replace(appForTransports, "save()", "save("+tags+")", 1))
	}
	for _, tag := range []string{"v1", "v2", "v3"} {
		equal(t, tag, docker("run", "--rm", "--network", "none", "team/app:"+tag), "hello\n")
	}
	w.run(`
img = image("docker-daemon:team/app:v2", "docker-archive:back.tar:back:v1")
img.add_files({"/more": custom_file("more\n")})
img.cmd = ["/bin/busybox", "cat", "/more"]
img.save()
`)
	docker("load", "-i", w.path("back.tar"))
	equal(t, "back", docker("run", "--rm", "--network", "none", "back:v1"), "more\n")
	w.copyTo("docker-archive:"+w.path("back.tar")+":back:v1", "docker-daemon:copied")
	equal(t, "copied", docker("run", "--rm", "--network", "none", "copied:v1"), "more\n")
}

// startDocker starts a daemon without a network, and returns its host.
func startDocker(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dk") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	host := "unix://" + filepath.Join(dir, "s")
	var log bytes.Buffer
	cmd := exec.Command("dockerd", "--bridge=none", "--iptables=false", "--storage-driver=vfs", "--data-root", filepath.Join(dir, "data"),
		"--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"), "-H", host)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	for range 300 {
		if exec.Command("docker", "-H", host, "info").Run() == nil {
			return host
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("dockerd does not answer:\n%s", log.Bytes())
	return ""
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
