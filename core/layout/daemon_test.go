package layout_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/layout"
)

// engine is a Docker daemon as far as images go.
type engine struct {
	host string

	mu     sync.Mutex
	store  string            // "overlay2", or a driver-type of containerd's
	known  [][]digest.Digest // the layers of its images
	loads  [][]string        // the files of each archive that was loaded
	refuse string            // what it says of an archive without all layers
	image  []byte            // what it exports
}

// startEngine starts one on a socket.
func startEngine(t *testing.T) *engine {
	t.Helper()
	dir, err := os.MkdirTemp("", "d") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{host: "unix://" + socket}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /info", e.info)
	mux.HandleFunc("GET /images/json", e.list)
	mux.HandleFunc("GET /images/{id}/json", e.inspect)
	mux.HandleFunc("POST /images/load", e.load)
	mux.HandleFunc("GET /images/get", e.export)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		os.RemoveAll(dir)
	})
	return e
}

func (e *engine) info(w http.ResponseWriter, _ *http.Request) {
	status := [][2]string{{"Backing Filesystem", "extfs"}}
	if e.store != "" {
		status = append(status, [2]string{"driver-type", e.store})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"DriverStatus": status})
}

func (e *engine) list(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	images := []map[string]string{{"Id": "sha256:gone"}}
	for i := range e.known {
		images = append(images, map[string]string{"Id": fmt.Sprint("sha256:", i)})
	}
	_ = json.NewEncoder(w).Encode(images)
}

func (e *engine) inspect(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var i int
	if _, err := fmt.Sscanf(r.PathValue("id"), "sha256:%d", &i); err != nil {
		http.Error(w, `{"message":"No such image"}`, http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"RootFS": map[string]any{"Layers": e.known[i]}})
}

func (e *engine) load(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for archive := tar.NewReader(r.Body); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			http.Error(w, `{"message":"no archive"}`, http.StatusInternalServerError)
			return
		}
		if h.Typeflag == tar.TypeReg {
			names = append(names, h.Name)
		}
	}
	e.loads = append(e.loads, names)
	if e.refuse != "" && len(e.loads) == 1 {
		fmt.Fprintln(w, `{"stream":"Loading layer"}`)
		_ = json.NewEncoder(w).Encode(map[string]any{"errorDetail": map[string]string{"message": e.refuse}, "error": e.refuse})
		return
	}
	fmt.Fprintln(w, `{"stream":"Loaded image: app:v1\n"}`)
}

func (e *engine) export(w http.ResponseWriter, r *http.Request) {
	if name := r.URL.Query().Get("names"); name != "app:v1" {
		http.Error(w, `{"message":"reference does not exist"}`, http.StatusNotFound)
		return
	}
	_, _ = w.Write(e.image)
}

