package transport

import (
	"errors"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

const (
	hex64   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	dgst256 = "sha256:" + hex64
	dgst512 = "sha512:" + hex64 + hex64
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Reference
		full string // what String returns; empty: the input
	}{
		{"node", docker("docker.io", "library/node", "", ""), "docker.io/library/node"},
		{"node:lts-slim", docker("docker.io", "library/node", "lts-slim", ""), "docker.io/library/node:lts-slim"},
		{"docker://node", docker("docker.io", "library/node", "", ""), "docker.io/library/node"},
		{"docker.io/node", docker("docker.io", "library/node", "", ""), "docker.io/library/node"},
		{"library/node", docker("docker.io", "library/node", "", ""), "docker.io/library/node"},
		{"user/img", docker("docker.io", "user/img", "", ""), "docker.io/user/img"},
		{"docker.io/user/img", docker("docker.io", "user/img", "", ""), ""},
		{"index.docker.io/user/img:1", docker("docker.io", "user/img", "1", ""), "docker.io/user/img:1"},
		{"index.docker.io/node", docker("docker.io", "library/node", "", ""), "docker.io/library/node"},
		{"INDEX.Docker.io/node", docker("docker.io", "library/node", "", ""), "docker.io/library/node"},
		{"docker:24-dind", docker("docker.io", "library/docker", "24-dind", ""), "docker.io/library/docker:24-dind"},
		{"oci", docker("docker.io", "library/oci", "", ""), "docker.io/library/oci"},
		{"docker-daemon", docker("docker.io", "library/docker-daemon", "", ""), "docker.io/library/docker-daemon"},
		{"gcr.io/my-project/my-image", docker("gcr.io", "my-project/my-image", "", ""), ""},
		{"GCR.IO/my-project/my-image:V1", docker("gcr.io", "my-project/my-image", "V1", ""), "gcr.io/my-project/my-image:V1"},
		{"localhost/app", docker("localhost", "app", "", ""), ""},
		{"localhost:5000/app:1", docker("localhost:5000", "app", "1", ""), ""},
		{"reg:5000/app", docker("reg:5000", "app", "", ""), ""},
		{"127.0.0.1:5000/a/b/c", docker("127.0.0.1:5000", "a/b/c", "", ""), ""},
		{"[::1]:5000/app:1", docker("[::1]:5000", "app", "1", ""), ""},
		{"[2001:DB8::1]/app", docker("[2001:db8::1]", "app", "", ""), "[2001:db8::1]/app"},
		{"a.io/x__y/z--1/a.b_c", docker("a.io", "x__y/z--1/a.b_c", "", ""), ""},
		{"a.io/x@" + dgst256, docker("a.io", "x", "", dgst256), ""},
		{"a.io/x:1@" + dgst256, docker("a.io", "x", "1", dgst256), ""},
		{"node:20@" + dgst512, docker("docker.io", "library/node", "20", dgst512), "docker.io/library/node:20@" + dgst512},
		{"a.io/x:" + strings.Repeat("a", 128), docker("a.io", "x", strings.Repeat("a", 128), ""), ""},
		{"a.io/" + strings.Repeat("a", 255), docker("a.io", strings.Repeat("a", 255), "", ""), ""},

		{"oci-archive:a.tar", Reference{Transport: OCIArchive, Path: "a.tar"}, ""},
		{"oci-archive:/b/a.tar:v1", Reference{Transport: OCIArchive, Path: "/b/a.tar", Tag: "v1"}, ""},
		{"docker-archive:a.tar", Reference{Transport: DockerArchive, Path: "a.tar"}, ""},
		{"docker-archive:a.tar:app", Reference{Transport: DockerArchive, Path: "a.tar", Repository: "docker.io/library/app"}, ""},
		{"docker-archive:a.tar:library/app:v1", Reference{Transport: DockerArchive, Path: "a.tar", Repository: "docker.io/library/app", Tag: "v1"}, "docker-archive:a.tar:app:v1"},
		{"docker-archive:a.tar:localhost:5000/app:v1", Reference{Transport: DockerArchive, Path: "a.tar", Repository: "localhost:5000/app", Tag: "v1"}, ""},
		{"docker-daemon:app:v1", Reference{Transport: DockerDaemon, Repository: "docker.io/library/app", Tag: "v1"}, ""},
		{"docker-daemon:reg.example.com/app", Reference{Transport: DockerDaemon, Repository: "reg.example.com/app"}, ""},
		{"oci:out", oci("out", "", ""), ""},
		{"oci:out:v1", oci("out", "v1", ""), ""},
		{"oci:a/b:c", oci("a/b", "c", ""), ""},
		{"oci:/abs/dir:latest", oci("/abs/dir", "latest", ""), ""},
		{"oci://images/base:1", oci("//images/base", "1", ""), ""},
		{"oci:../up", oci("../up", "", ""), ""},
		{"oci:.", oci(".", "", ""), ""},
		{"oci:out:docker.io/library/alpine:3.20", oci("out", "docker.io/library/alpine:3.20", ""), ""},
		{"oci:out:a__b", oci("out", "a__b", ""), ""},
		{"oci:out@" + dgst256, oci("out", "", dgst256), ""},
		{"oci:out:v1@" + dgst256, oci("out", "v1", dgst256), ""},
		{"oci:node_modules/@scope/pkg:v1", oci("node_modules/@scope/pkg", "v1", ""), ""},
		{"oci:with space/ü", oci("with space/ü", "", ""), ""},

		{"scratch", Reference{Transport: Scratch}, ""},
	} {
		got, err := Parse(c.in)
		if err != nil || got != c.want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", c.in, got, err, c.want)
			continue
		}
		full := c.full
		if full == "" {
			full = c.in
		}
		if got.String() != full {
			t.Errorf("Parse(%q).String() = %q, want %q", c.in, got, full)
		}
	}
}

