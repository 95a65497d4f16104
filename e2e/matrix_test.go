package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// realFaults are the main kinds of faults, which real registries meet in ways of their own: half an upload is really half an upload to them.
var realFaults = map[string]registrytest.Fault{
	"dropped":     {Drop: true},
	"answer lost": {Lost: true},
	"PUT cut":     {Method: "PUT", CutBody: 1000},
	"PATCH cut":   {Method: "PATCH", CutBody: 1 << 20},
	"429":         {Status: 429, Header: http.Header{"Retry-After": {"1"}}},
	"500":         {Status: 500, Body: "<html>oops</html>"},
	"503":         {Status: 503},
	"truncated":   {Method: "GET", Truncate: 3},
	"corrupted":   {Method: "GET", Corrupt: 3},
	"stalled":     {Stall: true},
	"half a body": {Method: "GET", Stall: true, Truncate: 3},
	"PUT stalled": {Method: "PUT", StallBody: 100},
	"no digest":   {Change: http.Header{"Docker-Content-Digest": nil}},
}

// TestRealServersAndFaults lets each of the main kinds strike requests of the main jobs, with real registries behind it: every one with
// IMGSCRIPT_NIGHTLY, otherwise a few, and none that stall. All jobs are done all the same.
func TestRealServersAndFaults(t *testing.T) {
	step := 8
	if os.Getenv("IMGSCRIPT_NIGHTLY") != "" {
		step = 1
	}
	for _, name := range []string{"docker-registry", "distribution v3"} {
		k := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
		var cells atomic.Int64
		t.Run(k.name, func(t *testing.T) {
			host := start(t, k).host
			t.Cleanup(func() { // after the parallel ones, and not where the server is missing
				t.Logf("%d cells, all survived: %t", cells.Load(), !t.Failed())
				if n := cells.Load(); n < int64(300/step) {
					t.Errorf("%d cells, want %d and more", n, 300/step)
				}
			})
			for name, fault := range realFaults {
				if step > 1 && (fault.Stall || fault.StallBody > 0) {
					continue // time limits are waited for here
				}
				for job, run := range realJobs {
					t.Run(name+"/"+job, func(t *testing.T) {
						t.Parallel()
						strikeReal(t, host, fault, run, step, &cells)
					})
				}
			}
		})
	}
}

// strikeReal moves a fault over the requests of a job, each time with a repository of its own behind a proxy of its own.
func strikeReal(t *testing.T, host string, fault registrytest.Fault, run realJob, step int, cells *atomic.Int64) {
	for fault.Nth = 1; ; fault.Nth += step {
		name := fmt.Sprintf("cell%x", rand.Uint64())
		reg := registrytest.New(t, &registrytest.Options{Backend: proxyTo(t, host)})
		c := registry.New(&registry.Options{
			Timeouts: registry.Timeouts{Header: 2 * time.Second, Final: 2 * time.Second, Body: 2 * time.Second},
			Sleep:    func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) },
		})
		seedReal(t, c.Repository(host, name+"/base"))
		reg.Reset()
		reg.SetFaults(fault)
		err := run(t.Context(), realPlaces{
			base: c.Repository(reg.Host, name+"/base"), app: c.Repository(reg.Host, name+"/app"),
			farBase: c.Repository(host, name+"/base"), farApp: c.Repository(host, name+"/far"),
		})
		requests := 0
		for _, r := range reg.Requests() {
			if fault.Strikes(r) {
				requests++
			}
		}
		if err == nil && requests >= fault.Nth {
			cells.Add(1)
		}
		if err != nil {
			t.Errorf("fault at request %d: %v\n%s", fault.Nth, err, strings.Join(reg.Lines(), "\n"))
		}
		c.Close()
		reg.Close()
		if requests < fault.Nth {
			return
		}
	}
}

// proxyTo passes requests on as they are.
func proxyTo(t *testing.T, host string) http.Handler {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: host})
			r.Out.Host = r.In.Host
		},
	}
}

// realLayers are big enough to be cut.
var realLayers = func() (layers [][]byte) {
	for i, size := range []int{3 << 20, 5000} {
		data := make([]byte, size)
		rand.NewChaCha8([32]byte{byte(i)}).Read(data)
		layers = append(layers, data)
	}
	return layers
}()

