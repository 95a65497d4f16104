package content

import (
	"encoding/json"
	"fmt"
)

// Document is what a manifest or an index says, as far as moving it needs. Its bytes are the truth; this is only read from them.
type Document struct {
	MediaType    string       // as the document and its server say it; never empty
	ArtifactType string       // of an OCI artifact manifest or index
	Config       *Descriptor  // of a manifest
	Layers       []Descriptor // of a manifest
	Manifests    []Descriptor // of an index
	Subject      *Descriptor  // what an artifact refers to; not a child
	Annotations  map[string]string
}

// Children returns what must be in a store before the document is: the config and the layers of a manifest, the manifests of an
// index.
func (d *Document) Children() []Descriptor {
	if d.Config == nil {
		return d.Manifests
	}
	return append([]Descriptor{*d.Config}, d.Layers...)
}

// ParseDocument reads a manifest or an index. mediaType is what the server or the descriptor said of it; where that is empty or
// says nothing ("application/json"), the document's own word or shape decides.
//
// Refused as [ErrInvalid] are: what is not JSON or has something behind it, duplicate keys, a mediaType inside that contradicts the one
// outside, a document with both layers and manifests or whose fields contradict its media type (CVE-2021-41190),
// bad digests and sizes, Docker schema 1, and more than [MaxDocument] bytes.
func ParseDocument(mediaType string, data []byte) (*Document, error) {
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("%w manifest: %d bytes are more than the limit of %d", ErrInvalid, len(data), MaxDocument)
	}
	var raw struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     string          `json:"mediaType"`
		ArtifactType  string          `json:"artifactType"`
		Config        *Descriptor     `json:"config"`
		Layers        *[]Descriptor   `json:"layers"`
		Manifests     *[]Descriptor   `json:"manifests"`
		Subject       *Descriptor     `json:"subject"`
		FSLayers      json.RawMessage `json:"fsLayers"`

		Annotations map[string]string `json:"annotations"`
	}
	if err := CheckJSON(data); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	if IsSchema1(mediaType) || IsSchema1(raw.MediaType) || raw.FSLayers != nil || raw.SchemaVersion == 1 {
		return nil, fmt.Errorf("%w manifest: Docker schema 1 is not supported; have the image pushed again by a current tool", ErrInvalid)
	}
	if IsDocument(mediaType) && raw.MediaType != "" && raw.MediaType != mediaType {
		return nil, fmt.Errorf("%w manifest: its mediaType is %q, but it was served as %q", ErrInvalid, short(raw.MediaType), mediaType)
	}
	if !IsDocument(mediaType) {
		mediaType = raw.MediaType
	}
	isManifest, isIndex := raw.Config != nil || raw.Layers != nil, raw.Manifests != nil
	switch {
	case isManifest && isIndex:
		return nil, fmt.Errorf("%w manifest: it has both layers and manifests", ErrInvalid)
	case mediaType == "" && isManifest:
		mediaType = OCIManifest
	case mediaType == "" && isIndex:
		mediaType = OCIIndex
	}
	switch {
	case IsManifest(mediaType) && (raw.Config == nil || isIndex):
		return nil, fmt.Errorf("%w manifest: %s without a config", ErrInvalid, mediaType)
	case IsIndex(mediaType) && !isIndex:
		return nil, fmt.Errorf("%w index: %s without manifests", ErrInvalid, mediaType)
	case !IsDocument(mediaType):
		return nil, fmt.Errorf("%w manifest: media type %q is none of a manifest or an index", ErrInvalid, short(mediaType))
	}
	d := &Document{MediaType: mediaType, ArtifactType: raw.ArtifactType, Config: raw.Config, Subject: raw.Subject, Annotations: raw.Annotations}
	if raw.Layers != nil {
		d.Layers = *raw.Layers
	}
	if raw.Manifests != nil {
		d.Manifests = *raw.Manifests
	}
	return d, d.check()
}

// check holds the descriptors of a document to the rules of image-spec, descriptor.md.
func (d *Document) check() error {
	all := append([]Descriptor(nil), d.Children()...)
	if d.Subject != nil {
		all = append(all, *d.Subject)
	}
	for _, desc := range all {
		if _, err := ParseDigest(desc.Digest.String()); err != nil {
			return fmt.Errorf("%w manifest: %w", ErrInvalid, err)
		}
		if desc.Size < 0 {
			return fmt.Errorf("%w manifest: %s has size %d", ErrInvalid, desc.Digest, desc.Size)
		}
	}
	return nil
}