func docker(host, repository, tag, dgst string) Reference {
	return Reference{Transport: Docker, Host: host, Repository: repository, Tag: tag, Digest: digest.Digest(dgst)}
}

func oci(path, tag, dgst string) Reference {
	return Reference{Transport: OCI, Path: path, Tag: tag, Digest: digest.Digest(dgst)}
}

// badReference is one that Parse refuses.
type badReference struct {
	in, want string // want is part of the message
	err      error  // nil: ErrInvalid
}

func TestParseErrors(t *testing.T) {
	wantRefused(t, []badReference{
		{"", `reference "": invalid: it is empty`, nil},
		{"docker://", "it is empty", nil},
		{" node", "white space", nil},
		{"node\n", "white space", nil},
		{"Node", `lower case; write "node"`, nil},
		{"gcr.io/My/Image:V1", `lower case; write "gcr.io/my/image"`, nil},
		{"MyOrg/app", `lower case; write "myorg/app"`, nil},
		{"LOCALHOST/app", `lower case; write "localhost/app"`, nil},
		{"node:", `tag ""`, nil},
		{"node:a b", `tag "a b"`, nil},
		{"node:-x", `tag "-x"`, nil},
		{"node:" + strings.Repeat("a", 129), "at most 127", nil},
		{"a.io/" + strings.Repeat("a", 256), "at most 255 bytes", nil},
		{"node@sha256:abc", `digest "sha256:abc"`, nil},
		{"node@" + strings.ToUpper(dgst256), "digest", nil},
		{"node@md5:" + hex64[:32], "digest", nil},
		{"node@" + dgst256 + "@" + dgst256, "digest", nil},
		{"node@" + dgst256 + ":tag", "digest", nil},
		{"node@", "digest", nil},
		{"@" + dgst256, "it is empty", nil},
		{hex64, "an image's ID", nil},
		{dgst256, "write NAME@" + dgst256, nil},
		{"localhost:5000", `write "localhost:5000/REPOSITORY"`, nil},
		{"localhost", `write "localhost/REPOSITORY"`, nil},
		{"a.io/", "want [HOST", nil},
		{"/node", "want [HOST", nil},
		{"a.io//node", "want [HOST", nil},
		{"a.io/../node", "want [HOST", nil},
		{"a.io/no\x1b[31mde", `"a.io/no\x1b[31mde"`, nil},
		{"a.io:0/node", `port "0"`, nil},
		{"a.io:65536/node", `port "65536"`, nil},
		{"a.io:x/node", "want [HOST", nil},
		{"[::1/node", "want [HOST", nil},
		{"[1:2]/node", "no IPv6 address", nil},
		{"[fe80::1%25eth0]/node", "want [HOST", nil},
		{"xn--80ak6aa92e.com/app", "punycode", nil},
		{"a.XN--80ak6aa92e.com/app", "punycode", nil},
		{"аpple.com/app", "want [HOST", nil}, // a Cyrillic а
		{strings.Repeat("a", 64) + ".io/app", "more than 63", nil},
		{strings.Repeat("a.", 127) + "io/app", "more than 253", nil},
		{"a.b_c/app", `"a.b_c" is no host`, nil},
		{strings.Repeat("a/", 600) + "b", "more than 1024 bytes", nil},
		{"https://ghcr.io/app", `write it without "https://"`, nil},
		{"http://ghcr.io/app", `write it without "http://"`, nil},
		{"docker://docker://node", "want [HOST", nil},
		{"scratch:latest", `write "scratch" alone`, nil},
		{"docker.io/library/scratch", `write "scratch" alone`, nil},
	})
}

