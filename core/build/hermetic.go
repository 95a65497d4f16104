package build

import (
	"fmt"

	"github.com/imgscript/imgscript/core/transport"
)

// Hermetic returns a policy that allows what p does, and of the network only the given hosts and the repositories that are pushed to: the registries of the run's
// lock, mostly. With lock.Locked as its LockOptions.Mode nothing that the run makes depends on what may change, but for images with ImageOptions.Unlocked.
func Hermetic(p *Policy, hosts []string) *Policy {
	strict := *p
	strict.hermetic = true
	known := map[string]bool{}
	for _, host := range hosts {
		known[spellHost(host)] = true
	}
	strict.Net = func(host string) error {
		if !known[host] {
			return &hermeticError{host}
		}
		return ask(p.Net, host, noNet(host))
	}
	return &strict
}

// hermeticError is a host that a hermetic run has no business with. It is ErrPolicy.
type hermeticError struct{ host string }

// Error implements error.
func (e *hermeticError) Error() string {
	return fmt.Sprintf("%v: requests to %s: it is no host of the lock, and the run is hermetic", ErrPolicy, e.host)
}

// Is implements the promise above.
func (e *hermeticError) Is(target error) bool { return target == ErrPolicy }

// Hint says what is less strict.
func (e *hermeticError) Hint() string {
	return "--locked in place of --hermetic, with --allow-net " + shellWord(e.host) + " and one for each other host, allows it"
}

// pushReaches reports whether a repository may be spoken to for the reason alone that the run may push to it, and does or is about to: that of a hermetic run.
func (r *Run) pushReaches(ref transport.Reference, write bool) bool {
	return r.opts.Policy.hermetic && (write || r.writesTo(ref.Name()))
}

// mayRead asks for the repository to be read. In a hermetic run, one that the client may write to is one that is pushed to.
func (c *Client) mayRead() error {
	return c.run.mayUse(c.ref, c.write && c.run.opts.Policy.hermetic)
}
