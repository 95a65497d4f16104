package registry

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// reach is how near an address is. A URL that a server supplied may lead as near as the server itself is, and no nearer: a registry on the
// Internet to the Internet, one in a private network into such networks, one on this computer to this computer.
type reach int32

// From far to near. Link-local addresses are the last because clouds serve credentials there.
const (
	public    reach = iota
	private         // RFC 1918, unique local, carrier-grade NAT
	loopback        // this computer
	linkLocal       // link-local, and what is nobody's address
	anywhere  = linkLocal
)

// String says it for errors.
func (r reach) String() string {
	return [...]string{"a public address", "a private address", "an address of this computer", "a link-local or reserved address"}[r]
}

func (r reach) allows(other reach) bool { return other <= r }

// check reports whether an "address:port" may be dialled.
func (r reach) check(address string) error {
	near, ok := addressReach(address)
	if ok && r.allows(near) {
		return nil
	}
	what := "not an address"
	if ok {
		what = near.String()
	}
	return &egressError{"connection", printable(address), fmt.Sprintf("it is %s", what)}
}

// addressReach reads "address:port"; a name is not one.
func addressReach(address string) (reach, bool) {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return public, false
	}
	return reachOf(ap.Addr()), true
}

// literalReach is the reach of a host as it is written in a URL: an address, or one of the names of this computer. Any other name is public
// until it is dialled.
func literalReach(name string) reach {
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return loopback
	}
	addr, err := netip.ParseAddr(name)
	if err != nil {
		return public
	}
	return reachOf(addr)
}

// special are the networks that netip does not tell from public ones (IANA special-purpose address registries).
var special = []struct {
	prefix netip.Prefix
	reach  reach
}{
	{netip.MustParsePrefix("100.64.0.0/10"), private}, // RFC 6598
	{netip.MustParsePrefix("0.0.0.0/8"), linkLocal},
	{netip.MustParsePrefix("192.0.0.0/24"), linkLocal},
	{netip.MustParsePrefix("198.18.0.0/15"), linkLocal},
	{netip.MustParsePrefix("240.0.0.0/4"), linkLocal},
	{netip.MustParsePrefix("fec0::/10"), private},
	{netip.MustParsePrefix("100::/64"), linkLocal},
	{netip.MustParsePrefix("64:ff9b:1::/48"), private}, // NAT64 of a network's own, RFC 8215
	{netip.MustParsePrefix("2001::/32"), linkLocal},    // Teredo, of old
}

// services are the addresses by which clouds give credentials to the machines in them, and that are not link-local.
var services = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // Amazon
	netip.MustParseAddr("fd20:ce::254"),    // Google
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("100.100.100.200"), // Alibaba
}

// embedded are the networks of IPv6 that carry an address of IPv4 from the given byte on.
var embedded = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4
	{netip.MustParsePrefix("::/96"), 12},        // compatible, of old
}

func reachOf(addr netip.Addr) reach {
	addr = addr.Unmap().WithZone("")
	switch {
	case slices.Contains(services, addr):
		return linkLocal
	case addr.IsLoopback():
		return loopback
	case addr.IsPrivate():
		return private
	case !addr.IsGlobalUnicast():
		return linkLocal
	}
	for _, s := range special {
		if s.prefix.Contains(addr) {
			return s.reach
		}
	}
	for _, e := range embedded {
		if e.prefix.Contains(addr) {
			bytes := addr.As16()
			return reachOf(netip.AddrFrom4([4]byte(bytes[e.at : e.at+4])))
		}
	}
	return public
}
