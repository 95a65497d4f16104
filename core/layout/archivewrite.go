package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/core/content"
)

// write puts an archive of images in the place of the file.
func (a *Archive) write(ctx context.Context, images []namedImage) error {
	w := &archiveWriter{archive: a, images: images, needed: map[digest.Digest]content.Descriptor{}}
	if err := w.collect(ctx); err != nil {
		return err
	}
	if a.sink != nil {
		return a.sink(ctx, w)
	}
	if err := a.mayReplace(ctx); err != nil {
		return err
	}
	root, err := a.opts.OpenDir(true)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := atomicfile.Create(root, ".", filePerm)
	if err != nil {
		return err
	}
	if err := w.tar(ctx, f); err != nil {
		f.Discard()
		return err
	}
	return f.Commit(filepath.Base(a.file))
}

// mayReplace refuses to write over a file that is no archive of images: somebody's source was named by mistake.
func (a *Archive) mayReplace(ctx context.Context) error {
	f, err := a.tar.archive(ctx)
	if errors.Is(err, content.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() == 0 {
		return err
	}
	for _, name := range []string{indexFile, manifestFile} {
		if _, err := a.tar.read(ctx, name); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("%w target: the file that is there is no archive of images; remove it, or name another", content.ErrInvalid)
}

// archiveWriter writes the archive of some images.
type archiveWriter struct {
	archive *Archive
	images  []namedImage
	needed  map[digest.Digest]content.Descriptor
	docker  []dockerImage
	omitted map[digest.Digest]bool // layers that are not written
}

// omit leaves out the layers whose chain IDs are known, and returns how many.
func (w *archiveWriter) omit(ctx context.Context, known map[digest.Digest]bool) (int, error) {
	w.omitted = map[digest.Digest]bool{}
	needed := map[digest.Digest]bool{}
	for _, img := range w.images {
		doc, err := w.document(ctx, img.desc)
		if err != nil {
			return 0, err
		}
		config, err := content.ReadAll(ctx, w.archive, *doc.Config)
		if err != nil {
			return 0, err
		}
		var c dockerConfig
		if err := json.Unmarshal(config, &c); err != nil || len(c.RootFS.DiffIDs) != len(doc.Layers) {
			return 0, fmt.Errorf("%w config %s: its diff IDs are not those of the layers", content.ErrInvalid, doc.Config.Digest)
		}
		for i, chain := range chainIDs(c.RootFS.DiffIDs) {
			if known[chain] {
				w.omitted[doc.Layers[i].Digest] = true
			} else {
				needed[doc.Layers[i].Digest] = true
			}
		}
	}
	for d := range needed {
		delete(w.omitted, d)
	}
	return len(w.omitted), nil
}

// dockerImage is an element of manifest.json, by which docker load finds images. Docker documents the format with docker save
// (https://github.com/moby/docker-image-spec/blob/main/spec.md, "Combined Image JSON + Filesystem Changeset Format").
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// collect finds out what the images consist of, all of which was pushed.
func (w *archiveWriter) collect(ctx context.Context) error {
	for _, img := range w.images {
		if err := w.need(ctx, img.desc); err != nil {
			return err
		}
		if !w.archive.opts.Docker {
			continue
		}
		one, err := w.dockerImage(ctx, img)
		if err != nil {
			return err
		}
		w.docker = append(w.docker, one)
	}
	return nil
}

func (w *archiveWriter) need(ctx context.Context, desc content.Descriptor) error {
	if _, ok := w.needed[desc.Digest]; ok {
		return nil
	}
	if _, ok := w.archive.given(desc.Digest); !ok {
		if content.IsForeign(desc) {
			return nil // left out on purpose
		}
		return fmt.Errorf("%s: %w", desc.Digest, content.ErrIncomplete)
	}
	w.needed[desc.Digest] = desc
	if !content.IsDocument(desc.MediaType) {
		return nil
	}
	doc, err := w.document(ctx, desc)
	if err != nil {
		return err
	}
	for _, child := range doc.Children() {
		if err := w.need(ctx, child); err != nil {
			return err
		}
	}
	return nil
}

func (w *archiveWriter) document(ctx context.Context, desc content.Descriptor) (*content.Document, error) {
	data, err := content.ReadAll(ctx, w.archive, desc)
	if err != nil {
		return nil, err
	}
	return content.ParseDocument(desc.MediaType, data)
}

// dockerImage describes an image for docker load, which knows no indexes and unpacks layers whatever their names and compression are.
func (w *archiveWriter) dockerImage(ctx context.Context, img namedImage) (dockerImage, error) {
	if content.IsIndex(img.desc.MediaType) {
		return dockerImage{}, fmt.Errorf("%w: %s is an index of several platforms, of which a docker archive holds none: save one of them", content.ErrUnsupported, img.desc.Digest)
	}
	doc, err := w.document(ctx, img.desc)
	if err != nil {
		return dockerImage{}, err
	}
	one := dockerImage{RepoTags: []string{}, Layers: []string{}}
	if one.Config, err = blobName(doc.Config.Digest); err != nil {
		return dockerImage{}, err
	}
	for _, l := range doc.Layers {
		if _, ok := w.needed[l.Digest]; !ok {
			return dockerImage{}, fmt.Errorf("%w: the foreign layer %s is left out, which docker load needs", content.ErrUnsupported, l.Digest)
		}
		name, err := blobName(l.Digest)
		if err != nil {
			return dockerImage{}, err
		}
		one.Layers = append(one.Layers, name)
	}
	for _, name := range img.names {
		one.RepoTags = append(one.RepoTags, familiar(name))
	}
	return one, nil
}

// familiar is a full name as docker images shows it.
func familiar(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.FamiliarString(named)
}

// tar writes the archive: what says what is in it, then the blobs by their digests.
func (w *archiveWriter) tar(ctx context.Context, to io.Writer) error {
	out := tar.NewWriter(to)
	files, err := w.files()
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := putFile(out, f.name, int64(len(f.data)), bytes.NewReader(f.data)); err != nil {
			return err
		}
	}
	for _, dir := range w.directories() {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: dirPerm, ModTime: time.Unix(0, 0)}); err != nil {
			return err
		}
	}
	for _, d := range slices.Sorted(maps.Keys(w.needed)) {
		if w.omitted[d] {
			continue
		}
		if err := w.blob(ctx, out, w.needed[d]); err != nil {
			return err
		}
	}
	return out.Close()
}

