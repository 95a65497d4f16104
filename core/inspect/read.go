package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/rootfs"
)

// Options says more of a Read. nil and the zero value: all platforms of an index, without the files.
type Options struct {
	// Platform picks one image of an index; the zero value takes all.
	Platform image.Platform
	// Files lists the files of images, for which all their layers are read.
	Files bool
	// Lists knows what is in layers that were read before, as build.Looked.Lists does; nil reads all that have to be.
	Lists rootfs.Lists
}

// Read reads what desc names in src: manifests and configs, several at the same time, and layers only for Options.Files. The descriptor has a media type; a negative size is filled in.
//
// What is wrong with a part of an index, or with a config, is that object's Problem. Errors are those of src for desc itself, those of src that are not content.ErrNotFound for what it consists of,
// content.ErrInvalid for what is no manifest or index, and content.ErrNotFound when it is not for the platform.
func Read(ctx context.Context, src content.Fetcher, desc content.Descriptor, opts *Options) (*Object, error) {
	r := &reader{src: src}
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.Platform != (image.Platform{}) {
		var err error
		if desc, err = image.Find(ctx, src, desc, r.opts.Platform); err != nil {
			return nil, err
		}
	}
	o, err := r.object(ctx, desc, 0)
	if err != nil {
		return nil, err
	}
	if err := r.checkPlatform(o); err != nil {
		return nil, err
	}
	share(o.images())
	o.count()
	return o, nil
}

// reader is one call of Read.
type reader struct {
	src  content.Fetcher
	opts Options
	read atomic.Int32 // objects so far
}

const (
	// readAtOnce is how many entries of an index are read at the same time.
	readAtOnce = 8
	// maxObjects bounds what one reference names: an index that lists another a thousand times, which does the same, would have no end.
	maxObjects = 10_000
)

// errTooMany is what more are; it is no problem of one part alone.
var errTooMany = fmt.Errorf("more than %d manifests: %w", maxObjects, content.ErrTooLarge)

// object reads an index or a manifest. What lies below the root may be missing or damaged.
func (r *reader) object(ctx context.Context, desc content.Descriptor, depth int) (*Object, error) {
	if r.read.Add(1) > maxObjects {
		return nil, errTooMany
	}
	var o *Object
	var err error
	switch {
	case content.IsIndex(desc.MediaType):
		o, err = r.index(ctx, desc, depth)
	case content.IsManifest(desc.MediaType):
		o, err = r.manifest(ctx, desc)
	case depth == 0:
		return nil, fmt.Errorf("%w: media type %q is none of a manifest or an index", content.ErrInvalid, desc.MediaType)
	default:
		o = &Object{Kind: Other}
	}
	if depth > 0 && (errors.Is(err, content.ErrNotFound) || errors.Is(err, content.ErrInvalid)) {
		o, err = &Object{Kind: Other, Problem: problem(err)}, nil
	}
	if err != nil {
		return nil, err
	}
	if o.Digest == "" {
		o.Digest, o.MediaType, o.Size, o.ArtifactType = desc.Digest, desc.MediaType, desc.Size, desc.ArtifactType
	}
	o.enter(desc)
	return o, nil
}

// problem is an error as an object has it.
func problem(err error) string {
	if errors.Is(err, content.ErrNotFound) {
		return "it is not there"
	}
	return err.Error()
}

// enter adds what the index says of an entry.
func (o *Object) enter(desc content.Descriptor) {
	o.EntryAnnotations = desc.Annotations
	if of, ok := image.Attests(desc); ok {
		o.Kind, o.Type, o.Attests = Attestation, "", of
		o.Platform = ""
		return
	}
	if p, ok := image.PlatformOf(desc); ok {
		o.Platform = p.String()
	}
}

