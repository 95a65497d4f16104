package layer

import (
	"context"
	"math"

	"github.com/imgscript/imgscript/core/content"
)

// BuildInOrder is Build for entries that stand in an order of their own, such as that in which archives have the contents of their files. at sets e, which is empty, to the entry i
// of n; it is called several times for each, by many goroutines at once. Data is opened once for each file, in the order of the entries, and read to its end before the next is.
//
// What engines unpack in the order of an archive is the caller's to see to: a directory stands before what is in it, and a file before its hard links. No path may be there twice. The
// directory "." is the root itself. Options.MaxFiles and MaxBytes hold.
func BuildInOrder(ctx context.Context, dst content.Ingester, n int, at func(i int, e *Entry), opts *Options) (Layer, error) {
	o, err := prepared(opts)
	if err != nil {
		return Layer{}, err
	}
	entries := inOrder{n, at}
	if err := entries.check(o); err != nil {
		return Layer{}, err
	}
	o.Cache = nil
	return (&Plan{opts: o, entries: entries}).Build(ctx, dst)
}

// inOrder is a source of entries that are not local.
type inOrder struct {
	n     int
	entry func(i int, e *Entry)
}

// check holds the entries to what an archive can say, and to the limits.
func (s inOrder) check(o *Options) error {
	found := amount{files: int64(s.n)}
	var e Entry
	for i := range s.n {
		s.at(i, &e)
		if err := e.check(); err != nil {
			return e.wrap(err)
		}
		found.bytes += min(e.size(), math.MaxInt64-found.bytes)
	}
	return found.over(o, 1)
}

func (s inOrder) len() int { return s.n }

func (s inOrder) at(i int, e *Entry) {
	*e = Entry{}
	s.entry(i, e)
}

func (s inOrder) weight(i int) (uint64, int64) {
	var e Entry
	s.at(i, &e)
	size := e.size()
	return mixed(pathHash(fnvOffset, e.Path)), blockSize + size + padding(size)
}

func (s inOrder) streamed(i int) bool {
	var e Entry
	s.at(i, &e)
	return e.streamed()
}

func (s inOrder) tree(int) *Tree { return nil }
