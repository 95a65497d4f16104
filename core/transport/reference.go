package transport

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layout"
	"github.com/imgscript/imgscript/core/registry"
)

// The transports.
const (
	Docker  = "docker"  // a registry
	OCI     = "oci"     // an OCI layout directory
	Scratch = "scratch" // the empty image; nothing to open

	OCIArchive    = "oci-archive"    // a file: a tar of an OCI layout
	DockerArchive = "docker-archive" // a file: what docker save writes and docker load reads
	DockerDaemon  = "docker-daemon"  // the images of a Docker daemon
)

// Reference names an image, or the repository for one. Two references are equal (==) when they were written alike but for Docker's short forms. The
// zero value names nothing.
type Reference struct {
	Transport  string
	Host       string        // of Docker: lower case, with its port if one was given
	Repository string        // of Docker: without the host, with "library/"; of docker-archive and docker-daemon: with it, "" when no image is named
	Path       string        // of OCI: the directory as written; of archives: the file
	Tag        string        // empty when none was given
	Digest     digest.Digest // empty when none was given
}

// String returns what [Parse] reads as the same reference: "docker.io/library/node:lts", "oci:out:v1", "scratch"; empty for the zero value.
func (r Reference) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest.String()
	}
	return s
}

// Name returns the reference without tag and digest: "docker.io/library/node", "oci:out", "scratch". References with one name are of one repository.
func (r Reference) Name() string {
	switch r.Transport {
	case Docker:
		return r.Host + "/" + r.Repository
	case OCI, OCIArchive:
		return r.Transport + ":" + r.Path
	case DockerArchive, DockerDaemon:
		name := r.Transport
		for _, part := range []string{r.Path, shortName(r.Repository)} {
			if part != "" {
				name += ":" + part
			}
		}
		return name
	}
	return r.Transport
}

// shortName is a name of Docker's as docker images shows it.
func shortName(full string) string {
	named, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return full
	}
	return reference.FamiliarName(named)
}

// IsLocal reports whether the reference is of files on this computer.
func (r Reference) IsLocal() bool { return r.Path != "" }

// IsArchive reports whether the reference is of a file that is written as a whole.
func (r Reference) IsArchive() bool { return r.Transport == OCIArchive || r.Transport == DockerArchive }

// Familiar returns the reference as Docker's users write it: "node:lts" for "docker.io/library/node:lts". Everything but Docker Hub's names
// is as in String.
func (r Reference) Familiar() string {
	full := r.String()
	if r.Transport != Docker || r.Host != hub {
		return full
	}
	short := strings.TrimPrefix(full, hub+"/")
	for _, s := range []string{strings.TrimPrefix(short, "library/"), short} {
		if same, err := Parse(s); err == nil && same == r { // "docker.io/foo.bar/app" has no short form: foo.bar would be a host
			return s
		}
	}
	return full
}

// TagOrLatest returns the tag, or "latest" when neither a tag nor a digest was given, as Docker does; empty with a digest alone.
func (r Reference) TagOrLatest() string {
	if r.Tag == "" && r.Digest == "" && !r.nameless() {
		return "latest"
	}
	return r.Tag
}

// nameless reports whether the reference is of a Docker archive and names no image in it.
func (r Reference) nameless() bool { return r.Transport == DockerArchive && r.Repository == "" }

// Identifier returns the name to give to Resolve of what [Open] opened: the digest, else the tag, else on a registry "latest" and in a
// layout the empty name, which stands for its only image.
func (r Reference) Identifier() string {
	switch {
	case r.Digest != "":
		return r.Digest.String()
	case r.Transport == Docker:
		return r.TagOrLatest()
	case r.Repository != "":
		return r.TagOrLatest()
	}
	return r.Tag
}

// WithTag returns the reference by that tag instead of its own tag and digest; an empty tag takes both away. A tag that the transport does not allow is
// content.ErrInvalid.
func (r Reference) WithTag(tag string) (Reference, error) {
	r.Digest, r.Tag = "", tag
	if tag == "" {
		return r, nil
	}
	if err := r.checkTag(); err != nil {
		return Reference{}, fmt.Errorf("%s: %w", r.Name(), err)
	}
	return r, nil
}

func (r Reference) checkTag() error {
	switch r.Transport {
	case Docker:
		return registry.ValidTag(r.Tag)
	case OCI, OCIArchive:
		return layout.CheckName(r.Tag)
	case DockerArchive, DockerDaemon:
		if r.Repository == "" {
			return fmt.Errorf("%w: tag %q: it names no image to tag; write one, as in %q", content.ErrInvalid, r.Tag, r.Name()+":app")
		}
		return registry.ValidTag(r.Tag)
	}
	return fmt.Errorf("%w tag %q: nothing of %q has tags", content.ErrInvalid, r.Tag, r.Transport)
}

// WithDigest returns the reference by that digest, which must be valid, instead of its tag and digest.
func (r Reference) WithDigest(d digest.Digest) Reference {
	r.Tag, r.Digest = "", d
	return r
}
