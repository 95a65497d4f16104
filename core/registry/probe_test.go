package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http/httptrace"
	"testing"
)

// TestProbeOutlivedByItsDial: net/http goes on dialling after the request that asked for it was cancelled, and says so to its trace. The race detector shows
// what goes wrong.
func TestProbeOutlivedByItsDial(t *testing.T) {
	dialled := make(chan struct{})
	h := &host{mayBePlain: true}
	_, err := h.scheme(t.Context(), func(ctx context.Context, scheme string) error {
		if scheme == "https" {
			trace := httptrace.ContextClientTrace(ctx)
			go func() {
				defer close(dialled)
				trace.TLSHandshakeDone(tls.ConnectionState{}, errors.New("too late"))
			}()
		}
		return context.Canceled
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-dialled
}
