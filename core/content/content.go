package content

import (
	"context"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Descriptor names content by media type, digest and size in bytes (image-spec, descriptor.md). A negative Size means that the
// size is not known, which only reads allow.
type Descriptor = ocispec.Descriptor

var (
	// ErrNotFound says that a blob, a manifest or a name is not in a store.
	ErrNotFound = errors.New("not found")
	// ErrVerification says that bytes do not have the digest or the size that was promised for them.
	ErrVerification = errors.New("content does not match its descriptor")
	// ErrTooLarge says that something has more bytes than whoever reads it takes.
	ErrTooLarge = errors.New("more than the limit")
	// ErrUnsupported says that a store cannot do what was asked, for whatever content.
	ErrUnsupported = errors.New("not supported")
	// ErrIncomplete says that a store refused a document because it does not have all that it names. What was sent may have been lost: see [Mend].
	ErrIncomplete = errors.New("what the document names is not all there")
	// ErrInvalid says that a document, a digest or a name is malformed.
	ErrInvalid = errors.New("invalid")
)

// Opener opens a blob from its start, as often as needed, so that an upload can be tried again. The caller closes what it returns.
type Opener func(ctx context.Context) (io.ReadCloser, error)

// Fetcher reads content. The caller closes the reader, which verifies what it reads (see the package's promises).
type Fetcher interface {
	Fetch(ctx context.Context, desc Descriptor) (io.ReadCloser, error)
}

// Pusher writes content. It calls open once for each attempt and closes what it got.
type Pusher interface {
	Push(ctx context.Context, desc Descriptor, open Opener) error
}

// Store reads and writes content by descriptor.
type Store interface {
	Fetcher
	Pusher
	Exists(ctx context.Context, desc Descriptor) (bool, error)
}

// Resolver finds what a name (a tag, or a digest as text) stands for; a name that does not exist is [ErrNotFound].
type Resolver interface {
	Resolve(ctx context.Context, name string) (Descriptor, error)
}

// Tagger gives content that the store has a name, which moves if it was another's.
type Tagger interface {
	Tag(ctx context.Context, desc Descriptor, name string) error
}

// Repository is what a transport opens: a store whose manifests have names.
type Repository interface {
	Store
	Resolver
	Tagger
}

// Ingester stores what write writes, whose digest and size are known only at its end. When write fails, nothing is stored and its error
// is returned.
type Ingester interface {
	Ingest(ctx context.Context, mediaType string, write func(io.Writer) error) (Descriptor, error)
}

// Transfer says how content came to be where it was wanted.
type Transfer int

// The ways in which content comes to be in a store.
const (
	Present  Transfer = iota // it was there already
	Mounted                  // the registry linked it from another repository
	Uploaded                 // its bytes were sent
)

// String returns "present", "mounted" or "uploaded".
func (t Transfer) String() string {
	switch t {
	case Present:
		return "present"
	case Mounted:
		return "mounted"
	default:
		return "uploaded"
	}
}

// Mounter is a target that can take a blob from another repository of its registry (distribution-spec, "Mounting a blob from another
// repository").
type Mounter interface {
	// Location names this repository as Sources of a Locator does: "registry/repository".
	Location() string
	// Mount makes sure that the blob is here in the cheapest way that works: it is here already, it is mounted
	// from one of the locations in from (those of other registries are ignored), or it is uploaded.
	Mount(ctx context.Context, desc Descriptor, from []string, open Opener) (Transfer, error)
}

// Locator is a source that knows in which repositories, as "registry/repository", a blob is.
type Locator interface {
	Sources(desc Descriptor) []string
}

// Pending is a blob that is still being written.
type Pending interface {
	// Open reads the blob from its start and follows it as it grows; the reader ends with the error of the writer if that fails.
	Open(ctx context.Context) (io.ReadCloser, error)
	// Wait returns the descriptor of the finished blob, or the error of its writer.
	Wait(ctx context.Context) (Descriptor, error)
}

// Streamer is a target that takes a blob while it is being written.
type Streamer interface {
	PushPending(ctx context.Context, mediaType string, p Pending) (Descriptor, error)
}

// TagPusher is a target that stores a manifest and names it in one step.
type TagPusher interface {
	PushTagged(ctx context.Context, desc Descriptor, open Opener, tag string) error
}

// NamesPusher is a target that stores a manifest and gives it all its names in one step; without one it is stored for itself. It is for targets that are written as a whole.
type NamesPusher interface {
	PushNamed(ctx context.Context, desc Descriptor, open Opener, names []string) error
}

// ManifestReader is a source that resolves a name and reads the manifest or index behind it in one step. The bytes have the descriptor's digest
// and size.
type ManifestReader interface {
	Manifest(ctx context.Context, name string) (Descriptor, []byte, error)
}

// DigestResolver is a source that tells the digest behind a name for less than Resolve: with no document to read, and not counted as a pull (Docker Hub).
type DigestResolver interface {
	ResolveDigest(ctx context.Context, name string) (digest.Digest, error)
}

// TagLister is a repository that lists its names, sorted, each once.
type TagLister interface {
	Tags(ctx context.Context) ([]string, error)
}

// ReferrerLister is a source that lists the manifests whose subject is subject, of one artifact type if that is not "" (distribution-spec, "Listing
// Referrers"). None is an empty list, whether or not the subject exists.
type ReferrerLister interface {
	Referrers(ctx context.Context, subject digest.Digest, artifactType string) ([]Descriptor, error)
}

// ReferrerKeeper is a target that may need to be told of the manifests that refer to another, which are there already, so that it lists them.
type ReferrerKeeper interface {
	KeepReferrers(ctx context.Context, subject digest.Digest, referrers []Descriptor) error
}
