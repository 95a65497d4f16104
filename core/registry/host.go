package registry

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// dockerHub is the name by which users know Docker Hub, and dockerHubAddr where it listens.
const (
	dockerHub     = "docker.io"
	dockerHubAddr = "registry-1.docker.io"
)

// canonicalHost gives the hosts of Docker Hub one name.
func canonicalHost(name string) string {
	name = strings.ToLower(name)
	if name == "index.docker.io" || name == dockerHubAddr {
		return dockerHub
	}
	return name
}

// host is what a client knows of one registry.
type host struct {
	name string // as users write it
	addr string // host or host:port on the wire
	opts HostOptions

	mayBePlain bool
	probe      flight[string]

	reads, writes *places // blobs on their way from and to it

	mounts      atomic.Bool // a mount worked here
	noSelfMount atomic.Bool // it refused a mount from the target itself
	noStream    atomic.Bool // it refused a streamed upload
	intake      *intake
	pace        *pace
	reach       atomic.Int32 // how near it is, once it is known
	rest        rest         // of a mirror that failed
}

func newHost(name string, opts *Options) *host {
	addr := name
	if name == dockerHub {
		addr = dockerHubAddr
	}
	special := opts.hostOptions(name, addr)
	transfers := int64(opts.Transfers)
	if special.Transfers > 0 {
		transfers = int64(special.Transfers)
	}
	h := &host{
		name: name, addr: addr, opts: special,
		mayBePlain: isLoopback(addr) || special.Insecure || isListed(opts.Insecure, addr),
		reads:      &places{semaphore.NewWeighted(transfers), opts.Timeouts.Idle},
		writes:     &places{semaphore.NewWeighted(transfers), opts.Timeouts.Idle},
		intake:     newIntake(addr, special.ChunkSize),
		pace:       newPace(special.RequestsPerSecond),
	}
	h.reach.Store(int32(literalReach(hostname(addr))))
	h.noStream.Store(h.intake.whole)
	return h
}

// limit is how near what this host names may be.
func (h *host) limit() reach {
	switch {
	case h == nil:
		return public
	case h.opts.AllowPrivate:
		return anywhere
	}
	return reach(h.reach.Load())
}

// isLoopback reports whether addr is this computer by its text alone: a name that resolves to it is not enough.
func isLoopback(addr string) bool {
	name := hostname(addr)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

func isListed(list []string, addr string) bool {
	for _, entry := range list {
		entry = strings.ToLower(entry)
		if entry == addr || entry == hostname(addr) {
			return true
		}
	}
	return false
}

// hostname cuts the port and the brackets from addr.
func hostname(addr string) string {
	if name, _, err := net.SplitHostPort(addr); err == nil {
		return name
	}
	return strings.Trim(addr, "[]")
}

// scheme says how to speak to the host. Only a host that may be plain is asked, once a client: HTTPS first, and plain HTTP when it does not
// get as far as a TLS connection. Whatever goes wrong on one is no reason to speak in the clear.
func (h *host) scheme(ctx context.Context, ask func(ctx context.Context, scheme string) error) (string, error) {
	if !h.mayBePlain {
		return "https", nil
	}
	return h.probe.do(ctx, func() (string, error) {
		var secure atomic.Bool // dialling may go on after a request that was cancelled
		err := ask(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			TLSHandshakeDone: func(_ tls.ConnectionState, err error) { secure.Store(err == nil) },
		}), "https")
		switch {
		case err == nil || secure.Load() || isCertificate(err) || isAlert(err):
			return "https", nil // the request itself will say what is wrong
		case isPlain(err):
			return "http", nil
		}
		if ask(ctx, "http") == nil {
			return "http", nil // a server that hung up on the handshake
		}
		return "", err
	})
}

// serves reports whether u is on the very scheme, host and port of the registry, once its scheme is known.
func (h *host) serves(u *url.URL) bool {
	return u.Scheme == h.knownScheme() && h.at(u)
}

// at reports whether u is on the host and port of the registry.
func (h *host) at(u *url.URL) bool {
	return canonicalAddr(u.Scheme, u.Host) == canonicalAddr(u.Scheme, h.addr)
}

// canonicalAddr gives the spellings of one host and port one: some registries say :443 in their own URLs.
func canonicalAddr(scheme, addr string) string {
	port := map[string]string{"https": ":443", "http": ":80"}[scheme]
	return strings.ToLower(strings.TrimSuffix(addr, port))
}

// knownScheme returns the scheme, or "" while it is not found out.
func (h *host) knownScheme() string {
	if h.mayBePlain {
		return h.probe.get()
	}
	return "https"
}

// flight finds a value out once, for all that ask meanwhile and later. A failure is told to those who waited for it and not kept.
type flight[T any] struct {
	mu      sync.Mutex
	value   T
	known   bool
	current chan struct{} // closed when the one who is asking has finished; nil when nobody is
}

// do returns the value, by calling ask unless it is known. The context of the caller rules its own wait alone: if the one who asks
// gives up, another does.
func (f *flight[T]) do(ctx context.Context, ask func() (T, error)) (T, error) {
	for {
		f.mu.Lock()
		if f.known {
			defer f.mu.Unlock()
			return f.value, nil
		}
		wait := f.current
		if wait == nil {
			f.current = make(chan struct{})
			f.mu.Unlock()
			return f.ask(ask)
		}
		f.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			var zero T
			return zero, context.Cause(ctx)
		}
	}
}

// get returns the value if it is known, and its zero otherwise.
func (f *flight[T]) get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.value
}

func (f *flight[T]) ask(ask func() (T, error)) (T, error) {
	var err error
	var value T
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		close(f.current)
		f.current = nil
		f.value, f.known = value, err == nil
	}()
	value, err = ask()
	return value, err
}
