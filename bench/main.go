//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if file, ok := os.LookupEnv(measureInto); ok {
		os.Exit(measureCommand(file, os.Args[1:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	dir, compare, tools                        string
	runs                                       int
	slack, quiet                               float64
	quick, render, check, write, clean, listed bool
	jobs                                       []string
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.dir, "dir", filepath.Join(cache, "imgscript-bench"), "everything is below this `directory`: tools, data, registries, results")
	flags.IntVar(&o.runs, "runs", 5, "measure each tool at each job `N` times, after once that does not count")
	flags.StringVar(&o.tools, "tools", "", "measure these alone, by their `names` in the report, with commas between: imgscript,crane,reference")
	flags.Float64Var(&o.quiet, "quiet", 0, "before each measurement, wait up to five minutes for a second in which fewer than `N` processors are busy (0: don't)")
	flags.BoolVar(&o.quick, "quick", false, "use little data, to see that all works; such results are kept apart")
	flags.BoolVar(&o.render, "render", false, "measure nothing: work with the results in --dir, or else with those of bench/results.json")
	flags.BoolVar(&o.check, "check", false, "fail when a bar is missed by more than --slack")
	flags.Float64Var(&o.slack, "slack", 0.1, "what --check lets pass, as a `part` of the bar")
	flags.StringVar(&o.compare, "compare", "", "compare the results with those of an earlier run in this `file`")
	flags.BoolVar(&o.write, "write", false, "write docs/performance.md, the rows of README.md and bench/results.json")
	flags.BoolVar(&o.clean, "clean", false, "remove --dir and end")
	flags.BoolVar(&o.listed, "list", false, "list the jobs and end")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "Usage: bash bench/run [FLAG…] [JOB…]\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.jobs = flags.Args()
	if o.runs < 1 {
		return nil, fmt.Errorf("--runs %d: want 1 or more", o.runs)
	}
	if o.write && o.quick {
		return nil, errors.New("--write and --quick contradict each other: the results of little data say nothing")
	}
	o.dir, err = filepath.Abs(o.dir)
	return o, err
}

// run is the program. The working directory is the root of the project.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	switch {
	case o.listed:
		return list(stdout)
	case o.clean:
		return clean(o.dir)
	}
	names, err := chosen(o.jobs)
	if err != nil {
		return err
	}
	r, err := open(o)
	if err != nil {
		return err
	}
	if !o.render {
		if err := measureAll(ctx, o, names, r, stderr); err != nil {
			return err
		}
	}
	return tell(o, r, stdout)
}

// list prints the jobs.
func list(w io.Writer) error {
	for _, j := range jobs {
		demand := ""
		if j.onDemand {
			demand = " (on demand)"
		}
		if _, err := fmt.Fprintf(w, "%-14s %s%s\n", j.name, j.title, demand); err != nil {
			return err
		}
	}
	return nil
}

// chosen are the jobs that are named, or all but those on demand, in their order. "copy" stands for all whose names begin with "copy-".
func chosen(names []string) ([]*job, error) {
	var picked []*job
	used := map[string]bool{}
	for _, j := range jobs {
		is := func(name string) bool { return j.name == name || strings.HasPrefix(j.name, name+"-") && !j.onDemand }
		if len(names) == 0 && !j.onDemand || slices.ContainsFunc(names, is) {
			picked = append(picked, j)
		}
		for _, name := range names {
			used[name] = used[name] || is(name)
		}
	}
	for _, name := range names {
		if !used[name] {
			return nil, fmt.Errorf("there is no job %q; --list lists them", name)
		}
	}
	return picked, nil
}

// measureAll does the jobs and keeps the results after each of them, so that a run that is stopped is not lost.
func measureAll(ctx context.Context, o *options, picked []*job, r *results, progress io.Writer) error {
	l, err := newLab(ctx, o, progress)
	if err != nil {
		return err
	}
	defer l.close()
	if o.tools != "" {
		l.only = strings.Split(o.tools, ",")
	}
	r.Machine, r.Versions = thisMachine(), l.versions
	for _, j := range picked {
		done, err := l.do(ctx, j)
		if err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		r.put(done)
		if err := r.save(o.results()); err != nil {
			return err
		}
	}
	return nil
}

// tell prints the report and writes what is to be written.
func tell(o *options, r *results, stdout io.Writer) error {
	if _, err := io.WriteString(stdout, r.report()); err != nil {
		return err
	}
	if o.compare != "" {
		before, err := load(o.compare)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(stdout, compare(before, r)); err != nil {
			return err
		}
	}
	if o.write {
		if err := r.publish("."); err != nil {
			return err
		}
	}
	if o.check {
		return r.check(o.slack)
	}
	return nil
}

// results is where results are kept until they are published.
func (o *options) results() string {
	if o.quick {
		return filepath.Join(o.dir, "quick.json")
	}
	return filepath.Join(o.dir, "results.json")
}
