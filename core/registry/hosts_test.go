package registry_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// world is a network of names, all of them served on loopback, each with an address that it seems to have.
type world struct {
	addrs   map[string]string // name to address
	servers map[string]string // name to where it listens
}

type seemingConn struct {
	net.Conn
	addr net.Addr
}

func (c seemingConn) RemoteAddr() net.Addr { return c.addr }

func (w *world) transport(t *testing.T) *http.Transport {
	tr := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		name, _, _ := net.SplitHostPort(addr)
		if w.servers[name] == "" {
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, w.servers[name])
		if err != nil {
			return nil, err
		}
		return seemingConn{conn, &net.TCPAddr{IP: net.ParseIP(w.addrs[name]), Port: 80}}, nil
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// TestEgress lets a registry lead no nearer than it is itself, by whatever it names: uploads, redirects, token servers.
func TestEgress(t *testing.T) {
	for _, test := range []struct {
		name, registry, victim string
		opts                   registry.HostOptions
		allowed                bool
	}{
		{"public to public", "93.184.216.34", "93.184.216.35", registry.HostOptions{}, true},
		{"public to private", "93.184.216.34", "10.0.0.5", registry.HostOptions{}, false},
		{"public to this computer", "93.184.216.34", "127.0.0.1", registry.HostOptions{}, false},
		{"public to the metadata service", "93.184.216.34", "169.254.169.254", registry.HostOptions{}, false},
		{"public to carrier-grade NAT", "93.184.216.34", "100.64.0.1", registry.HostOptions{}, false},
		{"public to unique local", "2606:2800:220:1::1", "fd12::1", registry.HostOptions{}, false},
		{"public to mapped loopback", "93.184.216.34", "::ffff:127.0.0.1", registry.HostOptions{}, false},
		{"private to private", "10.0.0.4", "192.168.0.5", registry.HostOptions{}, true},
		{"private to this computer", "10.0.0.4", "127.0.0.1", registry.HostOptions{}, false},
		{"private to the metadata service", "10.0.0.4", "169.254.169.254", registry.HostOptions{}, false},
		{"public to private, as configured", "93.184.216.34", "10.0.0.5", registry.HostOptions{AllowPrivate: true}, true},
	} {
		for how, fault := range map[string]registrytest.Fault{
			"upload":   {Method: "POST", Times: -1, Status: 202, Header: http.Header{"Location": {"http://victim.example/x"}}},
			"redirect": {Method: "POST", Times: -1, Status: 307, Header: http.Header{"Location": {"http://victim.example/x"}}},
			"realm":    {Method: "POST", Times: -1, Status: 401, Header: http.Header{"Www-Authenticate": {`Bearer realm="http://victim.example/token",service="x"`}}},
		} {
			t.Run(test.name+"/"+how, func(t *testing.T) {
				t.Parallel()
				reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{fault}})
				var seen atomic.Int32
				w := &world{
					addrs:   map[string]string{"reg.example": test.registry, "victim.example": test.victim},
					servers: map[string]string{"reg.example": reg.Host, "victim.example": counting(t, &seen)},
				}
				c := newClient(t, &registry.Options{
					Transport: w.transport(t), Insecure: []string{"reg.example"}, Backoff: registry.Backoff{Tries: 2},
					Hosts: map[string]registry.HostOptions{"reg.example": test.opts},
				})
				err := c.Repository("reg.example", "app").Push(t.Context(), small.desc, small.open)
				if test.allowed != (seen.Load() > 0) {
					t.Errorf("%d requests there, error %v", seen.Load(), err)
				}
				if !test.allowed && (err == nil || !strings.Contains(err.Error(), "refused connection to ")) {
					t.Errorf("got error %v, want a refusal", err)
				}
			})
		}
	}
}

// counting is a server that counts what it is asked.
func counting(t *testing.T, seen *atomic.Int32) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// TestStaleTokens gets one new token where a registry refuses an old one without a challenge, and only one.
func TestStaleTokens(t *testing.T) {
	for name, quirks := range map[string]registrytest.Quirks{"ECR": {ExpiredStatus: 403}, "ECR Public": {ExpiredStatus: 400}} {
		for _, job := range jobs() {
			t.Run(name+"/"+job.name, func(t *testing.T) {
				t.Parallel()
				reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer, Users: users, Quirks: quirks})
				reg.PushImage("app", "v1", registrytest.Image{})
				clock := &clock{now: time.Now()}
				kc := keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})
				repo := newClient(t, &registry.Options{Keychain: kc, Now: clock.Now}).Repository(reg.Host, "app")
				check(t, job.run(t.Context(), reg, repo))
				for range 2 {
					reg.RevokeTokens()
					check(t, clock.Sleep(t.Context(), time.Minute))
					check(t, job.run(t.Context(), reg, repo))
					check(t, clock.Sleep(t.Context(), 10*time.Minute))
				}
			})
		}
	}
	reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer, Users: users})
	reg.PushImage("app", "v1", registrytest.Image{})
	repo := newClient(t, &registry.Options{Keychain: keychain(t, auth.Map{reg.Host: {Username: "alice", Secret: "wonder"}})}).Repository(reg.Host, "app")
	_, err := repo.Resolve(t.Context(), "v1")
	check(t, err)
	reg.SetFaults(registrytest.Fault{Class: registrytest.ClassTags, Times: -1, Status: 403, Body: "Your authorization token has expired."})
	for range 3 {
		_, err = repo.Tags(t.Context())
		expectIs(t, err, registry.ErrDenied)
	}
	if n := reg.Count("", registrytest.ClassToken); n > 2 {
		t.Errorf("%d tokens, want 2", n)
	}
}
