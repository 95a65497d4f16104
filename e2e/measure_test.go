package e2e_test

import (
	"errors"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// measureInto is a variable of the environment with which the program of the tests runs another one, and writes the peak of its memory in bytes into the file
// that it names. Linux counts the peak of a process from that of the one that started it, and the tests themselves hold whole registries.
const measureInto = "IMGSCRIPT_E2E_MEASURE"

// measured makes a command of which the memory is measured; peak is to be called when it has ended.
func measured(t *testing.T, cmd *exec.Cmd) (peak func() int64) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "peak")
	cmd.Path, cmd.Args = self, append([]string{self}, cmd.Args...)
	cmd.Env = append(cmd.Env, measureInto+"="+file)
	return func() int64 {
		t.Helper()
		n, err := strconv.ParseInt(readFile(t, file), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

// measure runs the command in os.Args, and returns its exit code.
func measure(file string) int {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		log.Fatal(err)
	}
	peak := int64(0)
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		peak = usage.Maxrss << 10 // Linux counts in KiB
	}
	if err := os.WriteFile(file, []byte(strconv.FormatInt(peak, 10)), 0o600); err != nil {
		log.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}
