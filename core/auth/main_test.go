package auth

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is part of every secret of the tests: where it shows, something leaks.
const canary = "CANARY-5f2c"

// world is an internet of its own: all hosts on port 443 are one TLS server, all others one plain server, both on loopback. Handlers are
// by host, and everything that is sent is recorded.
type world struct {
	t      *testing.T
	client *http.Client

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc
	requests []seen
}

// seen is one request.
type seen struct {
	host, method, path, query, authorization, form string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, handlers: map[string]http.HandlerFunc{}}
	secure := httptest.NewTLSServer(http.HandlerFunc(w.serve))
	plain := httptest.NewServer(http.HandlerFunc(w.serve))
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to := plain.Listener.Addr().String()
			if strings.HasSuffix(addr, ":443") {
				to = secure.Listener.Addr().String()
			}
			return (&net.Dialer{}).DialContext(ctx, network, to)
		},
	}
	w.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		secure.Close()
		plain.Close()
	})
	return w
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	w.mu.Lock()
	w.requests = append(w.requests, seen{r.Host, r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Authorization"), r.PostForm.Encode()})
	handler := w.handlers[r.Host]
	w.mu.Unlock()
	if handler == nil {
		http.Error(rw, "no such host", http.StatusTeapot)
		return
	}
	handler(rw, r)
}

func (w *world) handle(host string, h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handlers[host] = h
}

// sent are the requests to a host.
func (w *world) sent(host string) []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []seen
	for _, r := range w.requests {
		if r.host == host {
			found = append(found, r)
		}
	}
	return found
}

// neverSaw fails if a host was sent the canary, plain or in Basic's encoding.
func (w *world) neverSaw(host string) {
	w.t.Helper()
	for _, r := range w.sent(host) {
		if r.authorization != "" || strings.Contains(r.query+r.form+r.path, canary) {
			w.t.Errorf("%s was sent a credential: %+v", host, r)
		}
	}
}

// registry handles a host as a registry that takes exactly the given authorizations and has one challenge.
func (w *world) registry(host, challenge string, accepted ...string) {
	w.handle(host, func(rw http.ResponseWriter, r *http.Request) {
		for _, a := range accepted {
			if r.Header.Get("Authorization") == a {
				rw.Write([]byte("ok"))
				return
			}
		}
		if challenge != "" {
			rw.Header().Set("Www-Authenticate", challenge)
		}
		rw.WriteHeader(http.StatusUnauthorized)
		rw.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`))
	})
}

// call sends a GET of /v2/app/x to an origin as the registry client does.
func (w *world) call(a *Authorizer, origin Origin, scopes ...Scope) (int, error) {
	w.t.Helper()
	resp, err := a.Do(w.t.Context(), origin, scopes, func(authorization string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, origin.Scheme+"://"+origin.Host+"/v2/app/x", nil)
		if err != nil {
			return nil, err
		}
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		return w.client.Do(req)
	})
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// fixed is a keychain that knows one credential for everything, and counts.
type fixed struct {
	cred  Credential
	err   error
	mu    sync.Mutex
	asked []string
}

func (f *fixed) Credential(_ context.Context, host, repository string) (Credential, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, host+"/"+repository)
	return f.cred, f.err
}

// clock is set by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
