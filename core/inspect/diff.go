package inspect

import (
	"encoding/json"

	"github.com/opencontainers/go-digest"
)

// Diff is how two things that references name differ.
type Diff struct {
	Version int  `json:"version"` // Version
	Old     Side `json:"old"`
	New     Side `json:"new"`
	// Same says that both are one manifest or index, byte for byte; then nothing else is said.
	Same bool `json:"same"`
	// Index is what differs of two indexes themselves: their annotations.
	Index []FieldChange `json:"index,omitempty"`
	// Images are the pairs of images that were compared, platform by platform, and those that only one has, in the order of the old and then the new index. Attestations are among them.
	Images []*ImageDiff `json:"images,omitempty"`
}

// JSON returns the diff as indented text.
func (d *Diff) JSON() ([]byte, error) { return encode(d) }

// Side is what one of two references names.
type Side struct {
	Reference string        `json:"reference,omitempty"`
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"media_type"`
}

// Change is what became of something.
type Change string

// The changes.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
	Kept    Change = "kept"
	// Recompressed is a layer of the same archive in another blob.
	Recompressed Change = "recompressed"
)

// ImageDiff is how two images, attestations or artifacts differ.
type ImageDiff struct {
	// Platform is that of both; "" where none is known, or of single images for two platforms, which their configs tell.
	Platform string `json:"platform,omitempty"`
	// Kind is that of the new one, or else of the old one.
	Kind Kind `json:"kind"`
	// Change is Kept when both are one manifest, byte for byte: then nothing else is said and nothing of it was read.
	Change Change `json:"change"`
	Old    *Blob  `json:"old,omitempty"` // the manifest; nil of one that was added
	New    *Blob  `json:"new,omitempty"` // nil of one that was removed

	Manifest []FieldChange `json:"manifest,omitempty"` // media_type, artifact_type, subject and annotations
	Config   []FieldChange `json:"config,omitempty"`
	// ConfigBytes says that the configs are not the same although no field of them and no step of the history differs.
	ConfigBytes bool `json:"config_bytes,omitempty"`
	// Layers are all, in the order in which they lie upon each other, those that are gone before those in their place.
	Layers  []LayerChange `json:"layers,omitempty"`
	History []StepChange  `json:"history,omitempty"` // the steps that are not in both
	Files   *FileDiff     `json:"files,omitempty"`   // nil when they were not compared

	Problem string `json:"problem,omitempty"` // what is wrong with one of them; what depends on that is missing
}

// FieldChange is a field that does not say the same. A value that is missing is null and was not there.
type FieldChange struct {
	Name string          `json:"name"` // as Field.Name
	Key  string          `json:"key,omitempty"`
	Old  json.RawMessage `json:"old"`
	New  json.RawMessage `json:"new"`
}

// Text returns both values for people, as Field.Text does; "" for one that is missing.
func (c FieldChange) Text() (old, new string) {
	return valueText(c.Name, c.Old), valueText(c.Name, c.New)
}

// LayerChange is a layer of one image or of both.
type LayerChange struct {
	Change Change `json:"change"` // Kept, Recompressed, Added or Removed
	Old    *Layer `json:"old,omitempty"`
	New    *Layer `json:"new,omitempty"`
}

// StepChange is a step of the history that one image has and the other has not.
type StepChange struct {
	Change Change `json:"change"` // Added or Removed
	Step
}

// FileDiff is how the files of two images differ.
type FileDiff struct {
	// Changes are in the order of the paths, each directory before what is in it.
	Changes []FileChange `json:"changes"`
	// TimesOnly is how many files differ in their times alone, which is no change unless it was asked for.
	TimesOnly int `json:"times_only"`
}

// FileChange is a path at which two images do not have the same.
type FileChange struct {
	Path   string `json:"path"`
	Change Change `json:"change"` // Added, Removed or Changed
	// Fields names what differs of a changed file: "type", "mode", "uid", "gid", "size", "digest", "link", "device", "xattrs", "mtime".
	Fields []string     `json:"fields,omitempty"`
	Old    *ChangedFile `json:"old,omitempty"`
	New    *ChangedFile `json:"new,omitempty"`
}

// ChangedFile is a file of one of the images.
type ChangedFile struct {
	File
	Digest digest.Digest `json:"digest,omitempty"` // of the contents
}
