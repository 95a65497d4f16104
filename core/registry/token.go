package registry

import (
	"context"
	"io"
	"net/http"
)

// tokenClient returns the client by which tokens are requested: the connections, the time limits and the name of the others.
func (s *shared) tokenClient() *http.Client {
	return &http.Client{Transport: &tokenTransport{&wire{routes: s.routes, agent: s.opts.UserAgent, timeouts: s.opts.Timeouts, warn: s.warning, asks: s.asks}}}
}

// tokenTransport sends what an http.Client wants sent by a wire.
type tokenTransport struct{ wire *wire }

// RoundTrip implements http.RoundTripper.
func (t *tokenTransport) RoundTrip(hr *http.Request) (*http.Response, error) {
	req := &request{host: hostOf(hr.Context()), method: hr.Method, url: hr.URL, header: hr.Header, size: hr.ContentLength}
	if hr.Body != nil && hr.Body != http.NoBody {
		req.open = func(context.Context) (io.ReadCloser, error) {
			if hr.GetBody == nil {
				return hr.Body, nil
			}
			return hr.GetBody()
		}
		defer hr.Body.Close()
	}
	return t.wire.send(hr.Context(), req)
}
