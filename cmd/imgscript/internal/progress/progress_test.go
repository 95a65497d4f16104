package progress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/build"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a build.Origin.
type place string

func (p place) String() string { return string(p) }

// clock is the time of a test, in milliseconds since its start.
func clock(ms int) time.Time { return time.UnixMilli(1_000_000 + int64(ms)) }

func started(task int, name string, total int64, ms int) build.Event {
	return build.Event{Kind: build.TaskStart, Task: task, Name: name, Total: total, Time: clock(ms)}
}

func moved(task int, bytes int64, ms int) build.Event {
	return build.Event{Kind: build.TaskProgress, Task: task, Bytes: bytes, Time: clock(ms)}
}

func ended(task int, bytes int64, how string, err error, ms int) build.Event {
	return build.Event{Kind: build.TaskEnd, Task: task, Bytes: bytes, How: how, Err: err, Time: clock(ms)}
}

func testBoard() *board {
	b := &board{}
	b.event(started(1, "layer /app", -1, 0))
	b.event(started(2, "push sha256:0123456789ab to registry.example.com/team/application", 45_600_000, 0))
	b.event(started(3, "push sha256:fedcba987654 to registry.example.com/team/application", 500, 0))
	b.event(started(4, "layer /done", -1, 0))
	b.event(moved(1, 1_500_000, 1000))
	b.event(moved(2, 12_300_000, 1000))
	b.event(ended(4, 5, "built", nil, 1000))
	return b
}

func TestRows(t *testing.T) {
	for _, test := range []struct {
		width, height int
		want          []string
	}{
		{140, 24, []string{
			"layer /app                                                                                                      1.5 MB    1.5 MB/s",
			"push sha256:0123456789ab to registry.example.com/team/application  [=======>--------------------]    12.3 MB / 45.6 MB   12.3 MB/s",
			"push sha256:fedcba987654 to registry.example.com/team/application  [----------------------------]          0 B / 500 B",
			"3 under way, 1 done, 1.0s",
		}},
		{80, 24, []string{
			"layer /app                                                    1.5 MB    1.5 MB/s",
			"push sha256:0123456789ab to registry…  [=>----]    12.3 MB / 45.6 MB   12.3 MB/s",
			"push sha256:fedcba987654 to registry…  [------]          0 B / 500 B",
			"3 under way, 1 done, 1.0s",
		}},
		{50, 24, []string{
			"layer /app                                  1.5 MB",
			"push sha256:0123456789ab to …    12.3 MB / 45.6 MB",
			"push sha256:fedcba987654 to …          0 B / 500 B",
			"3 under way, 1 done, 1.0s",
		}},
		{20, 24, []string{"layer /app", "push sha256:0123456…", "push sha256:fedcba9…", "3 under way, 1 done…"}},
		{50, 3, []string{"layer /app                                  1.5 MB", "… 2 more", "3 under way, 1 done, 1.0s"}},
		{50, 1, []string{"… 3 more", "3 under way, 1 done, 1.0s"}},
	} {
		var got []string
		for _, row := range testBoard().rows(clock(1000), test.width, test.height) {
			if w := widthOf(row); w > test.width {
				t.Errorf("%d columns: row of %d: %q", test.width, w, row)
			}
			got = append(got, strings.TrimRight(row, " "))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%d × %d (-want +got):\n%s", test.width, test.height, diff)
		}
	}
}

// Of many tasks those that move are shown, and the rest is counted.
func TestRowsOfMany(t *testing.T) {
	b := &board{}
	for i := range 200 {
		b.event(started(i, fmt.Sprint("layer /", i), -1, 0))
	}
	b.event(moved(150, 1000, 1000))
	rows := b.rows(clock(1000), 80, 22)
	if len(rows) != 22 || !strings.HasPrefix(rows[0], "layer /150 ") || rows[20] != "… 180 more" || rows[21] != "200 under way, 0 done, 1.0s" {
		t.Errorf("%q", rows)
	}
}

