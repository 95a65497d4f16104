package build

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// TestFailuresChoose: whichever of several transfers fails first, the error is that of the first in order, what comes after it is ended or not begun, and what
// comes before it goes on.
func TestFailuresChoose(t *testing.T) {
	for _, late := range []int{0, 1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			var f failures
			var group sync.WaitGroup
			ended := make([]bool, 4)
			for k := range 4 {
				desc := content.Descriptor{Digest: digest.FromString(fmt.Sprint(k)), Size: int64(100 - k)}
				group.Go(func() {
					done, err := f.try(t.Context(), desc, func(ctx context.Context) error {
						delay := time.Second
						if k == late {
							delay = time.Hour
						}
						select {
						case <-time.After(delay):
						case <-ctx.Done():
							ended[k] = true
							return ctx.Err()
						}
						if k == 0 {
							return nil
						}
						return errors.New(fmt.Sprint(k))
					})
					if err != nil || done != (k == 0) {
						t.Errorf("%d: %v, %v", k, done, err)
					}
				})
			}
			group.Wait()
			if err := f.error(); err == nil || err.Error() != "1" {
				t.Errorf("%d is late: got %v", late, err)
			}
			if ended[0] || ended[1] || late > 1 && !ended[late] {
				t.Errorf("%d is late: ended %v", late, ended)
			}
			if done, err := f.try(t.Context(), content.Descriptor{Size: 1}, func(context.Context) error { panic("begun") }); done || err != nil {
				t.Error(done, err)
			}
		})
	}
}

// TestFailuresOfTheContext: the end of the run is no failure of a blob.
func TestFailuresOfTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var f failures
	done, err := f.try(ctx, content.Descriptor{}, func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	})
	if done || !errors.Is(err, context.Canceled) || f.error() != nil {
		t.Error(done, err, f.error())
	}
}
