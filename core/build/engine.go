package build

import (
	"net/http"
	"slices"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/cache"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry"
)

// EngineOptions sets the limits and the stores that all runs of a process share. nil and the zero value are what the imgscript program
// uses, but for the cache.
type EngineOptions struct {
	// CacheDir holds blobs between runs; "" is a temporary directory that Close removes.
	CacheDir string
	// CacheSize is the limit of the cache in bytes, to which the end of each run prunes it; 0 is 10 GB or a tenth of the disk, a negative number no limit.
	CacheSize int64
	// Jobs is the number of processors that layers are built on, those of all runs together; 0 is all of them.
	Jobs int
	// Keychain finds credentials where a script gives none; nil is auth.Default.
	Keychain auth.Keychain
	// Insecure lists registry hosts that may speak plain HTTP; loopback always may.
	Insecure []string
	// Hosts are the registries about which something is special, by the name that references have; package registryconfig reads them from a file.
	Hosts map[string]registry.HostOptions
	// Transfers is the number of blobs under way at once for each registry host; 0 is 4.
	Transfers int
	// Rebuild has layers built whatever the cache knows of earlier ones. What it knows of bases and of fetched files is used.
	Rebuild bool
	// Requests is the number of requests to registries under way at once that move no blob; 0 is 64.
	Requests int
	// Backoff says how requests to registries that failed for a passing reason are tried again.
	Backoff registry.Backoff
	// Transport carries all HTTP; nil is one of the registry client's own.
	Transport http.RoundTripper
	// Daemon is where a Docker daemon listens, "unix:///PATH" or "tcp://HOST:PORT", as DOCKER_HOST has it; "" is its usual socket.
	Daemon string
	// UserAgent names the program to registries; "" is imgscript.
	UserAgent string
}

// Engine holds what outlives a run: the cache, the registry client with its connections and limits, and the CPU limit. A process needs one; it
// is safe for concurrent runs.
type Engine struct {
	cache    *cache.Cache
	registry *registry.Client
	keychain auth.Keychain
	insecure []string
	daemon   string
	tokens   *http.Client
	workers  *layer.Workers
	rebuild  bool
	turns    turns
}

// NewEngine returns an engine; Close it when no run uses it any more.
func NewEngine(opts *EngineOptions) (*Engine, error) {
	var o EngineOptions
	if opts != nil {
		o = *opts
	}
	if o.Keychain == nil {
		o.Keychain = auth.Default(nil)
	}
	store, err := openCache(&o)
	if err != nil {
		return nil, err
	}
	return &Engine{
		cache:    store,
		keychain: o.Keychain,
		insecure: insecureHosts(&o),
		daemon:   o.Daemon,
		registry: registry.New(&registry.Options{
			Keychain: o.Keychain, Insecure: o.Insecure, Hosts: o.Hosts, Transport: o.Transport, Transfers: o.Transfers, Requests: o.Requests,
			UserAgent: o.UserAgent, Backoff: o.Backoff,
		}),
		tokens:  newTokenClient(o.Transport),
		workers: layer.NewWorkers(o.Jobs),
		rebuild: o.Rebuild,
	}, nil
}

// insecureHosts are the hosts that may speak plain HTTP, whichever way that is said.
func insecureHosts(o *EngineOptions) []string {
	all := slices.Clone(o.Insecure)
	for name, host := range o.Hosts {
		if host.Insecure {
			all = append(all, name)
		}
	}
	return all
}

// ErrCacheFull is what an error is that says that there is no room for the cache.
var ErrCacheFull = cache.ErrFull

func openCache(o *EngineOptions) (*cache.Cache, error) {
	if o.CacheDir == "" {
		return cache.Temp()
	}
	return cache.Open(o.CacheDir, &cache.Options{MaxSize: o.CacheSize})
}

// Close drops idle connections and, where the cache is temporary, removes it.
func (e *Engine) Close() error {
	e.registry.Close()
	e.tokens.CloseIdleConnections()
	return e.cache.Close()
}
