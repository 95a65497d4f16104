package build

import (
	"fmt"

	"github.com/imgscript/imgscript/core/content"
)

// mayReadLive holds a read whose answer may be another one tomorrow to the lock.
func (r *Run) mayReadLive(reference, what string) error {
	if !r.lock.strict() {
		return nil
	}
	return &LockError{
		Reference: reference, kind: ErrLocked, msg: fmt.Sprintf("%s may change, and this run keeps to its lock", what),
		hint: "read what is named by its digest, or run it without --locked: " + r.lock.command("run"),
	}
}

// mayReadLive is that of the run, but for a repository that the run itself writes to, which may be read.
func (c *Client) mayReadLive(reference, what string) error {
	if c.run.writesTo(c.Repository()) {
		return nil
	}
	return c.run.mayReadLive(reference, what)
}

// byTag is mayReadLive for a tag; digests stand for the same always.
func (c *Client) byTag(ref string) error {
	if _, err := content.ParseDigest(ref); err == nil {
		return nil
	}
	name := c.Repository() + ":" + ref
	return c.mayReadLive(name, "what "+name+" stands for")
}

// noteWrite remembers that the run writes by a client to a repository, or to a tag in it.
func (r *Run) noteWrite(location string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written[location] = true
}

// writesTo reports whether the run writes to a repository, or by a client to a tag in it, as far as the program has come.
func (r *Run) writesTo(location string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written[location] || len(r.saves[location]) > 0
}
