package build

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// hostName is a host in the one spelling that permissions compare.
type hostName struct {
	name string // lower case, without a dot at its end; an address in its shortest text, without brackets
	port string // "" is the default one
	addr bool   // it is an address and no name
}

// String writes the host as references and URLs have it.
func (h hostName) String() string {
	name := h.name
	if h.addr && strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if h.port != "" {
		name += ":" + h.port
	}
	return name
}

var errHost = errors.New("want a host, with its port if that is not the default one, such as registry.example.com:5000")

// parseHost reads "host", "host:port", an address with or without a port, or an IPv6 address without brackets.
func parseHost(s string) (hostName, error) {
	name, port, err := splitHostPort(lowerASCII(s))
	if err != nil {
		return hostName{}, err
	}
	name = strings.TrimSuffix(name, ".")
	if addr, err := netip.ParseAddr(name); err == nil && (addr.Zone() == "" || isDomain(addr.Zone())) {
		return hostName{addr.Unmap().String(), port, true}, nil
	}
	if !isDomain(name) {
		return hostName{}, errHost
	}
	if port == "" && (name == "index.docker.io" || name == "registry-1.docker.io") {
		name = "docker.io"
	}
	return hostName{name, port, false}, nil
}

// splitHostPort splits at the port, which is "" where it is the default one.
func splitHostPort(s string) (name, port string, err error) {
	name = s
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if name, rest, ok = strings.Cut(rest, "]"); !ok || !strings.Contains(name, ":") {
			return "", "", errHost
		}
		if port, ok = strings.CutPrefix(rest, ":"); rest != "" && !ok {
			return "", "", errHost
		}
	} else if strings.Count(s, ":") == 1 {
		name, port, _ = strings.Cut(s, ":")
	}
	if port == "" {
		return name, "", nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", "", errHost
	}
	if n == 443 {
		return name, "", nil
	}
	return name, strconv.FormatUint(n, 10), nil
}

// isDomain reports whether a name has letters, digits, dashes and underscores alone between its dots. What else a resolver makes of other names, by folding
// letters that look alike and dots of other scripts, no list can tell.
func isDomain(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// lowerASCII leaves other letters alone: that some of them become ASCII is nothing that somebody means who lists hosts.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// spellHost gives a host its one spelling. What is no host stays what it is.
func spellHost(s string) string {
	h, err := parseHost(s)
	if err != nil {
		return s
	}
	return h.String()
}

// hostPattern is a host, all hosts below a domain, or all hosts.
type hostPattern struct {
	host hostName
	kind patternKind
}

type patternKind uint8

const (
	oneHost patternKind = iota
	belowDomain
	anyHost
)

var errHostPattern = errors.New("want a host, with its port if that is not the default one, such as registry.example.com:5000, or all hosts of a domain, as in *.example.com")

// parseHostPattern reads HOST[:PORT], "*.DOMAIN[:PORT]" for what is below a domain, however deep, or "*".
func parseHostPattern(s string) (hostPattern, error) {
	if s == "*" {
		return hostPattern{kind: anyHost}, nil
	}
	domain, isBelow := strings.CutPrefix(s, "*.")
	host, err := parseHost(domain)
	if err != nil || isBelow && host.addr {
		return hostPattern{}, errHostPattern
	}
	if isBelow {
		return hostPattern{host, belowDomain}, nil
	}
	return hostPattern{host, oneHost}, nil
}

// matches reports whether the pattern is for a host. An address is never below a domain.
func (p hostPattern) matches(h hostName) bool {
	switch p.kind {
	case anyHost:
		return true
	case belowDomain:
		return !h.addr && h.port == p.host.port && strings.HasSuffix(h.name, "."+p.host.name)
	}
	return h == p.host
}
