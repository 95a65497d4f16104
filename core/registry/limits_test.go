package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestHostTransfers holds each host to its own number of transfers, a mirror too, whatever its clients ask for at once.
func TestHostTransfers(t *testing.T) {
	opts := &registrytest.Options{Latency: 5 * time.Millisecond}
	one, three, mirror := registrytest.New(t, opts), registrytest.New(t, opts), registrytest.New(t, opts)
	c := newClient(t, &registry.Options{Transfers: 3, Hosts: map[string]registry.HostOptions{
		one.Host: {Transfers: 1}, three.Host: {Mirrors: []string{mirror.Host}}, mirror.Host: {Transfers: 2},
	}})
	var group errgroup.Group
	for i := range 12 {
		blob := newBlob(fmt.Sprint("blob ", i))
		mirror.PushBlob("app", blob.data)
		for _, reg := range []*registrytest.Server{one, three} {
			repo := c.Repository(reg.Host, "app")
			group.Go(func() error {
				if err := repo.Push(t.Context(), blob.desc, blob.open); err != nil {
					return err
				}
				_, err := content.ReadAll(t.Context(), repo, blob.desc)
				return err
			})
		}
	}
	check(t, group.Wait())
	for reg, most := range map[*registrytest.Server]int{one: 2, three: 3, mirror: 2} { // one each way
		if n := reg.MaxTransfers(); n > most {
			t.Errorf("%d transfers at once, want at most %d", n, most)
		}
	}
	if n := mirror.Count("GET", registrytest.ClassBlob); n != 12 {
		t.Errorf("the mirror served %d blobs", n)
	}
}

// TestMirrorLendsPlaces: readers that nobody reads from don't keep others from a mirror.
func TestMirrorLendsPlaces(t *testing.T) {
	origin, mirror := registrytest.New(t, nil), registrytest.New(t, nil)
	desc := mirror.PushBlob("app", huge)
	opts := mirrored(origin, mirror.Host)
	opts.Hosts[mirror.Host] = registry.HostOptions{Transfers: 1}
	opts.Timeouts.Idle = time.Millisecond
	repo := newClient(t, opts).Repository(origin.Host, "app")
	for range 3 {
		r, err := repo.Fetch(t.Context(), desc)
		check(t, err)
		defer r.Close()
	}
	got, err := content.ReadAll(t.Context(), repo, desc)
	check(t, err)
	if !bytes.Equal(got, huge) || len(origin.Requests()) > 0 {
		t.Errorf("the registry was asked %v", origin.Lines())
	}
}

// TestHostRate counts, by the clock of the client, how many requests a host gets in each second: never more than its configuration says, however many
// ask at once, and a mirror by its own. The other hosts are not held back.
func TestHostRate(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var mu sync.Mutex
	var waits []time.Duration
	reg, free := registrytest.New(t, nil), registrytest.New(t, nil)
	for _, r := range []*registrytest.Server{reg, free} {
		r.PushImage("app", "v1", registrytest.Image{})
	}
	c := newClient(t, &registry.Options{
		Hosts: map[string]registry.HostOptions{reg.Host: {RequestsPerSecond: 4}},
		Now:   func() time.Time { return start },
		Sleep: func(ctx context.Context, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			waits = append(waits, d)
			return context.Cause(ctx)
		},
	})
	var group errgroup.Group
	for range 40 {
		for _, r := range []*registrytest.Server{reg, free} {
			group.Go(func() error {
				_, err := c.Repository(r.Host, "app").Resolve(t.Context(), "v1")
				return err
			})
		}
	}
	check(t, group.Wait())
	seconds := map[int]int{0: 1} // the first did not wait
	for _, d := range waits {
		seconds[int(d/time.Second)]++
	}
	if len(waits) != 39 || len(seconds) != 10 {
		t.Errorf("%d requests waited, over %d seconds; want 39 over 10", len(waits), len(seconds))
	}
	for second, n := range seconds {
		if n > 4 {
			t.Errorf("%d requests in second %d, want at most 4", n, second)
		}
	}
}

