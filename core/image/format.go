package image

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

// Format is a family of media types.
type Format string

// The formats. Their configs are the same JSON.
const (
	FormatOCI    Format = "oci"    // image-spec, media-types.md
	FormatDocker Format = "docker" // Docker image manifest version 2, schema 2
)

// ParseFormat reads "oci" or "docker"; anything else is [content.ErrInvalid].
func ParseFormat(s string) (Format, error) {
	if f := Format(s); f == FormatOCI || f == FormatDocker {
		return f, nil
	}
	return "", fmt.Errorf("%w format %q: want \"oci\" or \"docker\"", content.ErrInvalid, s)
}

func (f Format) manifestType() string {
	if f == FormatDocker {
		return content.DockerManifest
	}
	return content.OCIManifest
}

func (f Format) configType() string {
	if f == FormatDocker {
		return content.DockerConfig
	}
	return content.OCIConfig
}

// The media types of layers that both families have. Docker has none for zstd.
const (
	dockerForeignTar  = "application/vnd.docker.image.rootfs.foreign.diff.tar"
	ociForeignTar     = "application/vnd.oci.image.layer.nondistributable.v1.tar"
	ociForeignTarGzip = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
)

// layerTypes pairs the names of one kind of layer: OCI's, then Docker's.
func layerTypes() [][2]string {
	return [][2]string{
		{content.OCILayerGzip, content.DockerLayerGzip},
		{content.OCILayer, content.DockerLayer},
		{ociForeignTarGzip, content.DockerForeignLayer},
		{ociForeignTar, dockerForeignTar},
	}
}

// layerType returns what the family calls a layer of some media type. What it has no name for is [content.ErrUnsupported].
func (f Format) layerType(mediaType string) (string, error) {
	for _, pair := range layerTypes() {
		if mediaType != pair[0] && mediaType != pair[1] {
			continue
		}
		if f == FormatDocker {
			return pair[1], nil
		}
		return pair[0], nil
	}
	switch {
	case f == FormatOCI && strings.HasPrefix(mediaType, "application/vnd.oci."):
		return mediaType, nil
	case strings.HasSuffix(mediaType, "+zstd"):
		return "", fmt.Errorf("%w: a Docker image has no zstd layers; use gzip, or format = \"oci\"", content.ErrUnsupported)
	default:
		return "", fmt.Errorf("%w: a layer of media type %q in an image of format %q", content.ErrUnsupported, mediaType, f)
	}
}

// Format is the family of the image's manifest.
func (img *Image) Format() Format {
	if img.doc.MediaType == content.DockerManifest {
		return FormatDocker
	}
	return FormatOCI
}

// WithFormat returns the image in another family: the media types of the manifest, the config and the layers change, the bytes of the
// config and the layers don't, so that what only Docker's configs have (Healthcheck, OnBuild, Shell) survives. A Docker manifest has no
// annotations, subject and artifact type: they are left out. Layers that the family has no name for are [content.ErrUnsupported].
func (img *Image) WithFormat(f Format) (*Image, error) {
	if f == img.Format() {
		return img, nil
	}
	return img.edit(func(manifest, _ *object) error {
		layers, err := parseArray(manifest.get("layers"))
		if err != nil {
			return err
		}
		for i, layer := range layers {
			if layers[i], err = f.descriptor(layer, img.doc.Layers[i].MediaType); err != nil {
				return fmt.Errorf("layer %s: %w", img.doc.Layers[i].Digest, err)
			}
		}
		if f == FormatDocker {
			for _, key := range []string{"annotations", "subject", "artifactType"} {
				manifest.drop(key)
			}
		}
		manifest.set("mediaType", encode(f.manifestType()))
		manifest.set("layers", joinArray(layers))
		return manifest.edit("config", func(o *object) error {
			o.set("mediaType", encode(f.configType()))
			return nil
		})
	})
}

// descriptor converts one entry of a manifest's layers.
func (f Format) descriptor(layer json.RawMessage, mediaType string) (json.RawMessage, error) {
	mediaType, err := f.layerType(mediaType)
	if err != nil {
		return nil, err
	}
	o, err := parseObject(layer)
	if err != nil {
		return nil, err
	}
	o.set("mediaType", encode(mediaType))
	if f == FormatDocker {
		for _, key := range []string{"annotations", "data", "artifactType"} {
			o.drop(key)
		}
	}
	return o.bytes(), nil
}
