package inspect

import (
	"slices"
	"strings"
)

const (
	// emptyType is the media type of the config of a manifest that has none (image-spec, manifest.md, "Guidance for an Empty Descriptor").
	emptyType = "application/vnd.oci.empty.v1+json"
	// predicateType is the annotation in which the layers of attestations say what they state (BuildKit, cosign).
	predicateType = "in-toto.io/predicate-type"
)

// classify tells images from artifacts that have an image's config (cosign's signatures, attestations), and says what an artifact is.
func (o *Object) classify() {
	for _, l := range o.Layers {
		if p := l.Annotations[predicateType]; p != "" && !slices.Contains(o.Predicates, p) {
			o.Predicates = append(o.Predicates, p)
		}
	}
	isImage := func(l Layer) bool { return isImageLayer(l.MediaType) }
	if o.Config != nil && o.ArtifactType == "" && (len(o.Layers) == 0 || slices.ContainsFunc(o.Layers, isImage)) {
		return
	}
	o.Kind, o.Type = Artifact, o.artifact()
}

func isImageLayer(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.") || strings.HasPrefix(mediaType, "application/vnd.docker.image.rootfs.")
}

// artifact says in words what an artifact is, by the media types that say the most about it.
func (o *Object) artifact() string {
	types := []string{o.ArtifactType, o.ConfigBlob.MediaType}
	for _, l := range o.Layers {
		types = append(types, l.MediaType)
	}
	for _, t := range types {
		for _, known := range artifacts() {
			if strings.HasPrefix(t, known.prefix) {
				return known.name
			}
		}
	}
	return ""
}

// artifacts are the media types of kinds of artifacts, by their beginnings.
func artifacts() []struct{ prefix, name string } {
	return []struct{ prefix, name string }{
		{"application/vnd.cncf.helm.", "Helm chart"},
		{"application/vnd.dev.cosign.simplesigning.", "cosign signature"},
		{"application/vnd.dev.cosign.artifact.sig.", "cosign signature"},
		{"application/vnd.dev.sigstore.bundle", "Sigstore bundle"},
		{"application/vnd.cncf.notary.", "Notation signature"},
		{"application/vnd.in-toto", "in-toto attestation"},
		{"application/vnd.dsse.envelope.", "in-toto attestation"},
		{"application/spdx", "SPDX SBOM"},
		{"text/spdx", "SPDX SBOM"},
		{"application/vnd.cyclonedx", "CycloneDX SBOM"},
		{"application/vnd.syft", "Syft SBOM"},
		{"application/sarif", "SARIF report"},
		{"application/vnd.wasm.", "WebAssembly module"},
		{"application/wasm", "WebAssembly module"},
		{"application/vnd.docker.plugin.", "Docker plugin"},
		{"application/vnd.docker.compose.", "Compose project"},
		{"application/vnd.docker.ai.model.", "model"},
		{"application/vnd.cncf.model.", "model"},
		{"application/vnd.cncf.flux.", "Flux artifact"},
		{"application/vnd.cncf.openpolicyagent.", "OPA bundle"},
		{"application/vnd.sylabs.sif.", "Singularity image"},
		{"application/vnd.devcontainers", "dev container feature"},
		{"application/vnd.buildkit.cacheconfig.", "BuildKit cache"},
		{"application/vnd.unknown.", ""},
	}
}