func TestSpeed(t *testing.T) {
	b := &board{}
	b.event(started(1, "push", 1000_000, 0))
	task := b.tasks[0]
	for ms := 100; ms <= 10_000; ms += 100 {
		b.event(moved(1, int64(ms)*10, ms))
	}
	if got := task.speed(clock(10_000)); got < 9_999 || got > 10_001 {
		t.Errorf("speed is %v bytes a second, want 10000", got)
	}
	if got := task.speed(clock(60_000)); got > 1_000 {
		t.Errorf("speed of a task that stands still is %v", got)
	}
	b.event(moved(1, 500, 10_100)) // sent again
	if got := task.speed(clock(12_000)); got < 0 {
		t.Errorf("speed is %v", got)
	}
}

func TestPlain(t *testing.T) {
	var out bytes.Buffer
	p := &plain{w: lines{w: &out}}
	p.Event(started(1, "layer /quick", -1, 0))
	p.Event(ended(1, 1234, "built", nil, 200))
	p.Event(started(2, "push big to reg", 10_000_000, 200))
	p.tick(clock(400))
	p.tick(clock(500))
	p.tick(clock(600))
	p.Event(moved(2, 4_000_000, 5200))
	p.tick(clock(5300))
	p.tick(clock(5500))
	p.tick(clock(5600))
	p.Event(ended(2, 10_000_000, "uploaded", nil, 9000))
	p.Event(started(3, "push mounted", 1, 9000))
	p.Event(ended(3, 0, "mounted", nil, 9100))
	p.Event(started(4, "push there", 1, 9000))
	p.Event(ended(4, 0, "present", nil, 9100))
	p.Event(started(5, "layer /bad\n\x1b", -1, 9000))
	p.Event(ended(5, 0, "", errors.New("no"), 9100))
	p.Event(started(6, "push stalled", 5, 9000))
	p.tick(clock(9300))
	p.tick(clock(14_300))
	p.Event(ended(6, 0, "", fmt.Errorf("x: %w", context.Canceled), 15_000))
	p.Event(build.Event{Kind: build.Warning, At: place("build.star:3:1"), Text: "a socket is skipped"})
	p.Event(build.Event{Kind: build.Warning, Text: "nowhere"})
	p.Event(ended(7, 0, "", nil, 15_000)) // of a task that never started
	want := `layer /quick: built, 1.2 kB
push big to reg: started
push big to reg: 4.0 MB of 10.0 MB, 754.7 kB/s
push big to reg: uploaded, 10.0 MB in 8.8s
push mounted: mounted
push there: there already
layer /bad\n\x1b: failed
push stalled: started
push stalled: waiting for 5.3s
warning: build.star:3:1: a socket is skipped
warning: nowhere
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever happens at once, each line comes out whole and once, and no display leaves a goroutine.
func TestLinesStayWhole(t *testing.T) {
	for _, mode := range []string{"tty", "plain", "quiet"} {
		out := &safeBuffer{}
		d := New(out, mode)
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				d.Event(started(i, fmt.Sprint("layer /", i), 100, 0))
				d.Line(fmt.Sprintf("<line %d>", i), Warning)
				d.Event(ended(i, 100, "built", nil, 1))
			})
		}
		group.Wait()
		d.Line("<print>", Print)
		d.Close()
		d.Line("<late>", Warning)
		text := out.String()
		for i := range 20 {
			if n := strings.Count(text, fmt.Sprintf("<line %d>\n", i)); n != 1 {
				t.Errorf("%s: line %d came out %d times", mode, i, n)
			}
		}
		if !strings.Contains(text, "<print>\n") {
			t.Errorf("%s: what a script printed is missing", mode)
		}
		if !strings.HasSuffix(text, "<late>\n") {
			t.Errorf("%s: the line after the end is missing", mode)
		}
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestChoose(t *testing.T) {
	var notFile bytes.Buffer
	for mode, want := range map[string]string{"auto": "plain", "tty": "tty", "plain": "plain", "quiet": "quiet"} {
		if got := Choose(mode, &notFile); got != want {
			t.Errorf("%s is %s, want %s", mode, got, want)
		}
	}
}

func TestSizeAndDuration(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 12_345_678: "12.3 MB", 5e12: "5.0 TB", 5e15: "5000.0 TB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0.0s", 1234 * time.Millisecond: "1.2s", 12345 * time.Millisecond: "12s", 200 * time.Second: "3m20s"} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}
