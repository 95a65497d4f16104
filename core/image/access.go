package image

import (
	"slices"
	"strings"

	"github.com/imgscript/imgscript/core/content"
)

// Descriptor returns the descriptor of the image's manifest, its size known.
func (img *Image) Descriptor() content.Descriptor { return img.desc }

// Manifest returns a copy of the manifest's bytes.
func (img *Image) Manifest() []byte { return slices.Clone(img.manifest) }

// Config returns a copy of the config's bytes; nil of an artifact.
func (img *Image) Config() []byte { return slices.Clone(img.config) }

// ConfigDescriptor returns the config's descriptor, as the manifest has it.
func (img *Image) ConfigDescriptor() content.Descriptor { return *img.doc.Config }

// Platform returns what the config says the image runs on; zero of an artifact.
func (img *Image) Platform() Platform {
	c := img.parsed
	if c.OS == "" && c.Architecture == "" {
		return Platform{}
	}
	return Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, OSVersion: c.OSVersion}.normal()
}

// Env returns the value of an environment variable in the config. It is false when the variable is not there; a variable may be there and
// be empty. Of a name that a base lists twice, the last value counts, as it does to runc.
func (img *Image) Env(name string) (value string, ok bool) {
	for _, entry := range slices.Backward(img.parsed.Config.Env) {
		if key, value, _ := strings.Cut(entry, "="); img.sameVariable(key, name) {
			return value, true
		}
	}
	return "", false
}

// sameVariable compares names of environment variables, in which Windows knows no case.
func (img *Image) sameVariable(a, b string) bool {
	return a == b || img.parsed.OS == "windows" && strings.EqualFold(a, b)
}

// WithJSON returns the image with another manifest and config, as a script edits them by hand; nil leaves one as it is. Both are laid over the present ones
// (see Merge), so that what was not edited keeps its bytes, and the manifest gets the digest and size of the config. What is no valid
// image any more is [content.ErrInvalid]: layers that don't match the diff IDs, malformed digests, more entries of layers in the history than layers, which Docker refuses, and edited fields
// of a type, or with a value, that engines do not read. All fields are reported together, with their places.
func (img *Image) WithJSON(manifest, config []byte) (*Image, error) {
	changed, err := img.edit(func(m, c *object) error {
		if err := m.overlay("manifest", img.manifest, manifest); err != nil {
			return err
		}
		if err := c.overlay("config", img.config, config); err != nil {
			return err
		}
		return checkFields(img.config, c.bytes())
	})
	if err != nil {
		return nil, err
	}
	return changed, changed.checkHistory(img)
}

// checkHistory refuses an edit after which the history has more entries of layers than there are layers. A base may have had them before.
func (img *Image) checkHistory(before *Image) error {
	entries, layers := len(img.parsed.layerEntries()), len(img.doc.Layers)
	if entries <= layers || entries-layers <= len(before.parsed.layerEntries())-len(before.doc.Layers) {
		return nil
	}
	return invalid("config: history: it tells of %d layers, and the image has %d; remove the entries of those that are gone, or give what made none \"empty_layer\": true", entries, layers)
}
