//go:build linux

package main

import (
	"math"
	"strings"
	"testing"
)

// measured makes the result of a job with an entry for each label and seconds.
func measured(name string, entries map[string][]float64) *jobResult {
	j := &jobResult{Name: name}
	for label, all := range entries {
		e := &entryResult{Tool: label, Label: label}
		for _, seconds := range all {
			e.Samples = append(e.Samples, sample{Wall: seconds})
		}
		j.Entries = append(j.Entries, e)
	}
	return j
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		all  []float64
		want spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{4, 1}, spread{1, 2.5, 4}},
		{[]float64{9, 1, 2}, spread{1, 2, 9}},
	} {
		e := measured("cold", map[string][]float64{"x": c.all}).Entries[0]
		if got := e.of(wall); got != c.want {
			t.Errorf("%v: got %v, want %v", c.all, got, c.want)
		}
	}
}

// TestBars works out numbers from results, in which some are met and some missed.
func TestBars(t *testing.T) {
	r := &results{}
	r.put(measured("copy-cold", map[string][]float64{"imgscript": {1.2}, "crane": {1.5}, "oras": {1}, "regctl": {2}}))
	r.put(measured("cold", map[string][]float64{"imgscript": {2}, "crane": {8.5}, "buildkit": {13}, pigz.label(): {2.5}}))
	r.put(measured("files-10k", map[string][]float64{"imgscript": {0.5}}))
	r.put(measured("files-100k", map[string][]float64{"imgscript": {6}}))
	verdicts := map[string]string{}
	for i := range bars {
		verdicts[bars[i].what] = bars[i].format(bars[i].value(r)) + " " + bars[i].verdict(bars[i].value(r))
	}
	for what, want := range map[string]string{
		"cold build":                             "2 s goal met",
		"cold build: times faster than crane":    "4.25 goal met",
		"cold build: times faster than BuildKit": "6.50 bar met",
		"copy to another registry: time of the best of crane, oras and regctl, times": "1.20 **missed**",
		"time for each file, of 100,000 to that of 10,000":                            "1.20 goal met",
		"time for each file, of 1,000,000 to that of 10,000":                          "– not measured",
		"size of the layer, to that of one stream of the same level":                  "– not measured",
		"nothing changed": "– not measured",
	} {
		if got := verdicts[what]; got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	if err := r.check(0); err == nil || !strings.Contains(err.Error(), "copy to another registry") || strings.Contains(err.Error(), "cold build") {
		t.Errorf("without slack: %v", err)
	}
	if err := r.check(0.1); err != nil {
		t.Errorf("with slack: %v", err)
	}
}

// TestBarsNameWhatExists holds the labels in the table of bars to those of the jobs: a bar on a name that nobody measures would never be missed.
func TestBarsNameWhatExists(t *testing.T) {
	r := &results{}
	for _, j := range jobs {
		done := &jobResult{Name: j.name}
		for i := range j.entries {
			e := &j.entries[i]
			done.Entries = append(done.Entries, &entryResult{Tool: e.tool, Label: e.label(), Layer: 1, OneStream: 1, Samples: []sample{{Wall: 1, CPU: 1, Peak: 1, Requests: 1}}})
		}
		r.put(done)
	}
	for i := range bars {
		if math.IsNaN(bars[i].value(r)) {
			t.Errorf("%s: nothing measures it", bars[i].what)
		}
	}
}

func TestChosen(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, "cold unchanged changed front zstd services copy-cold copy-warm files-1k files-10k files-100k memory startup"},
		{[]string{"copy", "cold"}, "cold copy-cold copy-warm"},
		{[]string{"files-1m"}, "files-1m"},
		{[]string{"files"}, "files-1k files-10k files-100k"},
	} {
		picked, err := chosen(c.names)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, j := range picked {
			names = append(names, j.name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%v: got %q, want %q", c.names, got, c.want)
		}
	}
	if _, err := chosen([]string{"cold", "colt"}); err == nil || !strings.Contains(err.Error(), `"colt"`) {
		t.Errorf("a job that does not exist: %v", err)
	}
}

func TestSignificant(t *testing.T) {
	for value, want := range map[float64]string{0.01234: "0.012", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 4: "4", 0: "0"} {
		if got := significant(value); got != want {
			t.Errorf("%v: got %q, want %q", value, got, want)
		}
	}
}

// TestCompare tells how much slower or faster a job has become.
func TestCompare(t *testing.T) {
	before, after := &results{}, &results{}
	before.put(measured("cold", map[string][]float64{"imgscript": {2}}))
	after.put(measured("cold", map[string][]float64{"imgscript": {2.5}}))
	after.put(measured("unchanged", map[string][]float64{"imgscript": {2.5}}))
	if got := compare(before, after); !strings.Contains(got, "| cold | imgscript | 2 s | 2.50 s | +25 % |") || strings.Contains(got, "unchanged") {
		t.Errorf("got:\n%s", got)
	}
}
