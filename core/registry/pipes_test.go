package registry_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// pipes is a network in memory. Reading from it and writing to it is waiting that testing/synctest knows, so that in its bubbles time passes only when
// everybody waits: limits of minutes take none, and no machine is too busy for them. Unlike a real one it holds no bytes on their way: who
// does not read stops the writer at once.
type pipes struct {
	open  atomic.Int64 // connections that a client has not closed
	leaks atomic.Int64 // writes with credentials to the other name of a server

	mu    sync.Mutex
	hosts map[string]*pipeListener // by their ports
}

// listen returns a listener on a port of loopback that has any name.
func (p *pipes) listen(port string) net.Listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hosts == nil {
		p.hosts = map[string]*pipeListener{}
	}
	l := &pipeListener{addr: pipeAddr("127.0.0.1:" + port), conns: make(chan net.Conn), closed: make(chan struct{})}
	p.hosts[port] = l
	return l
}

// server starts a registry on a port.
func (p *pipes) server(t testing.TB, port string, opts registrytest.Options) *registrytest.Server {
	opts.Listener = p.listen(port)
	return registrytest.New(t, &opts)
}

// smallNoise is the size in bytes up to which blobs are small to the clients of a network in memory.
const smallNoise = 16 << 10

// client returns a client for this network, with a clock and time limits as they are in life, and what closes its connections.
func (p *pipes) client(opts registry.Options) (c *registry.Client, closed func()) {
	cheap := &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}} // a client asks by HTTPS first
	transport := &http.Transport{DialContext: p.dial, TLSClientConfig: cheap, DisableCompression: true, MaxIdleConnsPerHost: 16}
	opts.Transport = transport
	c = registry.New(&opts).WithSmall(smallNoise)
	return c, func() {
		c.Close()
		transport.CloseIdleConnections()
	}
}

func (p *pipes) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	l := p.hosts[port]
	p.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	if l == nil {
		return nil, refused
	}
	here, there := net.Pipe()
	select {
	case l.conns <- &pipeConn{Conn: there, local: l.addr, remote: "127.0.0.1:9"}:
		p.open.Add(1)
		return &pipeConn{Conn: here, local: "127.0.0.1:9", remote: l.addr, network: p, other: strings.HasPrefix(name, "localhost")}, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type pipeListener struct {
	addr   pipeAddr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return l.addr }

// pipeConn is one end of a connection. That of a client has a network.
type pipeConn struct {
	net.Conn
	local, remote pipeAddr
	network       *pipes
	other         bool // to the other name of a server
	once          sync.Once
}

// Write implements net.Conn.
func (c *pipeConn) Write(b []byte) (int, error) {
	if c.other && bytes.Contains(b, []byte("Authorization:")) {
		c.network.leaks.Add(1)
	}
	return c.Conn.Write(b)
}

// Close implements net.Conn.
func (c *pipeConn) Close() error {
	c.once.Do(func() {
		if c.network != nil {
			c.network.open.Add(-1)
		}
	})
	return c.Conn.Close()
}

// LocalAddr implements net.Conn.
func (c *pipeConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

type pipeAddr string

// Network implements net.Addr.
func (pipeAddr) Network() string { return "tcp" }

// String implements net.Addr.
func (a pipeAddr) String() string { return string(a) }
