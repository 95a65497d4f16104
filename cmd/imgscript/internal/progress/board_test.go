package progress

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/build"
)

// testBoard has one task of each look at 1000 ms.
func testBoard() *board {
	b := &board{}
	b.event(started(1, build.LayerWork, "/opt/application/node_modules /etc/app", -1, 0))
	b.event(pushed(2, "0123456789ab", 45_600_000, 0))
	b.event(pushed(3, "fedcba987654", 500, 0))
	b.event(pushed(4, "aaaabbbbcccc", 500, 0))
	b.event(started(5, build.BaseWork, "registry.example.com/team/node:22-slim", -1, 0))
	b.event(pushed(6, "ddddeeeeffff", 700, 0))
	b.event(started(7, build.LayerWork, "/quick", -1, 0))
	b.event(moved(1, 1, 0))
	b.event(moved(2, 1, 0))
	b.event(moved(1, 1_500_000, 1000))
	b.event(moved(2, 12_300_000, 1000))
	b.event(waited(3, "503 Service Unavailable", 2, 4*time.Second, 500))
	b.event(ended(7, 5, "unchanged", nil, 100))
	b.event(started(8, build.LayerWork, "/done", -1, 0))
	b.draw(clock(500), 200, 40)
	b.event(ended(8, 30_200_000, "built", nil, 900))
	return b
}

