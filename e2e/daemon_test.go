package e2e_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestDockerDaemon loads images into a Docker daemon, which runs them, and reads them back. It runs with IMGSCRIPT_NIGHTLY alone: the daemon is root's.
func TestDockerDaemon(t *testing.T) {
	if os.Getenv("IMGSCRIPT_NIGHTLY") == "" {
		t.Skip("runs in .ci/nightly")
	}
	asRoot(t, "a Docker daemon")
	tools(t, "dockerd", "docker", "busybox", "skopeo", "crane")
	host := startDocker(t)
	for name, test := range map[string]func(t *testing.T, w *world){
		"runs": daemonRuns, "transports": daemonTransports, "what it lacks": daemonLacks, "history": daemonHistory, "health": daemonHealth,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, map[string]*server{"REG": start(t, anyKind)})
			w.daemon = host
			w.busybox()
			test(t, w)
		})
	}
}

// docker runs the client.
func (w *world) docker(args ...string) string {
	w.t.Helper()
	return w.sh("docker", args...)
}

// daemonRuns saves with several tags, builds on what the daemon has, and copies.
func daemonRuns(t *testing.T, w *world) {
	for _, tags := range []string{"", `["v2", "v3"]`} {
		w.run("TARGET = 'docker-daemon:team/app:v1'\n" + strings.Replace(appForTransports, "save()", "save("+tags+")", 1))
	}
	for _, tag := range []string{"v1", "v2", "v3"} {
		equal(t, tag, w.docker("run", "--rm", "--network", "none", "team/app:"+tag), "hello\n")
	}
	w.run(`
img = image("docker-daemon:team/app:v2", "docker-archive:back.tar:back:v1")
img.add_files({"/more": custom_file("more\n")})
img.cmd = ["/bin/busybox", "cat", "/more"]
img.save()
`)
	w.docker("load", "-i", w.path("back.tar"))
	equal(t, "back", w.docker("run", "--rm", "--network", "none", "back:v1"), "more\n")
	w.copyTo("docker-archive:"+w.path("back.tar")+":back:v1", "docker-daemon:copied")
	equal(t, "copied", w.docker("run", "--rm", "--network", "none", "copied:v1"), "more\n")
}

// daemonTransports copies to the daemon from each transport, and from it to each, which are the pairs that TestTransports has not. A daemon keeps the config, and so the image's ID, and no
// manifest; its layers go to registries compressed, with the same digest each time.
func daemonTransports(t *testing.T, w *world) {
	places := func(name string) map[string]string {
		all := w.places(name)
		all["docker-daemon"] = "docker-daemon:" + name + ":v1"
		return all
	}
	sources := places("source")
	for _, target := range sources {
		w.run("TARGET = '" + strings.ReplaceAll(target, w.dir+"/", "") + "'\n" + appForTransports)
	}
	id := func(name string) string {
		return strings.TrimSpace(w.docker("image", "inspect", "--format", "{{.Id}}", name))
	}
	want := id("source:v1")
	for from, source := range sources {
		w.copyTo(source, "docker-daemon:from-"+from+":v1")
		equal(t, "ID from "+from, id("from-"+from+":v1"), want)
		equal(t, "run from "+from, w.docker("run", "--rm", "--network", "none", "from-"+from+":v1"), "hello\n")
		w.checkTransport(t, from+" to docker-daemon", "docker-daemon:from-"+from+":v1", want)
	}
	for to, target := range places("target") {
		first := w.copyTo(sources["docker-daemon"], target)[0].Digest
		equal(t, "digest to "+to+", again", w.copyTo(sources["docker-daemon"], target)[0].Digest, first)
		w.checkTransport(t, "docker-daemon to "+to, target, want)
		if to == "registry" {
			w.sh("crane", "validate", "--remote", target)
			if manifest := w.sh("crane", "manifest", target); strings.Count(manifest, "diff.tar.gzip") != 2 {
				t.Errorf("layers are not compressed: %s", manifest)
			}
		}
		if to == "docker-archive" {
			w.sh("crane", "validate", "--tarball", w.path("target-docker.tar"))
		}
	}
}

