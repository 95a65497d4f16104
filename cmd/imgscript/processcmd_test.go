package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// exits CODE COMMAND [ARGUMENT…]: runs a command as exec does, and wants that exit code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := codeOf(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func codeOf(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Check(err)
	}
	if err == nil {
		return 0
	}
	return exit.ExitCode()
}

// interrupt [-twice] [-signal INT|TERM] REGISTRY [ARGUMENT…]: runs imgscript until the registry has seen a request of the kind that it stalls, sends the signal, and
// wants the exit code 130 within a second.
func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	sig, times := os.Interrupt, 1
	for len(args) > 0 && args[0][0] == '-' {
		switch args[0] {
		case "-twice":
			times = 2
		case "-term":
			sig = syscall.SIGTERM
		}
		args = args[1:]
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: interrupt [-twice] [-term] REGISTRY ARGUMENT…")
	}
	server := registryOf(ts, args[0])
	cmd := exec.Command("imgscript", args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.Getenv("WORK"), ts.Stdout(), ts.Stderr()
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+ts.Getenv("XDG_CACHE_HOME"), "HOME="+ts.Getenv("HOME"))
	before := len(server.Requests())
	ts.Check(cmd.Start())
	for start := time.Now(); len(server.Requests()) == before; time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			ts.Fatalf("the registry was not asked for anything")
		}
	}
	time.Sleep(100 * time.Millisecond) // into the middle of things
	start := time.Now()
	for range times {
		ts.Check(cmd.Process.Signal(sig))
		time.Sleep(10 * time.Millisecond)
	}
	code := codeOf(ts, cmd.Wait())
	if took := time.Since(start); code != exitInterrupted || took > time.Second {
		ts.Fatalf("exit code %d after %v, want %d within a second", code, took, exitInterrupted)
	}
}
