package registrytest

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
)

// Options say what kind of registry a Server is. nil and the zero value are an open one on plain HTTP.
type Options struct {
	TLS       bool        // HTTPS with a certificate of its own, which Server.Client trusts
	TLSConfig *tls.Config // HTTPS with the certificates in it, such as those of an Authority
	// Listener is where it listens; nil is any free port of loopback. A network in memory lets it run in a bubble of testing/synctest, where time limits pass
	// in no time. The server closes it.
	Listener net.Listener

	Auth       AuthMode          // what it asks for
	Users      map[string]string // passwords by user
	Identities map[string]string // users by identity token, which they may show in place of a password
	Rights     []Right           // who may do what; nil: every user everything, nobody else anything

	// Backend is the registry behind the middleware; nil is one in memory. With a reverse proxy that keeps the Host it is a real one. What PushBlob and its like
	// need (a POST with the blob) not every registry has.
	Backend http.Handler
	Latency time.Duration // before every answer but those about tokens
	Quirks  Quirks        // what it does otherwise than the specification says
	Faults  []Fault       // answers that go wrong
	// AllowMissing takes manifests whose blobs or children are missing, as some registries do.
	AllowMissing bool
}

// Server is a registry that listens on loopback. Its methods may be called at any time, from any goroutine.
type Server struct {
	Host string // "127.0.0.1:PORT", the registry part of references
	URL  string // with "http://" or "https://"

	t       TB
	opts    Options
	backend http.Handler
	http    *httptest.Server
	tokens  tokens
	done    chan struct{} // closed when the server ends: stalled answers end too
	ended   sync.Once

	mu     sync.Mutex
	quirks Quirks
	faults []*armed
	moved  atomic.Bool // a fault redirected to the other name of this server
	log    []*record
	max    int // most transfers seen at once
	now    int

	uploading int // bodies of blobs that are being sent
	counted   int // requests, for Quirks.LimitEvery

	sessions   map[string]*session // by the name that they have in paths
	signatures map[string]bool     // of storage, those that were used
}

// TB is what a Server needs of a test. A *testing.T has it; examples and scripts bring their own.
type TB interface {
	Helper()
	Cleanup(f func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
}

// New starts a server that ends with the test.
func New(t TB, opts *Options) *Server {
	t.Helper()
	s := &Server{t: t, done: make(chan struct{})}
	if opts != nil {
		s.opts = *opts
	}
	s.quirks = s.opts.Quirks
	s.SetFaults(s.opts.Faults...)
	if s.backend = s.opts.Backend; s.backend == nil {
		s.backend = olareg.New(s.backendConfig())
	}
	s.http = s.listen()
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // aborted answers and TLS probes are meant to happen
	s.Host = s.http.Listener.Addr().String()            // known before anybody can ask
	if s.opts.TLS || s.opts.TLSConfig != nil {
		s.http.TLS = s.opts.TLSConfig.Clone()
		s.URL = "https://" + s.Host
		s.http.EnableHTTP2 = true
		s.http.StartTLS()
	} else {
		s.URL = "http://" + s.Host
		s.http.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *Server) listen() *httptest.Server {
	handler := http.HandlerFunc(s.serve)
	if s.opts.Listener == nil {
		return httptest.NewUnstartedServer(handler)
	}
	return &httptest.Server{Listener: s.opts.Listener, Config: &http.Server{Handler: handler}}
}

func (s *Server) backendConfig() config.Config {
	yes := true
	c := config.Config{}
	c.Storage.StoreType = config.StoreMem
	c.Storage.GC.Frequency = -1
	c.Storage.GC.GracePeriod = -1
	c.Storage.GC.RepoUploadMax = -1
	c.API.DeleteEnabled, c.API.Blob.DeleteEnabled = &yes, &yes
	if s.opts.AllowMissing {
		c.API.Manifest.SparseImage, c.API.Manifest.SparseIndex = &yes, &yes
	}
	return c
}

// Close ends the server at once, with what is under way: a registry that goes down. It may be called more than once.
func (s *Server) Close() {
	s.ended.Do(func() {
		close(s.done)
		s.http.CloseClientConnections()
		s.http.Close()
	})
}

// Certificate returns the server's certificate as PEM, as SSL_CERT_FILE and other programs want it; nil without Options.TLS.
func (s *Server) Certificate() []byte {
	if !s.opts.TLS {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// Client returns an HTTP client that trusts the server's certificate.
func (s *Server) Client() *http.Client { return s.http.Client() }

// SetQuirks replaces the quirks.
func (s *Server) SetQuirks(q Quirks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quirks = q
}

func (s *Server) currentQuirks() Quirks {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quirks
}

// serve is everything that happens to a request, in order: the log, the wait, the faults, the credentials, the quirks, the registry.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	entry, done := s.begin(r)
	defer done()
	r.Body = &countedBody{r.Body, &entry.received, func() { s.note(entry, func(one *session) { one.broken = true }) }}
	out := &answer{ResponseWriter: w, entry: entry}
	if entry.Class != ClassToken && !s.sleep(r, s.opts.Latency) {
		return
	}
	if f := s.strike(entry); f != nil && s.fail(f, out, r) {
		return
	}
	if entry.Class == ClassToken {
		s.serveToken(out, r)
		return
	}
	if !s.authorize(out, r, entry) {
		return
	}
	quirks := s.currentQuirks()
	quirks.serve(s, out, r, entry)
}

// sleep waits unless the client leaves or the server ends.
func (s *Server) sleep(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.done:
	}
	return false
}

// Requests returns the log of what was asked since the start or the last Reset, token requests included, in order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Request, len(s.log))
	for i, r := range s.log {
		list[i] = r.line()
	}
	return list
}

// Lines returns the log as text, one line a request, without token requests.
func (s *Server) Lines() []string {
	var lines []string
	for _, r := range s.Requests() {
		if r.Class != ClassToken {
			lines = append(lines, r.String())
		}
	}
	return lines
}

// Count returns how many requests of a method ("" is any) and class ("" is any) are in the log.
func (s *Server) Count(method string, class Class) int {
	return len(slices.DeleteFunc(s.Requests(), func(r Request) bool {
		return method != "" && r.Method != method || class != "" && r.Class != class
	}))
}

// MaxTransfers returns the largest number of requests with blob bodies, in either direction, that were under way at once.
func (s *Server) MaxTransfers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.max
}

// Reset empties the log.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.max = nil, 0
}
