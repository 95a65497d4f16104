package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/imgscript/imgscript/core/auth"
)

// Waiting tells that a request waits: it failed for a passing reason and is going to be sent again, or its registry has had too many requests, and all that go
// there are held back.
type Waiting struct {
	Host   string        // the registry, as users write it
	Reason string        // in a few words, printable and without secrets: "503 Service Unavailable", "connection reset by peer"
	Delay  time.Duration // from now on
	Tries  int           // how often it was tried; 0 of a request that is held back, whoever had too many
}

type waitingKey struct{}

// WithWaiting returns a context with which f is told of requests that wait, before they do, from many goroutines at once. A function that an outer context has is
// not called any more. What waits since the configuration keeps requests apart is not told of.
func WithWaiting(ctx context.Context, f func(Waiting)) context.Context {
	return context.WithValue(ctx, waitingKey{}, f)
}

func tellWaiting(ctx context.Context, w Waiting) {
	if f, ok := ctx.Value(waitingKey{}).(func(Waiting)); ok {
		f(w)
	}
}

// brief is why a request failed, in a few words: no text of the registry's own, which is in the error if it comes to that.
func brief(err error) string {
	var e *Error
	var token *auth.ServerError
	var op *net.OpError
	switch {
	case errors.As(err, &e) && e.Status != 0:
		return statusText(e.Status)
	case errors.As(err, &token):
		return "the token server answers " + statusText(token.Status)
	case errors.As(err, &op) && op.Err != nil:
		err = op.Err
	case e != nil && e.Err != nil:
		err = e.Err
	}
	return printable(cut(err.Error()))
}

func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return fmt.Sprintf("%d %s", status, text)
	}
	return fmt.Sprint(status)
}
