package registry

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// questions bound the requests that are on their way at once to ask something: those without a body whose answer is no blob. A thousand images would ask a
// thousand of them together. One has its place until the head of the answer is there, and so waits for nothing but the registry: no order of them can stand
// still. What is moved is bounded by the transfers of its host.
type questions struct{ places *semaphore.Weighted }

func newQuestions(most int) *questions { return &questions{semaphore.NewWeighted(int64(most))} }

// ask waits until a request may be sent. The caller calls done when it was answered.
func (q *questions) ask(ctx context.Context, req *request) (done func(), err error) {
	if req.open != nil || req.streamed {
		return func() {}, nil
	}
	if err := q.places.Acquire(ctx, 1); err != nil {
		return nil, context.Cause(ctx)
	}
	return func() { q.places.Release(1) }, nil
}
