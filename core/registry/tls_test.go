package registry_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// signed is a registry with an image under app:v1 and a certificate of an authority for 127.0.0.1.
func signed(t *testing.T, by *registrytest.Authority, opts registrytest.Options) *registrytest.Server {
	if opts.TLSConfig == nil {
		opts.TLSConfig = &tls.Config{}
	}
	opts.TLSConfig.Certificates = []tls.Certificate{by.Issue("127.0.0.1")}
	reg := registrytest.New(t, &opts)
	reg.PushImage("app", "v1", registrytest.Image{})
	return reg
}

// resolve asks for app:v1 with a new client.
func resolve(t *testing.T, host string, opts registry.Options) error {
	t.Helper()
	_, err := newClient(t, &opts).Repository(host, "app").Resolve(t.Context(), "v1")
	return err
}

func expectText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v, want one with %q", err, part)
		}
	}
}

// TestPrivateAuthority trusts an authority for the host that names it. Whatever else the certificate is, no request is sent and nothing is tried again.
func TestPrivateAuthority(t *testing.T) {
	corp, other := registrytest.NewAuthority(t, "corp"), registrytest.NewAuthority(t, "other")
	reg := signed(t, corp, registrytest.Options{})
	misnamed := registrytest.New(t, &registrytest.Options{TLSConfig: &tls.Config{Certificates: []tls.Certificate{corp.Issue("reg.example")}}})
	const hint = "its ca has to be in the registry configuration or in SSL_CERT_FILE"
	for name, test := range map[string]struct {
		reg   *registrytest.Server
		hosts map[string]registry.HostOptions
		want  string // in the error; "" is none
	}{
		"its own":           {reg, map[string]registry.HostOptions{reg.Host: {CA: corp.Pool()}}, ""},
		"that of all hosts": {reg, map[string]registry.HostOptions{registry.AnyHost: {CA: corp.Pool()}}, ""},
		"none":              {reg, nil, hint},
		"that of another":   {reg, map[string]registry.HostOptions{"reg.example": {CA: corp.Pool()}}, hint},
		"a wrong one":       {reg, map[string]registry.HostOptions{reg.Host: {CA: other.Pool()}, registry.AnyHost: {CA: corp.Pool()}}, hint},
		"insecure":          {reg, map[string]registry.HostOptions{reg.Host: {Insecure: true}}, hint},
		"another name":      {misnamed, map[string]registry.HostOptions{misnamed.Host: {CA: corp.Pool()}}, "cannot validate certificate for 127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			test.reg.Reset()
			sleeps := &sleeps{}
			err := resolve(t, test.reg.Host, registry.Options{Hosts: test.hosts, Sleep: sleeps.sleep})
			if test.want == "" {
				check(t, err)
				return
			}
			expectIs(t, err, registry.ErrUnreachable)
			expectText(t, err, test.want, "GET https://")
			if n := len(test.reg.Requests()); n > 0 || len(sleeps.list) > 0 {
				t.Errorf("%d requests after %d waits", n, len(sleeps.list))
			}
		})
	}
}

