package content

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
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
// index. The slice is the caller's.
func (d *Document) Children() []Descriptor {
	if d.Config == nil {
		return slices.Clone(d.Manifests)
	}
	return append([]Descriptor{*d.Config}, d.Layers...)
}

// Referrer describes the document, which is desc, as the list of what refers to its subject has it (distribution-spec, "Listing Referrers").
func (d *Document) Referrer(desc Descriptor) Descriptor {
	found := Descriptor{MediaType: d.MediaType, Digest: desc.Digest, Size: desc.Size, ArtifactType: d.ArtifactType, Annotations: d.Annotations}
	if found.ArtifactType == "" && d.Config != nil {
		found.ArtifactType = d.Config.MediaType
	}
	return found
}

// rawDocument is the JSON of a manifest or an index. A null counts as nothing.
type rawDocument struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType"`
	ArtifactType  string          `json:"artifactType"`
	Config        *sized          `json:"config"`
	Layers        json.RawMessage `json:"layers"`
	Manifests     json.RawMessage `json:"manifests"`
	Subject       *sized          `json:"subject"`
	FSLayers      json.RawMessage `json:"fsLayers"`

	Annotations map[string]string `json:"annotations"`
}

// sized is a descriptor that knows whether it was given a size.
type sized struct {
	Descriptor
	Size *int64 `json:"size"` // in place of that of the Descriptor
}

// read returns the descriptor, held to the rules.
func (s *sized) read() (*Descriptor, error) {
	if s == nil {
		return nil, nil
	}
	desc := s.Descriptor
	if s.Size == nil {
		return nil, fmt.Errorf("%w manifest: %q has no size", ErrInvalid, short(desc.Digest.String()))
	}
	desc.Size = *s.Size
	return &desc, checkDescriptor(desc)
}

// ParseDocument reads a manifest or an index. mediaType is what the server or the descriptor said of it; where that is none of a manifest
// or an index ("", "application/json", "text/plain"), the document's own word or shape decides.
//
// Refused as [ErrInvalid] are: what CheckJSON refuses, fields spelled in another case ("Layers": Go programs take them for the known ones and
// others don't), a mediaType inside that contradicts the one outside, a document with both layers and manifests or
// whose fields contradict its media type (CVE-2021-41190), bad digests, sizes and media types of what it points to, Docker schema 1,
// and more than [MaxDocument] bytes.
func ParseDocument(mediaType string, data []byte) (*Document, error) {
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("%w manifest: %d bytes are more than the limit of %d", ErrInvalid, len(data), MaxDocument)
	}
	raw, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	if IsSchema1(mediaType) || IsSchema1(raw.MediaType) || raw.FSLayers != nil || raw.SchemaVersion == 1 {
		return nil, fmt.Errorf("%w manifest: Docker schema 1 is not supported; have the image pushed again by a current tool", ErrInvalid)
	}
	if raw.SchemaVersion != 0 && raw.SchemaVersion != 2 {
		return nil, fmt.Errorf("%w manifest: schemaVersion %d is not known", ErrInvalid, raw.SchemaVersion)
	}
	d := &Document{ArtifactType: raw.ArtifactType, Annotations: raw.Annotations}
	if d.MediaType, err = raw.kind(mediaType); err != nil {
		return nil, err
	}
	if d.Config, err = raw.Config.read(); err != nil {
		return nil, err
	}
	if d.Subject, err = raw.Subject.read(); err != nil {
		return nil, err
	}
	if d.Layers, err = readDescriptors("layers", raw.Layers); err != nil {
		return nil, err
	}
	if d.Manifests, err = readDescriptors("manifests", raw.Manifests); err != nil {
		return nil, err
	}
	return d, nil
}

func readDocument(data []byte) (*rawDocument, error) {
	if err := checkJSON(data, checkSpelling); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	raw := new(rawDocument)
	if err := unmarshal(data, raw, ""); err != nil {
		return nil, err
	}
	for _, list := range []*json.RawMessage{&raw.Layers, &raw.Manifests} {
		if string(*list) == "null" {
			*list = nil
		}
	}
	return raw, nil
}

// unmarshal is json.Unmarshal with errors for people. within is where the text stands in the document.
func unmarshal(data []byte, v any, within string) error {
	err := json.Unmarshal(data, v)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		field := strings.Trim(within+"."+wrong.Field, ".")
		return fmt.Errorf("%w manifest: %s: unexpected %s", ErrInvalid, orDocument(field), wrong.Value)
	}
	if err != nil {
		return fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	return nil
}

