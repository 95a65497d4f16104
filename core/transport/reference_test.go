package transport

import (
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

func mustParse(t *testing.T, s string) Reference {
	t.Helper()
	r, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReference(t *testing.T) {
	for _, c := range []struct{ in, name, familiar, tagOrLatest, identifier string }{
		{"node", "docker.io/library/node", "node", "latest", "latest"},
		{"docker.io/user/app:1", "docker.io/user/app", "user/app:1", "1", "1"},
		{"docker.io/library/a/b", "docker.io/library/a/b", "library/a/b", "latest", "latest"},
		{"docker.io/foo.bar/app", "docker.io/foo.bar/app", "docker.io/foo.bar/app", "latest", "latest"},
		{"docker.io/library/oci:dir", "docker.io/library/oci", "library/oci:dir", "dir", "dir"},
		{"gcr.io/p/i", "gcr.io/p/i", "gcr.io/p/i", "latest", "latest"},
		{"node@" + dgst256, "docker.io/library/node", "node@" + dgst256, "", dgst256},
		{"node:20@" + dgst256, "docker.io/library/node", "node:20@" + dgst256, "20", dgst256},
		{"oci:out", "oci:out", "oci:out", "latest", ""},
		{"oci:out:v1", "oci:out", "oci:out:v1", "v1", "v1"},
		{"oci:out:v1@" + dgst256, "oci:out", "oci:out:v1@" + dgst256, "v1", dgst256},
		{"scratch", "scratch", "scratch", "latest", ""},
	} {
		r := mustParse(t, c.in)
		if r.Name() != c.name || r.Familiar() != c.familiar || r.TagOrLatest() != c.tagOrLatest || r.Identifier() != c.identifier {
			t.Errorf("%s: Name %q, Familiar %q, TagOrLatest %q, Identifier %q; want %q, %q, %q, %q", c.in,
				r.Name(), r.Familiar(), r.TagOrLatest(), r.Identifier(), c.name, c.familiar, c.tagOrLatest, c.identifier)
		}
	}
	if s := (Reference{}).String(); s != "" {
		t.Errorf("the zero value is %q", s)
	}
}

func TestWithTagAndDigest(t *testing.T) {
	for _, c := range []struct{ in, tag, want string }{
		{"gcr.io/p/i:1@" + dgst256, "2", "gcr.io/p/i:2"},
		{"gcr.io/p/i:1@" + dgst256, "", "gcr.io/p/i"},
		{"oci:out", "a/b:c", "oci:out:a/b:c"},
	} {
		got, err := mustParse(t, c.in).WithTag(c.tag)
		if err != nil || got != mustParse(t, c.want) {
			t.Errorf("%s with tag %q: got %v, %v; want %s", c.in, c.tag, got, err, c.want)
		}
	}
	for _, c := range []struct{ in, tag string }{{"gcr.io/p/i", "a/b"}, {"gcr.io/p/i", "a b"}, {"oci:out", "a b"}, {"scratch", "x"}} {
		if got, err := mustParse(t, c.in).WithTag(c.tag); !errors.Is(err, content.ErrInvalid) || got != (Reference{}) {
			t.Errorf("%s with tag %q: got %v, %v; want ErrInvalid", c.in, c.tag, got, err)
		}
	}
	if got := mustParse(t, "gcr.io/p/i:1").WithDigest(digest.Digest(dgst256)); got != mustParse(t, "gcr.io/p/i@"+dgst256) {
		t.Errorf("with digest: %v", got)
	}
}
