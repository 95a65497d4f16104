//go:build linux

package main

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// report is the whole of docs/performance.md.
func (r *results) report() string {
	var b strings.Builder
	b.WriteString("# Performance\n\n<!-- Written by bench/run --write: change bench/report.go and the comments of the jobs instead. -->\n\n" +
		"imgscript beside other tools at the same jobs, on one machine, with the same base, registry and files. `bash bench/run` does all of it again:\n" +
		"it makes or fetches the data, builds the tools in the versions below, starts the registries, does each job with each tool in turn, round by round, and\n" +
		"compares the files of the images with those that went in. Raw numbers are in [bench/results.json](../bench/results.json).\n\n")
	if r.Quick {
		b.WriteString("**With little data: it shows that everything works. The numbers mean nothing.**\n\n")
	}
	b.WriteString(r.summary())
	r.writeMachine(&b)
	r.writeBars(&b)
	for _, j := range r.Jobs {
		r.writeJob(&b, j)
	}
	writeConditions(&b)
	r.writeVersions(&b)
	writeCommands(&b)
	return b.String()
}

// columns are the tools of the summary, each of which counts with the best of its ways.
var columns = []struct{ tool, title string }{
	{"imgscript", "imgscript"}, {"crane", "tar, crane"}, {"regctl", "regctl"}, {"oras", "oras"}, {"skopeo", "skopeo"}, {"buildkit", "BuildKit"}, {"buildah", "buildah"},
}

// rows are the jobs of the summary.
var rows = []string{"cold", "unchanged", "changed", "copy-cold", "memory"}

// idle is how many processors others may keep busy without a word about it.
const idle = 0.25

// summary is the table that README.md has, too.
func (r *results) summary() string {
	var b strings.Builder
	besides := 0.0
	b.WriteString("| |")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", c.title)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, name := range rows {
		j := r.job(name)
		if j == nil {
			continue
		}
		if !jobNamed(name).memory { // which a busy machine does not change
			besides = max(besides, j.others())
		}
		fmt.Fprintf(&b, "| %s |", jobNamed(name).title)
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", best(j, c.tool))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	if besides > idle {
		fmt.Fprintf(&b, "This was measured while others kept up to %.1f of %d processors busy. On an idle machine all are faster.\n\n", besides, r.Machine.Cores)
	}
	return b.String()
}

// others is how many processors something else kept busy: the greatest median of the tools.
func (j *jobResult) others() float64 {
	busy := 0.0
	for _, e := range j.Entries {
		if len(e.Samples) > 0 {
			busy = max(busy, e.of(others).median)
		}
	}
	return busy
}

func jobNamed(name string) *job {
	for _, j := range jobs {
		if j.name == name {
			return j
		}
	}
	return &job{name: name, title: name}
}

// best is the best number of a tool at a job.
func best(j *jobResult, tool string) string {
	value, format := wall, duration
	if jobNamed(j.Name).memory {
		value, format = peak, memory
	}
	least := math.Inf(1)
	for _, e := range j.Entries {
		if e.Tool == tool && len(e.Samples) > 0 {
			least = min(least, e.of(value).median)
		}
	}
	if math.IsInf(least, 1) {
		return "–"
	}
	return format(least)
}

// cell escapes what would end a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func duration(seconds float64) string {
	if seconds < 0.1 {
		return significant(seconds*1000) + " ms"
	}
	return significant(seconds) + " s"
}

func memory(bytes float64) string { return fmt.Sprintf("%.0f MB", bytes/1e6) }

func (r *results) writeMachine(b *strings.Builder) {
	m := r.Machine
	fmt.Fprintf(b, "Medians of time, and the peak of memory. The machine: %s, %d cores, %s of memory, %s, %s.\n\n", m.CPU, m.Cores, m.Memory, m.System, m.Kernel)
}