// TestClientCertificates shows a registry that demands one the certificate that is for it.
func TestClientCertificates(t *testing.T) {
	corp, other := registrytest.NewAuthority(t, "corp"), registrytest.NewAuthority(t, "other")
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		reg := signed(t, corp, registrytest.Options{TLSConfig: &tls.Config{
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: corp.Pool(), MinVersion: version, MaxVersion: version,
		}})
		for given, certificates := range map[string][]tls.Certificate{
			"": nil, "wrong": {other.Issue("bob")}, "right": {corp.Issue("bob")},
		} {
			t.Run(name+"/"+given, func(t *testing.T) {
				reg.Reset()
				sleeps := &sleeps{}
				err := resolve(t, reg.Host, registry.Options{
					Sleep: sleeps.sleep, Hosts: map[string]registry.HostOptions{reg.Host: {CA: corp.Pool(), Certificates: certificates}},
				})
				if given == "right" {
					check(t, err)
					return
				}
				expectIs(t, err, registry.ErrUnreachable)
				expectText(t, err, "client_certificate and client_key")
				if version == tls.VersionTLS12 && len(sleeps.list) > 0 { // in 1.3 the connection may merely break
					t.Error("it was tried again")
				}
				if n := len(reg.Requests()); n > 0 {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
}

// TestClientCertificateStaysHome: neither a mirror nor where a registry redirects to sees the certificate that is for the registry.
func TestClientCertificateStaysHome(t *testing.T) {
	corp := registrytest.NewAuthority(t, "corp")
	var seen, requests atomic.Int32
	curious := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(int32(len(r.TLS.PeerCertificates)))
		requests.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	curious.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{corp.Issue("127.0.0.1", "localhost")}}
	curious.StartTLS()
	t.Cleanup(curious.Close)
	elsewhere := strings.Replace(curious.URL, "127.0.0.1", "localhost", 1)
	reg := signed(t, corp, registrytest.Options{TLSConfig: &tls.Config{ClientAuth: tls.RequireAnyClientCert}, Faults: []registrytest.Fault{
		{Class: registrytest.ClassManifest, Times: -1, Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {elsewhere + "/v2/app/manifests/v1"}}},
	}})
	mirror := strings.TrimPrefix(curious.URL, "https://")
	err := resolve(t, reg.Host, registry.Options{Hosts: map[string]registry.HostOptions{
		reg.Host: {CA: corp.Pool(), Certificates: []tls.Certificate{corp.Issue("bob")}, Mirrors: []string{mirror}},
		mirror:   {CA: corp.Pool()},
		strings.TrimPrefix(elsewhere, "https://"): {CA: corp.Pool()},
	}})
	expectIs(t, err, content.ErrNotFound)
	if requests.Load() < 2 || seen.Load() != 0 {
		t.Errorf("others got %d requests with %d certificates", requests.Load(), seen.Load())
	}
}

// tokenServer serves the tokens of a registry under another name, with a certificate of its own.
func tokenServer(t *testing.T, reg *registrytest.Server, certificate tls.Certificate) (host string) {
	t.Helper()
	to, err := url.Parse(reg.URL)
	check(t, err)
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: reg.Client().Transport}
	s := httptest.NewUnstartedServer(forward)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	s.StartTLS()
	t.Cleanup(s.Close)
	host = strings.Replace(strings.TrimPrefix(s.URL, "https://"), "127.0.0.1", "localhost", 1)
	reg.SetQuirks(registrytest.Quirks{Realm: func(string) string { return "https://" + host + "/token" }})
	return host
}

// TestTokenServerAuthority: a token server on another host has an authority of its own, which the registry's is not.
func TestTokenServerAuthority(t *testing.T) {
	corp, other := registrytest.NewAuthority(t, "corp"), registrytest.NewAuthority(t, "other")
	reg := signed(t, corp, registrytest.Options{Auth: registrytest.AuthBearer, Users: users})
	tokens := tokenServer(t, reg, other.Issue("localhost"))
	opts := registry.Options{
		Keychain: keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}}),
		Hosts:    map[string]registry.HostOptions{reg.Host: {CA: corp.Pool()}, tokens: {CA: other.Pool()}},
	}
	check(t, resolve(t, reg.Host, opts))
	opts.Hosts = map[string]registry.HostOptions{reg.Host: {CA: corp.Pool()}}
	err := resolve(t, reg.Host, opts)
	expectIs(t, err, registry.ErrUnreachable)
	expectText(t, err, "https://"+tokens+"/token", "its ca has to be in the registry configuration")
}

