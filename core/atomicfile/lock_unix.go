//go:build unix && !solaris && !illumos && !aix

package atomicfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks f until it is closed. false without an error means that another open file has the lock.
func tryLock(f *os.File) (bool, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var lockErr error
	err = conn.Control(func(fd uintptr) {
		lockErr = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB)
		for lockErr == unix.EINTR {
			lockErr = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB)
		}
	})
	switch {
	case err != nil:
		return false, err
	case errors.Is(lockErr, unix.EWOULDBLOCK):
		return false, nil
	case lockErr != nil:
		return false, os.NewSyscallError("flock", lockErr)
	}
	return true, nil
}
