package registry

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// newTransport returns the transport of a client that was given none. Compression is off because digests are those of the bytes
// as stored (one registry gzips configs when it may), and pings find HTTP/2 connections that died without a word (golang/go#36026).
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  environmentProxy,
		DialContext:            dialFunc(newDialer().DialContext).wide,
		TLSClientConfig:        &tls.Config{GetClientCertificate: certificateFor(nil)},
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		ReadBufferSize:         32 << 10,
		WriteBufferSize:        32 << 10,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			return &proxyError{proxy.Host, resp.StatusCode}
		},
	}
}

func newDialer() *net.Dialer {
	return &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
}

// routes are the transports of a client: one for the registries that its user named, and one for each limit on the addresses that other
// URLs may lead to, so that no connection that was made under one rule is used under another; each of them again for hosts with
// certificates of their own.
type routes struct {
	opts   *Options
	direct bool            // the transport is ours, and so is its dialer
	base   *http.Transport // nil when the transport is something else, which is then used for all

	mu   sync.Mutex
	made map[routeKey]*http.Transport
}

// routeKey names a transport.
type routeKey struct {
	limit reach
	tls   string // the key in Options.Hosts of the certificates that it has, or ""
}

func newRoutes(opts *Options) *routes {
	r := &routes{opts: opts, made: map[routeKey]*http.Transport{}}
	switch t := opts.Transport.(type) {
	case nil:
		r.direct, r.base = true, newTransport()
	case *http.Transport:
		r.base = t
	}
	return r
}

// close closes the connections that nobody uses. A transport that was given is its owner's to close.
func (r *routes) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.direct {
		r.base.CloseIdleConnections()
	}
	for _, t := range r.made {
		t.CloseIdleConnections()
	}
}

// route returns what sends a request on behalf of a registry: h, or nil when there is none. What does not go to h itself goes no
// further into private networks than h is.
func (r *routes) route(hr *http.Request, h *host) (http.RoundTripper, error) {
	key := routeKey{limit: anywhere}
	own := h != nil && h.at(hr.URL)
	if !own {
		key.limit = h.limit()
		if name := hr.URL.Hostname(); !key.limit.allows(literalReach(name)) {
			return nil, &egressError{"request", redact(hr.URL), "it is " + literalReach(name).String()}
		}
	}
	if r.base == nil {
		return r.opts.Transport, nil
	}
	proxied, err := r.proxied(hr)
	if err != nil {
		return nil, err
	}
	if proxied {
		key.limit = anywhere // the address is the proxy's, and what it dials is out of our hands
	}
	addr := canonicalAddr(hr.URL.Scheme, hr.URL.Host)
	name := r.opts.entryKey(canonicalHost(addr), addr)
	if special := r.opts.Hosts[name]; special.CA != nil || special.Certificates != nil {
		key.tls = name
	}
	return r.transport(key), nil
}

func (r *routes) proxied(hr *http.Request) (bool, error) {
	if r.base == nil || r.base.Proxy == nil {
		return false, nil
	}
	proxy, err := r.base.Proxy(hr)
	if err != nil {
		return false, &networkError{errProxy}
	}
	return proxy != nil, nil
}

func (r *routes) transport(key routeKey) *http.Transport {
	if key == (routeKey{limit: anywhere}) {
		return r.base
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.made[key]
	if !ok {
		t = r.make(key)
		r.made[key] = t
	}
	return t
}

func (r *routes) make(key routeKey) *http.Transport {
	t := r.base.Clone()
	if key.limit != anywhere {
		t.Proxy = nil
		t.DialTLSContext = nil
		t.DialContext = r.dial(key.limit)
	}
	if key.tls != "" {
		special := r.opts.Hosts[key.tls]
		t.DialTLSContext = nil // it would know nothing of the certificates
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{}
		}
		if special.CA != nil {
			t.TLSClientConfig.RootCAs = special.CA
		}
		if special.Certificates != nil {
			t.TLSClientConfig.GetClientCertificate = certificateFor(special.Certificates)
		}
	}
	return t
}

// dial returns a dialer that connects only to addresses within limit. Ours looks at each address when it is about to be dialled, so that there is
// no second look-up that could say something else; of a dialer that was given the connection is looked at before it is used.
func (r *routes) dial(limit reach) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if r.direct {
		dialer := newDialer()
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return limit.check(address) }
		return dialFunc(dialer.DialContext).wide
	}
	inner := r.base.DialContext
	if inner == nil {
		inner = newDialer().DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := inner(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if err := limit.check(conn.RemoteAddr().String()); err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}
}

// watch returns a context that notes how near the registry h itself is, by the address of the connection that it answers on.
func (r *routes) watch(hr *http.Request, h *host) *http.Request {
	if proxied, _ := r.proxied(hr); proxied || h == nil || !h.at(hr.URL) {
		return hr
	}
	return hr.WithContext(httptrace.WithClientTrace(hr.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if near, ok := addressReach(info.Conn.RemoteAddr().String()); ok {
			h.reach.Store(int32(near))
		}
	}}))
}

// hostKey is the context key of the registry on whose behalf a token is asked for.
type hostKey struct{}

func withHost(ctx context.Context, h *host) context.Context {
	return context.WithValue(ctx, hostKey{}, h)
}

func hostOf(ctx context.Context) *host {
	h, _ := ctx.Value(hostKey{}).(*host)
	return h
}

// allowsRealm reports whether the configuration of a registry names a token server.
func (o *Options) allowsRealm(name, addr string, realm *url.URL) bool {
	for _, allowed := range o.hostOptions(canonicalHost(name), addr).AuthRealms {
		if canonicalHost(allowed) == canonicalHost(realm.Host) {
			return true
		}
	}
	return false
}
