//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// sample is one measurement.
type sample struct {
	Wall     float64 `json:"wall"`               // seconds from the start of the command to its end
	CPU      float64 `json:"cpu"`                // seconds of processors that the tool used, its daemon included
	Peak     int64   `json:"peak"`               // the most memory, in bytes, that one process of the tool had resident
	Requests int     `json:"requests,omitempty"` // that the registries were asked
	Others   float64 `json:"others"`             // processors that something else kept busy meanwhile: neither the tool nor the registries
}

// measureInto is a variable of the environment with which this program runs a command and writes what it measures into the file that it names. Linux counts
// the peak of a process from that of the one that started it, and here there is little yet.
const measureInto = "IMGSCRIPT_BENCH_MEASURE"

// measureCommand runs a command, writes a sample with its time, processors and memory, and returns its exit code.
func measureCommand(file string, args []string) int {
	_ = os.Unsetenv(measureInto)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	start := time.Now()
	err := cmd.Run()
	s := sample{Wall: time.Since(start).Seconds()}
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	s.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.Peak = usage.Maxrss << 10 // Linux counts in KiB
	}
	data, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	return cmd.ProcessState.ExitCode()
}

// command is what is run: a program with its arguments and nothing of the user's environment.
type command struct {
	args []string
	dir  string
	env  []string
}

// shell is a command of several lines.
func shell(script string) []string { return []string{"bash", "-euo", "pipefail", "-c", script} }

// run runs a command without measuring it, and returns its stdout.
func (c command) run(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, c.env, &stdout, &stderr
	if err := joined(cmd); err != nil {
		return "", c.failed(err, stderr.String()+stdout.String())
	}
	return stdout.String(), nil
}

// measure runs a command and measures it; the file scratch is used for that.
func (c command) measure(ctx context.Context, scratch string) (sample, error) {
	var s sample
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	cmd := exec.CommandContext(ctx, self, c.args...)
	output, err := os.Create(scratch + ".output") // in a pipe, this process would be woken up again and again
	if err != nil {
		return s, err
	}
	defer output.Close()
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, append(c.env, measureInto+"="+scratch), output, output
	if err := joined(cmd); err != nil {
		said, _ := os.ReadFile(output.Name()) // what can't be read is not told
		return s, c.failed(err, string(said))
	}
	data, err := os.ReadFile(scratch)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}

// joined runs a command whose whole group of processes ends with its context.
func joined(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.Run()
}

// failed is the error of a command: the last line that it said in front, and more of the end below.
func (c command) failed(err error, said string) error {
	said = strings.TrimSpace(said)
	last := said[strings.LastIndexByte(said, '\n')+1:]
	const most = 2000
	if len(said) > most {
		said = "…" + said[len(said)-most:]
	}
	return fmt.Errorf("%s: %w: %s\n%s", filepath.Base(c.args[0]), err, last, said)
}