// TestMirrorAuthority: so has a mirror, and one that is not trusted is passed over.
func TestMirrorAuthority(t *testing.T) {
	corp, other := registrytest.NewAuthority(t, "corp"), registrytest.NewAuthority(t, "other")
	reg, mirror := signed(t, corp, registrytest.Options{}), signed(t, other, registrytest.Options{})
	for _, pool := range []*x509.CertPool{other.Pool(), corp.Pool()} {
		reg.Reset()
		check(t, resolve(t, reg.Host, registry.Options{Hosts: map[string]registry.HostOptions{
			reg.Host: {CA: corp.Pool(), Mirrors: []string{mirror.Host}}, mirror.Host: {CA: pool},
		}}))
		if served := len(reg.Requests()) == 0; served != pool.Equal(other.Pool()) {
			t.Errorf("the mirror serves: %t", served)
		}
	}
}

// TestAuthorityOfOwnPort finds the authority of a host whose URL names the port of HTTPS.
func TestAuthorityOfOwnPort(t *testing.T) {
	corp := registrytest.NewAuthority(t, "corp")
	reg := registrytest.New(t, &registrytest.Options{TLSConfig: &tls.Config{Certificates: []tls.Certificate{corp.Issue("reg.example")}}})
	w := &world{addrs: map[string]string{"reg.example": "93.184.216.34"}, servers: map[string]string{"reg.example": reg.Host}}
	for _, host := range []string{"reg.example", "reg.example:443"} {
		err := resolve(t, host, registry.Options{Transport: w.transport(t), Hosts: map[string]registry.HostOptions{"reg.example": {CA: corp.Pool()}}})
		expectIs(t, err, content.ErrNotFound)
	}
}

// TestNoFallBackFromTLS: a host that may be plain and speaks TLS is not spoken to in the clear because the handshake failed.
func TestNoFallBackFromTLS(t *testing.T) {
	corp := registrytest.NewAuthority(t, "corp")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	var plain, secure atomic.Int32
	done := make(chan struct{})
	config := &tls.Config{Certificates: []tls.Certificate{corp.Issue("127.0.0.1")}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			buffered := &peeked{conn, bufio.NewReader(conn)}
			if first, err := buffered.reader.Peek(1); err == nil && first[0] != 0x16 { // a handshake record
				plain.Add(1)
			} else if err == nil {
				secure.Add(1)
				_ = tls.Server(buffered, config).Handshake() // which fails: that is what the client gets
			}
			conn.Close()
		}
	}()
	host := listener.Addr().String()
	err = resolve(t, host, registry.Options{Hosts: map[string]registry.HostOptions{host: {CA: corp.Pool(), Insecure: true}}, Backoff: registry.Backoff{Tries: 2}})
	expectIs(t, err, registry.ErrUnreachable)
	expectText(t, err, "client_certificate and client_key")
	listener.Close()
	<-done
	if plain.Load() != 0 || secure.Load() == 0 {
		t.Errorf("%d plain and %d secure connections", plain.Load(), secure.Load())
	}
}

// peeked is a connection whose first bytes were looked at.
type peeked struct {
	net.Conn
	reader *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.reader.Read(b) }

// TestGivenTransport keeps the client certificates that a transport has where a host has only an authority, and leaves out a way to dial that would know
// nothing of it.
func TestGivenTransport(t *testing.T) {
	corp := registrytest.NewAuthority(t, "corp")
	reg := signed(t, corp, registrytest.Options{TLSConfig: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: corp.Pool()}})
	given := &http.Transport{
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{corp.Issue("bob")}},
		DialTLSContext:  func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("dialled otherwise") },
	}
	t.Cleanup(given.CloseIdleConnections)
	opts := registry.Options{Transport: given, Hosts: map[string]registry.HostOptions{reg.Host: {CA: corp.Pool()}}, Backoff: registry.Backoff{Tries: 1}}
	check(t, resolve(t, reg.Host, opts))
	opts.Hosts = nil
	expectText(t, resolve(t, reg.Host, opts), "dialled otherwise")
}
