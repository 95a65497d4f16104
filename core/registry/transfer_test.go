package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// growing is a blob that is written slowly.
type growing struct {
	blob
	pause time.Duration // before each third of it
}

func (g growing) Open(context.Context) (io.ReadCloser, error) {
	third := len(g.data) / 3
	return io.NopCloser(io.MultiReader(
		&slowReader{g.pause, bytes.NewReader(g.data[:third])},
		&slowReader{g.pause, bytes.NewReader(g.data[third : 2*third])},
		&slowReader{g.pause, bytes.NewReader(g.data[2*third:])})), nil
}

func (g growing) Wait(context.Context) (content.Descriptor, error) { return g.desc, nil }

type slowReader struct {
	pause time.Duration
	io.Reader
}

func (s *slowReader) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	s.pause = 0
	return s.Reader.Read(p)
}

// TestTransfers sends no more blobs at once than are allowed, in either direction, however many are wanted.
func TestTransfers(t *testing.T) {
	for _, limit := range []int{1, 3} {
		reg := registrytest.New(t, &registrytest.Options{Latency: 5 * time.Millisecond})
		repo := newClient(t, &registry.Options{Transfers: limit}).Repository(reg.Host, "app")
		var group errgroup.Group
		for i := range 12 {
			group.Go(func() error { b := newBlob(fmt.Sprint("blob ", i)); return repo.Push(t.Context(), b.desc, b.open) })
		}
		check(t, group.Wait())
		if n := reg.MaxTransfers(); n > limit {
			t.Errorf("%d uploads at once, want at most %d", n, limit)
		}
		reg.Reset()
		for i := range 12 {
			group.Go(func() error {
				_, err := content.ReadAll(t.Context(), repo, newBlob(fmt.Sprint("blob ", i)).desc)
				return err
			})
		}
		check(t, group.Wait())
		if n := reg.MaxTransfers(); n > limit {
			t.Errorf("%d downloads at once, want at most %d", n, limit)
		}
	}
}

// TestCopyWithinHost copies blobs between repositories of a host that mounts nothing, with one place in each direction: uploads
// that wait for downloads must not wait for ever.
func TestCopyWithinHost(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Quirks: registrytest.Quirks{RefuseMount: true}})
	var layers []map[string]string
	for i := range 6 {
		layers = append(layers, map[string]string{fmt.Sprint("/f", i): "x"})
	}
	image := reg.PushImage("a", "v1", registrytest.Image{Layers: layers})
	c := newClient(t, &registry.Options{Transfers: 1})
	check(t, content.Copy(t.Context(), c.Repository(reg.Host, "b"), c.Repository(reg.Host, "a"), image.Manifest, nil))
	if _, _, ok := reg.Manifest("b", image.Manifest.Digest.String()); !ok {
		t.Error("the copy is not there")
	}
}

// TestManyOpenReaders reads blobs side by side although fewer transfers are allowed: a reader that is not read lends its place.
func TestManyOpenReaders(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, nil)
	repo := newClient(t, &registry.Options{Transfers: 1, Timeouts: registry.Timeouts{Idle: 50 * time.Millisecond}}).Repository(reg.Host, "app")
	var readers []io.Reader
	for i := range 3 {
		data := bytes.Repeat([]byte{byte(i)}, 2<<20)
		r, err := repo.Fetch(t.Context(), reg.PushBlob("app", data))
		check(t, err)
		defer r.Close()
		readers = append(readers, r)
	}
	for i, r := range readers {
		data, err := io.ReadAll(r)
		check(t, err)
		if len(data) != 2<<20 || data[0] != byte(i) {
			t.Errorf("blob %d: %d bytes", i, len(data))
		}
	}
}

// TestSlowSides lets our own side be slower than the registry may be: neither a layer that is still being written nor a reader that
// takes its time is a stalled transfer.
func TestSlowSides(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, nil)
	limits := registry.Timeouts{Header: time.Second, Body: 100 * time.Millisecond}
	repo := newClient(t, &registry.Options{Timeouts: limits}).Repository(reg.Host, "app")
	b := growing{blob{content.Of(content.OctetStream, huge), huge}, 300 * time.Millisecond}
	_, err := repo.PushPending(t.Context(), content.OctetStream, b)
	check(t, err)
	if n := reg.Count("PATCH", ""); n != 1 {
		t.Errorf("%d streams, want 1", n)
	}
	r, err := repo.Fetch(t.Context(), b.desc)
	check(t, err)
	defer r.Close()
	part := make([]byte, 1000)
	_, err = io.ReadFull(r, part)
	check(t, err)
	time.Sleep(300 * time.Millisecond)
	_, err = io.ReadAll(r)
	check(t, err)
	if n := reg.Count("GET", registrytest.ClassBlob); n != 1 {
		t.Errorf("%d reads, want 1", n)
	}
}

