package layer

import "math"

// amount is how much a layer has, or is going to have.
type amount struct{ files, bytes int64 }

func (a *amount) add(n *node) {
	a.files++
	a.bytes += min(n.size(), math.MaxInt64-a.bytes)
}

// over is the error for more than the options allow.
func (a amount) over(o *Options, times int64) error {
	switch {
	case a.files/times > limitOr(o.MaxFiles):
		return ErrTooManyFiles
	case a.bytes > limitOr(o.MaxBytes):
		return ErrTooLarge
	}
	return nil
}

// limitOr is a limit, or, for 0, one that nothing reaches.
func limitOr(limit int64) int64 {
	if limit <= 0 {
		return math.MaxInt64
	}
	return limit
}

// tooMuch ends a walk that has found too much already: a directory with a million others need not be walked to its end to know that. Directories that several
// sources give are counted once for each, so only the double number of files is certainly too many; checkAmount counts what is left of them.
func (s *scanner) tooMuch() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found.over(s.opts, 2)
}

// checkAmount holds a layer to the limits.
func checkAmount(nodes []*node, o *Options) error {
	var all amount
	for _, n := range nodes {
		all.add(n)
	}
	return all.over(o, 1)
}
