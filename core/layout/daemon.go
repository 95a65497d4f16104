package layout

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// DaemonOptions says where a Docker daemon listens and whether it is written to. nil and the zero value: the default socket, for reading and writing.
type DaemonOptions struct {
	// Host is as DOCKER_HOST has it: "unix:///run/docker.sock" or "tcp://127.0.0.1:2375"; "" is the first. There is no TLS.
	Host string
	// TempDir is where what the daemon exports is kept until Close; "" is the system's.
	TempDir string
	// ReadOnly makes every write an error that is content.ErrUnsupported.
	ReadOnly bool
	// Staging keeps what is written until it is loaded, such as a cache; nil keeps it in memory.
	Staging content.Store
}

// DefaultDaemon is where a Docker daemon listens when nothing else is said.
const DefaultDaemon = "unix:///var/run/docker.sock"

// Daemon is the image store of a Docker daemon, spoken to over its API (https://docs.docker.com/reference/api/engine/). What is read of it is exported as docker save does, once for each
// image, into a file that Close removes. What is written is loaded as docker load does when an image is given its names; layers that the daemon has are not sent, where its
// store can take an image without them.
type Daemon struct {
	api  daemonAPI
	opts DaemonOptions
	out  *Archive // of what is written

	turn     chan struct{}
	exported map[string]*Archive // by name
	files    []string
}

// OpenDaemon returns the store of a daemon, which is asked when it is used. Close it.
func OpenDaemon(opts *DaemonOptions) (*Daemon, error) {
	var o DaemonOptions
	if opts != nil {
		o = *opts
	}
	if o.Host == "" {
		o.Host = DefaultDaemon
	}
	api, err := newDaemonAPI(o.Host)
	if err != nil {
		return nil, err
	}
	d := &Daemon{api: api, opts: o, turn: make(chan struct{}, 1), exported: map[string]*Archive{}}
	d.out, err = OpenArchive("docker-daemon:", &ArchiveOptions{Docker: true, ReadOnly: o.ReadOnly, Staging: o.Staging})
	if err != nil {
		return nil, err
	}
	d.out.sink = d.load
	return d, nil
}

// Close removes what was exported.
func (d *Daemon) Close() error {
	var all error
	for _, file := range d.files {
		all = errors.Join(all, os.Remove(file))
	}
	d.api.http.CloseIdleConnections()
	return all
}

// Resolve implements content.Resolver. name is one that docker images shows, or an image's ID.
func (d *Daemon) Resolve(ctx context.Context, name string) (content.Descriptor, error) {
	if !d.opts.ReadOnly {
		return d.out.Resolve(ctx, name)
	}
	a, err := d.export(ctx, name)
	if err != nil {
		return content.Descriptor{}, err
	}
	if _, err := content.ParseDigest(name); err == nil {
		name = "" // an ID: it is the only image
	}
	return a.Resolve(ctx, name)
}

// Fetch implements content.Fetcher, of the images that were resolved.
func (d *Daemon) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if !d.opts.ReadOnly {
		return d.out.Fetch(ctx, desc)
	}
	for _, a := range d.archives() {
		r, err := a.Fetch(ctx, desc)
		if !errors.Is(err, content.ErrNotFound) {
			return r, err
		}
	}
	return nil, d.errorf("%s: %w", desc.Digest, content.ErrNotFound)
}

// Exists implements content.Store, of the images that were resolved.
func (d *Daemon) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	if !d.opts.ReadOnly {
		return d.out.Exists(ctx, desc)
	}
	for _, a := range d.archives() {
		if there, err := a.Exists(ctx, desc); there || err != nil {
			return there, err
		}
	}
	return false, nil
}

// MadeUp is what Archive.MadeUp says of the images that were resolved.
func (d *Daemon) MadeUp(manifest digest.Digest) bool {
	return slices.ContainsFunc(d.archives(), func(a *Archive) bool { return a.MadeUp(manifest) })
}

// Push implements content.Pusher, as an Archive does.
func (d *Daemon) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	return d.out.Push(ctx, desc, open)
}

// Tag implements content.Tagger: the image is loaded.
func (d *Daemon) Tag(ctx context.Context, desc content.Descriptor, name string) error {
	return d.out.Tag(ctx, desc, name)
}

// PushNamed implements content.NamesPusher: the image is loaded under its names.
func (d *Daemon) PushNamed(ctx context.Context, desc content.Descriptor, open content.Opener, names []string) error {
	return d.out.PushNamed(ctx, desc, open, names)
}

func (d *Daemon) errorf(format string, args ...any) error {
	return fmt.Errorf("docker daemon: "+format, args...)
}

// lock takes the turn to export.
func (d *Daemon) lock(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *Daemon) archives() (all []*Archive) {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	for _, a := range d.exported {
		all = append(all, a)
	}
	return all
}

