package image

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Repacked is another blob of a layer: the same archive, compressed or not, and so of the same diff ID.
type Repacked struct {
	Descriptor content.Descriptor
	Source     content.Fetcher // where its bytes are read; nil is where the image's are
}

// Repack returns the image with other blobs in the place of layers that it has, by the digests of those. Nothing but the layers' digests, sizes and media types changes, which become those of the
// image's family. One that it does not have is [content.ErrUnsupported].
func (img *Image) Repack(blobs map[digest.Digest]Repacked) (*Image, error) {
	changed, err := img.edit(func(manifest, _ *object) error {
		layers, err := parseArray(manifest.get("layers"))
		if err != nil {
			return err
		}
		for i, desc := range img.doc.Layers {
			if packed, ok := blobs[desc.Digest]; ok {
				if layers[i], err = img.Format().repacked(layers[i], packed.Descriptor); err != nil {
					return fmt.Errorf("layer %s: %w", desc.Digest, err)
				}
			}
		}
		manifest.set("layers", joinArray(layers))
		return nil
	})
	if err != nil || changed == img {
		return changed, err
	}
	changed.places = changed.places.clone()
	for _, packed := range blobs {
		if packed.Source != nil {
			changed.places.put(packed.Source, packed.Descriptor)
		}
	}
	return changed, nil
}

// repacked is one entry of a manifest's layers for another blob.
func (f Format) repacked(layer json.RawMessage, desc content.Descriptor) (json.RawMessage, error) {
	mediaType, err := f.layerType(desc.MediaType)
	if err != nil {
		return nil, err
	}
	o, err := parseObject(layer)
	if err != nil {
		return nil, err
	}
	o.set("mediaType", encode(mediaType))
	o.set("digest", encode(desc.Digest))
	o.set("size", encode(desc.Size))
	o.drop("data")
	return o.bytes(), nil
}
