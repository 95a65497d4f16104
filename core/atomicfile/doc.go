// Package atomicfile writes files that appear whole or not at all, and locks that several processes can hold in turn.
//
// [File] and [WriteFile] write under a temporary name in the same file system and rename at the end: a reader sees the old file or the
// new one, also when the writer is killed in the middle. Nothing is synced to the disk: after a power failure a file may be
// empty, so that readers who care verify what they read.
//
// Everything happens below an [os.Root], so that a symbolic link somebody left in the directory cannot lead a write out of it.
//
// Temporary files are named ".tmp-" and a random text that no two processes share, and are locked while their writer lives. [Sweep] removes
// those of writers that are gone.
//
// Locks are flock(2) ones: they end with the process that holds them, and exclude goroutines of one process as well as other
// processes. On systems and file systems that have none, [Lock] excludes nobody and [Sweep] goes by age alone.
package atomicfile