func openDaemon(t *testing.T, opts layout.DaemonOptions) *layout.Daemon {
	t.Helper()
	d, err := layout.OpenDaemon(&opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// layered makes an image of layers that are not read, with a config that has their diff IDs.
func layered(t *testing.T, src *content.Memory, layers ...string) (content.Descriptor, []digest.Digest) {
	t.Helper()
	put := func(mediaType string, data []byte) content.Descriptor {
		desc := content.Of(mediaType, data)
		if err := src.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
			t.Fatal(err)
		}
		return desc
	}
	var descs []content.Descriptor
	var diffIDs []digest.Digest
	for _, l := range layers {
		descs = append(descs, put(content.OCILayer, []byte(l)))
		diffIDs = append(diffIDs, digest.FromString(l))
	}
	config, err := json.Marshal(map[string]any{"os": "linux", "architecture": "amd64", "rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs}})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": content.OCIManifest, "config": put(content.OCIConfig, config), "layers": descs,
	})
	if err != nil {
		t.Fatal(err)
	}
	return put(content.OCIManifest, manifest), diffIDs
}

// TestLoad sends an image to a daemon, without the layers that it has, and with them where that is not enough.
func TestLoad(t *testing.T) {
	src := new(content.Memory)
	root, diffIDs := layered(t, src, "one", "two", "three")
	file := func(layer string) string { return "blobs/sha256/" + digest.FromString(layer).Encoded() }
	for name, c := range map[string]struct {
		engine func(*engine)
		want   [][]string // the layers of each load
	}{
		"an empty one":           {func(*engine) {}, [][]string{{"one", "two", "three"}}},
		"with the image":         {func(e *engine) { e.known = [][]digest.Digest{diffIDs} }, [][]string{nil}},
		"with the base":          {func(e *engine) { e.known = [][]digest.Digest{diffIDs[:2]} }, [][]string{{"three"}}},
		"with other bases":       {func(e *engine) { e.known = [][]digest.Digest{diffIDs[1:], {diffIDs[0], diffIDs[2]}} }, [][]string{{"two", "three"}}},
		"that lost a layer":      {func(e *engine) { e.known, e.refuse = [][]digest.Digest{diffIDs}, "open layer.tar: no such file" }, [][]string{nil, {"one", "two", "three"}}},
		"with containerd's":      {func(e *engine) { e.known, e.store = [][]digest.Digest{diffIDs}, "io.containerd.snapshotter.v1" }, [][]string{{"one", "two", "three"}}},
		"with a base of another": {func(e *engine) { e.known = [][]digest.Digest{{digest.FromString("other")}} }, [][]string{{"one", "two", "three"}}},
	} {
		e := startEngine(t)
		c.engine(e)
		d := openDaemon(t, layout.DaemonOptions{Host: e.host})
		if err := content.Copy(t.Context(), d, src, root, &content.CopyOptions{WithoutRoot: true}); err != nil {
			t.Fatal(err)
		}
		if err := content.PushTagged(t.Context(), d, root, content.FromFetcher(src, root), []string{"app:v1", "app:v2"}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(e.loads) != len(c.want) {
			t.Errorf("%s: %d loads, want %d", name, len(e.loads), len(c.want))
			continue
		}
		for i, want := range c.want {
			var sent []string
			for _, layer := range []string{"one", "two", "three"} {
				if slices.Contains(e.loads[i], file(layer)) {
					sent = append(sent, layer)
				}
			}
			if !slices.Equal(sent, want) {
				t.Errorf("%s: load %d has %q, want %q", name, i+1, sent, want)
			}
		}
	}
}

// TestLoadFails passes on what a daemon says, and hangs on none.
func TestLoadFails(t *testing.T) {
	src := new(content.Memory)
	root, _ := layered(t, src, "one")
	save := func(d *layout.Daemon) error {
		if err := content.Copy(t.Context(), d, src, root, &content.CopyOptions{WithoutRoot: true}); err != nil {
			return err
		}
		return content.PushTagged(t.Context(), d, root, content.FromFetcher(src, root), []string{"app:v1"})
	}
	e := startEngine(t)
	e.refuse = "disk full\x1b[31m"
	if err := save(openDaemon(t, layout.DaemonOptions{Host: e.host})); err == nil || !strings.Contains(err.Error(), `"disk full\x1b[31m"`) {
		t.Errorf("a refused load: %v", err)
	}
	none := "unix://" + filepath.Join(t.TempDir(), "none.sock")
	if err := save(openDaemon(t, layout.DaemonOptions{Host: none})); err == nil || !strings.Contains(err.Error(), "is it running?") {
		t.Errorf("no daemon: %v", err)
	}
	deaf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // reads nothing of what it is sent
		if r.Method == http.MethodPost {
			http.Error(w, `{"message":"no room"}`, http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, map[string]string{"/info": "{}", "/images/json": "[]"}[r.URL.Path])
	}))
	defer deaf.Close()
	if err := save(openDaemon(t, layout.DaemonOptions{Host: "tcp://" + deaf.Listener.Addr().String()})); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("a daemon that does not listen: %v", err)
	}
	for _, host := range []string{"ssh://host", "unix://", "docker.sock", "tcp://"} {
		if _, err := layout.OpenDaemon(&layout.DaemonOptions{Host: host}); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("host %q: %v", host, err)
		}
	}
}

// TestExport reads an image of a daemon, once, and leaves nothing behind.
func TestExport(t *testing.T) {
	e := startEngine(t)
	e.image, _ = saved(t, false)
	dir := t.TempDir()
	d, err := layout.OpenDaemon(&layout.DaemonOptions{Host: e.host, ReadOnly: true, TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	desc, err := d.Resolve(t.Context(), "app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := content.Copy(t.Context(), new(content.Memory), d, desc, nil); err != nil {
		t.Error(err)
	}
	if _, err := d.Resolve(t.Context(), "other"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("an image that is not there: %v", err)
	}
	if err := d.Push(t.Context(), desc, content.FromFetcher(d, desc)); !errors.Is(err, content.ErrUnsupported) {
		t.Errorf("a push to a daemon that is only read: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestDaemonConformance holds a daemon that is written to to what every repository does.
func TestDaemonConformance(t *testing.T) {
	open := func(t *testing.T) *layout.Daemon {
		return openDaemon(t, layout.DaemonOptions{Host: startEngine(t).host})
	}
	contenttest.TestStore(t, func(t *testing.T) content.Store { return open(t) }, nil)
}
