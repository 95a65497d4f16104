package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// stage is a job while it is done.
type stage struct {
	*lab
	job            *job
	target, source *registry
	tree           string // the directory that is packed
	changed        string // the file that change changed
	original       []byte // what was in it
	image          string // the image in source, if the job has one
	runners        []*runner
}

// runner is an entry while its job is done.
type runner struct {
	*entry
	stage  *stage
	dir    string   // state and temporary files
	daemon *service // nil for most
	result *entryResult
}

// do does a job with all the tools that take part.
func (l *lab) do(ctx context.Context, j *job) (*jobResult, error) {
	l.progress("== %s", j.title)
	s := &stage{lab: l, job: j}
	defer s.close()
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	result := &jobResult{Name: j.name, When: time.Now().UTC().Truncate(time.Second), Before: loadAverage()}
	runs := l.runs * max(1, j.times)
	if j.once {
		runs = 1
	} else if err := s.round(ctx, 0, true); err != nil { // the one that does not count
		return nil, err
	}
	for n := range runs {
		if err := s.round(ctx, n+1, n+1 == runs); err != nil {
			return nil, err
		}
	}
	for _, r := range s.runners {
		result.Entries = append(result.Entries, r.result)
	}
	result.After = loadAverage()
	return result, nil
}

// prepare makes the data, starts the registries and primes the tools.
func (s *stage) prepare(ctx context.Context) error {
	if err := remove(s.work()); err != nil {
		return err
	}
	var err error
	if s.target, err = s.open(ctx, filepath.Join(s.work(), "target")); err != nil {
		return err
	}
	if s.source, err = s.open(ctx, filepath.Join(s.work(), "source")); err != nil {
		return err
	}
	if _, err := s.baseTree(ctx); err != nil {
		return err
	}
	if err := s.imgscript(ctx, "base.star", "image="+s.base()); err != nil {
		return err
	}
	if err := s.job.data(ctx, s); err != nil {
		return err
	}
	if s.tree != "" {
		if err := warm(s.tree); err != nil {
			return err
		}
	}
	if err := s.target.keep(); err != nil {
		return err
	}
	for i := range s.job.entries {
		e := &s.job.entries[i]
		if !s.takesPart(e.tool) {
			continue
		}
		r := &runner{entry: e, stage: s, dir: filepath.Join(s.work(), fmt.Sprintf("%d-%s", i, e.tool)), result: &entryResult{Tool: e.tool, Label: e.label(), Level: e.level}}
		s.runners = append(s.runners, r)
		if err := r.renew(ctx); err != nil {
			r.failed(err)
		}
	}
	return nil
}

// imgscript runs one of the scripts with variables, to make what all tools use.
func (s *stage) imgscript(ctx context.Context, script string, vars ...string) error {
	args := []string{filepath.Join(s.bin, "imgscript"), "run", filepath.Join(s.scripts(), script), "--root", s.data(), "--no-cache", "--progress", "quiet"}
	for _, v := range vars {
		args = append(args, "--var", v)
	}
	_, err := command{args: args, env: os.Environ()}.run(ctx)
	return err
}

// base is the base image.
func (s *stage) base() string { return s.target.host + "/base:1" }

func (s *stage) close() {
	for _, r := range s.runners {
		r.daemon.stop()
	}
	for _, reg := range []*registry{s.target, s.source} {
		if reg != nil {
			reg.close()
		}
	}
	if s.job.restore != nil && s.changed != "" {
		if err := s.job.restore(s); err != nil {
			s.progress("%v", err)
		}
	}
}

// round does the job once with each tool, in another order each time, so that none is always behind the same neighbour. What round 0 measures does not count.
func (s *stage) round(ctx context.Context, n int, verify bool) error {
	if s.job.change != nil {
		if err := s.job.change(s, n); err != nil {
			return err
		}
	}
	for _, i := range rand.New(rand.NewPCG(uint64(n), 0)).Perm(len(s.runners)) {
		r := s.runners[i]
		if r.result.Error != "" {
			continue
		}
		got, err := s.turn(ctx, r, n, verify)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.failed(err)
			continue
		}
		s.progress("%-44s %2d %8.3f s, processors %7.2f s, %5d MB, %3d requests, others %.1f", r.label(), n, got.Wall, got.CPU, got.Peak/1_000_000, got.Requests, got.Others)
		if n > 0 {
			r.result.Samples = append(r.result.Samples, got)
		}
	}
	return nil
}

// failed leaves the tool out of the rest of the job. What it did before does not count then.
func (r *runner) failed(err error) {
	r.result.Error, r.result.Samples = err.Error(), nil
	r.stage.progress("%-44s %v", r.label(), err)
}

// turn is one tool's part of a round.
func (s *stage) turn(ctx context.Context, r *runner, n int, verify bool) (sample, error) {
	if s.job.cold && n > 0 { // before round 0, prepare did it
		if err := errors.Join(s.target.reset(), r.renew(ctx)); err != nil {
			return sample{}, err
		}
	}
	got, err := r.measure(ctx)
	if err != nil || !verify || s.job.verify == nil {
		return got, err
	}
	if err := s.job.verify(ctx, s, r); err != nil {
		return got, fmt.Errorf("the image is not what it should be: %w", err)
	}
	return got, nil
}