func TestRows(t *testing.T) {
	for _, test := range []struct {
		width, height int
		want          []string
	}{
		{159, 24, []string{
			"layer /opt/application/node_modules /etc/app                                                                    1.5 MB    1.5 MB/s",
			"push sha256:0123456789ab to registry.example.com/team/application  [=======>--------------------]    12.3 MB / 45.6 MB   12.3 MB/s",
			"push sha256:fedcba987654 to registry.example.com/team/application  retrying in 3.5s: 503 Service Unavailable",
			"base registry.example.com/team/node:22-slim",
			"layer /done                                                        built, 30.2 MB in 0.9s",
			"1s: 2 of 8 done, 12.3 MB uploaded, 12.3 MB/s, 1 built, 1 unchanged, 1 retry",
		}},
		{79, 24, []string{
			"layer /opt/a…n/node_modules /etc/app                         1.5 MB    1.5 MB/s",
			"push 0123456789ab to …am/application  [=>----]    12.3 MB / 45.6 MB   12.3 MB/s",
			"push fedcba987654 to …am/application  retrying in 3.5s: 503 Service Unavailable",
			"base registr…e.com/team/node:22-slim",
			"layer /done                           built, 30.2 MB in 0.9s",
			"1s: 2 of 8 done, 12.3 MB uploaded, 12.3 MB/s, 1 built, 1 unchanged, 1 retry",
		}},
		{39, 24, []string{
			"layer /op…de_modules /etc/app    1.5 MB",
			"push sha256:0123456789ab            26%",
			"push fedcba987654  retrying in 3.5s: 5…",
			"base regi…m/team/node:22-slim",
			"layer /done      built, 30.2 MB in 0.9s",
			"1s: 2 of 8 done, 12.3 MB uploaded",
		}},
		{39, 4, []string{
			"layer /op…de_modules /etc/app    1.5 MB",
			"push sha256:0123456789ab            26%",
			"push fedcba987654  retrying in 3.5s: 5…",
			"1s: 2 of 8 done, 12.3 MB uploaded",
		}},
	} {
		got := testBoard().draw(clock(1000), test.width, test.height)
		for _, row := range got {
			if w := widthOf(row); w > test.width {
				t.Errorf("%d columns: row of %d: %q", test.width, w, row)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%d × %d (-want +got):\n%s", test.width, test.height, diff)
		}
	}
}

// TestRowsFit: whatever the size of the terminal, no row is wider and there are no more of them.
func TestRowsFit(t *testing.T) {
	for width := range 130 {
		for height := range 10 {
			rows := testBoard().draw(clock(1000), width, height)
			if len(rows) > max(height, 1) {
				t.Errorf("%d × %d: %d rows", width, height, len(rows))
			}
			for _, row := range rows {
				if w := widthOf(row); w > max(width, 1) {
					t.Errorf("%d × %d: row of %d: %q", width, height, w, row)
				}
			}
		}
	}
}

// names are what the rows begin with, but for the summary.
func names(rows []string) []string {
	var list []string
	for _, row := range rows[:len(rows)-1] {
		words := strings.Fields(row)
		list = append(list, words[0]+" "+words[1])
	}
	return list
}

// TestRowsOfMany: of two hundred tasks those that move are shown, and few that wait for their turn.
func TestRowsOfMany(t *testing.T) {
	b := &board{}
	for i := range 200 {
		b.event(pushed(i, fmt.Sprintf("%012d", i), 1000, 0))
	}
	for _, i := range []int{150, 151, 152, 153} {
		b.event(moved(i, 100, 900))
	}
	rows := b.draw(clock(1000), 80, 22)
	want := []string{"push 000000000150", "push 000000000151", "push 000000000152", "push 000000000153", "push 000000000000"}
	if got := names(rows); !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	if last := rows[len(rows)-1]; last != "1s: 0 of 200 done, 400 B uploaded" {
		t.Errorf("summary %q", last)
	}
	// With less room than there are tasks that move, the first that do stay.
	b.event(moved(0, 100, 1000))
	b.event(moved(1, 100, 1000))
	want = []string{"push 000000000150", "push 000000000151", "push 000000000152", "push 000000000153", "push 000000000000", "push 000000000001"}
	if got := names(b.draw(clock(1100), 80, 7)); !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	b.event(moved(2, 100, 1000))
	if got := names(b.draw(clock(1200), 80, 7)); !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	// Who comes next takes the row of one that is over.
	b.event(ended(151, 1000, "uploaded", nil, 1200))
	want[1] = "push 000000000002"
	if got := names(b.draw(clock(1300), 80, 7)); !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
}

// TestRowsStay: a task keeps its row while others end, the columns stay where they are, and what ended goes after a second.
func TestRowsStay(t *testing.T) {
	b := &board{}
	for i, name := range []string{"/short", "/one/of/a/long/name", "/c"} {
		b.event(started(i, build.LayerWork, name, -1, 0))
		b.event(moved(i, 5000, 500))
	}
	before := b.draw(clock(500), 80, 10)
	b.event(ended(1, 5000, "built", nil, 600))
	b.event(started(3, build.LayerWork, "/d", -1, 600))
	after := b.draw(clock(700), 80, 10)
	if before[0] != after[0] && strings.Index(before[0], "5.0 kB") != strings.Index(after[0], "5.0 kB") || names(after)[1] != "layer /one/of/a/long/name" || len(after) != 4 {
		t.Errorf("it was\n%s\nand now is\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	later := b.draw(clock(1700), 80, 10)
	if got := names(later); !slices.Equal(got, []string{"layer /short", "layer /c", "layer /d"}) || strings.Index(later[0], "5.0 kB") != strings.Index(before[0], "5.0 kB") {
		t.Errorf("a second later:\n%s", strings.Join(later, "\n"))
	}
}

// TestRowsOfShortTasks: what is over at once has no row.
func TestRowsOfShortTasks(t *testing.T) {
	b := &board{}
	b.event(started(1, build.LayerWork, "/quick", -1, 0))
	if rows := b.draw(clock(100), 80, 10); len(rows) != 1 {
		t.Errorf("%q", rows)
	}
	b.event(ended(1, 0, "unchanged", nil, 150))
	if rows := b.draw(clock(300), 80, 10); len(rows) != 1 || rows[0] != "0s: 1 of 1 done, 1 unchanged" {
		t.Errorf("%q", rows)
	}
}

// TestWaitingRow counts down, and is gone when the task moves or the time is up.
func TestWaitingRow(t *testing.T) {
	b := &board{}
	b.event(pushed(1, "0123456789ab", 1000, 0))
	b.event(waited(1, "429 Too Many Requests", 0, 30*time.Second, 0))
	for ms, want := range map[int]string{1000: "waiting for 29s: 429 Too Many Requests", 25_500: "waiting for 4.5s: 429 Too Many Requests", 31_000: "0 B / 1.0 kB"} {
		if rows := b.draw(clock(ms), 120, 10); !strings.HasSuffix(rows[0], want) {
			t.Errorf("after %d ms: %q, want %q", ms, rows[0], want)
		}
	}
	b.event(waited(1, "EOF", 1, 30*time.Second, 32_000))
	b.event(moved(1, 100, 33_000))
	if rows := b.draw(clock(33_500), 120, 10); strings.Contains(rows[0], "retrying") {
		t.Errorf("%q", rows[0])
	}
	b.event(waited(0, "EOF", 1, time.Second, 34_000)) // of no task
	if text := b.sumUp("saved"); text != "saved, 2 retries" {
		t.Errorf("%q", text)
	}
}

func TestSpeed(t *testing.T) {
	b := &board{}
	b.event(started(1, build.PushWork, "big", 1000_000, 0))
	task := b.tasks[0]
	for ms := 100; ms <= 10_000; ms += 100 {
		b.event(moved(1, int64(ms)*10, ms))
	}
	if got := task.speed(clock(10_000)); got < 9_999 || got > 10_001 {
		t.Errorf("speed is %v bytes a second, want 10000", got)
	}
	if got := task.speed(clock(60_000)); got != 0 {
		t.Errorf("speed of a task that stands still is %v", got)
	}
	b.event(moved(1, 500, 10_100)) // sent again
	if got := task.speed(clock(12_000)); got < 0 {
		t.Errorf("speed is %v", got)
	}
}

// TestStatus sums up all kinds of ends, and takes no notice of tasks that never started.
func TestStatus(t *testing.T) {
	b := &board{}
	for i, how := range []string{"built", "unchanged", "uploaded", "mounted", "present", "downloaded", "fetched", "found", "tagged", ""} {
		b.event(started(i, build.PushWork, "x", -1, 0))
		e := ended(i, 1000, how, nil, 100)
		if how == "" {
			e.Err = errors.New("no")
		}
		b.event(e)
	}
	b.event(ended(77, 1000, "uploaded", nil, 100))
	want := "10 of 10 done, 1.0 kB uploaded, 1 mounted, 1 there already, 1 built, 1 unchanged, 1 downloaded, 1 fetched, 1 failed"
	if got := strings.Join(b.status(clock(100)), ", "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
