//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// service is a process that runs until it is stopped: a registry, or the daemon of a tool.
type service struct {
	cmd  *exec.Cmd
	log  string // the file with what it says
	done chan struct{}
}

// startService starts a process and waits until it is ready. It must be stopped.
func startService(ctx context.Context, c command, log string, ready func() bool) (*service, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s := &service{cmd: exec.Command(c.args[0], c.args[1:]...), log: log, done: make(chan struct{})}
	s.cmd.Dir, s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = c.dir, c.env, out, out
	// An interrupt of the terminal is for this program, which stops its services itself.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // it is killed, or its log says why it ended
	}()
	if err := s.wait(ctx, ready); err != nil {
		s.stop()
		said, _ := os.ReadFile(log) // what can't be read is not told
		return nil, fmt.Errorf("start %s: %w\n%s", c.args[0], err, said)
	}
	return s, nil
}

// wait waits until the service is ready.
func (s *service) wait(ctx context.Context, ready func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !ready() {
		select {
		case <-tick.C:
		case <-s.done:
			return errors.New("it ended")
		case <-late:
			return errors.New("it is not ready after a minute")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// stop asks the process to end, and kills it if it does not. A nil service is stopped already.
func (s *service) stop() {
	if s == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// running tells whether the process has not ended. A nil service counts as running: there is nothing to end.
func (s *service) running() bool {
	if s == nil {
		return true
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// pid is 0 for no service.
func (s *service) pid() int {
	if s == nil {
		return 0
	}
	return s.cmd.Process.Pid
}
