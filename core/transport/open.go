package transport

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layout"
	"github.com/imgscript/imgscript/core/registry"
)

// Options says how references are opened. nil and the zero value open layouts relative to the working directory, for reading.
type Options struct {
	// Registry is the client for references to registries; nil makes them errors.
	Registry *registry.Client
	// Path turns a path of a reference into one of the file system, or says why it may not be used. nil takes it as it is.
	Path func(path string) (string, error)
	// Dir opens the directory that Path returned, or that of an archive, as layout.Options.OpenDir does; nil opens it by its path.
	Dir func(dir string, create bool) (*os.Root, error)
	// Write opens for writing too. Without it, every write is an error that is content.ErrUnsupported.
	Write bool
	// Staging keeps what goes into an archive or a daemon until it is written there; nil keeps it in memory.
	Staging content.Store
	// Daemon is where a Docker daemon listens, as DOCKER_HOST has it; "" is layout.DefaultDaemon.
	Daemon string
	// Whole has the archives and daemons that are open for all that is written to them, and those that are read until it is closed; nil opens each anew.
	Whole *Whole
}

// Open opens the repository that ref is in: for registries a *registry.Repository when opts.Write is set, for layouts a *layout.Layout. It does no network
// I/O, and what ref names need not exist. [Reference.Identifier] is the image's name in it. There is nothing to close, but opts.Whole.
func Open(ctx context.Context, ref Reference, opts *Options) (content.Repository, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	switch ref.Transport {
	case Docker:
		if o.Registry == nil {
			return nil, fmt.Errorf("open %s: registries are %w here", ref, content.ErrUnsupported)
		}
		r := o.Registry.Repository(ref.Host, ref.Repository)
		if !o.Write {
			return readOnly{r}, nil
		}
		return r.Direct(), nil
	case OCI:
		return openLayout(ref, o)
	case OCIArchive:
		return o.archive(ref)
	case DockerArchive, DockerDaemon:
		return o.openImages(ref)
	}
	return nil, fmt.Errorf("open %s: %w: there is nothing to read from or write to", quote(ref.String()), content.ErrUnsupported)
}

// path is where the path of a reference lies.
func (o *Options) path(ref Reference) (string, error) {
	if o.Path == nil {
		return ref.Path, nil
	}
	found, err := o.Path(ref.Path)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", quote(ref.Name()), err)
	}
	return found, nil
}

func openLayout(ref Reference, o Options) (content.Repository, error) {
	dir, err := o.path(ref)
	if err != nil {
		return nil, err
	}
	return layout.Open(dir, &layout.Options{ReadOnly: !o.Write, OpenDir: o.openDir(dir)})
}

// openDir opens a directory in the way of the options, nil if they have none.
func (o *Options) openDir(dir string) func(create bool) (*os.Root, error) {
	if o.Dir == nil {
		return nil
	}
	return func(create bool) (*os.Root, error) { return o.Dir(dir, create) }
}

// readOnly is a registry's repository without the methods that write, so that a source cannot become a target by mistake. The optional abilities of
// sources stay.
type readOnly struct{ repo *registry.Repository }

// Fetch implements content.Fetcher.
func (r readOnly) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	return r.repo.Fetch(ctx, desc)
}

// Exists implements content.Store.
func (r readOnly) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	return r.repo.Exists(ctx, desc)
}

// Resolve implements content.Resolver.
func (r readOnly) Resolve(ctx context.Context, name string) (content.Descriptor, error) {
	return r.repo.Resolve(ctx, name)
}

// ResolveDigest implements content.DigestResolver.
func (r readOnly) ResolveDigest(ctx context.Context, name string) (digest.Digest, error) {
	return r.repo.ResolveDigest(ctx, name)
}

// Manifest implements content.ManifestReader.
func (r readOnly) Manifest(ctx context.Context, name string) (content.Descriptor, []byte, error) {
	return r.repo.Manifest(ctx, name)
}

// Sources implements content.Locator.
func (r readOnly) Sources(desc content.Descriptor) []string { return r.repo.Sources(desc) }

// Tags implements content.TagLister.
func (r readOnly) Tags(ctx context.Context) ([]string, error) { return r.repo.Tags(ctx) }

// Referrers implements content.ReferrerLister.
func (r readOnly) Referrers(ctx context.Context, subject digest.Digest, artifactType string) ([]content.Descriptor, error) {
	return r.repo.Referrers(ctx, subject, artifactType)
}

// Push implements content.Pusher: it refuses.
func (r readOnly) Push(context.Context, content.Descriptor, content.Opener) error { return r.refuse() }

// Tag implements content.Tagger: it refuses.
func (r readOnly) Tag(context.Context, content.Descriptor, string) error { return r.refuse() }

func (r readOnly) refuse() error {
	return fmt.Errorf("%s: it was opened for reading alone: %w", r.repo.Location(), content.ErrUnsupported)
}
