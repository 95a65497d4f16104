//go:build !unix || solaris || illumos || aix

package atomicfile

import (
	"errors"
	"os"
)

// tryLock cannot lock files on this system.
func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }
