package build

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/imgscript/imgscript/core/layer"
)

// Limits bound what one run may do. They are guard rails, which stop a mistake before it fills a disk or takes all day, and no security boundary: who runs what others wrote
// has to bound the process itself, its memory above all. The zero value is the defaults; a negative number is no limit. Going beyond one is a [*LimitError].
type Limits struct {
	Time       time.Duration // of the run, by the clock; 0 is no limit
	LayerFiles int64         // entries of one layer; 0 is DefaultLayerFiles
	LayerBytes int64         // of the contents of one layer's files, or of the archive that it is made of; 0 is DefaultLayerBytes
}

// The defaults of Limits.
const (
	DefaultLayerFiles = 5_000_000
	DefaultLayerBytes = 256 << 30
)

// ErrLimit is what an error is that says that a run went beyond one of its limits.
var ErrLimit = errors.New("beyond a limit")

// LimitError says which limit a run went beyond.
type LimitError struct {
	Text string // what there is too much of: "the layer has more than 10 files"
	Flag string // of the imgscript program, that sets the limit: "--max-layer-files"
}

// Error implements error.
func (e *LimitError) Error() string { return e.Text + ", which is the limit" }

// Hint says what to do about it.
func (e *LimitError) Hint() string { return e.Flag + " sets the limit" }

// Is makes every LimitError an ErrLimit.
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// withDefaults puts the defaults in the place of zeros.
func (l Limits) withDefaults() Limits {
	l.LayerFiles = LimitOr(l.LayerFiles, DefaultLayerFiles)
	l.LayerBytes = LimitOr(l.LayerBytes, DefaultLayerBytes)
	return l
}

// LimitOr is a limit as the fields of Limits say it: 0 is the default, and a negative number is one that nothing reaches.
func LimitOr(limit, otherwise int64) int64 {
	switch {
	case limit == 0:
		return otherwise
	case limit < 0:
		return math.MaxInt64
	}
	return limit
}

// withTimeout returns a context that ends when the time of the run is up; the error is then its cause.
func (l Limits) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.Time <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, l.Time, &LimitError{fmt.Sprintf("the run takes more than %v", l.Time), "--timeout"})
}

// explain says of an error of package layer which limit of the run it is about.
func (l Limits) explain(err error) error {
	switch {
	case errors.Is(err, layer.ErrTooManyFiles):
		return &LimitError{fmt.Sprintf("the layer has more than %d files", l.LayerFiles), "--max-layer-files"}
	case errors.Is(err, layer.ErrTooLarge):
		return &LimitError{"the layer has more than " + Bytes(l.LayerBytes), "--max-layer-bytes"}
	}
	return err
}

// Bytes shows a number of bytes as a limit is written: "64MiB", "1500 bytes".
func Bytes(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size && n%unit.size == 0 {
			return fmt.Sprintf("%d%s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
