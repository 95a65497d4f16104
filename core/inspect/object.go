package inspect

import (
	"bytes"
	"encoding/json"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Version is the version of the format that documents and diffs have as JSON.
const Version = 1

// Document is what a reference names.
type Document struct {
	Version   int    `json:"version"` // Version
	Reference string `json:"reference"`
	Object
}

// JSON returns the document as indented text.
func (d *Document) JSON() ([]byte, error) { return encode(d) }

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	return b.Bytes(), err
}

// Kind is what an object is.
type Kind string

// The kinds of objects.
const (
	Index       Kind = "index"       // of images and the like
	Image       Kind = "image"       // for one platform
	Attestation Kind = "attestation" // of an image of the same index, as BuildKit makes them
	Artifact    Kind = "artifact"    // a manifest of something else: a Helm chart, a signature
	Other       Kind = "other"       // an entry of an index that is no manifest
)

// Object is an index, a manifest, or an entry of an index.
type Object struct {
	Kind Kind `json:"kind"`
	// Type is what an artifact is, in words: "Helm chart"; "" when nobody knows.
	Type string `json:"type,omitempty"`
	// Platform is what an image is for, as its entry in the index has it or else its config: "linux/arm64".
	Platform string `json:"platform,omitempty"`

	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"media_type"`
	Size      int64         `json:"size"` // of the manifest or index itself, in bytes
	// TotalSize is the size of all configs and layers in bytes, as they are stored, each blob once.
	TotalSize int64 `json:"total_size,omitempty"`

	ArtifactType string            `json:"artifact_type,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	// EntryAnnotations are those that the index has of it.
	EntryAnnotations map[string]string `json:"entry_annotations,omitempty"`
	Subject          *Blob             `json:"subject,omitempty"` // what it refers to
	// Attests is the image that an attestation is of, and Predicates what kinds of statements it has: "https://slsa.dev/provenance/v1".
	Attests    digest.Digest `json:"attests,omitempty"`
	Predicates []string      `json:"predicates,omitempty"`

	ConfigBlob *Blob `json:"config_descriptor,omitempty"`
	// Config is the config, if it is JSON: of an image the whole of it, field by field as it was written. See Fields.
	Config json.RawMessage `json:"config,omitempty"`
	Layers []Layer         `json:"layers,omitempty"` // the lowest first
	// History says how the image was made, in order. Its steps know their layers unless it does not match them.
	History []Step `json:"history,omitempty"`
	// Files are those of an image, if they were asked for: each directory before what is in it, the root first.
	Files []File `json:"files,omitempty"`

	Manifests []*Object `json:"manifests,omitempty"` // of an index, in its order

	// Problem is what is wrong with it, such as an entry of an index that is not there, or a config that does not fit the manifest. What depends on that is missing.
	Problem string `json:"problem,omitempty"`
}

// Blob names content that was not read.
type Blob struct {
	MediaType string        `json:"media_type"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
}

func blobOf(desc *content.Descriptor) *Blob {
	if desc == nil {
		return nil
	}
	return &Blob{desc.MediaType, desc.Digest, desc.Size}
}

// Layer is a layer of a manifest; of artifacts any blob that it lists.
type Layer struct {
	Digest      digest.Digest     `json:"digest"`
	DiffID      digest.Digest     `json:"diff_id,omitempty"` // of the archive in it; none of an artifact
	MediaType   string            `json:"media_type"`
	Size        int64             `json:"size"` // as it is stored, in bytes
	CreatedBy   string            `json:"created_by,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	URLs        []string          `json:"urls,omitempty"`
	// SharedWith are the platforms of the other images of the index that have the same layer.
	SharedWith []string `json:"shared_with,omitempty"`
}

// Step is an entry of a config's history (image-spec, config.md).
type Step struct {
	Created   string `json:"created,omitempty"` // as it was written; RFC 3339
	CreatedBy string `json:"created_by,omitempty"`
	Author    string `json:"author,omitempty"`
	Comment   string `json:"comment,omitempty"`
	Empty     bool   `json:"empty_layer,omitempty"` // it made no layer
	Layer     int    `json:"layer,omitempty"`       // the number of the layer that it made, from 1; 0 is none, or the history does not match the layers
}

// File is what an image has at a path.
type File struct {
	Path   string            `json:"path"` // absolute
	Type   string            `json:"type"` // "file", "directory", "symlink", "hardlink", "char", "block" or "fifo"
	Mode   string            `json:"mode"` // permissions in octal: "0755"
	UID    int               `json:"uid"`
	GID    int               `json:"gid"`
	Size   int64             `json:"size"`            // of a file's contents, in bytes
	Link   string            `json:"link,omitempty"`  // of a symbolic link its text, of a hard link the path where the contents are listed
	MTime  string            `json:"mtime"`           // RFC 3339
	Major  int64             `json:"major,omitempty"` // of a device
	Minor  int64             `json:"minor,omitempty"`
	Xattrs map[string][]byte `json:"xattrs,omitempty"` // by name, such as "security.capability"; base64 in JSON
	Layer  int               `json:"layer,omitempty"`  // the number of the layer that has it, from 1; 0 is none, of a directory that no layer mentions
}
