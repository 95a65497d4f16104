package image

import "fmt"

// AppendImage returns the image with all layers of another one on top of it, each with the other's entry in the history. Nothing else of the other's config is taken over, and no entry of its history
// that stands for no layer. Media types become those of the image's family; a layer for which that has no name is [content.ErrUnsupported]. Either being an artifact is [ErrArtifact].
func (img *Image) AppendImage(other *Image) (*Image, error) {
	theirs, err := other.listsAs(img.Format())
	switch {
	case err != nil:
		return nil, err
	case len(theirs.layers) == 0 && img.config != nil:
		return img, nil
	}
	changed, err := img.edit(func(manifest, config *object) error {
		return img.editLayers(manifest, config, func(l *lists) error {
			l.add(theirs)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return changed.readsFrom(other), nil
}

// Flatten returns the image with one layer in the place of all that it has, and with one entry in the history. The layer is what they make together, which is the caller's to see to; its bytes are
// read from its source. An image without layers stays as it is.
func (img *Image) Flatten(one Added) (*Image, error) {
	if len(img.doc.Layers) == 0 && img.config != nil {
		return img, nil
	}
	changed, err := img.edit(func(manifest, config *object) error {
		return img.editLayers(manifest, config, func(l *lists) error {
			*l = lists{}
			return l.append(img.Format(), one)
		})
	})
	if err != nil {
		return nil, err
	}
	changed.places = changed.places.with(one.Source, one.Layer.Descriptor)
	return changed, nil
}

// listsAs are the image's lists, with the layers as a family has them.
func (img *Image) listsAs(f Format) (*lists, error) {
	if img.config == nil {
		return nil, fmt.Errorf("take the layers of %s: %w: it is a %q", img.desc.Digest, ErrArtifact, img.doc.Config.MediaType)
	}
	manifest, config, err := img.objects()
	if err != nil {
		return nil, err
	}
	l, err := img.readLists(manifest, config)
	if err != nil || f == img.Format() {
		return l, err
	}
	for i, layer := range l.layers {
		if l.layers[i], err = f.descriptor(layer, img.doc.Layers[i].MediaType); err != nil {
			return nil, fmt.Errorf("layer %s: %w", img.doc.Layers[i].Digest, err)
		}
	}
	return l, nil
}

// add puts the layers of other lists on top.
func (l *lists) add(other *lists) {
	for _, entry := range other.entries {
		l.entries = append(l.entries, len(l.history))
		l.history = append(l.history, other.history[entry])
	}
	l.layers = append(l.layers, other.layers...)
	l.diffIDs = append(l.diffIDs, other.diffIDs...)
}

// readsFrom has the layers of another image, which img was given, read from there. It changes img, which nobody knows yet.
func (img *Image) readsFrom(other *Image) *Image {
	img.places = img.places.with(other, other.doc.Layers...)
	return img
}
