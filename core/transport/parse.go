package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layout"
	"github.com/imgscript/imgscript/core/registry"
)

// hub is Docker Hub as references name it.
const hub = "docker.io"

// maxReference is more bytes than the longest host, repository, tag and digest have together. It bounds the time that nonsense can cost.
const maxReference = 1024

// later are transports of skopeo that a reference can name and we cannot open, with what to do instead.
var later = map[string]string{
	"containers-storage": `save to "oci:DIR", which "podman pull oci:DIR" reads`,
}

// Parse reads a reference; the package's doc has the grammar. Errors are [content.ErrInvalid] and quote s and the rule that it breaks; a transport
// that we don't have is [content.ErrUnsupported].
func Parse(s string) (Reference, error) {
	r, err := parse(s)
	if err != nil {
		return Reference{}, fmt.Errorf("reference %s: %w", quote(s), err)
	}
	return r, nil
}

func parse(s string) (Reference, error) {
	if s == "scratch" {
		return Reference{Transport: Scratch}, nil
	}
	prefix, rest, ok := strings.Cut(s, ":")
	if instead := later[prefix]; ok && instead != "" {
		return Reference{}, fmt.Errorf("the transport %s is %w yet: %s", prefix, content.ErrUnsupported, instead)
	}
	switch {
	case ok && (prefix == OCI || prefix == OCIArchive):
		return parseOCI(prefix, rest)
	case ok && prefix == DockerArchive:
		return parseDockerArchive(rest)
	case ok && prefix == DockerDaemon:
		return parseNamed(Reference{Transport: DockerDaemon}, rest)
	case strings.HasPrefix(rest, "//") && prefix == "docker":
		return parseDocker(rest[2:])
	case strings.HasPrefix(rest, "//"):
		return Reference{}, invalid("write it without %s", quote(prefix+"://"))
	}
	return parseDocker(s)
}

// parseOCI reads DIR[:TAG][@DIGEST] of a layout, or the same of a file.
func parseOCI(kind, s string) (Reference, error) {
	r := Reference{Transport: kind}
	name, d, err := cutDigest(s)
	if err != nil {
		return Reference{}, err
	}
	path, tag, tagged := strings.Cut(name, ":")
	r.Path, r.Tag, r.Digest = path, tag, d
	if err := checkPath(r); err != nil {
		return Reference{}, err
	}
	if tagged {
		return r, layout.CheckName(tag)
	}
	return r, nil
}

func checkPath(r Reference) error {
	what := "file"
	if r.Transport == OCI {
		what = "directory"
	}
	switch {
	case r.Path == "":
		return invalid("it names no %s", what)
	case strings.ContainsRune(r.Path, 0):
		return invalid("a path cannot hold a zero byte")
	}
	return nil
}

// parseDockerArchive reads FILE[:NAME[:TAG]].
func parseDockerArchive(s string) (Reference, error) {
	r := Reference{Transport: DockerArchive}
	var name string
	var named bool
	r.Path, name, named = strings.Cut(s, ":")
	if err := checkPath(r); err != nil || !named {
		return r, err
	}
	return parseNamed(r, name)
}

// parseNamed reads the name of an image of Docker's, which has no digest, into r.
func parseNamed(r Reference, name string) (Reference, error) {
	named, err := parseDocker(name)
	switch {
	case name == "":
		return Reference{}, invalid("it names no image; write one as docker tag takes it, such as %s", quote(r.Name()+":app:v1"))
	case err != nil:
		return Reference{}, err
	case named.Digest != "":
		return Reference{}, invalid("an image of Docker's is named by a tag here, not by a digest")
	}
	r.Repository, r.Tag = named.Host+"/"+named.Repository, named.Tag
	return r, nil
}

// cutDigest cuts off "@" and a digest. An "@" with something else behind it is part of a path ("node_modules/@scope").
func cutDigest(s string) (string, digest.Digest, error) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 || !strings.HasPrefix(s[i+1:], "sha256:") && !strings.HasPrefix(s[i+1:], "sha512:") {
		return s, "", nil
	}
	d, err := content.ParseDigest(s[i+1:])
	return s[:i], d, err
}