// TestStreamIsStreamed sends what is there while the rest is still being written.
func TestStreamIsStreamed(t *testing.T) {
	reg := registrytest.New(t, nil)
	repo := newClient(t, nil).Repository(reg.Host, "app")
	pr, pw := io.Pipe()
	b := blob{content.Of(content.OctetStream, huge), huge}
	done := make(chan error)
	go func() {
		_, err := repo.PushPending(t.Context(), content.OctetStream, piped{b, pr})
		done <- err
	}()
	_, err := pw.Write(huge[:len(huge)/2])
	check(t, err)
	deadline := time.Now().Add(10 * time.Second)
	for received := int64(0); received < int64(len(huge)/2); time.Sleep(time.Millisecond) {
		received = 0
		for _, r := range reg.Requests() {
			received += r.Received
		}
		if time.Now().After(deadline) {
			t.Fatalf("the registry has %d bytes, want half of the blob", received)
		}
	}
	_, err = pw.Write(huge[len(huge)/2:])
	check(t, err)
	pw.Close()
	check(t, <-done)
}

type piped struct {
	blob
	r io.ReadCloser
}

func (p piped) Open(context.Context) (io.ReadCloser, error)      { return p.r, nil }
func (p piped) Wait(context.Context) (content.Descriptor, error) { return p.desc, nil }

// TestWriterFails gives the writer's error and gives the session back.
func TestWriterFails(t *testing.T) {
	reg := registrytest.New(t, nil)
	repo := newClient(t, nil).Repository(reg.Host, "app")
	broken := fmt.Errorf("no space left")
	_, err := repo.PushPending(t.Context(), content.OctetStream, failing{broken})
	expectIs(t, err, broken)
	if n := reg.Count("DELETE", registrytest.ClassSession); n != 1 {
		t.Errorf("%d sessions were cancelled, want 1", n)
	}
}

type failing struct{ err error }

func (f failing) Open(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader(huge[:100]), failingReader(f))), nil
}
func (f failing) Wait(context.Context) (content.Descriptor, error) {
	return content.Descriptor{}, f.err
}

// TestUploadChecks what is known of a blob before it is complete.
func TestUploadChecks(t *testing.T) {
	reg := registrytest.New(t, nil)
	repo := newClient(t, nil).Repository(reg.Host, "app")
	for name, err := range map[string]error{
		"size":             second(repo.Upload(t.Context(), small.open, small.desc.Size+1, "")),
		"digest":           second(repo.Upload(t.Context(), small.open, -1, big.desc.Digest)),
		"size and digest":  second(repo.Upload(t.Context(), small.open, small.desc.Size, big.desc.Digest)),
		"smaller than ...": second(repo.Upload(t.Context(), small.open, small.desc.Size-1, small.desc.Digest)),
	} {
		if err == nil {
			t.Errorf("wrong %s: no error", name)
		}
		expectIs(t, err, content.ErrVerification)
	}
	if _, ok := reg.Blob("app", small.desc.Digest); ok {
		t.Error("something was stored")
	}
	expectIs(t, second(repo.Upload(t.Context(), small.open, -1, "sha256:../x")), content.ErrInvalid)
	expectIs(t, repo.Push(t.Context(), content.Descriptor{Digest: small.desc.Digest, Size: -1}, small.open), content.ErrInvalid)
}

func second[T any](_ T, err error) error { return err }

// TestEmptyBlob can be sent, and nothing else under its name.
func TestEmptyBlob(t *testing.T) {
	reg := registrytest.New(t, nil)
	repo := newClient(t, nil).Repository(reg.Host, "app")
	empty := newBlob("")
	expectIs(t, repo.Push(t.Context(), empty.desc, small.open), content.ErrVerification)
	expectTransfer(t, repo, empty, nil, content.Uploaded)
	expectStream(t, repo, empty)
	expectUpload(t, repo, empty, -1, "")
}

type roundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRequestsAtOnce asks no more at once than is allowed, over all hosts, however much is wanted.
func TestRequestsAtOnce(t *testing.T) {
	regs := []*registrytest.Server{registrytest.New(t, nil), registrytest.New(t, nil)}
	var now, most atomic.Int32
	count := roundTripFunc(func(r *http.Request) (*http.Response, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Millisecond)
		return http.DefaultTransport.RoundTrip(r)
	})
	for _, limit := range []int{1, 3} {
		most.Store(0)
		client := newClient(t, &registry.Options{Requests: limit, Transport: count})
		var group errgroup.Group
		for i := range 30 {
			group.Go(func() error {
				_, err := client.Repository(regs[i%2].Host, "app").StatBlob(t.Context(), newBlob(fmt.Sprint("blob ", i)).desc.Digest)
				if errors.Is(err, content.ErrNotFound) {
					return nil
				}
				return err
			})
		}
		check(t, group.Wait())
		if n := int(most.Load()); n > limit || n < 1 {
			t.Errorf("%d requests at once, want at most %d", n, limit)
		}
	}
}
