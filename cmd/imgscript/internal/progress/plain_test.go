package progress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/build"
)

// newTestPlain is one whose time is that of the test.
func newTestPlain(out *bytes.Buffer) *plain {
	return &plain{w: lines{w: out}, waited: map[string]time.Time{}, stop: func() {}}
}

func TestPlain(t *testing.T) {
	var out bytes.Buffer
	p := newTestPlain(&out)
	p.Event(started(1, build.LayerWork, "/quick", -1, 0))
	p.Event(ended(1, 1234, "built", nil, 200))
	p.Event(pushed(2, "0123456789ab", 10_000_000, 200))
	p.Event(moved(2, 1000, 300))
	p.tick(clock(400))
	p.tick(clock(500))
	p.tick(clock(600))
	p.Event(moved(2, 4_000_000, 5200))
	p.tick(clock(5300))
	p.tick(clock(5500))
	p.tick(clock(5600))
	p.Event(ended(2, 10_000_000, "uploaded", nil, 9000))
	p.Event(started(3, build.PushWork, "a", 1, 9000))
	p.Event(ended(3, 0, "mounted", nil, 9100))
	p.Event(started(4, build.PushWork, "b", 1, 9000))
	p.Event(ended(4, 0, "present", nil, 9100))
	p.Event(started(5, build.LayerWork, "/bad\n\x1b", -1, 9000))
	p.Event(ended(5, 0, "", errors.New("no"), 9100))
	p.Event(started(6, build.PushWork, "stalled", 5, 9000))
	p.tick(clock(9300))
	p.tick(clock(14_300))
	stopped := ended(6, 0, "", fmt.Errorf("x: %w", context.Canceled), 15_000)
	stopped.Stopped = true
	p.Event(stopped)
	p.Event(started(7, build.TagWork, "reg/app:v1", -1, 15_000))
	p.Event(ended(7, 0, "tagged", nil, 15_100))
	p.Event(started(8, build.BaseWork, "reg/base:v1", -1, 15_000))
	found := ended(8, 0, "found", nil, 15_100)
	found.Digest = "sha256:0123456789abcdef"
	p.Event(found)
	p.Event(build.Event{Kind: build.Warning, At: place("build.star:3:1"), Text: "a socket is skipped"})
	p.Event(build.Event{Kind: build.Warning, Text: "nowhere"})
	p.Event(ended(9, 0, "", nil, 15_000)) // of a task that never started
	p.Print("build.star:4:1", "half way")
	p.Line("saved 1 image", Summary)
	p.Close()
	want := `layer /quick: built, 1.2 kB
push sha256:0123456789ab to registry.example.com/team/application: started
push sha256:0123456789ab to registry.example.com/team/application: 4.0 MB of 10.0 MB, 769.0 kB/s
push sha256:0123456789ab to registry.example.com/team/application: uploaded, 10.0 MB in 8.7s
push a: mounted
push b: there already
layer /bad\n\x1b: failed
push stalled: waiting for 5.3s
base reg/base:v1: sha256:0123456789ab
warning: build.star:3:1: a socket is skipped
warning: nowhere
build.star:4:1: half way
saved 1 image
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPlainWaiting tells of requests that wait, one of many that wait for the same.
func TestPlainWaiting(t *testing.T) {
	var out bytes.Buffer
	p := newTestPlain(&out)
	for i := range 20 {
		p.Event(pushed(i+1, fmt.Sprintf("%012d", i+1), 1000, 0))
		p.Event(waited(i+1, "503 Service Unavailable", 1, 4*time.Second, i))
	}
	p.Event(waited(3, "EOF", 2, 100*time.Millisecond, 1000))
	p.Event(waited(0, "429 Too Many Requests", 0, 30*time.Second, 2000))
	p.Event(waited(4, "503 Service Unavailable", 2, 8*time.Second, 6000))
	p.Line("saved 1 image", Summary)
	want := `push sha256:000000000001 to registry.example.com/team/application: retrying in 4.0s: 503 Service Unavailable
push sha256:000000000003 to registry.example.com/team/application: retrying in 0.1s: EOF
registry.example.com: waiting for 30s: 429 Too Many Requests
push sha256:000000000004 to registry.example.com/team/application: retrying in 8.0s: 503 Service Unavailable
saved 1 image, 22 retries
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPlainOfMany: two hundred layers, four at once, in two minutes, are few lines, and the last tells of all.
func TestPlainOfMany(t *testing.T) {
	for name, quick := range map[string]bool{"slow": false, "quick": true} {
		var out bytes.Buffer
		p := newTestPlain(&out)
		ms, tick := 0, 0
		pass := func(d int) {
			for ms += d; tick < ms; tick += 100 {
				p.tick(clock(tick))
			}
		}
		for i := range 200 {
			p.Event(pushed(i, fmt.Sprintf("%012d", i), 1000, 0))
		}
		for i := range 200 {
			if !quick {
				p.Event(moved(i, 500, ms))
				pass(600)
			}
			p.Event(ended(i, 1000, "uploaded", nil, ms))
		}
		p.Close()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) > 100 {
			t.Errorf("%s: %d lines:\n%s", name, len(lines), out.String())
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, ": 200 of 200 done, 200.0 kB uploaded") {
			t.Errorf("%s: the last line is %q", name, last)
		}
	}
}

// TestPlainOfLongTask: the longer it lasts, the fewer lines.
func TestPlainOfLongTask(t *testing.T) {
	var out bytes.Buffer
	p := newTestPlain(&out)
	p.Event(pushed(1, "0123456789ab", 1_000_000, 0))
	for ms := 0; ms < 600_000; ms += 100 {
		p.Event(moved(1, int64(1+ms), ms))
		p.tick(clock(ms))
	}
	if n := strings.Count(out.String(), "\n"); n < 20 || n > 40 {
		t.Errorf("%d lines in ten minutes:\n%s", n, out.String())
	}
}