func TestParseErrorsOfTransports(t *testing.T) {
	wantRefused(t, []badReference{
		{"oci:", "names no directory", nil},
		{"oci::v1", "names no directory", nil},
		{"oci:@" + dgst256, "names no directory", nil},
		{"oci:out:", `name ""`, nil},
		{"oci:out:a b", `name "a b"`, nil},
		{"oci:out:" + dgst256, "looks like a digest", nil},
		{"oci:out@sha256:../../x", "digest", nil},
		{"oci:a\x00b", "zero byte", nil},

		{"oci-archive:", "it names no file", content.ErrInvalid},
		{"docker-archive::app", "it names no file", content.ErrInvalid},
		{"docker-archive:x.tar:", "it names no image", content.ErrInvalid},
		{"docker-archive:x.tar:App", "lower case", content.ErrInvalid},
		{"docker-archive:x.tar:app@" + dgst256, "not by a digest", content.ErrInvalid},
		{"docker-daemon:", "it names no image", content.ErrInvalid},
		{"docker-daemon:" + dgst256, "a digest", content.ErrInvalid},
		{"containers-storage:app", `save to "oci:DIR"`, content.ErrUnsupported},
	})
}

func wantRefused(t *testing.T, refs []badReference) {
	t.Helper()
	for _, c := range refs {
		got, err := Parse(c.in)
		want := c.err
		if want == nil {
			want = content.ErrInvalid
		}
		if !errors.Is(err, want) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse(%q): got error %v, want one with %q", c.in, err, c.want)
		}
		if got != (Reference{}) {
			t.Errorf("Parse(%q) returned %+v with its error", c.in, got)
		}
	}
}

// FuzzParse: what is accepted is written back and read as the same; and of registries' references distribution/reference
// says the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"node", "docker://user/img:1@" + dgst256, "[::1]:5000/app", "A.io/x:Y", "localhost:5000/a", "oci:a@b:c@" + dgst512, "oci://x:y",
		"scratch", "docker-daemon:x", "xn--a.b/c", "64/" + hex64, "a.io:70000/b", "index.docker.io/x", "oci:@scope/p:1", "_/x", "a__b/c--d:e..f",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			if r != (Reference{}) || !errors.Is(err, content.ErrInvalid) && !errors.Is(err, content.ErrUnsupported) {
				t.Errorf("Parse(%q) = %+v, %v", s, r, err)
			}
			return
		}
		for _, again := range []string{r.String(), r.Familiar()} {
			if got, err := Parse(again); err != nil || got != r {
				t.Errorf("Parse(%q) is written %q, which reads as %+v, %v", s, again, got, err)
			}
		}
		if r.Transport == Docker {
			wantSameAsDocker(t, s, r)
		}
	})
}

func wantSameAsDocker(t *testing.T, s string, r Reference) {
	t.Helper()
	theirs, err := reference.ParseNormalizedNamed(lowerHost(strings.TrimPrefix(s, "docker://")))
	if err != nil {
		t.Errorf("Parse(%q) = %q, which Docker refuses: %v", s, r, err)
		return
	}
	if theirs.String() != r.String() || reference.Domain(theirs) != r.Host || reference.Path(theirs) != r.Repository {
		t.Errorf("Parse(%q) = %q, which Docker reads as %q", s, r, theirs)
	}
}
