//go:build !unix

package auth

import "os/exec"

// ownProcessGroup does nothing: the end of the context ends the helper alone, and its pipes are closed after helperGrace.
func ownProcessGroup(*exec.Cmd) {}