// readDescriptors reads a list and ends at the first that is malformed: a million of them would take a hundred times the memory of their text.
func readDescriptors(name string, list []byte) ([]Descriptor, error) {
	switch {
	case list == nil:
		return nil, nil
	case list[0] != '[':
		return nil, unmarshal(list, new([]Descriptor), name)
	}
	descs := []Descriptor{}
	err := elements(list, func(element []byte) error {
		var one sized
		if err := unmarshal(element, &one, name); err != nil {
			return err
		}
		desc, err := one.read()
		if err == nil {
			descs = append(descs, *desc)
		}
		return err
	})
	return descs, err
}

func orDocument(field string) string {
	if field == "" {
		return "the document"
	}
	return field
}

// kind settles what the document is, by what is said outside, inside, and by its shape.
func (raw *rawDocument) kind(mediaType string) (string, error) {
	if IsDocument(mediaType) && raw.MediaType != "" && raw.MediaType != mediaType {
		return "", fmt.Errorf("%w manifest: its mediaType is %q, but it was served as %q", ErrInvalid, short(raw.MediaType), mediaType)
	}
	if !IsDocument(mediaType) {
		mediaType = raw.MediaType
	}
	isManifest, isIndex := raw.Config != nil || raw.Layers != nil, raw.Manifests != nil
	switch {
	case isManifest && isIndex:
		return "", fmt.Errorf("%w manifest: it has both layers and manifests", ErrInvalid)
	case mediaType == "" && isManifest:
		mediaType = OCIManifest
	case mediaType == "" && isIndex:
		mediaType = OCIIndex
	}
	switch {
	case mediaType == "":
		return "", fmt.Errorf("%w manifest: it has neither a media type nor layers nor manifests", ErrInvalid)
	case !IsDocument(mediaType):
		return "", fmt.Errorf("%w manifest: media type %q is none of a manifest or an index", ErrInvalid, short(mediaType))
	case IsManifest(mediaType) && isIndex:
		return "", fmt.Errorf("%w manifest: %s with manifests", ErrInvalid, mediaType)
	case IsManifest(mediaType) && raw.Config == nil:
		return "", fmt.Errorf("%w manifest: %s without a config", ErrInvalid, mediaType)
	case IsIndex(mediaType) && isManifest:
		return "", fmt.Errorf("%w index: %s with a config or layers", ErrInvalid, mediaType)
	case IsIndex(mediaType) && !isIndex:
		return "", fmt.Errorf("%w index: %s without manifests", ErrInvalid, mediaType)
	}
	return mediaType, nil
}

// checkDescriptor holds a descriptor to the rules of image-spec, descriptor.md.
func checkDescriptor(desc Descriptor) error {
	if _, err := ParseDigest(desc.Digest.String()); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if desc.Size < 0 {
		return fmt.Errorf("%w manifest: %s has size %d", ErrInvalid, desc.Digest, desc.Size)
	}
	if desc.MediaType == "" {
		return fmt.Errorf("%w manifest: %s has no mediaType", ErrInvalid, desc.Digest)
	}
	texts := []string{desc.MediaType}
	if p := desc.Platform; p != nil {
		texts = append(texts, p.OS, p.Architecture, p.Variant, p.OSVersion)
	}
	for _, text := range texts {
		if err := CheckText(text); err != nil {
			return fmt.Errorf("%w manifest: %s: %w", ErrInvalid, desc.Digest, err)
		}
	}
	return nil
}

// CheckText reports a text that is shown to people as it is, such as a platform's name, and has what a terminal obeys, or what is no text.
func CheckText(text string) error {
	if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }); i >= 0 {
		return fmt.Errorf("%q has characters that cannot be shown", short(text))
	}
	return nil
}

// known are the fields by which documents, descriptors and platforms are understood, as they are spelled.
var known = [...]string{
	"schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "fsLayers", "annotations",
	"digest", "size", "urls", "data", "platform",
	"architecture", "os", "os.version", "os.features", "variant",
}

// checkSpelling reports a field that is a known one but for its case. encoding/json takes it for the known one, and so do all registries written in Go; a
// reader that is exact sees another document.
func checkSpelling(key []byte) error {
	const longest = 24 // bytes that any spelling of a known field takes: two letters that are no ASCII fold to one that is
	if len(key) > longest {
		return nil
	}
	for i := range known {
		if name := known[i]; string(key) != name && strings.EqualFold(string(key), name) {
			return fmt.Errorf("key %q is %q in another case", key, name)
		}
	}
	return nil
}

// FetchDocument fetches a manifest or an index and reads it, and returns its text too. Errors are those of [ReadAll] and of [ParseDocument].
func FetchDocument(ctx context.Context, src Fetcher, desc Descriptor) (*Document, []byte, error) {
	data, err := ReadAll(ctx, src, desc)
	if err != nil {
		return nil, nil, err
	}
	doc, err := ParseDocument(desc.MediaType, data)
	return doc, data, err
}
