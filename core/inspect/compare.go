package inspect

import (
	"context"
	"encoding/json"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/rootfs"
)

// Named is what a reference names, and where it is read.
type Named struct {
	Reference  string
	Source     content.Fetcher
	Descriptor content.Descriptor // with its media type
}

// CompareOptions says more of a Compare. nil and the zero value: all platforms, without the files.
type CompareOptions struct {
	// Platform compares one image of each; the zero value compares all.
	Platform image.Platform
	// Files compares the files of images, for which layers are read: those that the two do not share, and the shared ones below them where it takes those to know what differs.
	Files bool
	// Times takes a file that differs in its time alone for a change.
	Times bool
}

// Compare compares what two references name: indexes platform by platform, an index and an image by the image's platform, and single images and artifacts with each other, whatever they are for.
// What has the same digest is not read. Of layers, those with the same diff ID are the same. Errors are those of Read, and a [*FilesError] for what is wrong with
// layers.
func Compare(ctx context.Context, old, new Named, opts *CompareOptions) (*Diff, error) {
	c := &comparison{old: old, new: new}
	if opts != nil {
		c.opts = *opts
	}
	if c.opts.Platform != (image.Platform{}) {
		for _, n := range []*Named{&c.old, &c.new} {
			var err error
			if n.Descriptor, err = image.Find(ctx, n.Source, n.Descriptor, c.opts.Platform); err != nil {
				return nil, fmt.Errorf("%s: %w", n.Reference, err)
			}
		}
	}
	d := &Diff{Version: Version, Old: sideOf(c.old), New: sideOf(c.new), Same: c.old.Descriptor.Digest == c.new.Descriptor.Digest}
	if d.Same {
		return d, nil
	}
	return d, c.compare(ctx, d)
}

func sideOf(n Named) Side { return Side{n.Reference, n.Descriptor.Digest, n.Descriptor.MediaType} }

// comparison is one call of Compare.
type comparison struct {
	old, new Named
	opts     CompareOptions
}

// compare compares what is not the same manifest or index.
func (c *comparison) compare(ctx context.Context, d *Diff) error {
	old, err := c.list(ctx, c.old)
	if err != nil {
		return err
	}
	new, err := c.list(ctx, c.new)
	if err != nil {
		return err
	}
	if content.IsIndex(d.Old.MediaType) && content.IsIndex(d.New.MediaType) {
		d.Index = annotationChanges(old.annotations, new.annotations)
	}
	pairs := pairUp(old.entries, new.entries)
	d.Images = make([]*ImageDiff, len(pairs))
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(readAtOnce)
	for i, p := range pairs {
		group.Go(func() (err error) {
			d.Images[i], err = c.pair(reading, p)
			return err
		})
	}
	if err := group.Wait(); err != nil || !c.opts.Files {
		return err
	}
	for i, p := range pairs { // one after the other: their layers are read several at a time
		if err := c.files(ctx, p, d.Images[i]); err != nil {
			return err
		}
	}
	return nil
}

// pair compares two entries but for their files.
func (c *comparison) pair(ctx context.Context, p pair) (*ImageDiff, error) {
	d := &ImageDiff{Change: Changed, Old: p.old.blob(), New: p.new.blob()}
	for _, e := range []*entry{p.old, p.new} {
		if e != nil {
			d.Kind, d.Platform = e.kind, e.platform
		}
	}
	switch {
	case p.old == nil:
		d.Change = Added
		return d, nil
	case p.new == nil:
		d.Change = Removed
		return d, nil
	case p.old.desc.Digest == p.new.desc.Digest:
		d.Change = Kept
		return d, nil
	case p.old.platform != p.new.platform:
		d.Platform = ""
	}
	if err := p.old.read(ctx, c.old.Source); err != nil {
		return nil, fmt.Errorf("%s: %w", c.old.Reference, err)
	}
	if err := p.new.read(ctx, c.new.Source); err != nil {
		return nil, fmt.Errorf("%s: %w", c.new.Reference, err)
	}
	d.Kind = p.new.object.Kind
	d.objects(p.old.object, p.new.object)
	return d, nil
}

