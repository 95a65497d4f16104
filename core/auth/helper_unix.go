//go:build unix

package auth

import (
	"os/exec"
	"syscall"
)

// ownProcessGroup makes the end of cmd's context end all that cmd started, too: helpers are often shell scripts.
func ownProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