// TestOddRates are no rates, or as good as none.
func TestOddRates(t *testing.T) {
	reg := registrytest.New(t, nil)
	reg.PushImage("app", "v1", registrytest.Image{})
	for _, rate := range []float64{-1, math.NaN(), math.Inf(1), math.SmallestNonzeroFloat64} {
		clock := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
		c := newClient(t, &registry.Options{Sleep: clock.Sleep, Now: clock.Now, Hosts: map[string]registry.HostOptions{reg.Host: {RequestsPerSecond: rate}}})
		for range 2 {
			_, err := c.Repository(reg.Host, "app").Resolve(t.Context(), "v1")
			check(t, err)
		}
		if slow := len(clock.sleeps) > 0 && clock.sleeps[0] > time.Hour; slow != (rate == math.SmallestNonzeroFloat64) {
			t.Errorf("%g requests a second: waited %v", rate, clock.sleeps)
		}
	}
}

// TestTooManySlowsTheHost: after a 429 the requests that wait go one after the other, and as before when all is well again.
func TestTooManySlowsTheHost(t *testing.T) {
	clock := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Status: 429, Header: http.Header{"Retry-After": {"7"}}}}})
	reg.PushImage("app", "v1", registrytest.Image{})
	repo := newClient(t, &registry.Options{Sleep: clock.Sleep, Now: clock.Now}).Repository(reg.Host, "app")
	resolve := func() time.Duration {
		before := clock.Now()
		_, err := repo.Resolve(t.Context(), "v1")
		check(t, err)
		return clock.Now().Sub(before)
	}
	if d := resolve(); d < 7*time.Second {
		t.Errorf("waited %s after a 429 that asks for 7 s", d)
	}
	if d := resolve(); d == 0 {
		t.Error("the next request did not wait")
	}
	for range 100 {
		resolve()
	}
	if d := resolve(); d != 0 {
		t.Errorf("after a hundred good answers a request waits %s", d)
	}
}

// TestChunkSize sends parts of the size that the configuration says, where an upload goes in parts: not bigger ones, unless the registry asks for them
// (OCI-Chunk-Min-Length), and smaller ones where it refuses these.
func TestChunkSize(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		name   string
		chunk  int64
		quirks registrytest.Quirks
		want   int64 // bytes of every part but the last
	}{
		{"as configured", 2 * mib, registrytest.Quirks{MaxBody: 8 * mib}, 2 * mib},
		{"odd", 3*mib + 1, registrytest.Quirks{MaxBody: 8 * mib}, 3*mib + 1},
		{"the registry wants more", 2 * mib, registrytest.Quirks{MaxBody: 8 * mib, ChunkMin: 3 * mib}, 3 * mib},
		{"the registry wants less", 4 * mib, registrytest.Quirks{MaxBody: 2 * mib}, 2 * mib},
		{"less than the least", 1, registrytest.Quirks{MaxBody: 8 * mib}, 64 << 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, &registrytest.Options{Quirks: test.quirks})
			c := newClient(t, &registry.Options{Hosts: map[string]registry.HostOptions{reg.Host: {ChunkSize: test.chunk}}})
			check(t, c.Repository(reg.Host, "app").Push(t.Context(), large.desc, large.open))
			var parts []int64
			for _, r := range reg.Requests() {
				if r.Method == http.MethodPatch && r.Status < 300 {
					parts = append(parts, r.Received)
				}
			}
			if len(parts) < 3 {
				t.Fatalf("parts of %d", parts)
			}
			for _, n := range parts[:len(parts)-1] {
				if n != test.want {
					t.Errorf("a part of %d bytes, want %d", n, test.want)
				}
			}
			if data, ok := reg.Blob("app", large.desc.Digest); !ok || !bytes.Equal(data, large.data) {
				t.Error("the blob is not there")
			}
		})
	}
}
