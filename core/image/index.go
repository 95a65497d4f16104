package image

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
)

// Index is an index of images (image-spec, image-index.md), or a Docker manifest list, as an immutable value: what is not changed keeps its bytes. Make one with
// ParseIndex or NewIndex.
type Index struct {
	desc    content.Descriptor
	data    []byte
	entries []Entry
}

// Entry is one entry of an index: its descriptor, and the bytes in which that stands there.
type Entry struct {
	content.Descriptor
	raw   json.RawMessage
	place int // in its index
}

// Member is an image of an index: its entry, the image that is there, and what became of it.
type Member struct {
	Entry         Entry
	Before, After *Image
}

// ParseIndex reads the text of an index, of which mediaType is what was said of it. What is no index is [content.ErrInvalid].
func ParseIndex(mediaType string, data []byte) (*Index, error) {
	doc, err := content.ParseDocument(mediaType, data)
	if err != nil {
		return nil, err
	}
	if !content.IsIndex(doc.MediaType) {
		return nil, fmt.Errorf("%w index: it is of type %q", content.ErrInvalid, doc.MediaType)
	}
	text, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	raw, err := parseArray(text.get("manifests"))
	if err != nil {
		return nil, err
	}
	x := &Index{desc: content.Of(doc.MediaType, data), data: data}
	for i, desc := range doc.Manifests {
		x.entries = append(x.entries, Entry{desc, raw[i], i})
	}
	return x, nil
}

// NewIndex returns the index of a family that lists nothing.
func NewIndex(f Format) *Index {
	text := &object{}
	text.set("schemaVersion", json.RawMessage(`2`))
	text.set("mediaType", encode(f.indexType()))
	text.set("manifests", json.RawMessage(`[]`))
	x, _ := ParseIndex("", text.bytes()) // what is written here is valid
	return x
}

func (f Format) indexType() string {
	if f == FormatDocker {
		return content.DockerList
	}
	return content.OCIIndex
}

// Descriptor returns the descriptor of the index itself.
func (x *Index) Descriptor() content.Descriptor { return x.desc }

// Bytes returns a copy of its text.
func (x *Index) Bytes() []byte { return slices.Clone(x.data) }

// Entries returns its entries in order. The slice is the caller's.
func (x *Index) Entries() []Entry { return slices.Clone(x.entries) }

// Format is the family of the index; its images may be of the other one.
func (x *Index) Format() Format {
	if x.desc.MediaType == content.DockerList {
		return FormatDocker
	}
	return FormatOCI
}

// edit makes the index that f makes of the text.
func (x *Index) edit(f func(text *object) error) (*Index, error) {
	text, err := parseObject(x.data)
	if err != nil {
		return nil, err
	}
	if err := f(text); err != nil {
		return nil, err
	}
	if isNull(text.get("mediaType")) {
		text.set("mediaType", encode(x.desc.MediaType))
	}
	return ParseIndex("", text.bytes())
}

// With returns the index with these entries in the place of its own. When they are the same, it is x itself.
func (x *Index) With(entries []Entry) (*Index, error) {
	same := func(a, b Entry) bool { return string(a.raw) == string(b.raw) }
	if slices.EqualFunc(x.entries, entries, same) {
		return x, nil
	}
	return x.edit(func(text *object) error {
		raw := make([]json.RawMessage, len(entries))
		for i, e := range entries {
			raw[i] = e.raw
		}
		text.set("manifests", joinArray(raw))
		return nil
	})
}

// WithAnnotations returns the index with more annotations of its own. A Docker manifest list has none: that is [content.ErrUnsupported].
func (x *Index) WithAnnotations(annotations map[string]string) (*Index, error) {
	if len(annotations) == 0 {
		return x, nil
	}
	if x.Format() == FormatDocker {
		return nil, fmt.Errorf("annotations of the index: %w: a Docker manifest list has none; use labels, or format = \"oci\"", content.ErrUnsupported)
	}
	return x.edit(func(text *object) error { return addAll(text, "annotations", annotations) })
}

// WithFormat returns the index in another family. Its images stay as they are. A Docker manifest list has no annotations, subject and artifact type, and its entries
// none either; without them attestations say nothing. All that is left out.
func (x *Index) WithFormat(f Format) (*Index, error) {
	if f == x.Format() {
		return x, nil
	}
	return x.edit(func(text *object) error {
		text.set("mediaType", encode(f.indexType()))
		if f == FormatOCI {
			return nil
		}
		for _, key := range []string{"annotations", "subject", "artifactType"} {
			text.drop(key)
		}
		var entries []json.RawMessage
		for _, e := range x.entries {
			if isAttestation(e.Descriptor) {
				continue
			}
			o, err := parseObject(e.raw)
			if err != nil {
				return err
			}
			for _, key := range []string{"annotations", "data", "artifactType"} {
				o.drop(key)
			}
			entries = append(entries, o.bytes())
		}
		text.set("manifests", joinArray(entries))
		return nil
	})
}

