package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// manifestFile lists the images of an archive of docker save.
const manifestFile = "manifest.json"

// dockerConfig is what is read of an image's config.
type dockerConfig struct {
	RootFS struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
}

// dockerIndex lists the images of an archive of docker save. Newer ones are OCI layouts too, with the manifests that the images were pulled with; for others, which
// have none, schema 2 manifests are made.
func (a *Archive) dockerIndex(ctx context.Context) (*index, error) {
	data, err := a.tar.read(ctx, manifestFile)
	if errors.Is(err, content.ErrNotFound) {
		if _, missing := a.tar.read(ctx, indexFile); missing == nil {
			return nil, fmt.Errorf("%w: it holds an OCI layout; read it as \"oci-archive:\"", content.ErrInvalid)
		}
	}
	if err != nil {
		return nil, err
	}
	var images []dockerImage
	if err := content.CheckJSON(data); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	if err := json.Unmarshal(data, &images); err != nil {
		return nil, fmt.Errorf("%w %s: %w", content.ErrInvalid, manifestFile, err)
	}
	x, err := a.namedLayout(ctx)
	if err != nil {
		return nil, err
	}
	for i, img := range images {
		if err := a.addDocker(ctx, x, img); err != nil {
			return nil, fmt.Errorf("%s: image %d: %w", manifestFile, i+1, err)
		}
	}
	return x, nil
}

// namedLayout lists the images of the OCI layout in the archive that have full names; none when there is no layout.
func (a *Archive) namedLayout(ctx context.Context) (*index, error) {
	x := &index{}
	data, err := a.tar.read(ctx, indexFile)
	if errors.Is(err, content.ErrNotFound) {
		return x, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := parseIndex(data)
	if err != nil {
		return nil, err
	}
	for _, e := range all.entries {
		name := e.desc.Annotations[imageName]
		if there, err := a.Exists(ctx, e.desc); !e.isImage() || name == "" || err != nil || !there {
			continue
		}
		if e, err = newDockerEntry(e.desc, dockerName(name)); err != nil {
			return nil, err
		}
		x.entries = append(x.entries, e)
	}
	return x, nil
}

// addDocker lists an image under those of its names that the layout does not know.
func (a *Archive) addDocker(ctx context.Context, x *index, img dockerImage) error {
	var names []string
	for _, name := range img.RepoTags {
		if full := dockerName(name); len(x.images(func(d content.Descriptor) bool { return d.Annotations[imageName] == full })) == 0 {
			names = append(names, full)
		}
	}
	if len(names) == 0 && len(img.RepoTags) > 0 {
		return nil
	}
	desc, err := a.schema2(ctx, img)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		e, err := newEntry(desc, "")
		x.entries = append(x.entries, e)
		return err
	}
	for _, name := range names {
		e, err := newDockerEntry(desc, name)
		if err != nil {
			return err
		}
		x.entries = append(x.entries, e)
	}
	return nil
}

// schema2 makes the manifest of an image, and remembers where its blobs are.
func (a *Archive) schema2(ctx context.Context, img dockerImage) (content.Descriptor, error) {
	config, err := a.tar.read(ctx, img.Config)
	if err != nil {
		return content.Descriptor{}, fmt.Errorf("config: %w", err)
	}
	var c dockerConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return content.Descriptor{}, fmt.Errorf("%w config %q: %w", content.ErrInvalid, img.Config, err)
	}
	if len(c.RootFS.DiffIDs) != len(img.Layers) {
		return content.Descriptor{}, fmt.Errorf("%w config %q: it has %d diff IDs for %d layers", content.ErrInvalid, img.Config, len(c.RootFS.DiffIDs), len(img.Layers))
	}
	type manifest struct {
		SchemaVersion int                  `json:"schemaVersion"`
		MediaType     string               `json:"mediaType"`
		Config        content.Descriptor   `json:"config"`
		Layers        []content.Descriptor `json:"layers"`
	}
	m := manifest{SchemaVersion: 2, MediaType: content.DockerManifest, Config: content.Of(content.DockerConfig, config), Layers: []content.Descriptor{}}
	a.found(m.Config, content.FromBytes(config))
	for i, name := range img.Layers {
		desc, err := a.layer(ctx, path.Clean(name), c.RootFS.DiffIDs[i])
		if err != nil {
			return content.Descriptor{}, fmt.Errorf("layer %d: %w", i+1, err)
		}
		m.Layers = append(m.Layers, desc)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return content.Descriptor{}, err
	}
	desc := content.Of(content.DockerManifest, data)
	a.found(desc, content.FromBytes(data))
	return desc, nil
}

// MadeUp reports whether an image that was resolved had no manifest in the archive, so that one was made. Its digest then means nothing to anybody else.
func (a *Archive) MadeUp(manifest digest.Digest) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.imported[manifest]
	return ok
}

// found remembers how something is read that has no file under its digest.
func (a *Archive) found(desc content.Descriptor, open content.Opener) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.imported[desc.Digest] = importedBlob{desc, open}
}

// layer describes a layer of docker save: of one that is not compressed the digest is its diff ID, others must be read once.
func (a *Archive) layer(ctx context.Context, name string, diffID digest.Digest) (content.Descriptor, error) {
	if _, err := content.ParseDigest(diffID.String()); err != nil {
		return content.Descriptor{}, err
	}
	r, size, err := a.tar.open(ctx, name)
	if err != nil {
		return content.Descriptor{}, err
	}
	defer r.Close()
	desc := content.Descriptor{MediaType: content.DockerLayer, Digest: diffID, Size: size}
	open := func(ctx context.Context) (io.ReadCloser, error) {
		r, _, err := a.tar.open(ctx, name)
		return r, err
	}
	head := make([]byte, min(size, 4))
	if _, err := io.ReadFull(r, head); err != nil {
		return content.Descriptor{}, err
	}
	switch layer.CompressionOf(head) {
	case layer.Gzip:
		desc.MediaType = content.DockerLayerGzip
	case layer.Zstd:
		return content.Descriptor{}, fmt.Errorf("%w: %q is compressed with zstd, for which schema 2 manifests have no media type", content.ErrUnsupported, name)
	default:
		a.found(desc, open)
		return desc, nil
	}
	if desc.Digest, err = a.hashed(ctx, name, open); err != nil {
		return content.Descriptor{}, err
	}
	a.found(desc, open)
	return desc, nil
}

// hashed reads a compressed layer for its digest, once as long as the archive stays the same.
func (a *Archive) hashed(ctx context.Context, name string, open content.Opener) (digest.Digest, error) {
	a.mu.Lock()
	known, ok := a.hashes[name]
	a.mu.Unlock()
	if ok {
		return known, nil
	}
	r, err := open(ctx)
	if err != nil {
		return "", err
	}
	defer r.Close()
	d, err := digest.SHA256.FromReader(r)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hashes[name] = d
	return d, nil
}

// fetchDocker reads what manifest.json leads to.
func (a *Archive) fetchDocker(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	for _, look := range []func() error{nil, func() error { _, err := a.dockerIndex(ctx); return err }} {
		if look != nil {
			if err := look(); err != nil {
				return nil, err
			}
		}
		a.mu.Lock()
		b, ok := a.imported[d]
		a.mu.Unlock()
		if ok {
			return b.open(ctx)
		}
	}
	return nil, fmt.Errorf("%s: %w", d, content.ErrNotFound)
}
