package registry

import (
	"net"
	"net/http"
	"time"
)

// newTransport returns the transport of a client that was given none. Compression is off because digests are those of the bytes
// as stored (one registry gzips configs when it may), and pings find HTTP/2 connections that died without a word (golang/go#36026).
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		ReadBufferSize:         32 << 10,
		WriteBufferSize:        32 << 10,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
}