// index reads an index and its entries.
func (r *reader) index(ctx context.Context, desc content.Descriptor, depth int) (*Object, error) {
	if depth > image.MaxIndexDepth {
		return nil, fmt.Errorf("%w: indexes within indexes, more than %d deep", content.ErrInvalid, image.MaxIndexDepth)
	}
	doc, data, err := content.FetchDocument(ctx, r.src, desc)
	if err != nil {
		return nil, err
	}
	desc.Size = int64(len(data))
	o := newObject(Index, desc, doc)
	o.Manifests = make([]*Object, len(doc.Manifests))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readAtOnce)
	for i, child := range doc.Manifests {
		group.Go(func() (err error) {
			o.Manifests[i], err = r.object(ctx, child, depth+1)
			return err
		})
	}
	return o, group.Wait()
}

// newObject is an object as its document describes it.
func newObject(kind Kind, desc content.Descriptor, doc *content.Document) *Object {
	return &Object{
		Kind: kind, Digest: desc.Digest, MediaType: doc.MediaType, Size: desc.Size, ArtifactType: doc.ArtifactType, Annotations: doc.Annotations,
		Subject: blobOf(doc.Subject), ConfigBlob: blobOf(doc.Config),
	}
}

// manifest reads an image or an artifact.
func (r *reader) manifest(ctx context.Context, desc content.Descriptor) (*Object, error) {
	img, err := image.Load(ctx, r.src, desc)
	if err != nil {
		return r.damaged(ctx, desc, err)
	}
	o, err := describe(img)
	if err != nil {
		return nil, err
	}
	if o.Kind == Artifact && o.Config == nil {
		return o, r.artifactConfig(ctx, o)
	}
	if o.Kind == Image && r.opts.Files {
		o.Files, err = r.files(ctx, img)
	}
	return o, err
}

// describe says what an image, or an artifact in an image's clothes, is.
func describe(img *image.Image) (*Object, error) {
	desc := img.Descriptor()
	doc, err := content.ParseDocument(desc.MediaType, img.Manifest())
	if err != nil {
		return nil, err
	}
	o := newObject(Image, desc, doc)
	o.Config = img.Config()
	for _, l := range img.Layers() {
		o.Layers = append(o.Layers, Layer{
			Digest: l.Digest, DiffID: l.DiffID, MediaType: l.MediaType, Size: l.Size, CreatedBy: l.CreatedBy, Annotations: l.Annotations, URLs: l.URLs,
		})
	}
	o.classify()
	if o.Kind == Image {
		o.Platform = platformText(img.Platform())
		o.History = history(o.Config, len(o.Layers))
	}
	return o, nil
}

// platformText is a platform, or "" for none.
func platformText(p image.Platform) string {
	if p == (image.Platform{}) {
		return ""
	}
	return p.String()
}

// history reads the history of a config that was read before, in step with the layers if it has as many entries for them as there are.
func history(config []byte, layers int) []Step {
	var c struct {
		History []struct {
			Created    string `json:"created"`
			CreatedBy  string `json:"created_by"`
			Author     string `json:"author"`
			Comment    string `json:"comment"`
			EmptyLayer bool   `json:"empty_layer"`
		} `json:"history"`
	}
	_ = json.Unmarshal(config, &c) // what is of another type there says nothing
	var steps []Step
	n := 0
	for _, h := range c.History {
		step := Step{Created: h.Created, CreatedBy: h.CreatedBy, Author: h.Author, Comment: h.Comment, Empty: h.EmptyLayer}
		if !h.EmptyLayer {
			n++
			step.Layer = n
		}
		steps = append(steps, step)
	}
	if n != layers {
		for i := range steps {
			steps[i].Layer = 0
		}
	}
	return steps
}

// damaged describes a manifest whose config is missing or does not fit it.
func (r *reader) damaged(ctx context.Context, desc content.Descriptor, why error) (*Object, error) {
	if !errors.Is(why, content.ErrInvalid) && !errors.Is(why, content.ErrNotFound) {
		return nil, why
	}
	doc, data, err := content.FetchDocument(ctx, r.src, desc)
	if err != nil {
		return nil, err
	}
	desc.Size = int64(len(data))
	o := newObject(Image, desc, doc)
	o.Problem = strings.TrimPrefix(why.Error(), fmt.Sprintf("load image %s: ", desc.Digest))
	for _, l := range doc.Layers {
		o.Layers = append(o.Layers, Layer{Digest: l.Digest, MediaType: l.MediaType, Size: l.Size, Annotations: l.Annotations, URLs: l.URLs})
	}
	return o, nil
}

