package build

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgscript/imgscript/core/transport"
)

// Permissions say in lists what a run may touch. A list that is nil leaves its default; any other, an empty one too, is all there is of its kind, and "" in
// it stands for nothing. The zero value is that of [DefaultPolicy].
type Permissions struct {
	// Read are directories outside the root, or single files, that may be read. The root may always be read. nil is nothing else. Relative paths are relative
	// to the working directory, and links in them are followed once, by Policy.
	Read []string
	// Net are hosts that may be spoken to, as registries and by fetch: HOST[:PORT] with the port that references have, none being 443 (and 80 of a URL of
	// plain HTTP); *.DOMAIN[:PORT] for all hosts below a domain, however deep; "*" for all. nil is all.
	Net []string
	// Push are the repositories that may be written: HOST/REPOSITORY, where HOST is as in Net, * in REPOSITORY stands for any text without a slash, and ** for one
	// or more of the parts between slashes. nil is all on hosts that Net allows. The images of a Docker daemon are docker-daemon/HOST/REPOSITORY.
	Push []string
	// Out are directories below which layouts may be written, with paths as those of Read; they need not exist. nil is the root.
	Out []string
}

// Policy makes the policy of a run with this root, which is an absolute path without links, or "" for a run without one. The error has everything that is
// wrong with the lists, by the names of the program's flags.
func (p Permissions) Policy(root string) (*Policy, error) {
	read, bad1 := realPaths(flagRead, p.Read, true)
	out, bad2 := realPaths(flagOut, p.Out, false)
	hosts, bad3 := parseAll(flagNet, p.Net, parseHostPattern)
	pushes, bad4 := parseAll(flagPush, p.Push, parsePushPattern)
	if p.Out == nil {
		out = []string{root}
	}
	all := permitted{root: root, read: read, out: out, hosts: hosts, onlyHosts: p.Net != nil, pushes: pushes, onlyPush: p.Push != nil}
	return all.policy(), errors.Join(bad1, bad2, bad3, bad4)
}

// realPaths makes absolute paths without links of the values of a flag.
func realPaths(flag string, values []string, mustExist bool) ([]string, error) {
	return parseAll(flag, values, func(value string) (string, error) {
		full, err := filepath.Abs(value)
		if err == nil && mustExist {
			_, err = os.Stat(full)
		}
		if err != nil {
			return "", reason(err)
		}
		return realPath(full)
	})
}

// parseAll reads the values of a flag; "" adds nothing.
func parseAll[T any](flag string, values []string, parse func(string) (T, error)) (all []T, err error) {
	var bad []error
	for _, value := range values {
		if value == "" {
			continue
		}
		one, err := parse(value)
		if err != nil {
			bad = append(bad, fmt.Errorf("--%s %q: %w", flag, value, err))
			continue
		}
		all = append(all, one)
	}
	return all, errors.Join(bad...)
}

// permitted are permissions, understood. The zero value allows nothing but to read the root, and any host and push.
type permitted struct {
	root      string
	read, out []string
	hosts     []hostPattern
	pushes    []pushPattern
	onlyHosts bool // hosts is all there is
	onlyPush  bool // pushes is
}

func (p *permitted) policy() *Policy {
	return &Policy{Read: p.mayRead, Out: p.mayWrite, Net: p.mayReach, Push: p.mayPush}
}

func (p *permitted) mayRead(name string) error {
	if slices.ContainsFunc(p.read, func(dir string) bool { return within(dir, name) }) {
		return nil
	}
	return noRead(name, p.root)
}

func (p *permitted) mayWrite(name string) error {
	if slices.ContainsFunc(p.out, func(dir string) bool { return dir != "" && within(dir, name) }) {
		return nil
	}
	return noOut(name, p.root)
}

func (p *permitted) mayReach(host string) error {
	if !p.onlyHosts {
		return nil
	}
	h, err := parseHost(host)
	if err == nil && slices.ContainsFunc(p.hosts, func(pattern hostPattern) bool { return pattern.matches(h) }) {
		return nil
	}
	return noNet(host)
}

func (p *permitted) mayPush(repository string) error {
	if !p.onlyPush {
		return nil
	}
	host, name, _ := strings.Cut(repository, "/")
	h, err := parseHost(host)
	if err == nil && slices.ContainsFunc(p.pushes, func(pattern pushPattern) bool { return pattern.matches(h, name) }) {
		return nil
	}
	return noPush(repository)
}

// pushPattern is for repositories.
type pushPattern struct {
	host  hostPattern
	parts []string // between the slashes of the repository's name
}

var errPushPattern = errors.New("want HOST/REPOSITORY without a tag, such as registry.example.com/team/app, registry.example.com/team/* or registry.example.com/**")

func parsePushPattern(s string) (pushPattern, error) {
	host, name, _ := strings.Cut(s, "/")
	if host != "localhost" && host != transport.DockerDaemon && !strings.ContainsAny(host, ".:*") {
		return pushPattern{}, fmt.Errorf("%w; on Docker Hub: docker.io/%s", errPushPattern, s)
	}
	pattern, err := parseHostPattern(host)
	if err != nil {
		return pushPattern{}, errPushPattern
	}
	if pattern.kind == oneHost && pattern.host.name == "docker.io" && !strings.Contains(name, "/") && name != "**" {
		name = "library/" + name // as in references
	}
	parts := strings.Split(name, "/")
	if slices.ContainsFunc(parts, func(part string) bool { return !isPartPattern(part) }) {
		return pushPattern{}, errPushPattern
	}
	return pushPattern{pattern, parts}, nil
}

// isPartPattern reports whether a part is "**", or what repositories may be called, with stars in it.
func isPartPattern(part string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	return part == "**" || strings.ContainsAny(part, letters+"*") && strings.Trim(part, letters+"._-*") == "" && !strings.Contains(part, "**")
}

func (p pushPattern) matches(host hostName, repository string) bool {
	return p.host.matches(host) && matchParts(p.parts, strings.Split(repository, "/"))
}

// matchParts matches part by part; "**" takes one or more.
func matchParts(pattern, parts []string) bool {
	if len(pattern) == 0 || len(parts) == 0 {
		return len(pattern) == len(parts)
	}
	if parts[0] == "" {
		return false
	}
	if pattern[0] == "**" {
		return matchParts(pattern[1:], parts[1:]) || matchParts(pattern, parts[1:])
	}
	ok, err := path.Match(pattern[0], parts[0])
	return err == nil && ok && matchParts(pattern[1:], parts[1:])
}
