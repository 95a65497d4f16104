//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
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

// do does a job with all the tools that take part.
func (l *lab) do(ctx context.Context, j *job) (*jobResult, error) {
	l.progress("== %s", j.title)
	s := &stage{lab: l, job: j}
	defer s.close()
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	result := &jobResult{Name: j.name, When: time.Now().UTC().Truncate(time.Second), Commit: l.versions["imgscript"], Before: loadAverage()}
	runs := l.runs * max(1, j.times)
	if !j.big {
		if err := s.round(ctx, 0, true); err != nil { // the one that does not count
			return nil, err
		}
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
	if err := s.makeRoom(ctx); err != nil {
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
		if err := r.leave(); err != nil {
			s.progress("%v", err)
		}
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
			return context.Cause(ctx) // which signal it was
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

// turn is one tool's part of a round.
func (s *stage) turn(ctx context.Context, r *runner, n int, verify bool) (sample, error) {
	if s.job.cold && n > 0 { // before round 0, prepare did it
		if err := errors.Join(s.target.reset(), r.renew(ctx)); err != nil {
			return sample{}, err
		}
	}
	got, err := r.measure(ctx)
	if err == nil && verify && s.job.verify != nil {
		if err = s.job.verify(ctx, s, r); err != nil {
			err = fmt.Errorf("the image is not what it should be: %w", err)
		}
	}
	if s.job.big {
		r.daemon.stop()
		r.daemon = nil
		err = errors.Join(err, r.leave(), s.target.reset())
	}
	return got, err
}
