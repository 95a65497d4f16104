package registry_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// noise is a blob that looks like no other.
func noise(seed byte, size int) blob {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return blob{content.Of(content.OCILayer, data), data}
}

// bigNoise has more bytes than are read whole; partsNoise is sent in three parts, of which the last is tiny.
const (
	bigNoise   = 2*smallNoise + 1000
	partsNoise = 230e3
)

// pictures are what the jobs move, made once: an image of two layers, one of them big, and an index of it and of another that shares a layer.
var pictures = sync.OnceValue(func() (p struct {
	layers       []blob
	image, other *image.Image
	index        blob
	long         *image.Image // sent in parts
}) {
	p.layers = []blob{noise(1, bigNoise), noise(2, 3000), noise(3, 200)}
	p.long = imageOf("amd64", noise(4, partsNoise), p.layers[1])
	p.image = imageOf("amd64", p.layers[:2]...)
	p.other = imageOf("arm64", p.layers[1:]...)
	data := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[`, content.OCIIndex)
	for i, img := range []*image.Image{p.image, p.other} {
		if i > 0 {
			data = append(data, ',')
		}
		d := img.Descriptor()
		data = fmt.Appendf(data, `{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux","architecture":%q}}`,
			d.MediaType, d.Digest, d.Size, img.Platform().Architecture)
	}
	data = append(data, `]}`...)
	p.index = blob{content.Of(content.OCIIndex, data), data}
	return p
})

// imageOf puts an image together as a build does.
func imageOf(arch string, layers ...blob) *image.Image {
	img := image.Scratch(image.Platform{OS: "linux", Architecture: arch}, image.FormatOCI, time.Time{})
	for _, l := range layers {
		next, err := img.Append(one(l), image.Added{Layer: layer.Layer{Descriptor: l.desc, DiffID: l.desc.Digest}})
		if err != nil {
			panic(err)
		}
		img = next
	}
	return img
}

// one is a fetcher of a single blob.
type one blob

// Fetch implements content.Fetcher.
func (o one) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	if desc.Digest != o.desc.Digest {
		return nil, content.ErrNotFound
	}
	return content.FromBytes(o.data)(ctx)
}

// seed puts an image into a repository, without a tag if that is "".
func seed(reg *registrytest.Server, repository, tag string, img *image.Image) {
	for _, l := range pictures().layers {
		if slices.ContainsFunc(img.Layers(), func(i image.LayerInfo) bool { return i.Digest == l.desc.Digest }) {
			reg.PushBlob(repository, l.data)
		}
	}
	reg.PushBlob(repository, img.Config())
	reg.PushManifest(repository, tag, content.OCIManifest, img.Manifest())
}

// place is where a job is done: two registries of a network, and what is on this side of it.
type place struct {
	net      *pipes
	from, to *registrytest.Server
	client   *registry.Client
	local    content.Memory
	copies   int64 // at once
}

// task is a job of the matrix: what users do.
type task struct {
	name   string
	reads  bool // the faults strike the registry that is read from, not the one that is written to
	quirks registrytest.Quirks
	part   int64 // bytes of the first part of an upload in parts
	seed   func(p *place)
	run    func(ctx context.Context, p *place) error
	tags   []string // of app afterwards, in the order in which they are given
}

// done reports what is missing after the task.
func (j *task) done(p *place) error {
	if j.name == "pull" {
		desc, err := p.local.Resolve(context.Background(), j.tags[0])
		if err != nil {
			return err
		}
		return wholeDocument(desc, func(desc content.Descriptor) ([]byte, error) {
			return content.ReadLimited(context.Background(), &p.local, desc, 1<<30)
		})
	}
	if got := p.to.Tags("app"); !slices.Equal(got, slices.Sorted(slices.Values(j.tags))) {
		return fmt.Errorf("the tags are %q, want %q", got, j.tags)
	}
	return j.whole(p)
}

// whole reports a tag that points to something incomplete, or was given before one that is missing.
func (j *task) whole(p *place) error {
	tags := p.to.Tags("app")
	for i, tag := range j.tags {
		if i > 0 && slices.Contains(tags, tag) && !slices.Contains(tags, j.tags[i-1]) {
			return fmt.Errorf("there is a tag %s and none %s", tag, j.tags[i-1])
		}
	}
	for _, tag := range tags {
		desc, _, ok := p.to.Manifest("app", tag)
		if !ok {
			return fmt.Errorf("the tag %s points to nothing", tag)
		}
		if err := wholeDocument(desc, p.stored); err != nil {
			return fmt.Errorf("the tag %s is incomplete: %w", tag, err)
		}
	}
	return nil
}

// stored reads what was written.
func (p *place) stored(desc content.Descriptor) ([]byte, error) {
	data, ok := p.to.Blob("app", desc.Digest)
	if content.IsDocument(desc.MediaType) {
		_, data, ok = p.to.Manifest("app", desc.Digest.String())
	}
	if !ok {
		return nil, content.ErrNotFound
	}
	return data, content.CheckBytes(desc, data)
}

