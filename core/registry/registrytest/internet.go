package registrytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
)

// Internet is a network of its own on loopback, for tests of what a client does when servers lead it elsewhere: hosts have the names and the addresses
// that a test gives them, and everything that is sent to any of them is recorded. Ports 443 and 8443 speak TLS, all others plain HTTP. A client in this
// process uses Transport; a program uses Proxy and CA.
type Internet struct {
	t             TB
	secure, plain *httptest.Server
	proxy         *httptest.Server
	ca            *Authority

	mu        sync.Mutex
	hosts     map[string]http.Handler
	addresses map[string][]string         // of the next look-ups of a name
	leafs     map[string]*tls.Certificate // by name
	sent      []Sent
	dialled   []string
}

// Sent is one request that reached a host.
type Sent struct {
	Host string // with the port, if it is not 443 or 80
	TLS  bool
	Line string // method and path, with the query
	All  string // everything: line, headers, and at most 1 MiB of the body
}

// maxSent bounds in bytes what is kept of a request's body.
const maxSent = 1 << 20

// NewInternet starts a network that ends with the test. A host that nobody gave a handler answers 404.
func NewInternet(t TB) *Internet {
	t.Helper()
	n := &Internet{
		t: t, ca: NewAuthority(t, "registrytest authority"), hosts: map[string]http.Handler{}, addresses: map[string][]string{}, leafs: map[string]*tls.Certificate{},
	}
	silent := log.New(io.Discard, "", 0)
	n.secure = httptest.NewUnstartedServer(http.HandlerFunc(n.serve))
	n.secure.TLS = &tls.Config{GetCertificate: n.certificate}
	n.plain = httptest.NewUnstartedServer(http.HandlerFunc(n.serve))
	n.proxy = httptest.NewUnstartedServer(http.HandlerFunc(n.serveProxy))
	for _, s := range []*httptest.Server{n.secure, n.plain, n.proxy} {
		s.Config.ErrorLog = silent // broken connections are meant to happen
	}
	n.secure.StartTLS()
	n.plain.Start()
	n.proxy.Start()
	t.Cleanup(func() {
		for _, s := range []*httptest.Server{n.proxy, n.secure, n.plain} {
			s.CloseClientConnections()
			s.Close()
		}
	})
	return n
}

// Handle lets h answer for a host: "reg.example", or with a port that is not 443 or 80.
func (n *Internet) Handle(host string, h http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[host] = h
}

// Resolve sets the addresses that look-ups of a name give, one after the other; the last one stays. Without it every name has a public address.
func (n *Internet) Resolve(name string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses[name] = addresses
}

// Requests returns what was sent so far, in order of arrival.
func (n *Internet) Requests() []Sent {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Sent(nil), n.sent...)
}

// Dialled returns the "address:port" that the Transport connected to so far.
func (n *Internet) Dialled() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.dialled...)
}

// CA returns the certificate by which the hosts are to be trusted, in PEM.
func (n *Internet) CA() []byte {
	return n.ca.PEM()
}

// Proxy returns the URL of an HTTP proxy to the network, for HTTPS_PROXY and HTTP_PROXY.
func (n *Internet) Proxy() string { return n.proxy.URL }

// Transport returns a transport of which every connection leads into the network and has the address of its host. The caller closes its idle connections.
func (n *Internet) Transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:        &tls.Config{RootCAs: n.ca.Pool()},
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			name, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			remote := net.JoinHostPort(n.lookUp(name), port)
			conn, err := (&net.Dialer{}).DialContext(ctx, network, n.listener(port))
			if err != nil {
				return nil, err
			}
			return &farConn{conn, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(remote))}, nil
		},
	}
}

// farConn is a connection that says that it leads elsewhere.
type farConn struct {
	net.Conn
	remote net.Addr
}

// RemoteAddr implements net.Conn.
func (c *farConn) RemoteAddr() net.Addr { return c.remote }

func (n *Internet) lookUp(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	address := "93.184.216.34"
	if _, err := netip.ParseAddr(name); err == nil {
		address = name
	}
	if list := n.addresses[name]; len(list) > 0 {
		address = list[0]
		if len(list) > 1 {
			n.addresses[name] = list[1:]
		}
	}
	n.dialled = append(n.dialled, address)
	return address
}

func (n *Internet) listener(port string) string {
	if port == "443" || port == "8443" {
		return n.secure.Listener.Addr().String()
	}
	return n.plain.Listener.Addr().String()
}

// serve records a request and lets its host answer.
func (n *Internet) serve(w http.ResponseWriter, r *http.Request) {
	host := strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(r.Host, ":443"), ":80"))
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxSent)) // what came before it broke off counts
	line := r.Method + " " + r.URL.RequestURI()
	var all bytes.Buffer
	fmt.Fprintf(&all, "%s\r\nHost: %s\r\n", line, r.Host)
	r.Header.Write(&all)
	all.Write(body)
	n.mu.Lock()
	n.sent = append(n.sent, Sent{Host: host, TLS: r.TLS != nil, Line: line, All: all.String()})
	handler := n.hosts[host]
	n.mu.Unlock()
	if handler == nil {
		http.NotFound(w, r)
		return
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
	handler.ServeHTTP(w, r)
}

// serveProxy tunnels to where a client wants to go, and hands plain requests on itself.
func (n *Internet) serveProxy(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		n.serve(w, r)
		return
	}
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		http.Error(w, "no port", http.StatusBadRequest)
		return
	}
	server, err := net.Dial("tcp", n.listener(port))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		server.Close()
		return
	}
	io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	var both sync.WaitGroup
	pass := func(to, from net.Conn, r io.Reader) {
		both.Go(func() {
			io.Copy(to, r)
			to.Close()
			from.Close()
		})
	}
	pass(server, client, buffered)
	pass(client, server, server)
	both.Wait()
}

// certificate implements tls.Config.GetCertificate.
func (n *Internet) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := hello.ServerName
	if leaf, ok := n.leafs[name]; ok {
		return leaf, nil
	}
	leaf := n.ca.Issue(name)
	n.leafs[name] = &leaf
	return &leaf, nil
}

// Registry lets an open registry answer for a host. It names itself by that host.
func (n *Internet) Registry(host string, s *Server) {
	n.Handle(host, func(w http.ResponseWriter, r *http.Request) { s.serve(&namelessWriter{w, s.URL}, r) })
}

// namelessWriter makes Locations relative.
type namelessWriter struct {
	http.ResponseWriter
	origin string
}

// WriteHeader implements http.ResponseWriter.
func (w *namelessWriter) WriteHeader(status int) {
	if location := w.Header().Get("Location"); location != "" {
		w.Header().Set("Location", strings.TrimPrefix(location, w.origin))
	}
	w.ResponseWriter.WriteHeader(status)
}
