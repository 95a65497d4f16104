//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// results are what was measured, as it is kept in a file.
type results struct {
	Quick    bool              `json:"quick,omitempty"` // with little data
	Machine  machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
	Jobs     []*jobResult      `json:"jobs"`
}

// jobResult is what was measured of a job.
type jobResult struct {
	Name    string         `json:"name"`
	When    time.Time      `json:"when"`
	Commit  string         `json:"commit"`      // of imgscript
	Before  float64        `json:"load_before"` // the load of the machine over a minute before the first measurement
	After   float64        `json:"load_after"`
	Entries []*entryResult `json:"entries"`
}

// entryResult is what was measured of a tool at a job.
type entryResult struct {
	Tool      string   `json:"tool"`
	Label     string   `json:"label"`
	Level     string   `json:"level,omitempty"`
	Layer     int64    `json:"layer,omitempty"`      // bytes of the layers above the base, as they are stored
	OneStream int64    `json:"one_stream,omitempty"` // bytes of the layer if it is compressed in one stream
	Differs   []string `json:"differs,omitempty"`    // what the image has otherwise than others
	Error     string   `json:"error,omitempty"`      // why it was left out
	Samples   []sample `json:"samples,omitempty"`
}

// published is where results are when they belong to a report, from the project's root on.
const published = "bench/results.json"

// open begins with the results that are there of this machine, so that jobs can be measured one by one. With --render and nothing measured, they are the published ones.
func open(o *options) (*results, error) {
	r, err := load(o.results())
	if errors.Is(err, fs.ErrNotExist) && o.render {
		return load(published)
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && !o.render && r.Machine != thisMachine() {
		return &results{Quick: o.quick}, nil
	}
	return r, err
}

func load(file string) (*results, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &results{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// save writes the results with one line for each sample, so that two files can be compared.
func (r *results) save(file string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(sampleLines(data), '\n'), 0o644)
}

// sampleLines puts the innermost objects, samples, on one line.
func sampleLines(data []byte) []byte {
	lines := strings.Split(string(data), "\n")
	var out []string
	inside := false
	for _, line := range lines {
		trimmed := strings.TrimSpace(line)
		switch {
		case inside:
			out[len(out)-1] += trimmed
			if trimmed == "}" || trimmed == "}," {
				inside = false
			} else if strings.HasSuffix(trimmed, ",") {
				out[len(out)-1] += " "
			}
		default:
			out = append(out, line)
			inside = trimmed == "{" && strings.HasPrefix(line, "      ")
		}
	}
	return []byte(strings.Join(out, "\n"))
}

// put adds the result of a job, or replaces an older one. They are in the order of the jobs.
func (r *results) put(done *jobResult) {
	r.Jobs = slices.DeleteFunc(r.Jobs, func(j *jobResult) bool { return j.Name == done.Name })
	r.Jobs = append(r.Jobs, done)
	order := func(name string) int { return slices.IndexFunc(jobs, func(j *job) bool { return j.name == name }) }
	slices.SortStableFunc(r.Jobs, func(a, b *jobResult) int { return order(a.Name) - order(b.Name) })
}

// job is the result of a job, or nil.
func (r *results) job(name string) *jobResult {
	for _, j := range r.Jobs {
		if j.Name == name {
			return j
		}
	}
	return nil
}

// entry is the result of a tool's way to do a job, by its label, or nil if it was not measured.
func (r *results) entry(job, label string) *entryResult {
	if j := r.job(job); j != nil {
		for _, e := range j.Entries {
			if e.Label == label && len(e.Samples) > 0 {
				return e
			}
		}
	}
	return nil
}

// spread are the least, the middle and the greatest of some numbers.
type spread struct{ least, median, most float64 }

// of is the spread of something of the samples, of which there is at least one.
func (e *entryResult) of(value func(sample) float64) spread {
	var all []float64
	for _, s := range e.Samples {
		all = append(all, value(s))
	}
	slices.Sort(all)
	n := len(all)
	return spread{all[0], (all[(n-1)/2] + all[n/2]) / 2, all[n-1]}
}

func wall(s sample) float64     { return s.Wall }
func cpu(s sample) float64      { return s.CPU }
func peak(s sample) float64     { return float64(s.Peak) }
func requests(s sample) float64 { return float64(s.Requests) }
func others(s sample) float64   { return s.Others }
