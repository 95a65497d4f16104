//go:build linux

package main

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// bar is what a number has to be: at most bar, and better at most goal, or at least, for how many times faster imgscript is.
type bar struct {
	what      string
	unit      string
	least     bool
	bar, goal float64
	value     func(r *results) float64 // NaN: not measured
}

// bars are those of the project. Those in seconds are for two processors.
var bars = []bar{
	{what: "cold build", unit: "s", bar: 2.8, goal: 2.1, value: seconds("cold", "imgscript")},
	{what: "cold build: times faster than crane", least: true, bar: 3, goal: 4, value: ratio("cold", "crane", "imgscript")},
	{what: "cold build: times faster than BuildKit", least: true, bar: 6, goal: 8, value: ratio("cold", "buildkit", "imgscript")},
	{what: "cold build: time of `tar | pigz -1 -p2 | sha256sum`, which pushes nothing, times", bar: 1.1, goal: 0.9, value: ratio("cold", "imgscript", pigz.label())},
	{what: "cold build with zstd: time of `tar | zstd -1 -T2 | sha256sum`, times", bar: 1.8, goal: 1.3,
		value: ratio("zstd", "imgscript", reference+", `tar | zstd -1 -T2 | sha256sum`")},
	{what: "nothing changed", unit: "s", bar: 0.18, goal: 0.15, value: seconds("unchanged", "imgscript")},
	{what: "nothing changed: times faster than BuildKit", least: true, bar: 4, goal: 5, value: ratio("unchanged", "buildkit", "imgscript")},
	{what: "nothing changed: time of `git status`, times", bar: 2, goal: 1.5, value: ratio("unchanged", "imgscript", gitStatus.label())},
	{what: "nothing changed: requests", bar: 4, goal: 4, value: number("unchanged", "imgscript", requests)},
	{what: "one file changed", unit: "s", bar: 1.4, goal: 0.95, value: seconds("changed", "imgscript")},
	{what: "one file changed: times faster than crane", least: true, bar: 6, goal: 9, value: ratio("changed", "crane", "imgscript")},
	{what: "one file changed: times faster than BuildKit", least: true, bar: 12, goal: 18, value: ratio("changed", "buildkit", "imgscript")},
	{what: "size of the layer, to that of one stream of the same level", bar: 1.03, goal: 1.03, value: streamSize},
	{what: "time for each file, of 100,000 to that of 10,000", bar: 1.5, goal: 1.5, value: flat("files-100k", 10)},
	{what: "time for each file, of 1,000,000 to that of 10,000", bar: 1.5, goal: 1.5, value: flat("files-1m", 100)},
	{what: "copy to another registry: time of the best of crane, oras and regctl, times", bar: 1.15, goal: 1, value: copyRatio},
	{what: "memory for a file of 5 GiB", unit: "MB", bar: 150, goal: 150, value: megabytes("memory")},
	{what: "memory for 1,000,000 files", unit: "MB", bar: 600, goal: 600, value: megabytes("files-1m")},
	{what: "`imgscript version`", unit: "ms", bar: 15, goal: 15, value: number("startup", "imgscript, version", milliseconds)},
	{what: "an empty script", unit: "ms", bar: 15, goal: 15, value: number("startup", "imgscript, empty script", milliseconds)},
}

func milliseconds(s sample) float64 { return 1000 * s.Wall }

// number is the median of something of an entry.
func number(job, label string, value func(sample) float64) func(*results) float64 {
	return func(r *results) float64 {
		if e := r.entry(job, label); e != nil {
			return e.of(value).median
		}
		return math.NaN()
	}
}

func seconds(job, label string) func(*results) float64 { return number(job, label, wall) }

// ratio is the time of one entry by that of another.
func ratio(job, label, by string) func(*results) float64 {
	return func(r *results) float64 { return seconds(job, label)(r) / seconds(job, by)(r) }
}

func megabytes(job string) func(*results) float64 {
	return func(r *results) float64 { return number(job, "imgscript", peak)(r) / 1e6 }
}

// flat is the time that a job of times as many files takes, by that of files-10k, for each file.
func flat(job string, times float64) func(*results) float64 {
	return func(r *results) float64 {
		return seconds(job, "imgscript")(r) / seconds("files-10k", "imgscript")(r) / times
	}
}

func copyRatio(r *results) float64 {
	best := math.Inf(1)
	for _, label := range []string{"crane", "oras", "regctl"} {
		if t := seconds("copy-cold", label)(r); t < best {
			best = t
		}
	}
	if math.IsInf(best, 1) {
		return math.NaN()
	}
	return seconds("copy-cold", "imgscript")(r) / best
}

func streamSize(r *results) float64 {
	if e := r.entry("cold", "imgscript"); e != nil && e.OneStream > 0 {
		return float64(e.Layer) / float64(e.OneStream)
	}
	return math.NaN()
}

// meets tells whether a number is as good as another one, with a part of it as slack.
func (b *bar) meets(value, wanted, slack float64) bool {
	if b.least {
		return value >= wanted*(1-slack)
	}
	return value <= wanted*(1+slack)
}

// verdict is what the report says.
func (b *bar) verdict(value float64) string {
	switch {
	case math.IsNaN(value):
		return "not measured"
	case b.meets(value, b.goal, 0):
		return "goal met"
	case b.meets(value, b.bar, 0):
		return "bar met"
	default:
		return "**missed**"
	}
}

// format writes a number of the bar's kind.
func (b *bar) format(value float64) string {
	text := significant(value)
	if b.unit != "" && !math.IsNaN(value) {
		text += " " + b.unit
	}
	return text
}

// significant writes a number with three digits, and all those before the point.
func significant(value float64) string {
	switch {
	case math.IsNaN(value):
		return "–"
	case value >= 100 || value == math.Trunc(value):
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	case value >= 1:
		return fmt.Sprintf("%.2f", value)
	default:
		return fmt.Sprintf("%.3f", value)
	}
}

// check is an error that tells of all bars that are missed by more than a part of them. Those that were not measured are no error.
func (r *results) check(slack float64) error {
	var missed []string
	for i := range bars {
		b := &bars[i]
		if value := b.value(r); !math.IsNaN(value) && !b.meets(value, b.bar, slack) {
			missed = append(missed, fmt.Sprintf("%s: %s, the bar is %s", b.what, b.format(value), b.format(b.bar)))
		}
	}
	if missed == nil {
		return nil
	}
	return errors.New("bars are missed:\n  " + strings.Join(missed, "\n  "))
}