// realImage is an image of them.
func realImage() *image.Image {
	img := image.Scratch(image.Platform{OS: "linux", Architecture: "amd64"}, image.FormatOCI, time.Time{})
	for _, data := range realLayers {
		desc := content.Of(content.OCILayer, data)
		next, err := img.Append(bytesOf(data), image.Added{Layer: layer.Layer{Descriptor: desc, DiffID: desc.Digest}})
		if err != nil {
			panic(err)
		}
		img = next
	}
	return img
}

// bytesOf is a blob as its own source, and as one that is being written.
type bytesOf []byte

// Fetch implements content.Fetcher.
func (b bytesOf) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	r, err := b.Open(ctx)
	if err != nil {
		return nil, err
	}
	return content.Verify(r, desc)
}

// Open implements content.Pending.
func (b bytesOf) Open(ctx context.Context) (io.ReadCloser, error) { return content.FromBytes(b)(ctx) }

// Wait implements content.Pending.
func (b bytesOf) Wait(context.Context) (content.Descriptor, error) {
	return content.Of(content.OCILayer, b), nil
}

func seedReal(t *testing.T, base *registry.Repository) {
	t.Helper()
	if err := saveReal(t.Context(), base, realImage(), "v1"); err != nil {
		t.Fatal(err)
	}
}

func saveReal(ctx context.Context, dst content.Repository, img *image.Image, tags ...string) error {
	if err := content.Copy(ctx, dst, img, img.Descriptor(), &content.CopyOptions{WithoutRoot: true}); err != nil {
		return err
	}
	return content.PushTagged(ctx, dst, img.Descriptor(), content.FromBytes(img.Manifest()), tags)
}

// realPlaces are a repository that has an image and an empty one, both behind faults, and the same of what is another registry to the client.
type realPlaces struct {
	base, app       *registry.Repository
	farBase, farApp *registry.Repository
}

type realJob func(ctx context.Context, p realPlaces) error

var realJobs = map[string]realJob{
	"pull": func(ctx context.Context, p realPlaces) error {
		return moveReal(ctx, new(content.Memory), p.base)
	},
	"push": func(ctx context.Context, p realPlaces) error {
		if _, err := p.app.PushPending(ctx, content.OCILayer, bytesOf(realLayers[0])); err != nil {
			return err
		}
		return errors.Join(saveReal(ctx, p.app, realImage(), "v1"), wholeReal(ctx, p.app, "v1"))
	},
	"mount": func(ctx context.Context, p realPlaces) error {
		return moveReal(ctx, p.app, p.base)
	},
	"copy, reading": func(ctx context.Context, p realPlaces) error {
		return moveReal(ctx, p.farApp, p.base)
	},
	"copy, writing": func(ctx context.Context, p realPlaces) error {
		return moveReal(ctx, p.app, p.farBase)
	},
	"three tags": func(ctx context.Context, p realPlaces) error {
		return errors.Join(saveReal(ctx, p.app, realImage(), "v1", "v2", "v3"), wholeReal(ctx, p.app, "v1", "v2", "v3"))
	},
}

// moveReal copies an image and looks whether it is there.
func moveReal(ctx context.Context, dst content.Repository, src *registry.Repository) error {
	desc, data, err := content.ReadDocument(ctx, src, "v1")
	if err != nil {
		return err
	}
	if err := content.Copy(ctx, dst, src, desc, &content.CopyOptions{WithoutRoot: true}); err != nil {
		return err
	}
	if err := content.PushTagged(ctx, dst, desc, content.FromBytes(data), []string{"v1"}); err != nil {
		return err
	}
	return wholeReal(ctx, dst, "v1")
}

// wholeReal reads all that the tags stand for.
func wholeReal(ctx context.Context, repo content.Repository, tags ...string) error {
	for _, tag := range tags {
		desc, err := repo.Resolve(ctx, tag)
		if err != nil {
			return err
		}
		if desc.Digest != realImage().Descriptor().Digest {
			return fmt.Errorf("the tag %s is that of %s", tag, desc.Digest)
		}
	}
	return content.Copy(ctx, new(content.Memory), repo, realImage().Descriptor(), nil)
}
