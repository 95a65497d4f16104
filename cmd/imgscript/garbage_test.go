package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// TestCollectLate: the heap may grow by more than usual until it was collected once.
func TestCollectLate(t *testing.T) {
	usual := debug.SetGCPercent(100)
	defer debug.SetGCPercent(usual)
	percent := func() uint64 {
		sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	t.Setenv("GOGC", "100")
	collectLate()
	if got := percent(); got != 100 {
		t.Errorf("with GOGC=100: %d %%", got)
	}
	t.Setenv("GOGC", "")
	collectLate()
	if got := percent(); got != 400 {
		t.Errorf("before a collection: %d %%", got)
	}
	for range 1000 {
		if runtime.GC(); percent() == 100 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("after many collections: %d %%", percent())
}