// export has the daemon write an image into a file.
func (d *Daemon) export(ctx context.Context, name string) (*Archive, error) {
	if err := d.lock(ctx); err != nil {
		return nil, err
	}
	defer func() { <-d.turn }()
	if a, ok := d.exported[name]; ok {
		return a, nil
	}
	resp, err := d.api.call(ctx, http.MethodGet, "/images/get?names="+url.QueryEscape(name), nil)
	if err != nil {
		return nil, d.errorf("image %q: %w", name, err)
	}
	defer resp.Body.Close()
	f, err := os.CreateTemp(d.opts.TempDir, "imgscript-daemon-*.tar")
	if err != nil {
		return nil, err
	}
	d.files = append(d.files, f.Name())
	_, err = io.Copy(f, resp.Body)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, d.errorf("image %q: %w", name, err)
	}
	a, err := OpenArchive(f.Name(), &ArchiveOptions{Docker: true, ReadOnly: true})
	if err == nil {
		d.exported[name] = a
	}
	return a, err
}

// load sends images to the daemon. Should it lack a layer after all that it was thought to have, everything is sent.
func (d *Daemon) load(ctx context.Context, w *archiveWriter) error {
	known, err := d.api.layers(ctx)
	if err != nil {
		return d.errorf("%w", err)
	}
	omitted, err := w.omit(ctx, known)
	if err != nil {
		return err
	}
	err = d.send(ctx, w)
	if err != nil && omitted > 0 && ctx.Err() == nil {
		w.omitted = nil
		err = d.send(ctx, w)
	}
	return err
}

func (d *Daemon) send(ctx context.Context, w *archiveWriter) error {
	r, body := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := w.tar(ctx, body)
		body.CloseWithError(err)
		done <- err
	}()
	resp, err := d.api.call(ctx, http.MethodPost, "/images/load?quiet=1", r)
	r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // ends the writer if the daemon did not read everything
	if writing := <-done; writing != nil && !errors.Is(writing, io.ErrClosedPipe) {
		err = writing
	}
	if err != nil {
		return d.errorf("load: %w", err)
	}
	defer resp.Body.Close()
	return d.loaded(resp.Body)
}

// loaded reads what the daemon says while it loads: a JSON object a line.
func (d *Daemon) loaded(r io.Reader) error {
	lines := bufio.NewScanner(io.LimitReader(r, content.MaxDocument))
	for lines.Scan() {
		var said struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(lines.Bytes(), &said) == nil && said.Error != "" {
			return d.errorf("load: it says %.300q", said.Error)
		}
	}
	return lines.Err()
}

// daemonAPI calls a daemon.
type daemonAPI struct {
	http *http.Client
	base string // the URL up to the path
	host string // for people
}

func newDaemonAPI(host string) (daemonAPI, error) {
	scheme, address, ok := strings.Cut(host, "://")
	dialer := &net.Dialer{}
	transport := &http.Transport{DisableCompression: true}
	api := daemonAPI{http: &http.Client{Transport: transport}, base: "http://docker", host: host}
	switch {
	case ok && scheme == "unix" && address != "":
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", address)
		}
	case ok && (scheme == "tcp" || scheme == "http") && address != "":
		api.base = "http://" + strings.TrimSuffix(address, "/")
	default:
		return api, fmt.Errorf("docker daemon: %w host %q: want unix:///PATH or tcp://HOST:PORT", content.ErrInvalid, host)
	}
	return api, nil
}

// call sends a request. An answer that is an error has the daemon's word for it; the caller closes the body of others.
func (api daemonAPI) call(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, api.base+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-tar")
	}
	resp, err := api.http.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("%s: %w; is it running?", api.host, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	var said struct {
		Message string `json:"message"`
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&said) // the status says enough
	err = fmt.Errorf("%s %s: %d %.300q", method, strings.SplitN(path, "?", 2)[0], resp.StatusCode, said.Message)
	if resp.StatusCode == http.StatusNotFound {
		err = fmt.Errorf("%w: %w", content.ErrNotFound, err)
	}
	return nil, err
}

// get reads a JSON answer.
func (api daemonAPI) get(ctx context.Context, path string, into any) error {
	resp, err := api.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(into)
}

// layers are the layers that the daemon has, by their chain IDs (image-spec, config.md, "Layer ChainID"): only with all that is below it a layer is one of the daemon's. A store of containerd's
// takes no image without its layers, so then there are none.
func (api daemonAPI) layers(ctx context.Context) (map[digest.Digest]bool, error) {
	var info struct{ DriverStatus [][2]string }
	if err := api.get(ctx, "/info", &info); err != nil {
		return nil, err
	}
	for _, status := range info.DriverStatus {
		if status[0] == "driver-type" && strings.HasPrefix(status[1], "io.containerd.") {
			return nil, nil
		}
	}
	var images []struct{ ID string }
	if err := api.get(ctx, "/images/json", &images); err != nil {
		return nil, err
	}
	known := map[digest.Digest]bool{}
	for _, img := range images {
		var one struct {
			RootFS struct{ Layers []digest.Digest }
		}
		if err := api.get(ctx, "/images/"+url.PathEscape(img.ID)+"/json", &one); errors.Is(err, content.ErrNotFound) {
			continue // removed meanwhile
		} else if err != nil {
			return nil, err
		}
		for _, chain := range chainIDs(one.RootFS.Layers) {
			known[chain] = true
		}
	}
	return known, nil
}

// chainIDs are those of a list of diff IDs.
func chainIDs(diffIDs []digest.Digest) []digest.Digest {
	var chain []digest.Digest
	for i, d := range diffIDs {
		if i > 0 {
			d = digest.FromString(chain[i-1].String() + " " + d.String())
		}
		chain = append(chain, d)
	}
	return chain
}