// renew removes what the tool keeps, starts its daemon and primes it.
func (r *runner) renew(ctx context.Context) error {
	r.daemon.stop()
	r.daemon = nil
	if err := remove(r.dir); err != nil {
		return err
	}
	for _, dir := range []string{"state", "tmp"} {
		if err := os.MkdirAll(filepath.Join(r.dir, dir), 0o755); err != nil {
			return err
		}
	}
	if r.entry.daemon != "" {
		socket := r.variables()["SOCKET"]
		_ = os.Remove(socket) // of a daemon that was killed
		c := r.command(shell(r.entry.daemon))
		var err error
		r.daemon, err = startService(ctx, c, filepath.Join(r.dir, "daemon.log"), func() bool {
			_, err := os.Stat(socket)
			return err == nil
		})
		if err != nil {
			return err
		}
	}
	if r.prime == "" {
		return nil
	}
	_, err := r.command(shell(r.prime)).run(ctx)
	return err
}

// repository is where the tool puts its images.
func (r *runner) repository() string {
	return strings.Trim(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, filepath.Base(r.dir)), "-")
}

// variables are those of the scripts.
func (r *runner) variables() map[string]string {
	s := r.stage
	return map[string]string{
		"BASE": s.base(), "IMAGE": s.target.host + "/" + r.repository() + ":1", "HOST": s.target.host, "REPOSITORY": r.repository(), "SOURCE": s.source.host + "/" + s.image,
		"TREE": s.tree, "NAME": filepath.Base(s.tree), "DATA": s.data(), "SCRIPTS": s.scripts(), "COUNT": fmt.Sprint(s.size.services),
		"STATE": filepath.Join(r.dir, "state"), "TMP": filepath.Join(r.dir, "tmp"),
		"SOCKET": filepath.Join(os.TempDir(), fmt.Sprintf("bench-%d-%s", os.Getpid(), r.repository())), // the names of sockets are at most 107 bytes long
	}
}

// command is one of the tool's, with a home of its own.
func (r *runner) command(args []string) command {
	vars := r.variables()
	env := []string{"PATH=" + r.stage.bin + ":" + os.Getenv("PATH"), "HOME=" + vars["STATE"], "TMPDIR=" + vars["TMP"], "XDG_RUNTIME_DIR=" + vars["STATE"],
		"OTEL_TRACES_EXPORTER=none", "LANG=C.UTF-8"}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, name+"="+vars[name])
	}
	return command{args: args, dir: r.dir, env: env}
}

// measured is the command that is measured: a program with its arguments, in which variables are replaced, or a script.
func (r *runner) measured() command {
	if r.args == nil {
		return r.command(shell(r.script))
	}
	c, vars := r.command(slices.Clone(r.args)), r.variables()
	for i, arg := range c.args {
		c.args[i] = os.Expand(arg, func(name string) string { return vars[name] })
	}
	if built := filepath.Join(r.stage.bin, c.args[0]); exists(built) {
		c.args[0] = built // the PATH of this program does not have it
	}
	return c
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// measure does the job once.
func (r *runner) measure(ctx context.Context) (sample, error) {
	if err := emptied(r.variables()["TMP"]); err != nil {
		return sample{}, err
	}
	settle(ctx, r.stage.quiet)
	if r.daemon != nil {
		if err := resetPeak(r.daemon.pid()); err != nil {
			return sample{}, err
		}
	}
	before := r.counters()
	got, err := r.measured().measure(ctx, filepath.Join(r.dir, "sample"))
	if err != nil {
		return got, err
	}
	r.stage.settled()
	after := r.counters()
	got.CPU += after.daemon - before.daemon
	got.Peak = max(got.Peak, processPeak(r.daemon.pid()))
	got.Requests = after.requests - before.requests
	got.Others = max(0, (after.busy-before.busy-got.CPU-(after.registries-before.registries))/(after.at-before.at))
	return got, nil
}

// counters are what is read before and after a measurement.
type counters struct {
	at, busy, daemon, registries float64 // seconds
	requests                     int
}

func (r *runner) counters() counters {
	s := r.stage
	return counters{
		at:         float64(time.Now().UnixNano()) / 1e9,
		busy:       busy(),
		daemon:     processTime(r.daemon.pid()),
		registries: s.target.time() + s.source.time(),
		requests:   s.target.requests() + s.source.requests(),
	}
}

// settled waits until the registries have written the lines of their last requests, which they do after they answered.
func (s *stage) settled() {
	for last := -1; ; {
		n := s.target.requests() + s.source.requests()
		if n == last {
			return
		}
		last = n
		time.Sleep(20 * time.Millisecond)
	}
}

// emptied is for a directory with temporary files.
func emptied(dir string) error {
	return errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
}
