package registry

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
)

// HostOptions are what is special about one registry. The zero value is nothing.
type HostOptions struct {
	// Mirrors are asked first, in order, for manifests, tags and blobs: "mirror.lan:5000", where the repository has the same name, or
	// "mirror.lan:5000/hub", where it is below that path. What none of them gives, for whatever reason, comes from the registry itself; one that
	// breaks down or sends wrong bytes is left alone for a minute. Lists of tags come from the registry, and so does what is read of a repository after
	// something was written to it. A mirror gets no credential but its own, found by its own name, and nothing is written to it.
	Mirrors []string
	// Insecure allows plain HTTP, like Options.Insecure.
	Insecure bool
	// CA are the certificates that are trusted for this host, in place of the system's; nil is the system's. A token server, or a place for blobs, on another
	// host needs an entry of its own.
	CA *x509.CertPool
	// Certificates are shown to this host when it asks for one, and to no other.
	Certificates []tls.Certificate
	// AllowPrivate lets the host lead to private, loopback and link-local addresses (Location, redirects, urls) although its own is none.
	AllowPrivate bool
	// AuthRealms are hosts to which credentials for this one may go when it names them as its token server.
	AuthRealms []string
	// RequestsPerSecond bounds the rate of requests; 0 is no bound.
	RequestsPerSecond float64
	// Transfers is Options.Transfers for this host; 0 is that.
	Transfers int
	// ChunkSize is the most bytes of a part, where an upload goes in parts; it is kept between 64 KiB and 64 MiB. 0 finds out what the host takes, from
	// 4 MiB less 64 KiB on. A registry that asks for longer parts (OCI-Chunk-Min-Length) gets them, and one that refuses parts of this size gets shorter ones.
	ChunkSize int64
}

// AnyHost is the key in Options.Hosts for every host that has none of its own, token servers and hosts of redirects included.
const AnyHost = "*"

// entryKey finds the key in Hosts of a host by the name that users give it, or by where it listens; AnyHost if there is none.
func (o *Options) entryKey(name, addr string) string {
	found := AnyHost
	for key := range o.Hosts {
		if lower := strings.ToLower(key); lower == addr && addr != name {
			found = key
		} else if canonicalHost(lower) == name {
			return key
		}
	}
	return found
}

// hostOptions returns what is special about a host.
func (o *Options) hostOptions(name, addr string) HostOptions { return o.Hosts[o.entryKey(name, addr)] }
