package content

import (
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of the Docker schema 2 family (distribution's docs/content/spec/manifest-v2-2.md) and of the OCI one (image-spec,
// media-types.md).
const (
	DockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	DockerList         = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerConfig       = "application/vnd.docker.container.image.v1+json"
	DockerLayer        = "application/vnd.docker.image.rootfs.diff.tar"
	DockerLayerGzip    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	DockerForeignLayer = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	DockerSchema1      = "application/vnd.docker.distribution.manifest.v1+json"
	DockerSchema1Jws   = "application/vnd.docker.distribution.manifest.v1+prettyjws"

	OCIManifest  = ocispec.MediaTypeImageManifest
	OCIIndex     = ocispec.MediaTypeImageIndex
	OCIConfig    = ocispec.MediaTypeImageConfig
	OCILayer     = ocispec.MediaTypeImageLayer
	OCILayerGzip = ocispec.MediaTypeImageLayerGzip
	OCILayerZstd = ocispec.MediaTypeImageLayerZstd

	OctetStream = "application/octet-stream"
)

// Documents lists the media types of manifests and indexes, in the order in which a client prefers them.
func Documents() []string {
	return []string{OCIIndex, DockerList, OCIManifest, DockerManifest}
}

// IsManifest reports whether mediaType is that of one image's manifest.
func IsManifest(mediaType string) bool {
	return mediaType == OCIManifest || mediaType == DockerManifest
}

// IsIndex reports whether mediaType is that of an OCI index or a Docker manifest list.
func IsIndex(mediaType string) bool {
	return mediaType == OCIIndex || mediaType == DockerList
}

// IsDocument reports whether mediaType is that of content which a registry serves as a manifest.
func IsDocument(mediaType string) bool {
	return IsManifest(mediaType) || IsIndex(mediaType)
}

// IsSchema1 reports whether mediaType is that of a Docker schema 1 manifest, which imgscript does not read.
func IsSchema1(mediaType string) bool {
	return mediaType == DockerSchema1 || mediaType == DockerSchema1Jws
}

// IsForeign reports whether a layer's bytes live elsewhere than in registries: it has URLs, or a media type that says so.
func IsForeign(desc Descriptor) bool {
	return len(desc.URLs) > 0 || strings.HasPrefix(desc.MediaType, "application/vnd.docker.image.rootfs.foreign.") ||
		strings.Contains(desc.MediaType, ".nondistributable.")
}
