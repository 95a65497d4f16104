package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
// image any more (layers that don't match the diff IDs, contradictions, malformed digests) is [content.ErrInvalid].
func (img *Image) WithJSON(manifest, config []byte) (*Image, error) {
	return img.edit(func(m, c *object) error {
		if err := m.overlay("manifest", img.manifest, manifest); err != nil {
			return err
		}
		if err := c.overlay("config", img.config, config); err != nil {
			return err
		}
		return checkTypes(img.config, c.bytes())
	})
}

// checkTypes holds the fields of a config's config that were edited to the types that engines read (image-spec, config.md, "Properties"; Docker's the same): one that has another is an image that
// cannot be started. What a base has is its own matter.
func checkTypes(before, after []byte) error {
	var old, edited struct {
		Config map[string]json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(after, &edited); err != nil {
		return fmt.Errorf("%w config: %w", content.ErrInvalid, err)
	}
	_ = json.Unmarshal(before, &old) // what it cannot be read from was not there before
	var errs []error
	for _, field := range slices.Sorted(maps.Keys(edited.Config)) {
		want, known := fieldTypes[field]
		if value := edited.Config[field]; known && !bytes.Equal(value, old.Config[field]) && !want.holds(value) {
			errs = append(errs, invalid("config: %s: want %s, got %.100s", field, want.name, value))
		}
	}
	return errors.Join(errs...)
}

// fieldType is a type of JSON values; null is of each.
type fieldType struct {
	name  string
	holds func(json.RawMessage) bool
}

func holds[T any](value json.RawMessage) bool { return json.Unmarshal(value, new(T)) == nil }

var (
	textType  = fieldType{"a string", holds[string]}
	listType  = fieldType{"a list of strings", holds[[]string]}
	setType   = fieldType{"an object whose keys are the names, such as {\"80/tcp\": {}}", holds[map[string]struct{}]}
	mapType   = fieldType{"an object of strings", holds[map[string]string]}
	boolType  = fieldType{"true or false", holds[bool]}
	tableType = fieldType{"an object", holds[map[string]json.RawMessage]}
)

var fieldTypes = map[string]fieldType{
	"User": textType, "WorkingDir": textType, "StopSignal": textType, "Hostname": textType, "Domainname": textType, "Image": textType,
	"Env": listType, "Cmd": listType, "Entrypoint": listType, "Shell": listType, "OnBuild": listType,
	"ExposedPorts": setType, "Volumes": setType, "Labels": mapType, "ArgsEscaped": boolType, "Healthcheck": tableType,
}
