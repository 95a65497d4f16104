//go:build !unix

package auth

import (
	"io/fs"
	"os"
	"os/exec"
)

// ownProcessGroup does nothing: the end of the context ends the helper alone, and its pipes are closed after helperGrace.
func ownProcessGroup(*exec.Cmd) {}

// keepOwner does nothing: files here have the owner of their directory.
func keepOwner(*os.Root, string, fs.FileInfo) {}