func (r *results) writeBars(b *strings.Builder) {
	b.WriteString("## Bars\n\nWhat imgscript is held to (`bash bench/run --render --check` fails when a bar is missed). Those in seconds are for two cores.\n\n" +
		"| | bar | goal | measured | |\n|---|---|---|---|---|\n")
	for i := range bars {
		bar := &bars[i]
		sign := "≤ "
		if bar.least {
			sign = "≥ "
		}
		value := bar.value(r)
		fmt.Fprintf(b, "| %s | %s%s | %s%s | %s | %s |\n", cell(bar.what), sign, bar.format(bar.bar), sign, bar.format(bar.goal), bar.format(value), bar.verdict(value))
	}
	b.WriteString("\n")
}

// writeJob writes the table of a job. Times are compared with that of imgscript.
func (r *results) writeJob(b *strings.Builder, j *jobResult) {
	def := jobNamed(j.Name)
	fmt.Fprintf(b, "## %s\n\n%s\n\n", def.title, def.about)
	b.WriteString("| | median | least – most | to imgscript | processors | memory | requests | layer |\n|---|---|---|---|---|---|---|---|\n")
	own := math.NaN()
	for _, e := range j.Entries {
		if len(e.Samples) > 0 && math.IsNaN(own) {
			own = e.of(wall).median // imgscript is the first
		}
	}
	n := 0
	for _, e := range j.Entries {
		if len(e.Samples) == 0 {
			continue
		}
		writeEntry(b, e, own)
		n = max(n, len(e.Samples))
	}
	fmt.Fprintf(b, "\n%s on %s with imgscript %s, load %.1f before and %.1f after; others kept up to %.2f processors busy meanwhile (the greatest median).\n",
		times(n), j.When.Format("2006-01-02 15:04 UTC"), j.Commit, j.Before, j.After, j.others())
	writeNotes(b, j)
	b.WriteString("\n")
}

func times(n int) string {
	if n == 1 {
		return "Measured once"
	}
	return fmt.Sprintf("Measured %d times", n)
}

func writeEntry(b *strings.Builder, e *entryResult, own float64) {
	t := e.of(wall)
	layer, asked := "", ""
	if e.Layer > 0 {
		layer = fmt.Sprintf("%.1f MB, %s", float64(e.Layer)/1e6, e.Level)
	}
	if n := e.of(requests).median; n > 0 {
		asked = fmt.Sprintf("%.0f", n)
	}
	fmt.Fprintf(b, "| %s | %s | %s – %s | %s | %s s | %s | %s | %s |\n", cell(e.Label), duration(t.median), duration(t.least), duration(t.most), significant(t.median/own)+"×",
		significant(e.of(cpu).median), memory(e.of(peak).median), asked, layer)
}

// writeNotes says what was left out, and in what images differ.
func writeNotes(b *strings.Builder, j *jobResult) {
	var notes []string
	for _, e := range j.Entries {
		if e.Error != "" {
			first, _, _ := strings.Cut(e.Error, "\n")
			notes = append(notes, fmt.Sprintf("- %s is left out: %s", e.Label, first))
		} else if len(e.Differs) > 0 {
			notes = append(notes, fmt.Sprintf("- %s: %s.", e.Label, strings.Join(e.Differs, "; ")))
		}
	}
	if notes != nil {
		fmt.Fprintf(b, "\nIn the images:\n\n%s\n", strings.Join(notes, "\n"))
	}
}

