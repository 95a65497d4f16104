//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// runner is an entry while its job is done.
type runner struct {
	*entry
	stage  *stage
	dir    string   // state and temporary files
	daemon *service // nil for most
	result *entryResult
}

// failed leaves the tool out of the rest of the job. What it did before does not count then.
func (r *runner) failed(err error) {
	r.result.Error, r.result.Samples = err.Error(), nil
	r.stage.progress("%-44s %v", r.label(), err)
}

// renew removes what the tool keeps, starts its daemon and primes it.
func (r *runner) renew(ctx context.Context) error {
	r.daemon.stop()
	r.daemon = nil
	if err := r.leave(); err != nil {
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

// leave puts the directory of the tool away, or removes it if it has few files, but big ones.
func (r *runner) leave() error {
	if err := unmount(r.dir); err != nil {
		return err
	}
	if r.stage.job.big || r.stage.lab.quick {
		return remove(r.dir)
	}
	return r.stage.aside(r.dir)
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
	if !r.stage.lab.quick { // syncing disks can take many seconds
		settle(ctx, r.stage.quiet)
	}
	if !r.daemon.running() {
		return sample{}, errors.New("its daemon has ended")
	}
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
