package registry

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"testing"
)

func TestReach(t *testing.T) {
	for text, want := range map[string]reach{
		"93.184.216.34": public, "2606:2800:220:1::1": public, "172.32.0.1": public, "100.128.0.1": public,
		"10.0.0.1": private, "172.16.0.1": private, "192.168.1.1": private, "100.64.0.1": private, "fd12::1": private, "::ffff:10.0.0.1": private,
		"127.0.0.1": loopback, "127.8.8.8": loopback, "::1": loopback, "::ffff:127.0.0.1": loopback, "64:ff9b::7f00:1": loopback, "2002:7f00:1::": loopback,
		"169.254.169.254": linkLocal, "fe80::1": linkLocal, "fe80::1%eth0": linkLocal, "0.0.0.0": linkLocal, "::": linkLocal, "224.0.0.1": linkLocal,
		"255.255.255.255": linkLocal, "64:ff9b::a9fe:a9fe": linkLocal, "fd00:ec2::254": linkLocal, "198.18.0.1": linkLocal, "0.1.2.3": linkLocal,
		"fd20:ce::254": linkLocal, "168.63.129.16": linkLocal, "168.63.129.17": public, "100.100.100.200": linkLocal, "::ffff:168.63.129.16": linkLocal,
		"64:ff9b:1::a00:1": private, "2001:0:4136:e378:8000:63bf:3fff:fdd2": linkLocal, "2001:4860::1": public,
	} {
		if got := reachOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for name, want := range map[string]reach{
		"localhost": loopback, "LOCALHOST.": loopback, "x.localhost": loopback, "[::1]": loopback, "10.0.0.1": private,
		"reg.example": public, "localhost.example": public,
		"0x7f.1": public, "2130706433": public, "127.1": public, // names to us: whatever they become is vetted when it is dialled
	} {
		if got := literalReach(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestVettedDial looks at the address that is dialled, and not at the name.
func TestVettedDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	opts := (&Options{}).withDefaults()
	r := newRoutes(&opts)
	for _, name := range []string{"localhost", "127.0.0.1"} {
		_, err := r.dial(private)(t.Context(), "tcp", net.JoinHostPort(name, port))
		if !errors.As(err, new(*egressError)) {
			t.Errorf("%s: got error %v, want a refusal", name, err)
		}
		conn, err := r.dial(loopback)(t.Context(), "tcp", net.JoinHostPort(name, port))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		conn.Close()
	}
}

func TestParseRange(t *testing.T) {
	for header, want := range map[string]int64{
		"0-1023": 1024, "bytes=0-9": 10, "0-0": 0, "0--1": 0, " 0-5": 6,
		"": -1, "1-5": -1, "0-": -1, "-5": -1, "0-x": -1, "0--2": -1, "0-9223372036854775807": -1,
	} {
		got, ok := parseRange(header)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %d, want %d", header, got, want)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"0-1023", "bytes=0-9", "0--1", "0-99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if n, ok := parseRange(header); ok && (n < 0 || n > 1<<62) {
			t.Errorf("%q: %d", header, n)
		}
	})
}

// TestIntake finds a size of parts that a host takes, whatever its limit.
func TestIntake(t *testing.T) {
	const mib = 1 << 20
	for _, limit := range []int64{128 << 10, mib, 4 * mib, 5 * mib, 100 * mib} {
		i := newIntake("reg.example", 0)
		size, refusals := int64(1<<30), 1
		if i.way(size) != wayPut || !i.tooBig(size) || i.way(size) != wayChunks {
			t.Fatal("a refused blob is not sent in parts")
		}
		parts := 0
		for sent := int64(0); sent < size; {
			n := min(i.chunk(0), size-sent)
			if n > limit {
				if refusals++; !i.tooBig(n) || refusals > 10 {
					t.Fatalf("limit %d: gave up at parts of %d", limit, n)
				}
				continue
			}
			i.took(n)
			sent += n
			parts++
		}
		if most := int(4*size/min(limit, mostChunk)) + 10; parts > most {
			t.Errorf("limit %d: %d parts, want at most %d", limit, parts, most)
		}
	}
	i := newIntake("reg.example", 0)
	i.tooBig(1 << 30)
	if n := i.chunk(1 << 40); n != mostChunk {
		t.Errorf("a server asked for parts of 1 TiB and gets %d", n)
	}
	if spared := newIntake("reg.example", 0); spared.tooBig(leastChunk) || spared.way(1<<30) != wayPut {
		t.Error("because next to nothing was called too big, all others are sent in crumbs")
	}
	if google := newIntake("eu.gcr.io", 0); google.tooBig(1<<30) || google.way(1<<30) != wayPut {
		t.Error("Google's get parts")
	}
}

// TestAllowsRealm allows what the configuration of the very registry names.
func TestAllowsRealm(t *testing.T) {
	opts := Options{Hosts: map[string]HostOptions{"reg.example": {AuthRealms: []string{"Auth.example", "docker.io"}}}}
	for realm, want := range map[string]bool{"https://auth.example/token": true, "https://auth.example:8443/token": false, "https://x.auth.example/": false, "https://other.example/": false} {
		u, err := url.Parse(realm)
		if err != nil {
			t.Fatal(err)
		}
		if got := opts.allowsRealm("reg.example", "reg.example", u); got != want {
			t.Errorf("%s: %t", realm, got)
		}
		if opts.allowsRealm("other.example", "other.example", u) {
			t.Errorf("%s is allowed for another registry", realm)
		}
	}
}