// artifactConfig reads the config of an artifact if it is a document: that of a Helm chart has its name and version.
func (r *reader) artifactConfig(ctx context.Context, o *Object) error {
	blob := o.ConfigBlob
	if !strings.HasSuffix(blob.MediaType, "json") || blob.MediaType == emptyType || blob.Size > content.MaxDocument {
		return nil
	}
	data, err := content.ReadAll(ctx, r.src, content.Descriptor{MediaType: blob.MediaType, Digest: blob.Digest, Size: blob.Size})
	switch {
	case errors.Is(err, content.ErrNotFound):
		o.Problem = "config: " + problem(err)
	case err != nil:
		return err
	case content.CheckJSON(data) == nil:
		o.Config = data
	}
	return nil
}

// files lists the files of an image.
func (r *reader) files(ctx context.Context, img *image.Image) ([]File, error) {
	var layers []content.Descriptor
	for _, l := range img.Layers() {
		layers = append(layers, l.Descriptor)
	}
	tree, err := rootfs.NewReader(img, layers, &rootfs.Options{Lists: r.opts.Lists}).Tree(ctx)
	if err != nil {
		return nil, fmt.Errorf("files of %s: %w", img.Descriptor().Digest, err)
	}
	var all []File
	for f := range tree.Files("/") {
		all = append(all, fileOf(f))
	}
	return all, nil
}

func fileOf(f rootfs.File) File {
	file := File{
		Path: f.Path, Type: string(f.Type), Mode: fmt.Sprintf("%04o", f.Mode), UID: f.UID, GID: f.GID, Size: f.Size, Link: f.Link,
		MTime: f.ModTime.UTC().Format(time.RFC3339Nano), Major: f.Major, Minor: f.Minor, Layer: f.Layer + 1,
	}
	for name, value := range f.Xattrs {
		if file.Xattrs == nil {
			file.Xattrs = map[string][]byte{}
		}
		file.Xattrs[name] = []byte(value)
	}
	return file
}

// checkPlatform holds one image to the platform that was asked for, as an index is when it is picked from.
func (r *reader) checkPlatform(o *Object) error {
	want := r.opts.Platform
	if want == (image.Platform{}) || o.Platform == "" {
		return nil
	}
	if have, err := image.ParsePlatform(o.Platform); err == nil && !want.Matches(have) {
		return fmt.Errorf("platform %s: %w: it is one image, for %s", want, content.ErrNotFound, o.Platform)
	}
	return nil
}

// images lists the images of an object, in the order of its indexes.
func (o *Object) images() []*Object {
	if o.Kind == Image {
		return []*Object{o}
	}
	var all []*Object
	for _, child := range o.Manifests {
		all = append(all, child.images()...)
	}
	return all
}

// share notes which images have which layers in common.
func share(images []*Object) {
	have := map[digest.Digest][]string{}
	for _, o := range images {
		for _, l := range o.Layers {
			if !slices.Contains(have[l.Digest], o.Platform) {
				have[l.Digest] = append(have[l.Digest], o.Platform)
			}
		}
	}
	for _, o := range images {
		for i := range o.Layers {
			others := slices.DeleteFunc(slices.Clone(have[o.Layers[i].Digest]), func(p string) bool { return p == o.Platform })
			if len(others) > 0 {
				o.Layers[i].SharedWith = others
			}
		}
	}
}

// count works out the total sizes, and returns the blobs that it counted.
func (o *Object) count() map[digest.Digest]int64 {
	blobs := map[digest.Digest]int64{}
	if o.ConfigBlob != nil {
		blobs[o.ConfigBlob.Digest] = o.ConfigBlob.Size
	}
	for _, l := range o.Layers {
		blobs[l.Digest] = l.Size
	}
	for _, child := range o.Manifests {
		maps.Copy(blobs, child.count())
	}
	o.TotalSize = 0
	for _, size := range blobs {
		o.TotalSize += min(size, math.MaxInt64-o.TotalSize)
	}
	return blobs
}