// blob writes a blob, which is verified on its way.
func (w *archiveWriter) blob(ctx context.Context, out *tar.Writer, desc content.Descriptor) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	name, err := blobName(desc.Digest)
	if err != nil {
		return err
	}
	r, err := w.archive.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	defer r.Close()
	return putFile(out, name, desc.Size, r)
}

func putFile(out *tar.Writer, name string, size int64, r io.Reader) error {
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: filePerm, ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err := io.Copy(out, r)
	return err
}

// textFile is a small file of the archive.
type textFile struct {
	name string
	data []byte
}

// files are those that say what is in the archive.
func (w *archiveWriter) files() ([]textFile, error) {
	mark, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return nil, err
	}
	index, err := w.archive.indexOf(w.images)
	if err != nil {
		return nil, err
	}
	files := []textFile{{layoutFile, mark}, {indexFile, index.encode()}}
	if w.archive.opts.Docker {
		manifest, err := json.Marshal(w.docker)
		if err != nil {
			return nil, err
		}
		files = append(files, textFile{manifestFile, manifest})
	}
	return files, nil
}

// indexOf is the index.json of images: an entry for each name of each. Those of Docker have the full name beside the tag, as docker save and containerd write it.
func (a *Archive) indexOf(images []namedImage) (*index, error) {
	x, err := parseIndex([]byte(emptyIndex))
	if err != nil {
		return nil, err
	}
	for _, img := range images {
		names := img.names
		if len(names) == 0 {
			names = []string{""}
		}
		for _, name := range names {
			e, err := newEntry(img.desc, name)
			if err == nil && a.opts.Docker && name != "" {
				e, err = newDockerEntry(img.desc, name)
			}
			if err != nil {
				return nil, err
			}
			x.entries = append(x.entries, e)
		}
	}
	return x, nil
}

// newDockerEntry lists desc under a full name of Docker's.
func newDockerEntry(desc content.Descriptor, name string) (entry, error) {
	d := content.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size, Platform: desc.Platform, ArtifactType: desc.ArtifactType}
	d.Annotations = map[string]string{imageName: name, ocispec.AnnotationRefName: tagOf(name)}
	raw, err := json.Marshal(d)
	return entry{raw: raw, desc: d}, err
}

// directories are those of the blobs, each after the one that it is in.
func (w *archiveWriter) directories() []string {
	dirs := []string{blobsDir}
	for d := range w.needed {
		if dir := path.Join(blobsDir, d.Algorithm().String()); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.SortFunc(dirs, strings.Compare)
	return dirs
}
