//go:build unix

package auth

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// ownProcessGroup makes the end of cmd's context end all that cmd started, too: helpers are often shell scripts.
func ownProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// keepOwner gives a file the owner that it had. Who may not do that is the owner already.
func keepOwner(root *os.Root, name string, old fs.FileInfo) {
	if stat, ok := old.Sys().(*syscall.Stat_t); ok {
		root.Chown(name, int(stat.Uid), int(stat.Gid))
	}
}
