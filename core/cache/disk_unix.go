//go:build linux || darwin || freebsd

package cache

import "golang.org/x/sys/unix"

// diskSize is the size of the file system that dir is on, in bytes; 0 when it is not known.
func diskSize(dir string) int64 {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0
	}
	return int64(s.Blocks) * int64(s.Bsize)
}
