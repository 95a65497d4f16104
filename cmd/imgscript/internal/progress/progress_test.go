package progress

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/build"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a build.Origin.
type place string

func (p place) String() string { return string(p) }

// clock is the time of a test, in milliseconds since its start.
func clock(ms int) time.Time { return time.UnixMilli(1_000_000 + int64(ms)).UTC() }

func started(task int, what build.Work, subject string, total int64, ms int) build.Event {
	return build.Event{Kind: build.TaskStart, Task: task, What: what, Subject: subject, Total: total, Time: clock(ms)}
}

// pushed is a task that sends the blob whose digest begins so to a repository with a long name.
func pushed(task int, digest string, total int64, ms int) build.Event {
	e := started(task, build.PushWork, "sha256:"+digest+strings.Repeat("0", 64-len(digest)), total, ms)
	e.Where = "registry.example.com/team/application"
	return e
}

func moved(task int, bytes int64, ms int) build.Event {
	return build.Event{Kind: build.TaskProgress, Task: task, Bytes: bytes, Time: clock(ms)}
}

func waited(task int, reason string, tries int, delay time.Duration, ms int) build.Event {
	return build.Event{Kind: build.Waiting, Task: task, Host: "registry.example.com", Reason: reason, Tries: tries, Delay: delay, Time: clock(ms)}
}

func ended(task int, bytes int64, how string, err error, ms int) build.Event {
	return build.Event{Kind: build.TaskEnd, Task: task, Bytes: bytes, How: how, Err: err, Time: clock(ms)}
}

// Whatever happens at once, each line comes out whole and once, and no display leaves a goroutine.
func TestLinesStayWhole(t *testing.T) {
	for _, mode := range Modes()[1:] {
		out := &safeBuffer{}
		d := New(out, mode)
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				d.Event(started(i, build.LayerWork, fmt.Sprint("/", i), 100, 0))
				d.Line(fmt.Sprintf("<line %d>", i), Warning)
				d.Event(ended(i, 100, "built", nil, 1))
			})
		}
		group.Wait()
		d.Print("build.star:1:1", "<print>")
		d.Close()
		d.Line("<late>", Notice)
		text := out.String()
		end := "\n"
		if mode == "json" {
			end = "\"}\n"
		}
		for i := range 20 {
			if n := strings.Count(text, fmt.Sprintf("<line %d>%s", i, end)); n != 1 {
				t.Errorf("%s: line %d came out %d times", mode, i, n)
			}
		}
		if !strings.Contains(text, "<print>"+end) || !strings.Contains(text, "build.star:1:1") {
			t.Errorf("%s: what a script printed is missing", mode)
		}
		if !strings.HasSuffix(text, "<late>"+end) {
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
	for mode, want := range map[string]string{"auto": "plain", "tty": "tty", "plain": "plain", "json": "json", "quiet": "quiet"} {
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

func TestCuts(t *testing.T) {
	for _, test := range []struct {
		cut  func(string, int) string
		text string
		want []string // by width, from 1 on
	}{
		{cutStart, "a/b/c", []string{"…", "…c", "…/c", "…b/c", "a/b/c", "a/b/c"}},
		{cutMiddle, "abcdef", []string{"a…", "a…", "a…f", "a…ef", "a…def", "abcdef"}},
		{cutStart, "日本語", []string{"…", "…", "…語", "…語", "…本語", "日本語"}},
	} {
		for i, want := range test.want {
			if got := test.cut(test.text, i+1); got != want {
				t.Errorf("%q in %d columns is %q, want %q", test.text, i+1, got, want)
			}
		}
	}
}
