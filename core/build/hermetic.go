package build

import (
	"fmt"

	"github.com/imgscript/imgscript/core/transport"
)

// Hermetic returns a policy that allows what p does, and of the network only the given hosts and the repositories that are pushed to.
func Hermetic(p *Policy, hosts []string) *Policy {
	strict := *p
	strict.hermetic = true
	known := map[string]bool{}
	for _, host := range hosts {
		known[spellHost(host)] = true
	}
	strict.Net = func(host string) error {
		if !known[host] {
			return fmt.Errorf("%w: the network: %s is no host of the lock, and the run is hermetic", ErrPolicy, host)
		}
		return ask(p.Net, host, noNet(host))
	}
	return &strict
}

// pushReaches reports whether a repository may be spoken to for the reason alone that the run may push to it, and does or is about to: that of a hermetic run.
func (r *Run) pushReaches(ref transport.Reference, write bool) bool {
	return r.opts.Policy.hermetic && (write || r.writesTo(ref.Name()))
}