// daemonLacks: of an image on one that the daemon has, it is sent the rest alone.
func daemonLacks(t *testing.T, w *world) {
	data, err := io.ReadAll(noise(4 << 20))
	if err != nil {
		t.Fatal(err)
	}
	w.write("big", string(data))
	direct := w.daemon
	var sent *atomic.Int64
	w.daemon, sent = counted(t, direct)
	for i, script := range []string{
		"img = image('scratch', 'docker-daemon:big:v1')\nimg.add_files({'/big': 'big'})\nimg.save()\nimg.save(to = 'oci:layout:v1')\n",
		"img = image('oci:layout:v1', 'docker-daemon:big:v2')\nimg.add_files({'/bin/busybox': file('busybox')})\nimg.save()\n",
		"img = image('docker-daemon:big:v2', 'docker-daemon:big:v3')\nimg.add_files({'/hello': custom_file('hello')})\nimg.cmd = ['/bin/busybox', 'wc', '-c', '/hello', '/big']\nimg.save()\n",
	} {
		sent.Store(0)
		w.run(script)
		if n := sent.Load(); i == 0 && n < 4<<20 || i > 0 && n > 3<<20 || i == 2 && n > 100<<10 {
			t.Errorf("step %d: the daemon was sent %d bytes", i, n)
		}
	}
	w.daemon = direct
	if out := w.docker("run", "--rm", "--network", "none", "big:v3"); !strings.Contains(out, "4194304 /big") || !strings.Contains(out, "5 /hello") {
		t.Errorf("it prints %q", out)
	}
}

// counted is a way to a daemon that counts the bytes of the archives that it is sent.
func counted(t *testing.T, host string) (string, *atomic.Int64) {
	t.Helper()
	dir, err := os.MkdirTemp("", "dc") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	sent := new(atomic.Int64)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker"
			if strings.HasSuffix(r.Out.URL.Path, "/images/load") {
				r.Out.Body = &counting{r.Out.Body, sent}
			}
		},
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(host, "unix://"))
		}},
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: proxy}}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		os.RemoveAll(dir)
	})
	return "unix://" + socket, sent
}

// counting counts what is read of it.
type counting struct {
	io.ReadCloser
	n *atomic.Int64
}

// Read implements io.Reader.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// daemonHistory: docker history shows for each layer what made it, the latest first, and docker inspect what the config says.
func daemonHistory(t *testing.T, w *world) {
	w.write("app/index.js", "index\n")
	w.run(configuredBase)
	w.run(strings.Replace(strings.Replace(configured, `REG + "/app:v1"`, `"docker-daemon:app:v1"`, 1), `data["os.version"], data["os.features"], data["variant"] = "1.2", ["x"], "v2"`, "", 1))
	var want strings.Builder
	for i := range layerCalls {
		want.WriteString(layerCalls[len(layerCalls)-1-i] + "\n")
	}
	equal(t, "history", w.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", "app:v1"), want.String())
	var config map[string]any
	decode(t, w.docker("image", "inspect", "--format", "{{json .Config}}", "app:v1"), &config)
	wantFields(t, "docker", config, "{"+ociFields+dockerFields+"}")
}

// healthcheck is one as Docker shows it.
type healthcheck struct {
	Test                           []string
	Interval, Timeout, StartPeriod time.Duration
	Retries                        int
}

// daemonHealth: Docker reads the health check of images of both formats.
func daemonHealth(t *testing.T, w *world) {
	for _, format := range []string{"oci", "docker"} {
		w.run(`
img = image("scratch", REG + "/health:` + format + `", format = "` + format + `")
img.add_files({"/bin/busybox": file("busybox")})
img.healthcheck = struct(test = ["CMD", "/bin/busybox", "true"], interval = "30s", timeout = "5s", start_period = "10s", start_interval = "1s", retries = 3)
img.save()
img.save(to = "docker-daemon:health:` + format + `")
`)
		w.copyTo(w.hosts["REG"]+"/health:"+format, "docker-daemon:copied:"+format)
		for _, name := range []string{"health:" + format, "copied:" + format} {
			var check healthcheck
			decode(t, w.docker("image", "inspect", "--format", "{{json .Config.Healthcheck}}", name), &check)
			equal(t, name, check, healthcheck{[]string{"CMD", "/bin/busybox", "true"}, 30 * time.Second, 5 * time.Second, 10 * time.Second, 3})
		}
	}
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
