package registry_test

import (
	"context"
	"errors"
	"flag"
	"runtime/debug"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil { // most tests wait for a time limit
		panic(err)
	}
	debug.SetGCPercent(400)       // thousands of short lives
	debug.SetMemoryLimit(1 << 30) // which under the race detector would fill the memory of a small machine
	goleak.VerifyTestMain(m)
}

// noSleep is a clock that never waits.
func noSleep(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }

// newClient returns a client for tests: it does not wait between tries.
func newClient(t testing.TB, opts *registry.Options) *registry.Client {
	t.Helper()
	o := registry.Options{}
	if opts != nil {
		o = *opts
	}
	if o.Sleep == nil {
		o.Sleep = noSleep
	}
	c := registry.New(&o)
	t.Cleanup(c.Close)
	return c
}

func TestConformance(t *testing.T) {
	open := func(t *testing.T) *registry.Repository {
		reg := registrytest.New(t, &registrytest.Options{AllowMissing: true})
		return newClient(t, nil).Repository(reg.Host, "app")
	}
	contenttest.TestStore(t, func(t *testing.T) content.Store { return open(t) }, nil)
	contenttest.TestRepository(t, func(t *testing.T) content.Repository { return open(t) }, nil)
}

// expectIs fails unless err is each of targets.
func expectIs(t testing.TB, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("got error %v, want one that is %v", err, target)
		}
	}
}