// writeConditions tells what is the same for all, what each tool keeps, and what is not compared.
func writeConditions(b *strings.Builder) {
	b.WriteString(`## Conditions

- **The same for all.** The base, made of Debian's packages; the registry, on the same machine and file system; the files, which are in the page cache: each tool does each job but that of the big file once
  before the first measurement. The order of the tools is another one in each round. Disks are synced before each measurement. Each tool has a home of its own.
- **Cold.** Before each run, the registry loses all but the base, and a tool all that it keeps. Then tools that keep base images pull the base, which is not measured: BuildKit,
  buildah, and skopeo for umoci, which works on layouts. What is removed from tools is put aside before and removed much later, since ext4 is slow in making many
  files for minutes after many were removed.
- **Else** a tool finds what its last run left: imgscript its cache (` + "`--cache-dir`" + `), BuildKit its content store, snapshots and the files that it took over from the client, buildah
  its layers (` + "`--layers`" + `). crane, regctl and umoci keep nothing; the registry tells them which blobs it has.
- **Time** is that of the commands below, from the start of the first to the end of the last. **Processors** is the time of all cores that the tool used, with its daemon, without the registry.
  **Memory** is the most that one process of the tool had resident.
- **The same files.** Paths, types, permissions, sizes, digests and targets of links are compared with the tree, after the first and the last run of each tool. Owners and times may differ, as is said below
  the tables.
- **Not compared.** oras and skopeo only copy images: they do not put a layer on a base. umoci works on one layout at a time and is left out of many services. What restarting a daemon costs is not
  measured.

`)
}

func (r *results) writeVersions(b *strings.Builder) {
	b.WriteString("## Versions\n\n| | |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		if name == "imgscript" {
			continue // it may change between jobs, which have it
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, r.Versions[name])
	}
	b.WriteString("\nThe files are those of [the lock](../bench/testdata/package-lock.json), without packages that are optional.\n\n")
}

// writeCommands shows how each tool does each job.
func writeCommands(b *strings.Builder) {
	b.WriteString("## Commands\n\nWhat is run before it, once and unmeasured, is marked by #. The files that are named are in `bench/scripts.go`.\n")
	for _, group := range []struct {
		title   string
		entries []entry
	}{
		{"To build", append(builders(), pigz, gitStatus)},
		{"To build with zstd", zstdBuilders()},
		{"To build many", serviceBuilders()},
		{"To copy", copiers()},
	} {
		fmt.Fprintf(b, "\n### %s\n", group.title)
		for _, e := range group.entries {
			text := e.script
			if e.args != nil {
				text = strings.Join(e.args, " ")
			}
			for _, before := range []string{e.prime, e.daemon} {
				if before != "" {
					text = "# " + strings.ReplaceAll(before, "\n", "\n# ") + "\n" + text
				}
			}
			fmt.Fprintf(b, "\n%s:\n\n```text\n%s\n```\n", e.label(), text)
		}
	}
}

// The part of README.md that is written by this program.
const (
	begin = "<!-- bench: these rows are written by bench/run --write -->\n"
	end   = "<!-- bench ends -->\n"
)

// section stands above the rows there.
const section = `## How fast it is

A ` + "`node_modules`" + ` of 27,640 files is put on a base and pushed, and an image of 10 layers of 64 MiB goes from one registry to another. [The rest, and how it was
measured](docs/performance.md), with the tools' versions, levels and commands; ` + "`bash bench/run`" + ` does it again.

`

// withSummary puts the summary into a text with the two comments.
func (r *results) withSummary(text []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return nil, fmt.Errorf("README.md has no place for the rows: want %q and %q", begin, end)
	}
	return slices.Concat(before, []byte(begin+"\n"+section+r.summary()+end), after), nil
}

// publish writes the report, the rows of README.md and the results into the project.
func (r *results) publish(root string) error {
	readme := filepath.Join(root, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	if text, err = r.withSummary(text); err != nil {
		return err
	}
	if err := os.WriteFile(readme, text, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "docs/performance.md"), []byte(r.report()), 0o644); err != nil {
		return err
	}
	return r.save(filepath.Join(root, published))
}

// compare is a table of two results: how the medians have changed.
func compare(before, after *results) string {
	var b strings.Builder
	b.WriteString("## Compared with an earlier run\n\n| | | before | now | |\n|---|---|---|---|---|\n")
	for _, j := range after.Jobs {
		for _, e := range j.Entries {
			old := before.entry(j.Name, e.Label)
			if old == nil || len(e.Samples) == 0 {
				continue
			}
			was, is := old.of(wall).median, e.of(wall).median
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %+.0f %% |\n", j.Name, e.Label, duration(was), duration(is), 100*(is/was-1))
		}
	}
	return b.String()
}
