package registry

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/imgscript/imgscript/core/auth"
)

// Options changes how a client works. nil and the zero value are the defaults.
type Options struct {
	// Keychain finds credentials; nil is a client that is anonymous everywhere.
	Keychain auth.Keychain
	// Insecure names the hosts ("reg.lan" for every port, or "reg.lan:5000") that may speak plain HTTP, as loopback hosts always may.
	Insecure []string
	// Transport sends the requests; nil is a transport of the client's own: proxies from the environment, HTTP/2 with pings, no
	// compression. It must not follow redirects nor decompress. Addresses are vetted when they are dialled, and the certificates in Hosts
	// used, only if it is a *http.Transport, of which the client then makes clones; for others only addresses in URLs are vetted.
	Transport http.RoundTripper
	// Transfers is the number of blobs on their way at once for each host, in each direction; 0 means 4.
	Transfers int
	// Requests is the number of requests on their way at once, over all hosts, that move no blob: questions without a body; 0 means 64.
	Requests int
	// Hosts are the registries about which something is special, by the name that users give them, with the port if they write one. [AnyHost] is for
	// all others.
	Hosts map[string]HostOptions
	// UserAgent is sent with every request; "" means "imgscript".
	UserAgent string
	// Backoff says how failed requests are tried again.
	Backoff Backoff
	// Timeouts says when a silent registry is given up.
	Timeouts Timeouts
	// Sleep waits for d or until ctx ends, and then returns its error; nil is the real clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Now is the time of day, for Retry-After dates and the life of tokens; nil is the real clock.
	Now func() time.Time
	// Warn is told what a registry asks to be shown to users (distribution-spec, "Warnings"), once for each text, made printable; nil
	// drops it. It is called by many goroutines.
	Warn func(msg string)
}

func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.Insecure, opts.Hosts = slices.Clone(opts.Insecure), maps.Clone(opts.Hosts)
	if opts.Transfers <= 0 {
		opts.Transfers = 4
	}
	if opts.Requests <= 0 {
		opts.Requests = 64
	}
	if opts.UserAgent == "" {
		opts.UserAgent = "imgscript"
	}
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Warn == nil {
		opts.Warn = func(string) {}
	}
	opts.Backoff = opts.Backoff.withDefaults()
	opts.Timeouts = opts.Timeouts.withDefaults()
	return opts
}

// Client talks to registries. It is safe for concurrent use, and one is enough for a process: connections, limits and what is learnt of a
// host belong to it.
type Client struct {
	shared *shared
	auth   *auth.Authorizer
	fresh  *freshTokens
	docs   *documents

	readOnly bool
	empty    *locations // repositories that were found to have no tag: those of shared, or its own if it only reads, since later others write
}

// shared is what a client and those made by With have in common.
type shared struct {
	opts    Options
	routes  *routes
	warning *warnings
	budget  *budget
	asks    *questions
	wrote   locations // repositories that were written to: mirrors may not know yet
	fresh   locations // repositories that had no tag when they were asked for by who was about to write
	small   int64     // size in bytes of blobs that are small: smallBlob, but in tests

	mu    sync.Mutex
	hosts map[string]*host
}

// New returns a client. It does no I/O. Close it when it is no longer needed.
func New(opts *Options) *Client {
	s := &shared{opts: opts.withDefaults(), small: smallBlob, hosts: map[string]*host{}}
	s.routes, s.asks = newRoutes(&s.opts), newQuestions(s.opts.Requests)
	s.budget = &budget{left: s.opts.Backoff.Budget, most: s.opts.Backoff.Budget}
	s.warning = &warnings{tell: s.opts.Warn, seen: map[string]bool{}}
	return s.client(s.opts.Keychain)
}

func (s *shared) client(kc auth.Keychain) *Client {
	return &Client{shared: s, empty: &s.fresh, docs: &documents{}, fresh: &freshTokens{now: s.opts.Now}, auth: auth.NewAuthorizer(&auth.AuthorizerOptions{
		Keychain: kc,
		Client:   s.tokenClient(),
		Now:      s.opts.Now,
		AllowRealm: func(origin auth.Origin, realm *url.URL) bool {
			return s.opts.allowsRealm(origin.Name, origin.Host, realm)
		},
	})}
}

// With returns a client that finds its credentials in kc and shares everything with c but the tokens and the documents in memory.
func (c *Client) With(kc auth.Keychain) *Client {
	other := c.shared.client(kc)
	other.readOnly, other.empty = c.readOnly, c.empty
	return other
}

// ReadOnly returns a client that shares everything with c and sends nothing that could change something: what is neither GET nor HEAD, and no request for
// a token, is an error that is [content.ErrUnsupported].
func (c *Client) ReadOnly() *Client {
	other := *c
	other.readOnly, other.empty = true, &locations{}
	return &other
}

// Close closes the connections that nobody uses, those of clients made by With included. The client stays usable.
func (c *Client) Close() { c.shared.routes.close() }

// Repository returns the repository name of host, as users write it ("docker.io", "localhost:5000"). name is complete: the "library/" of
// Docker Hub is the caller's to add. It does no I/O; a malformed name is an error, [content.ErrInvalid], of every call.
func (c *Client) Repository(host, name string) *Repository {
	return &Repository{client: c, host: c.shared.host(host), name: name}
}

func (s *shared) host(name string) *host {
	name = canonicalHost(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.hosts[name]
	if !ok {
		h = newHost(name, &s.opts)
		s.hosts[name] = h
	}
	return h
}
