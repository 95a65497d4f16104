package image

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// LayerInfo is a layer of an image.
type LayerInfo struct {
	content.Descriptor
	DiffID    digest.Digest // empty of an artifact
	CreatedBy string        // of the history; empty when that has none or does not match the layers
}

// Added is a layer to append and what the history says of it.
type Added struct {
	Layer     layer.Layer
	CreatedBy string
	Comment   string
	Created   time.Time // the zero time is left out
	// Source is where the layer's bytes are read; nil is the source that Append is given.
	Source content.Fetcher
}

// historyEntry is one entry of a config's history (image-spec, config.md).
type historyEntry struct {
	Created    string `json:"created,omitempty"`
	CreatedBy  string `json:"created_by,omitempty"`
	Comment    string `json:"comment,omitempty"`
	EmptyLayer bool   `json:"empty_layer,omitempty"`
}

// Layers returns the image's layers, the lowest first.
func (img *Image) Layers() []LayerInfo {
	all := make([]LayerInfo, len(img.doc.Layers))
	for i, desc := range img.doc.Layers {
		all[i].Descriptor = desc
		if img.config != nil {
			all[i].DiffID = img.parsed.RootFS.DiffIDs[i]
		}
	}
	entries := img.parsed.layerEntries()
	if len(entries) == len(all) {
		for i, e := range entries {
			all[i].CreatedBy = img.parsed.History[e].CreatedBy
		}
	}
	return all
}

// layerEntries are the indexes of the history's entries that stand for layers.
func (c *parsedConfig) layerEntries() []int {
	var entries []int
	for i, h := range c.History {
		if !h.EmptyLayer {
			entries = append(entries, i)
		}
	}
	return entries
}

// Append returns the image with layers on top of it, each with its entry in the history. Their bytes are read from src, when they are
// read, or from sources of their own. Each call reads and writes the whole manifest and config: many layers are appended at once. Media types become those of the image's family; one that it doesn't have (zstd in a Docker image) is
// [content.ErrUnsupported]. Malformed digests and negative sizes are [content.ErrInvalid].
func (img *Image) Append(src content.Fetcher, added ...Added) (*Image, error) {
	if len(added) == 0 {
		return img, nil
	}
	changed, err := img.edit(func(manifest, config *object) error {
		return img.editLayers(manifest, config, func(l *lists) error {
			for _, a := range added {
				if err := l.append(img.Format(), a); err != nil {
					return fmt.Errorf("append layer %s: %w", a.Layer.Descriptor.Digest, err)
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	changed.places = changed.places.clone()
	for _, a := range added {
		if a.Source == nil {
			a.Source = src
		}
		if a.Source != nil {
			changed.places.put(a.Source, a.Layer.Descriptor)
		}
	}
	return changed, nil
}

// RemoveLayer returns the image without the layer d: the lowest one, if it is there several times. Its diff ID and its entry in the history
// go with it. It is false, and the image the same, when the image has no such layer.
func (img *Image) RemoveLayer(d digest.Digest) (*Image, bool, error) {
	i := slices.IndexFunc(img.doc.Layers, func(desc content.Descriptor) bool { return desc.Digest == d })
	if i < 0 {
		return img, false, nil
	}
	changed, err := img.edit(func(manifest, config *object) error {
		return img.editLayers(manifest, config, func(l *lists) error {
			l.remove(i)
			return nil
		})
	})
	if err != nil {
		return nil, false, err
	}
	return changed, true, nil
}

// lists are the three lists of an image that speak of its layers, as raw JSON, in step: entries[i] is the index in history of what is said of
// the layer i.
type lists struct {
	layers, diffIDs, history []json.RawMessage
	entries                  []int
}

// editLayers calls f with the image's lists, brought into step, and writes them back.
func (img *Image) editLayers(manifest, config *object, f func(*lists) error) error {
	l, err := img.readLists(manifest, config)
	if err != nil {
		return err
	}
	if err := f(l); err != nil {
		return err
	}
	return config.edit("rootfs", func(rootfs *object) error {
		manifest.set("layers", joinArray(l.layers))
		rootfs.set("diff_ids", joinArray(l.diffIDs))
		config.set("history", joinArray(l.history))
		return nil
	})
}

// readLists reads the image's lists and brings them into step.
func (img *Image) readLists(manifest, config *object) (*lists, error) {
	l := &lists{entries: img.parsed.layerEntries()}
	rootfs, err := parseObject(config.get("rootfs"))
	if err != nil {
		return nil, err
	}
	if l.layers, err = parseArray(manifest.get("layers")); err != nil {
		return nil, err
	}
	if l.diffIDs, err = parseArray(rootfs.get("diff_ids")); err != nil {
		return nil, err
	}
	if l.history, err = parseArray(config.get("history")); err != nil {
		return nil, err
	}
	return l, l.align()
}

// align gives each layer an entry of the history, and marks entries beyond the layers as those of no layer.
func (l *lists) align() error {
	for len(l.entries) < len(l.layers) {
		l.addHistory(historyEntry{Comment: "not in the base image's history"})
	}
	for len(l.entries) > len(l.layers) {
		last := len(l.entries) - 1
		o, err := parseObject(l.history[l.entries[last]])
		if err != nil {
			return fmt.Errorf("history: %w", err)
		}
		o.set("empty_layer", json.RawMessage("true"))
		l.history[l.entries[last]] = o.bytes()
		l.entries = l.entries[:last]
	}
	return nil
}

func (l *lists) addHistory(h historyEntry) {
	l.entries = append(l.entries, len(l.history))
	l.history = append(l.history, encode(h))
}

func (l *lists) append(f Format, a Added) error {
	desc := a.Layer.Descriptor
	if err := content.CheckPush(desc); err != nil {
		return err
	}
	if _, err := content.ParseDigest(a.Layer.DiffID.String()); err != nil {
		return fmt.Errorf("diff ID: %w", err)
	}
	mediaType, err := f.layerType(desc.MediaType)
	if err != nil {
		return err
	}
	if desc.MediaType = mediaType; f == FormatDocker {
		desc.Annotations, desc.Data = nil, nil
	}
	desc.Platform, desc.ArtifactType = nil, ""
	l.layers = append(l.layers, encode(desc))
	l.diffIDs = append(l.diffIDs, encode(a.Layer.DiffID))
	h := historyEntry{CreatedBy: a.CreatedBy, Comment: a.Comment}
	if !a.Created.IsZero() {
		h.Created = timestamp(a.Created)
	}
	l.addHistory(h)
	return nil
}

func (l *lists) remove(i int) {
	entry := l.entries[i]
	l.layers = slices.Delete(l.layers, i, i+1)
	l.diffIDs = slices.Delete(l.diffIDs, i, i+1)
	l.history = slices.Delete(l.history, entry, entry+1)
}

// timestamp writes a time as configs have it (RFC 3339, section 5.6), in UTC.
func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
