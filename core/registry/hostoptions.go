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
	// CA are the certificates that are trusted for this host, in place of the system's; nil is the system's.
	CA *x509.CertPool
	// Certificates are shown to the host when it asks for one.
	Certificates []tls.Certificate
	// AllowPrivate lets the host lead to private, loopback and link-local addresses (Location, redirects, urls) although its own is none.
	AllowPrivate bool
	// AuthRealms are hosts to which credentials for this one may go when it names them as its token server.
	AuthRealms []string
	// RequestsPerSecond bounds the rate of requests; 0 is no bound.
	RequestsPerSecond float64
	// Transfers is Options.Transfers for this host; 0 is that.
	Transfers int
	// ChunkSize is the size in bytes of the first part of an upload in parts; 0 means 4 MiB less 64 KiB. It is kept between 64 KiB and 64 MiB.
	ChunkSize int64
}

// hostOptions finds what is special about a host by the name that users give it, or by where it listens.
func (o *Options) hostOptions(name, addr string) HostOptions {
	var found HostOptions
	for key, opts := range o.Hosts {
		if key = strings.ToLower(key); key == addr && addr != name {
			found = opts
		} else if canonicalHost(key) == name {
			return opts
		}
	}
	return found
}