// objects compares what was read of two entries.
func (d *ImageDiff) objects(old, new *Object) {
	d.Manifest = fieldChanges(manifestFields(old), manifestFields(new))
	d.Manifest = append(d.Manifest, annotationChanges(old.Annotations, new.Annotations)...)
	d.Config = fieldChanges(Fields(old.Config), Fields(new.Config))
	d.Layers = layerChanges(old.Layers, new.Layers)
	d.History = stepChanges(old.History, new.History)
	if old.Config != nil && new.Config != nil && len(d.Config)+len(d.History) == 0 && old.ConfigBlob.Digest != new.ConfigBlob.Digest {
		d.ConfigBytes = !differentLayers(d.Layers)
	}
	for _, o := range []*Object{old, new} {
		if o.Problem != "" {
			d.Problem = o.Problem
		}
	}
}

// manifestFields are what a manifest says beside its annotations, config and layers.
func manifestFields(o *Object) []Field {
	fields := []Field{{Name: "media_type", Value: raw(o.MediaType)}}
	if o.ArtifactType != "" {
		fields = append(fields, Field{Name: "artifact_type", Value: raw(o.ArtifactType)})
	}
	if o.Subject != nil {
		fields = append(fields, Field{Name: "subject", Value: raw(o.Subject.Digest)})
	}
	return fields
}

func annotationChanges(old, new map[string]string) []FieldChange {
	return fieldChanges(textFields("annotations", old), textFields("annotations", new))
}

// fieldChanges lists the fields that are not in both with the same value: those of the old ones in their order, then what is new.
func fieldChanges(old, new []Field) []FieldChange {
	type id struct{ name, key string }
	values := map[id]json.RawMessage{}
	for _, f := range new {
		values[id{f.Name, f.Key}] = f.Value
	}
	var changes []FieldChange
	for _, f := range old {
		value := values[id{f.Name, f.Key}]
		delete(values, id{f.Name, f.Key})
		if value == nil || !sameJSON(f.Value, value) {
			changes = append(changes, FieldChange{f.Name, f.Key, f.Value, value})
		}
	}
	for _, f := range new {
		if value, ok := values[id{f.Name, f.Key}]; ok {
			changes = append(changes, FieldChange{f.Name, f.Key, nil, value})
		}
	}
	return changes
}

// files compares the files of two images.
func (c *comparison) files(ctx context.Context, p pair, d *ImageDiff) error {
	if d.Change != Changed || d.Problem != "" || p.old.object.Kind != Image || p.new.object.Kind != Image {
		return nil
	}
	found, err := rootfs.Compare(ctx, layersOf(p.old.object, c.old.Source), layersOf(p.new.object, c.new.Source), &rootfs.CompareOptions{Times: c.opts.Times})
	if err != nil {
		return &FilesError{d.Platform, err}
	}
	d.Files = &FileDiff{Changes: []FileChange{}, TimesOnly: found.Times}
	for i := range found.Differences {
		d.Files.Changes = append(d.Files.Changes, fileChange(&found.Differences[i]))
	}
	return nil
}

// FilesError says that the files of two images could not be compared. Everything else can be, without CompareOptions.Files.
type FilesError struct {
	Platform string // "" where none is known
	Err      error
}

// Error implements error.
func (e *FilesError) Error() string {
	if e.Platform == "" {
		return fmt.Sprintf("files: %v", e.Err)
	}
	return fmt.Sprintf("files of %s: %v", e.Platform, e.Err)
}

// Unwrap returns the reason.
func (e *FilesError) Unwrap() error { return e.Err }

func layersOf(o *Object, src content.Fetcher) rootfs.Layers {
	l := rootfs.Layers{Source: src}
	for _, layer := range o.Layers {
		l.Layers = append(l.Layers, content.Descriptor{MediaType: layer.MediaType, Digest: layer.Digest, Size: layer.Size, URLs: layer.URLs})
		l.DiffIDs = append(l.DiffIDs, layer.DiffID)
	}
	return l
}

func fileChange(d *rootfs.Difference) FileChange {
	f := FileChange{Path: d.Path, Change: Changed, Fields: d.Fields(), Old: changedFile(d.Old), New: changedFile(d.New)}
	switch {
	case d.Old == nil:
		f.Change = Added
	case d.New == nil:
		f.Change = Removed
	}
	return f
}

func changedFile(f *rootfs.Summed) *ChangedFile {
	if f == nil {
		return nil
	}
	return &ChangedFile{fileOf(f.File), f.Digest}
}
