package build

import "fmt"

// change is something that was done to an image, or a layer that was made, and whether anything came of it.
type change struct {
	at   Origin
	op   string
	only branch // of the platform that it was done to
	used bool
}

// LostChangeError says that a run succeeded but something that it did had no effect: nothing that depends on it was saved, and
// nothing looked at it afterwards.
type LostChangeError struct {
	Op string
	At Origin
}

// Error implements error.
func (e *LostChangeError) Error() string {
	return fmt.Sprintf("%s: this change was never saved", e.Op)
}

// noteChange remembers a change of the image for the end of the run. What templates do is never lost.
func (i *Image) noteChange(at Origin, op string) *change {
	c := &change{at: at, op: op, only: i.only, used: i.template}
	i.line.changes = append(i.line.changes, c)
	i.run.changes = append(i.run.changes, c)
	return c
}

// use says that something came of all that was done to the image so far, or to the platform of a view.
func (i *Image) use() {
	for _, c := range i.done() {
		c.used = true
	}
}

// done are the changes that were done to the image so far, or to the platform of a view.
func (i *Image) done() []*change {
	var done []*change
	for _, c := range i.line.changes {
		if i.only == everyBranch || c.only == everyBranch || c.only == i.only {
			done = append(done, c)
		}
	}
	return done
}

// lostChange is the first change, in program order, that nothing came of.
func (r *Run) lostChange() error {
	for _, c := range r.changes {
		if !c.used {
			return &LostChangeError{Op: c.op, At: c.at}
		}
	}
	return nil
}