// parseDocker reads [HOST/]REPO[:TAG][@DIGEST].
func parseDocker(s string) (Reference, error) {
	if len(s) > maxReference {
		return Reference{}, invalid("it has more than %d bytes", maxReference)
	}
	name, dgst, digested := strings.Cut(s, "@")
	r := Reference{Transport: Docker}
	if digested {
		var err error
		if r.Digest, err = content.ParseDigest(dgst); err != nil {
			return Reference{}, err
		}
	}
	if name == "localhost" || strings.HasPrefix(name, "localhost:") && !strings.Contains(name, "/") {
		return Reference{}, invalid("it names a host and no repository; write %s", quote(name+"/REPOSITORY"))
	}
	if _, err := content.ParseDigest(name); err == nil {
		return Reference{}, invalid("a digest alone names no repository; write NAME@%s", name)
	}
	name = lowerHost(name)
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return Reference{}, explain(name, err)
	}
	r.Host, r.Repository = reference.Domain(named), reference.Path(named)
	if r.Host == "" { // "a.b_c/d": the grammar takes it for a path, and who asks a registry needs a host
		return Reference{}, invalid("%s is no host: it may have letters, digits, dots and dashes", quote(strings.Split(name, "/")[0]))
	}
	if t, ok := named.(reference.Tagged); ok {
		r.Tag = t.Tag()
	}
	if r.Host == hub && r.Repository == "library/scratch" {
		return Reference{}, invalid(`"scratch" is no image of Docker Hub; write "scratch" alone for the empty image`)
	}
	return r, checkHost(r.Host, name)
}

// lowerHost writes the host in lower case, if there is one: "GHCR.io/app" is on ghcr.io.
func lowerHost(name string) string {
	host, rest, ok := strings.Cut(name, "/")
	if !ok || !strings.ContainsAny(host, ".:") {
		return name
	}
	return strings.ToLower(host) + "/" + rest
}

// checkHost looks at what the grammar leaves open. The host of "MyName/app" is "MyName" by that grammar, which nobody means.
func checkHost(hostPort, name string) error {
	host, port := splitPort(hostPort)
	if !strings.ContainsAny(hostPort, ".:") && strings.ToLower(host) != host {
		return lowerCase(name)
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return invalid("port %s is not one of 1 to 65535", quote(port))
	}
	if strings.HasPrefix(host, "[") {
		if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil || !addr.Is6() {
			return invalid("%s is no IPv6 address", quote(host))
		}
		return nil
	}
	if len(host) > 253 {
		return invalid("the host's name has more than 253 bytes")
	}
	for label := range strings.SplitSeq(host, ".") {
		if strings.HasPrefix(label, "xn--") {
			return invalid("host %s is in punycode, which can stand for letters that look like others", quote(host))
		}
		if len(label) > 63 {
			return invalid("a part of the host's name has more than 63 bytes")
		}
	}
	return nil
}

// splitPort splits what the grammar has accepted as host and port.
func splitPort(s string) (host, port string) {
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// explain says what keeps name, [HOST/]REPO[:TAG], from being a reference. err is what the grammar said.
func explain(name string, err error) error {
	slash := strings.LastIndexByte(name, '/')
	last, tag, _ := strings.Cut(name[slash+1:], ":")
	repository := name[:slash+1] + last
	lower := strings.ToLower(repository)
	switch {
	case name == "":
		return invalid("it is empty")
	case strings.TrimSpace(name) != name:
		return invalid("there is white space around it")
	case errors.Is(err, reference.ErrNameTooLong):
		return invalid("a repository's name has at most %d bytes", reference.RepositoryNameTotalLengthMax)
	case repository != lower && valid(lower):
		return lowerCase(repository)
	case len(repository) == 64 && valid(repository+":latest"):
		return invalid("64 hexadecimal digits are an image's ID and no name; write NAME@sha256:DIGITS")
	case valid(repository):
		if err := registry.ValidTag(tag); err != nil {
			return err
		}
	}
	return invalid("want [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST], with lower-case letters, digits, and single . _ / or - between them in the repository")
}

func valid(name string) bool {
	_, err := reference.ParseNormalizedNamed(name)
	return err == nil
}

func lowerCase(name string) error {
	return invalid("repository names are lower case; write %s", quote(strings.ToLower(name)))
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{content.ErrInvalid}, args...)...)
}

// quote quotes what somebody wrote, at a length that a message can bear.
func quote(s string) string {
	const most = 300
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return strconv.Quote(s)
}
