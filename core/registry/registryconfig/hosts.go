package registryconfig

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/imgscript/imgscript/core/registry"
)

// The bounds of chunk_size in bytes, which registry.HostOptions has.
const (
	leastChunk = 64 << 10
	mostChunk  = 64 << 20
)

// maxMirrors is the number of mirrors that a host may have.
const maxMirrors = 20

// forAll are the keys that AnyHost may have.
var forAll = []string{"ca", "chunk_size", "requests_per_second", "transfers"}

// hosts reads the section of that name. What AnyHost says holds for the others where they don't say otherwise.
func (r *reader) hosts(v value) map[string]registry.HostOptions {
	all := map[string]registry.HostOptions{}
	entries := map[string]value{}
	names := map[string]string{} // as they were written, by what they mean
	r.entries(v, func(key value) string { return key.node.Value }, func(key, v value) {
		name := key.node.Value
		if name == registry.AnyHost {
			all[name] = r.anyHost(v)
			return
		}
		key.name = "hosts"
		if problem := hostProblem(name); problem != "" {
			r.fail(key, "%s", problem)
			return
		}
		host := canonical(name)
		if other, ok := names[host]; ok {
			r.fail(key, "%s and %s are the same host", name, other)
			return
		}
		names[host], entries[host] = name, v
	})
	for _, host := range slices.Sorted(maps.Keys(entries)) {
		all[host] = r.host(entries[host], all[registry.AnyHost])
	}
	return all
}

// anyHost reads the entry of AnyHost.
func (r *reader) anyHost(v value) registry.HostOptions {
	var h registry.HostOptions
	known := r.hostFields(&h)
	for key := range known {
		if !slices.Contains(forAll, key) {
			known[key] = func(v value) {
				r.fail(v, "it has to be said of each host: for all there are %s", strings.Join(forAll, ", "))
			}
		}
	}
	r.fields(v, strconv.Quote(registry.AnyHost), known)
	return h
}

// host reads the entry of one host, over what holds for all.
func (r *reader) host(v value, h registry.HostOptions) registry.HostOptions {
	var certificate, key pemFile
	known := r.hostFields(&h)
	known["mirrors"] = func(of value) { h.Mirrors = r.mirrors(of, v.name) }
	known["client_certificate"] = func(v value) { certificate = r.pem(v) }
	known["client_key"] = func(v value) { key = r.pem(v) }
	r.fields(v, v.name, known)
	switch {
	case certificate.given && !key.given:
		r.fail(certificate.at, "client_key is missing: a certificate without its key proves nothing")
	case key.given && !certificate.given:
		r.fail(key.at, "client_certificate is missing")
	case certificate.data != nil && key.data != nil:
		pair, err := tls.X509KeyPair(certificate.data, key.data)
		if err != nil { // its texts quote nothing of the files
			r.fail(certificate.at, "with client_key: %s", strings.TrimPrefix(err.Error(), "tls: "))
		}
		h.Certificates = []tls.Certificate{pair}
	}
	return h
}

// hostFields are the keys that stand each for itself. Those that host adds are here for their names alone.
func (r *reader) hostFields(h *registry.HostOptions) fields {
	return fields{
		"mirrors":             nil,
		"client_certificate":  nil,
		"client_key":          nil,
		"insecure":            func(v value) { h.Insecure = r.flag(v) },
		"allow_private":       func(v value) { h.AllowPrivate = r.flag(v) },
		"ca":                  func(v value) { h.CA = r.authorities(v) },
		"auth_realms":         func(v value) { h.AuthRealms = r.realms(v) },
		"requests_per_second": func(v value) { h.RequestsPerSecond = r.number(v, 0.01, 1e6) },
		"transfers":           func(v value) { h.Transfers = r.integer(v, 1, 100) },
		"chunk_size":          func(v value) { h.ChunkSize = r.size(v, leastChunk, mostChunk) },
	}
}