func tasks() []task {
	img := pictures().image
	seedImage := func(p *place) { seed(p.from, "app", "v1", img) }
	seedIndex := func(p *place) {
		seed(p.from, "app", "", img)
		seed(p.from, "app", "", pictures().other)
		p.from.PushManifest("app", "v1", content.OCIIndex, pictures().index.data)
	}
	one := []string{"v1"}
	return []task{
		{name: "pull", reads: true, seed: seedImage, run: pull, tags: one},
		{name: "copy, reading", reads: true, seed: seedImage, run: copyTo("v1"), tags: one},
		{name: "copy, writing", seed: seedImage, run: copyTo("v1"), tags: one},
		{name: "copy of an index, reading", reads: true, seed: seedIndex, run: copyTo("v1"), tags: one},
		{name: "copy of an index, writing", seed: seedIndex, run: copyTo("v1"), tags: one},
		{name: "push", run: pushBuilt, tags: one},
		{name: "push in parts", quirks: registrytest.Quirks{MaxBody: 150e3}, part: 64 << 10, run: pushFinished, tags: one},
		{name: "mount", seed: func(p *place) { seed(p.to, "base", "", img); seed(p.to, "other", "", pictures().other) }, run: mountAll, tags: one},
		{name: "save of three tags", seed: seedImage, run: copyTo("v2", "v1", "latest"), tags: []string{"v2", "v1", "latest"}},
	}
}

// copyOptions are those of every copy of a place.
func (p *place) copyOptions() *content.CopyOptions {
	return &content.CopyOptions{WithoutRoot: true, Concurrency: p.copies}
}

// pull reads an image and all that it needs, as for a layout.
func pull(ctx context.Context, p *place) error {
	src := p.client.Repository(p.from.Host, "app")
	desc, data, err := content.ReadDocument(ctx, src, "v1")
	if err != nil {
		return err
	}
	if err := content.Copy(ctx, &p.local, src, desc, p.copyOptions()); err != nil {
		return err
	}
	return content.PushTagged(ctx, &p.local, desc, content.FromBytes(data), []string{"v1"})
}

// copyTo copies between the registries and tags the copy.
func copyTo(tags ...string) func(ctx context.Context, p *place) error {
	return func(ctx context.Context, p *place) error {
		src, dst := p.client.Repository(p.from.Host, "app"), p.client.Repository(p.to.Host, "app")
		desc, data, err := content.ReadDocument(ctx, src, "v1")
		if err != nil {
			return err
		}
		if there, err := dst.ResolveDigest(ctx, tags[0]); err == nil && there == desc.Digest && len(tags) == 1 {
			return nil
		}
		return p.publish(ctx, dst, src, desc, data, tags...)
	}
}

// publish is the end of every save.
func (p *place) publish(ctx context.Context, dst content.Repository, src content.Fetcher, desc content.Descriptor, data []byte, tags ...string) error {
	if err := content.Copy(ctx, dst, src, desc, p.copyOptions()); err != nil {
		return err
	}
	return content.PushMended(ctx, dst, src, desc, data, tags, nil)
}

// pushBuilt sends a layer that is being written, then what is finished, then the config and the manifest.
func pushBuilt(ctx context.Context, p *place) error {
	dst, img := p.client.Repository(p.to.Host, "app"), pictures().image
	for _, l := range pictures().layers[:2] {
		if _, err := dst.PushPending(ctx, content.OCILayer, pending{l}); err != nil {
			return err
		}
	}
	return p.publish(ctx, dst, img, img.Descriptor(), img.Manifest(), "v1")
}

// pushFinished sends what is all finished.
func pushFinished(ctx context.Context, p *place) error {
	img := pictures().long
	return p.publish(ctx, p.client.Repository(p.to.Host, "app"), img, img.Descriptor(), img.Manifest(), "v1")
}

// mountAll makes an image of layers that other repositories of the registry have, some of them and not all.
func mountAll(ctx context.Context, p *place) error {
	dst := p.client.Repository(p.to.Host, "app")
	src := located{pictures().image, []string{p.to.Host + "/other", p.to.Host + "/missing", p.to.Host + "/base"}}
	return p.publish(ctx, dst, src, src.Descriptor(), src.Manifest(), "v1")
}

// located is an image whose layers may be in several repositories.
type located struct {
	*image.Image
	places []string
}

// Sources implements content.Locator.
func (l located) Sources(content.Descriptor) []string { return l.places }

// wholeDocument reports what is missing of a document and of all below it.
func wholeDocument(desc content.Descriptor, read func(content.Descriptor) ([]byte, error)) error {
	data, err := read(desc)
	if err != nil || !content.IsDocument(desc.MediaType) {
		return err
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		return err
	}
	for _, child := range doc.Children() {
		if err := wholeDocument(child, read); err != nil {
			return fmt.Errorf("%s: %w", child.Digest, err)
		}
	}
	return nil
}
