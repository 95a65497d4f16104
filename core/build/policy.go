package build

import (
	"errors"
	"fmt"
)

// ErrPolicy says that the permissions of the run forbid something.
var ErrPolicy = errors.New("not allowed")

// Policy is asked before a run touches anything; an error forbids it and becomes the error of the step. A nil function allows none of its
// kind. What is below the root may always be read.
type Policy struct {
	Read func(path string) error       // a file or directory outside the root, as an absolute path
	Out  func(path string) error       // a layout to be written, as an absolute path
	Net  func(host string) error       // a host, with its port if it has one, to be read from
	Push func(repository string) error // a registry repository, as host/repository, to be written

	hermetic bool // see Hermetic
}

// DefaultPolicy allows the network and pushes, and keeps files, read or written, below the root: for a root's absolute path.
func DefaultPolicy(root string) *Policy {
	return &Policy{
		Out: func(path string) error {
			if within(root, path) {
				return nil
			}
			return fmt.Errorf("%w: %s is outside the root %s", ErrPolicy, path, root)
		},
		Net:  func(string) error { return nil },
		Push: func(string) error { return nil },
	}
}

// allow asks one function of the policy.
func allow(ask func(string) error, what, name string) error {
	if ask == nil {
		return fmt.Errorf("%w: %s %s", ErrPolicy, what, name)
	}
	return ask(name)
}
