package registrytest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
)

// Proxy is an HTTP proxy on loopback that opens connections (CONNECT) and passes plain requests on.
type Proxy struct {
	Host string // "127.0.0.1:PORT"

	user, password string
	names          map[string]string
	open           sync.WaitGroup // handlers and tunnels

	mu    sync.Mutex
	log   []string
	conns []net.Conn // from here to where tunnels lead
}

// NewProxy starts a proxy that ends with the test. It wants a user and a password, if they are not "", and connects to
// names["host:port"] in place of host:port, where there is one.
func NewProxy(t TB, user, password string, names map[string]string) *Proxy {
	t.Helper()
	p := &Proxy{user: user, password: password, names: names}
	s := httptest.NewServer(http.HandlerFunc(p.serve))
	p.Host = s.Listener.Addr().String()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		p.mu.Lock()
		for _, conn := range p.conns {
			conn.Close()
		}
		p.mu.Unlock()
		p.open.Wait()
	})
	return p
}

// Asked lists what the proxy was asked for, in order: "CONNECT host:port", "GET http://host/path", with the status where it refused.
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	p.open.Add(1) // the server does not wait for handlers that take their connection
	defer p.open.Done()
	asked := r.Method + " " + r.URL.String()
	if r.Method == http.MethodConnect {
		asked = "CONNECT " + r.Host
	}
	allowed := p.allows(r)
	if !allowed {
		asked += " 407"
	}
	p.mu.Lock()
	p.log = append(p.log, asked)
	p.mu.Unlock()
	switch {
	case !allowed:
		w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
	default:
		p.forward(w, r)
	}
}

func (p *Proxy) allows(r *http.Request) bool {
	login := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	user, password, _ := login.BasicAuth()
	return p.user == user && p.password == password
}

func (p *Proxy) address(host string) string {
	if to, ok := p.names[host]; ok {
		return to
	}
	return host
}

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	r.Header.Del("Proxy-Authorization")
	r.RequestURI, r.URL.Host = "", p.address(r.URL.Host)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for key, values := range resp.Header {
		w.Header()[key] = values
	}
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}

func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	to, err := net.Dial("tcp", p.address(r.Host))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, to)
	p.mu.Unlock()
	from, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		to.Close()
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(from, "HTTP/1.1 200 OK\r\n\r\n")
	copied := func(dst, src net.Conn) {
		io.Copy(dst, src) // one side's end is the other's
		dst.Close()
		src.Close()
	}
	p.open.Go(func() { copied(to, from) })
	p.open.Go(func() { copied(from, to) })
}
