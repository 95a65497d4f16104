package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/transport"
)

// LayerRef names a layer that a registry has. What is missing is read from its blob.
type LayerRef struct {
	Digest    digest.Digest // of the blob; required
	DiffID    digest.Digest // of the uncompressed tar; "" reads the blob to find out
	Size      int64         // of the blob in bytes; negative asks for it
	MediaType string        // "" is a gzip layer of the image's family, or what the blob is when it is read
	URLs      []string      // where a foreign layer can be read
	From      string        // a repository that has it, "name" on the target's registry or "host/name"
}

// AddLayerRef puts a layer on the image that is in the target's repository, in From, in the base's, or behind a URL. Save checks, mounts or
// copies it.
func (i *Image) AddLayerRef(at Origin, ref LayerRef) (*Layer, error) {
	if _, err := parseDigest(ref.Digest.String()); err != nil {
		return nil, err
	}
	if ref.DiffID != "" {
		if _, err := parseDigest(ref.DiffID.String()); err != nil {
			return nil, fmt.Errorf("uncompressed_digest: %w", err)
		}
	}
	where, err := i.places(ref)
	if err != nil {
		return nil, err
	}
	src := &search{run: i.run, access: i.base.access, refs: where, urls: ref.URLs}
	desc := content.Descriptor{MediaType: ref.MediaType, Digest: ref.Digest, Size: ref.Size, URLs: ref.URLs}
	l := &Layer{run: i.run, src: src, createdBy: "add_layer " + ref.Digest.String()}
	l.begin = func() *Future[layer.Layer] {
		return async(i.run, at, "add_layer", false, nil, func(ctx context.Context, _ *step) (layer.Layer, error) {
			return src.complete(ctx, desc, ref.DiffID)
		})
	}
	if !i.template {
		l.started()
	}
	i.append(at, "add_layer", l)
	return l, nil
}

// places are the repositories in which a layer may be, the likeliest first.
func (i *Image) places(ref LayerRef) ([]transport.Reference, error) {
	var refs []transport.Reference
	if ref.From != "" {
		from, err := i.neighbour(ref.From)
		if err != nil {
			return nil, fmt.Errorf("from_repository: %w", err)
		}
		refs = append(refs, from)
	}
	for _, r := range []transport.Reference{i.target, i.base.ref} {
		if r.Transport != "" && r.Transport != "scratch" {
			refs = append(refs, r)
		}
	}
	return refs, nil
}

// neighbour reads a repository's name: on the target's registry, unless it names a registry itself.
func (i *Image) neighbour(name string) (transport.Reference, error) {
	host, _, _ := strings.Cut(name, "/")
	if i.target.Transport == "docker" && !strings.ContainsAny(host, ".:") && host != "localhost" {
		name = i.target.Host + "/" + name
	}
	return transport.Parse(name)
}

// search is a source that looks for a blob in several places.
type search struct {
	run    *Run
	access *access
	refs   []transport.Reference
	urls   []string
}

// Fetch implements content.Fetcher: the first place that has the blob.
func (s *search) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	var failures []error
	for _, ref := range s.refs {
		repo, err := s.access.open(ctx, ref, false)
		if err == nil {
			var r io.ReadCloser
			if r, err = repo.Fetch(ctx, desc); err == nil {
				return r, nil
			}
		}
		if !errors.Is(err, content.ErrNotFound) {
			failures = append(failures, err)
		}
	}
	for _, url := range s.urls {
		body, err := s.run.get(ctx, url, desc)
		if err == nil {
			return body, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		failures = append(failures, err)
	}
	if len(failures) == 0 {
		return nil, s.nowhere(desc)
	}
	return nil, fmt.Errorf("layer %s: %w", desc.Digest, errors.Join(failures...))
}

// nowhere is the error for a layer that no place has.
func (s *search) nowhere(desc content.Descriptor) error {
	missing := &missingLayer{digest: desc.Digest}
	for _, ref := range s.refs {
		if !slices.Contains(missing.places, ref.Name()) {
			missing.places = append(missing.places, ref.Name())
		}
		missing.remote = missing.remote || ref.Transport == transport.Docker
	}
	return missing
}

// missingLayer is a layer that no place has. It is a content.ErrNotFound, and, when a registry was asked, a failure of the registry's kind, as an image
// that is not there is.
type missingLayer struct {
	digest digest.Digest
	places []string
	remote bool
}

// Error implements error.
func (e *missingLayer) Error() string {
	if len(e.places) == 0 {
		return fmt.Sprintf("layer %s: %v: the image has no target and no base to look in", e.digest, content.ErrNotFound)
	}
	return fmt.Sprintf("layer %s: %v in %s", e.digest, content.ErrNotFound, strings.Join(e.places, ", "))
}

// Is implements the promise above.
func (e *missingLayer) Is(target error) bool {
	return target == content.ErrNotFound || e.remote && target == registry.ErrUnreachable
}

// locate finds the repository that has a blob, and holds it to its size: nobody reads a blob that is mounted. It names none when only a fetch can tell.
func (s *search) locate(ctx context.Context, desc content.Descriptor) ([]string, error) {
	missing := 0
	for _, ref := range s.refs {
		if ref.Transport != "docker" || s.run.lock.opts.Offline || s.run.mayUse(ref, false) != nil {
			continue
		}
		there, err := s.access.remote(ref, false).StatBlob(ctx, desc.Digest)
		switch {
		case errors.Is(err, content.ErrNotFound):
			missing++
			continue
		case err != nil:
			continue
		case there.Size >= 0 && there.Size != desc.Size:
			return nil, fmt.Errorf("layer %s in %s: %w: it has %d bytes, not %d", desc.Digest, ref.Name(), content.ErrVerification, there.Size, desc.Size)
		}
		return []string{ref.Host + "/" + ref.Repository}, nil
	}
	if missing == len(s.refs) && len(s.urls) == 0 {
		return nil, s.nowhere(desc)
	}
	return nil, nil
}

// Sources implements content.Locator.
func (s *search) Sources(content.Descriptor) []string {
	var names []string
	for _, ref := range s.refs {
		if ref.Transport == "docker" {
			names = append(names, ref.Host+"/"+ref.Repository)
		}
	}
	return names
}

// complete finds out what the caller did not say of a layer.
func (s *search) complete(ctx context.Context, desc content.Descriptor, diffID digest.Digest) (layer.Layer, error) {
	s.run.NoteInput(Input{Kind: InputBlob, Name: desc.Digest.String(), Digest: desc.Digest})
	if diffID != "" && desc.Size >= 0 {
		if desc.MediaType == "" {
			desc.MediaType = content.OCILayerGzip
		}
		return layer.Layer{Descriptor: desc, DiffID: diffID}, nil
	}
	read, err := layer.FromTar(ctx, s.run.engine.cache, content.FromFetcher(s, desc), s.run.tarOptions(diffID))
	if err != nil {
		return layer.Layer{}, s.run.opts.Limits.explain(err)
	}
	if desc.MediaType == "" {
		desc.MediaType = read.Descriptor.MediaType
	}
	desc.Size = read.Descriptor.Size
	return layer.Layer{Descriptor: desc, DiffID: read.DiffID}, nil
}