// mirrors reads the mirrors of a host.
func (r *reader) mirrors(v value, of string) []string {
	var all []string
	r.list(v, func(v value) {
		text, ok := r.text(v)
		if !ok {
			return
		}
		name, path, found := strings.Cut(strings.TrimSuffix(text, "/"), "/")
		problem := hostProblem(name)
		if strings.Contains(text, "://") {
			problem = hostProblem(text)
		}
		switch {
		case problem != "":
			r.fail(v, "%s", problem)
		case found && !pathPattern.MatchString(path):
			r.fail(v, "the path %s: want what repositories have before their names there, such as mirror.lan:5000/hub", quote(path))
		case canonical(name) == canonical(of) && !found:
			r.fail(v, "%s can't be a mirror of itself", name)
		case len(all) == maxMirrors:
			r.fail(v, "more than %d mirrors", maxMirrors)
		case slices.Contains(all, text):
			r.fail(v, "%s is in the list already", text)
		default:
			all = append(all, strings.TrimSuffix(text, "/"))
		}
	})
	return all
}

// pathPattern is a repository's name (distribution-spec, "Pulling manifests").
var pathPattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// realms reads the token servers that get the credentials of a host.
func (r *reader) realms(v value) []string {
	var all []string
	r.list(v, func(v value) {
		text, ok := r.text(v)
		if !ok {
			return
		}
		if problem := hostProblem(text); problem != "" {
			r.fail(v, "%s", problem)
		}
		all = append(all, text)
	})
	return all
}

// hostProblem says what is wrong with a host, or "". It shows nothing of one that may have a password in it.
func hostProblem(name string) string {
	switch {
	case name == "":
		return "want a host, got an empty text"
	case strings.Contains(name, "@"):
		return "want a host without a user: credentials have a section of their own"
	case strings.Contains(name, "://"):
		return quote(name) + ": want a host without https://; one that speaks plain HTTP has an entry with insecure: true"
	case strings.Contains(name, "/"):
		return quote(name) + ": want a host without a path"
	}
	u, err := url.Parse("//" + name)
	if err != nil || u.Host != name || !hostPattern.MatchString(u.Hostname()) && !isAddress(u.Hostname()) {
		return quote(name) + ": want a host, with its port if references have it, such as reg.example.com:5000"
	}
	if _, port, found := strings.Cut(strings.TrimPrefix(name, "["+u.Hostname()+"]"), ":"); found {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return quote(name) + ": want a port from 1 to 65535"
		}
	}
	return ""
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?$`)

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// canonical gives the spellings of a host one.
func canonical(name string) string {
	name = strings.ToLower(name)
	if name == "index.docker.io" || name == "registry-1.docker.io" {
		return "docker.io"
	}
	return name
}

// authorities reads certificates that are trusted beside the system's, as Docker and its kin do.
func (r *reader) authorities(v value) *x509.CertPool {
	file := r.pem(v)
	if file.data == nil {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(file.data) {
		r.fail(v, "%s has no certificate in PEM that could be read", quote(file.path))
	}
	return pool
}

// pemFile is a file with certificates or keys.
type pemFile struct {
	at    value
	given bool
	path  string
	data  []byte // nil if it could not be read
}

func (r *reader) pem(v value) pemFile {
	file := pemFile{at: v, given: true}
	text, ok := r.text(v)
	if !ok {
		return file
	}
	file.path = r.path(text)
	data, err := r.opts.ReadFile(file.path, maxPEM)
	if err != nil {
		r.fail(v, "%s: %s", quote(file.path), reason(err))
		return file
	}
	file.data = append([]byte{}, data...)
	return file
}

var sizePattern = regexp.MustCompile(`^(\d{1,9}) ?([KM]i?B)?$`)

// size reads a number of bytes: 1048576, 1024KiB, 1MiB, 1MB.
func (r *reader) size(v value, least, most int64) int64 {
	node := resolve(v.node)
	m := sizePattern.FindStringSubmatch(node.Value)
	if m == nil {
		r.fail(v, "want a size such as 8MiB")
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 10, 64) // it has at most nine digits
	n *= map[string]int64{"": 1, "KB": 1e3, "MB": 1e6, "KiB": 1 << 10, "MiB": 1 << 20}[m[2]]
	if n < least || n > most {
		r.fail(v, "want a size from %dKiB to %dMiB", least>>10, most>>20)
		return 0
	}
	return n
}
