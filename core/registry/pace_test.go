package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// clock is a time of day that passes only while somebody sleeps.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	sleeps []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sleeps = append(c.sleeps, d)
	c.now = c.now.Add(d)
	return context.Cause(ctx)
}

// TestTooManyHoldsTheHost back with everything that goes there, and no other host.
func TestTooManyHoldsTheHost(t *testing.T) {
	clock := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c := newClient(t, &registry.Options{Sleep: clock.Sleep, Now: clock.Now})
	reg, other := registrytest.New(t, nil), registrytest.New(t, nil)
	for _, r := range []*registrytest.Server{reg, other} {
		r.PushImage("app", "v1", registrytest.Image{})
	}
	reg.SetFaults(registrytest.Fault{Class: registrytest.ClassTags, Times: -1, Status: 429, Header: http.Header{"Retry-After": {"21600"}}},
		registrytest.Fault{Class: registrytest.ClassBlob, Status: 429, Header: http.Header{"Retry-After": {"60"}}})
	repo := c.Repository(reg.Host, "app")
	_, err := repo.StatBlob(t.Context(), small.desc.Digest) // waits a minute
	if clock.sleeps == nil || clock.sleeps[0] < time.Minute {
		t.Errorf("waited %v, want a minute; error %v", clock.sleeps, err)
	}
	clock.sleeps = nil
	if _, err := repo.Tags(t.Context()); err == nil || len(clock.sleeps) > 1 {
		t.Errorf("got error %v after waits %v, want one at once: six hours are too long", err, clock.sleeps)
	}
	held := context.Canceled
	reg.SetFaults(registrytest.Fault{Class: registrytest.ClassBlob, Times: -1, Status: 429, Header: http.Header{"Retry-After": {"100"}}})
	impatient := newClient(t, &registry.Options{Now: clock.Now, Sleep: func(context.Context, time.Duration) error { return held }})
	for range 2 { // the second request is not even sent
		_, err = impatient.Repository(reg.Host, "app").StatBlob(t.Context(), small.desc.Digest)
		expectIs(t, err, held)
	}
	_, err = impatient.Repository(reg.Host, "app").Resolve(t.Context(), "v1")
	expectIs(t, err, held)
	_, err = impatient.Repository(other.Host, "app").Resolve(t.Context(), "v1")
	check(t, err)
}

// TestRate keeps requests apart as configured.
func TestRate(t *testing.T) {
	clock := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	reg := registrytest.New(t, nil)
	reg.PushImage("app", "v1", registrytest.Image{})
	c := newClient(t, &registry.Options{Sleep: clock.Sleep, Now: clock.Now, Hosts: map[string]registry.HostOptions{reg.Host: {RequestsPerSecond: 10}}})
	start := clock.Now()
	for range 21 {
		_, err := c.Repository(reg.Host, "app").Resolve(t.Context(), "v1")
		check(t, err)
	}
	if d := clock.Now().Sub(start); d != 2*time.Second {
		t.Errorf("21 requests took %s, want 2 s", d)
	}
}

// TestBudget gives up soon when everything fails, and goes on trying where there is progress.
func TestBudget(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Times: -1, Status: 503}}})
	c := newClient(t, &registry.Options{Backoff: registry.Backoff{Budget: 10}})
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error {
			_, err := c.Repository(reg.Host, fmt.Sprint("app", i)).Resolve(t.Context(), "v1")
			return err
		})
	}
	err := group.Wait()
	if err == nil {
		t.Fatal("no error")
	}
	if n := len(reg.Requests()); n != 30 {
		t.Errorf("%d requests, want 20 and 10 retries", n)
	}
	_, err = c.Repository(reg.Host, "app").Resolve(t.Context(), "v1")
	if err == nil || !strings.Contains(err.Error(), "too much has failed") {
		t.Errorf("got error %v", err)
	}

	reg.SetFaults()
	reg.PushImage("app", "v1", registrytest.Image{})
	for range 3 {
		_, err := c.Repository(reg.Host, "app").Resolve(t.Context(), "v1")
		check(t, err)
	}
	reg.SetFaults(registrytest.Fault{Times: 3, Status: 503})
	_, err = c.Repository(reg.Host, "app").Resolve(t.Context(), "v1")
	check(t, err)
}
