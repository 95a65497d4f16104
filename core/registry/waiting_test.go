package registry_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// waits notes what requests are told to wait for.
type waits struct {
	mu   sync.Mutex
	list []registry.Waiting
}

func (w *waits) note(one registry.Waiting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, one)
}

// TestWaitingIsTold with its reason, its delay and the number of tries, before it begins.
func TestWaitingIsTold(t *testing.T) {
	after := http.Header{"Retry-After": {"7"}}
	for _, test := range []struct {
		name  string
		fault registrytest.Fault
		want  []registry.Waiting
	}{
		{"nothing", registrytest.Fault{Nth: 1000, Status: 503}, nil},
		{"a status", registrytest.Fault{Status: 503, Header: after, Times: 2, Body: "secret text"}, []registry.Waiting{
			{Reason: "503 Service Unavailable", Delay: 7 * time.Second, Tries: 1}, {Reason: "503 Service Unavailable", Delay: 7 * time.Second, Tries: 2},
		}},
		{"what will not pass", registrytest.Fault{Status: 404}, nil},
		{"a connection that breaks", registrytest.Fault{Drop: true}, []registry.Waiting{{Reason: "EOF", Tries: 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			reg := registrytest.New(t, nil)
			reg.PushImage("app", "v1", registrytest.Image{})
			test.fault.Class = registrytest.ClassManifest
			reg.SetFaults(test.fault)
			var told waits
			slept := 0
			c := newClient(t, &registry.Options{Sleep: func(context.Context, time.Duration) error {
				if slept++; len(told.list) != slept {
					t.Errorf("it waits for the %d. time, and was told of %d", slept, len(told.list))
				}
				return nil
			}})
			_, _, err := c.Repository(reg.Host, "app").Manifest(registry.WithWaiting(t.Context(), told.note), "v1")
			if (err != nil) != (test.fault.Status == 404) {
				t.Error(err)
			}
			for i := range test.want {
				test.want[i].Host = reg.Host
				if test.want[i].Delay == 0 && i < len(told.list) { // by chance
					test.want[i].Delay = told.list[i].Delay
				}
			}
			if diff := cmp.Diff(test.want, told.list); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestHeldBackIsTold to every request that waits because a registry had too many, and not to those of another one.
func TestHeldBackIsTold(t *testing.T) {
	clock := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c := newClient(t, &registry.Options{Sleep: clock.Sleep, Now: clock.Now})
	reg, other := registrytest.New(t, nil), registrytest.New(t, nil)
	for _, r := range []*registrytest.Server{reg, other} {
		r.PushImage("app", "v1", registrytest.Image{})
	}
	reg.SetFaults(registrytest.Fault{Class: registrytest.ClassManifest, Status: 429, Header: http.Header{"Retry-After": {"60"}}})
	var told, elsewhere waits
	_, err := c.Repository(reg.Host, "app").Resolve(registry.WithWaiting(t.Context(), told.note), "v1")
	check(t, err)
	_, err = c.Repository(other.Host, "app").Resolve(registry.WithWaiting(t.Context(), elsewhere.note), "v1")
	check(t, err)
	if len(told.list) != 1 || len(elsewhere.list) != 0 {
		t.Fatalf("told of %v and, elsewhere, %v; want one", told.list, elsewhere.list)
	}
	one := told.list[0]
	if one.Host != reg.Host || one.Reason != "429 Too Many Requests" || one.Tries != 0 || one.Delay < time.Minute || one.Delay > 62*time.Second {
		t.Errorf("told of %+v", one)
	}
}

// TestConfiguredRateIsNotTold: it is what the user wants.
func TestConfiguredRateIsNotTold(t *testing.T) {
	clock := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	reg := registrytest.New(t, nil)
	reg.PushImage("app", "v1", registrytest.Image{})
	c := newClient(t, &registry.Options{Sleep: clock.Sleep, Now: clock.Now, Hosts: map[string]registry.HostOptions{reg.Host: {RequestsPerSecond: 1}}})
	var told waits
	for range 3 {
		_, err := c.Repository(reg.Host, "app").Resolve(registry.WithWaiting(t.Context(), told.note), "v1")
		check(t, err)
	}
	if len(told.list) > 0 || clock.sleeps == nil {
		t.Errorf("told of %v after waits %v", told.list, clock.sleeps)
	}
}

// TestWaitingTellsNoSecret: what a registry says and how it was asked stays out of it.
func TestWaitingTellsNoSecret(t *testing.T) {
	const secret = "s3cret-word"
	for name, fault := range map[string]registrytest.Fault{
		"status": {Status: 503, Body: secret}, "too many": {Status: 429, Body: secret}, "dropped": {Drop: true}, "answer lost": {Lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBasic, Users: map[string]string{"ann": secret}})
			reg.PushImage("app", "v1", registrytest.Image{})
			fault.Times = 2
			reg.SetFaults(fault)
			var told waits
			c := newClient(t, &registry.Options{Keychain: keychain(t, auth.Map{reg.Host: {Username: "ann", Secret: secret}})})
			_, _, err := c.Repository(reg.Host, "app").Manifest(registry.WithWaiting(t.Context(), told.note), "v1")
			check(t, err)
			if len(told.list) == 0 {
				t.Error("nothing was told")
			}
			for _, one := range told.list {
				if len(registrytest.Leaks(one.Reason, secret)) > 0 {
					t.Errorf("a secret in %q", one.Reason)
				}
			}
		})
	}
}
