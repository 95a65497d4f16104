package layout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/core/content"
)

// emptyIndex is the index.json of a layout without images.
const emptyIndex = `{"schemaVersion":2,"mediaType":"` + content.OCIIndex + `","manifests":[]}`

// index is an index.json, of which only the list of manifests is ever changed.
type index struct {
	before, after []byte // what stands around that list
	entries       []entry
}

// entry is one element of the list. Its bytes are the truth; desc is only read from them.
type entry struct {
	raw  json.RawMessage
	desc content.Descriptor
}

// parseIndex reads an index.json. No list of manifests, and what content.CheckJSON refuses, are [content.ErrInvalid].
func parseIndex(data []byte) (*index, error) {
	var list json.RawMessage
	x := &index{}
	if err := content.CheckJSON(data); err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	err := content.Members(data, func(m content.Member) error {
		switch {
		case m.Key == "manifests":
			list, x.before, x.after = m.Value, data[:m.End-len(m.Value)], data[m.End:]
		case strings.EqualFold(m.Key, "manifests"): // Go programs would read it as the list
			return fmt.Errorf("%w: it has a key %q", content.ErrInvalid, m.Key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	if list == nil {
		return nil, fmt.Errorf("%w %s: it has no list of manifests", content.ErrInvalid, indexFile)
	}
	var raws []json.RawMessage // null too, which Go programs write for an empty list
	if json.Unmarshal(list, &raws) != nil {
		return nil, fmt.Errorf("%w %s: manifests is no list", content.ErrInvalid, indexFile)
	}
	for _, raw := range raws {
		x.entries = append(x.entries, entry{raw: raw, desc: readEntry(raw)})
	}
	return x, nil
}

// readEntry reads a descriptor. The zero one stands for what is none, or none that we can use.
func readEntry(raw json.RawMessage) content.Descriptor {
	var desc content.Descriptor
	if json.Unmarshal(raw, &desc) != nil || desc.Size < 0 {
		return content.Descriptor{}
	}
	if _, err := content.ParseDigest(desc.Digest.String()); err != nil {
		return content.Descriptor{}
	}
	return desc
}

// encode returns the index.json.
func (x *index) encode() []byte {
	var b bytes.Buffer
	b.Write(x.before)
	b.WriteByte('[')
	for i, e := range x.entries {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(e.raw)
	}
	b.WriteByte(']')
	b.Write(x.after)
	return b.Bytes()
}

// isImage reports whether e is a manifest or an index that we can read.
func (e entry) isImage() bool { return content.IsDocument(e.desc.MediaType) && e.desc.Digest != "" }

// nameless reports whether e says nothing but which manifest is there, so that nothing is lost when another entry says it too.
func (e entry) nameless() bool {
	dec := json.NewDecoder(bytes.NewReader(e.raw))
	dec.DisallowUnknownFields()
	var d content.Descriptor
	return dec.Decode(&d) == nil && d.Annotations == nil && d.URLs == nil && d.Data == nil
}

// newEntry lists desc under name; empty means none. Annotations of the descriptor are those of another place and stay behind.
func newEntry(desc content.Descriptor, name string) (entry, error) {
	d := content.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size, Platform: desc.Platform, ArtifactType: desc.ArtifactType}
	if name != "" {
		d.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	}
	raw, err := json.Marshal(d)
	return entry{raw: raw, desc: d}, err
}

// list gives desc an entry without a name, unless the layout lists it, by itself or in an index.
func (x *index) list(ctx context.Context, src content.Fetcher, desc content.Descriptor) error {
	if err := x.adopt(ctx, src, desc); err != nil {
		return err
	}
	if _, err := x.find(ctx, src, desc.Digest); !errors.Is(err, content.ErrNotFound) {
		return err
	}
	e, err := newEntry(desc, "")
	x.entries = append(x.entries, e)
	return err
}

// name gives desc the name, in place of whatever has it, and drops its entry without a name.
func (x *index) name(ctx context.Context, src content.Fetcher, desc content.Descriptor, name string) error {
	if err := x.adopt(ctx, src, desc); err != nil {
		return err
	}
	e, err := newEntry(desc, name)
	if err != nil {
		return err
	}
	replaced := func(old entry) bool {
		return refName(old.desc) == name || old.desc.Digest == desc.Digest && old.nameless()
	}
	place := slices.IndexFunc(x.entries, replaced)
	if place < 0 {
		place = len(x.entries)
	}
	for _, old := range x.entries {
		if refName(old.desc) == name && sameContent(old.desc, desc) {
			e = old // it may say more than we know
		}
	}
	x.entries = slices.Insert(slices.DeleteFunc(x.entries, replaced), place, e)
	return nil
}

func sameContent(a, b content.Descriptor) bool {
	return a.Digest == b.Digest && a.Size == b.Size && a.MediaType == b.MediaType
}

// adopt drops the nameless entries of what the index desc contains: they are found through it.
func (x *index) adopt(ctx context.Context, src content.Fetcher, desc content.Descriptor) error {
	if !content.IsIndex(desc.MediaType) {
		return nil
	}
	children, err := childrenOf(ctx, src, desc)
	if err != nil {
		return err
	}
	x.entries = slices.DeleteFunc(x.entries, func(e entry) bool {
		return e.nameless() && slices.ContainsFunc(children, func(c content.Descriptor) bool { return c.Digest == e.desc.Digest })
	})
	return nil
}

// abandoned is the age at which the temporary files of dead writers are removed.
const abandoned = 10 * time.Minute

// update changes index.json under the lock, or makes an empty one; without a change nothing is written.
func (l *Layout) update(ctx context.Context, root *os.Root, edit func(*index) error) error {
	if err := l.turn.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer l.turn.Release(1)
	unlock, err := atomicfile.Lock(ctx, root, lockFile)
	if err != nil {
		return l.errorf("%w", err)
	}
	defer unlock()
	atomicfile.Sweep(root, ".", abandoned)
	old, err := readFile(root, indexFile)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return l.errorf("%w", err)
	}
	if missing {
		old = []byte(emptyIndex)
	}
	x, err := parseIndex(old)
	if err != nil {
		return l.errorf("%w", err)
	}
	unchanged := x.encode()
	if err := edit(x); err != nil {
		return l.errorf("%w", err)
	}
	data := x.encode()
	switch {
	case bytes.Equal(data, unchanged) && !missing:
		return nil
	case len(data) > content.MaxDocument:
		return l.errorf("%s would have %d bytes, more than the limit of %d", indexFile, len(data), content.MaxDocument)
	}
	if err := atomicfile.WriteFile(root, ".", indexFile, data, filePerm); err != nil {
		return l.errorf("%w", err)
	}
	return nil
}