// Rewrite returns the index of the members alone, in its order, each as it became. An image that did not change keeps its entry byte for byte, and with it its attestations (BuildKit's
// provenance and SBOMs), which those of changed images lose: they speak of another image. With rest, other entries stay too: artifacts, and what is no image at all. The annotations that the images
// have for their entries and their index are put there.
func (x *Index) Rewrite(members []Member, rest bool) (*Index, error) {
	by := map[int]Member{}
	untouched := map[digest.Digest]bool{} // whether the image of an entry is still that of the entry
	var images []*Image
	for _, m := range members {
		by[m.Entry.place] = m
		untouched[m.Entry.Digest] = untouched[m.Entry.Digest] || m.After.desc.Digest == m.Entry.Digest
		images = append(images, m.After)
	}
	var entries []Entry
	for _, e := range x.entries {
		m, isMember := by[e.place]
		still, known := untouched[digest.Digest(e.Annotations[attested])]
		switch {
		case isMember:
			changed, err := m.Entry.For(m.Before, m.After)
			if err != nil {
				return nil, err
			}
			entries = append(entries, changed)
		case isAttestation(e.Descriptor) && known && !still:
		case isAttestation(e.Descriptor) && known, rest:
			entries = append(entries, e)
		}
	}
	return x.Of(entries, images)
}

// Of returns the index of these entries, with the annotations that the images among them have for their index.
func (x *Index) Of(entries []Entry, images []*Image) (*Index, error) {
	annotations := map[string]string{}
	for _, img := range images {
		if x.Format() == FormatDocker && len(img.around.entry) > 0 {
			return nil, fmt.Errorf("annotations of an entry: %w: a Docker manifest list has none; use labels, or format = \"oci\"", content.ErrUnsupported)
		}
		maps.Copy(annotations, img.around.index)
	}
	next, err := x.With(entries)
	if err != nil {
		return nil, err
	}
	return next.WithAnnotations(annotations)
}

// NewEntry lists an image: with the platform that its config says, and the annotations that it has for its entry.
func NewEntry(img *Image) (Entry, error) {
	desc := content.Descriptor{MediaType: img.desc.MediaType, Digest: img.desc.Digest, Size: img.desc.Size, Platform: img.platform()}
	return Entry{Descriptor: desc, raw: encode(desc)}.For(img, img)
}

// For returns the entry for what became of its image. The platform and the annotations stay; the former becomes that of the image's config if that is another one than it was.
func (e Entry) For(before, after *Image) (Entry, error) {
	moved := before.Platform() != after.Platform()
	if e.Digest == after.desc.Digest && !moved && len(after.around.entry) == 0 {
		return e, nil
	}
	o, err := parseObject(e.raw)
	if err != nil {
		return Entry{}, err
	}
	if e.Digest != after.desc.Digest {
		o.drop("data")
		o.set("mediaType", encode(after.desc.MediaType))
		o.set("digest", encode(after.desc.Digest))
		o.set("size", encode(after.desc.Size))
	}
	if moved {
		o.set("platform", encode(after.platform()))
	}
	if err := addAll(o, "annotations", after.around.entry); err != nil {
		return Entry{}, err
	}
	return parseEntry(o, e.place)
}

// WithPlatform returns an entry that says the platform of its image; one that says one already stays as it is.
func (e Entry) WithPlatform(img *Image) (Entry, error) {
	if _, said := e.Platform(); said {
		return e, nil
	}
	o, err := parseObject(e.raw)
	if err != nil {
		return Entry{}, err
	}
	o.set("platform", encode(img.platform()))
	return parseEntry(o, e.place)
}

func parseEntry(o *object, place int) (Entry, error) {
	e := Entry{raw: o.bytes(), place: place}
	if err := json.Unmarshal(e.raw, &e.Descriptor); err != nil {
		return Entry{}, fmt.Errorf("%w index: %w", content.ErrInvalid, err)
	}
	return e, nil
}

// Platform returns the platform that the entry says; false when it says none.
func (e Entry) Platform() (Platform, bool) { return platformOf(e.Descriptor.Platform) }

// platform is what an entry says of where the image runs: all that its config says, as it does.
func (img *Image) platform() *ocispec.Platform {
	c := img.parsed
	return &ocispec.Platform{Architecture: c.Architecture, OS: c.OS, OSVersion: c.OSVersion, OSFeatures: c.OSFeatures, Variant: c.Variant}
}

// around is what an image says of the place where it stands, and which no byte of its own has: annotations of its entry in an index, and of that index.
type around struct{ entry, index map[string]string }

// with returns it with more.
func (a around) with(c *Changes) around {
	return around{merged(a.entry, c.EntryAnnotations), merged(a.index, c.IndexAnnotations)}
}

func merged(a, b map[string]string) map[string]string {
	if len(b) == 0 {
		return a
	}
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return all
}

// NeedsIndex reports whether the image has annotations that only an index can hold, and what they are called: "entry_annotations" or "index_annotations".
func (img *Image) NeedsIndex() (attribute string, needs bool) {
	switch {
	case len(img.around.index) > 0:
		return "index_annotations", true
	case len(img.around.entry) > 0:
		return "entry_annotations", true
	}
	return "", false
}
