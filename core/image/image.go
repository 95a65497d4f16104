package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// Image is one image for one platform: a manifest, a config, and where the layers are. It never changes; all methods may be called by
// many goroutines at once. Make one with Load or Scratch.
type Image struct {
	desc     content.Descriptor // of the manifest
	manifest []byte
	doc      *content.Document // what manifest says
	config   []byte            // nil of an artifact
	parsed   parsedConfig      // what config says
	places   places
	around   around
}

// parsedConfig is what the package needs to know of a config (image-spec, config.md). It is only read from the bytes, never written.
type parsedConfig struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	Variant      string   `json:"variant"`
	OSVersion    string   `json:"os.version"`
	OSFeatures   []string `json:"os.features"`
	Config       struct {
		Env        []string `json:"Env"`
		WorkingDir string   `json:"WorkingDir"`
	} `json:"config"`
	RootFS struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
	History []historyEntry `json:"history"`
}

// ErrArtifact says that something in an image's clothes is no image (its config has another media type: a Helm chart, a signature). It can
// be copied and not changed.
var ErrArtifact = errors.New("not an image")

// Load reads the manifest desc from src, and its config, verified; an unknown size of desc is filled in. The image's layers are read from src,
// when they are read. The manifest of an artifact loads too, without its config: every change of it is [ErrArtifact].
//
// Errors are those of src, and [content.ErrInvalid] for an index (Select a manifest first), for what is no manifest or no config, and for a
// config that does not have one diff ID for each layer.
func Load(ctx context.Context, src content.Fetcher, desc content.Descriptor) (*Image, error) {
	manifest, err := content.ReadAll(ctx, src, desc)
	if err != nil {
		return nil, fmt.Errorf("load image %s: manifest: %w", desc.Digest, err)
	}
	doc, err := content.ParseDocument(desc.MediaType, manifest)
	if err != nil {
		return nil, fmt.Errorf("load image %s: %w", desc.Digest, err)
	}
	if content.IsIndex(doc.MediaType) {
		return nil, fmt.Errorf("load image %s: %w: it is an index of several images, of which one must be selected", desc.Digest, content.ErrInvalid)
	}
	desc.MediaType, desc.Size = doc.MediaType, int64(len(manifest))
	img := &Image{desc: desc, manifest: manifest, doc: doc, places: places{rest: src}.with(src, doc.Children()...)}
	if !isImageConfig(doc.Config.MediaType) {
		return img, nil
	}
	img.config, err = content.ReadAll(ctx, src, *doc.Config)
	if err != nil {
		return nil, fmt.Errorf("load image %s: config: %w", desc.Digest, err)
	}
	if err := img.parse(); err != nil {
		return nil, fmt.Errorf("load image %s: %w", desc.Digest, err)
	}
	return img, nil
}

func isImageConfig(mediaType string) bool {
	return mediaType == content.OCIConfig || mediaType == content.DockerConfig
}

// Scratch returns the image for p in the format f that has no layers and says nothing. The time is its config's created, left out when
// it is zero.
func Scratch(p Platform, f Format, created time.Time) *Image {
	p = p.normal()
	config := &object{}
	if !created.IsZero() {
		config.set("created", encode(timestamp(created)))
	}
	config.set("architecture", encode(p.Architecture))
	config.set("os", encode(p.OS))
	if p.OSVersion != "" {
		config.set("os.version", encode(p.OSVersion))
	}
	if p.Variant != "" {
		config.set("variant", encode(p.Variant))
	}
	config.set("config", json.RawMessage(`{}`))
	config.set("rootfs", json.RawMessage(`{"type":"layers","diff_ids":[]}`))

	manifest := &object{}
	manifest.set("schemaVersion", json.RawMessage(`2`))
	manifest.set("mediaType", encode(f.manifestType()))
	manifest.set("config", encode(content.Of(f.configType(), config.bytes())))
	manifest.set("layers", json.RawMessage(`[]`))
	img, _ := (&Image{}).replaced(manifest.bytes(), config.bytes()) // what is written here is valid
	return img
}

// parse reads the config and holds it to what every change relies on.
func (img *Image) parse() error {
	if err := content.CheckJSON(img.config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := checkCase(img.config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	err := json.Unmarshal(img.config, &img.parsed)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("%w config: %s: unexpected %s", content.ErrInvalid, wrong.Field, wrong.Value)
	}
	if err != nil {
		return fmt.Errorf("%w config: %w", content.ErrInvalid, err)
	}
	for _, text := range []string{img.parsed.OS, img.parsed.Architecture, img.parsed.Variant, img.parsed.OSVersion} {
		if err := content.CheckText(text); err != nil {
			return fmt.Errorf("%w config: its platform %w", content.ErrInvalid, err)
		}
	}
	if layers, ids := len(img.doc.Layers), len(img.parsed.RootFS.DiffIDs); layers != ids {
		return fmt.Errorf("%w image: the manifest has %d layers, but the config has %d diff IDs", content.ErrInvalid, layers, ids)
	}
	for _, id := range img.parsed.RootFS.DiffIDs {
		if _, err := content.ParseDigest(id.String()); err != nil {
			return fmt.Errorf("config: diff ID: %w", err)
		}
	}
	return nil
}

// checkCase refuses a config in which one object has a known field in two cases: a reader in Go takes the later, others the exact one.
func checkCase(config []byte) error {
	top, err := parseObject(config)
	if err != nil {
		return err
	}
	if err := top.oneCase(); err != nil {
		return err
	}
	for _, key := range []string{"config", "rootfs"} {
		child, err := parseObject(top.get(key))
		if err == nil {
			err = child.oneCase()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// objects are the manifest and the config, to be edited.
func (img *Image) objects() (manifest, config *object, err error) {
	if manifest, err = parseObject(img.manifest); err != nil {
		return nil, nil, err
	}
	config, err = parseObject(img.config)
	return manifest, config, err
}

// edit makes the image that f makes of the manifest and the config. It gets the config's digest and size into the manifest, and a mediaType
// into an OCI one that lacks it. When f changes no value, the result is img itself; when it changes none of the config's, the config
// keeps its bytes.
func (img *Image) edit(f func(manifest, config *object) error) (*Image, error) {
	if img.config == nil {
		return nil, img.noImage(img.doc.Config.MediaType)
	}
	manifest, config, err := img.objects()
	if err != nil {
		return nil, err
	}
	oldManifest, oldConfig := manifest.bytes(), config.bytes()
	if err := f(manifest, config); err != nil {
		return nil, err
	}
	newConfig := config.bytes()
	if bytes.Equal(newConfig, oldConfig) {
		if newConfig = img.config; bytes.Equal(manifest.bytes(), oldManifest) {
			return img, nil
		}
	}
	return img.sealed(manifest, newConfig)
}

// sealed makes the image of an edited manifest, completed, and a config.
func (img *Image) sealed(manifest *object, config []byte) (*Image, error) {
	desc := content.Of("", config)
	err := manifest.edit("config", func(o *object) error {
		if desc.Digest != img.doc.Config.Digest {
			o.drop("data") // a copy of the config's bytes (image-spec, descriptor.md), which would contradict the digest
		}
		o.set("digest", encode(desc.Digest))
		o.set("size", encode(desc.Size))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if isNull(manifest.get("mediaType")) {
		manifest.set("mediaType", encode(img.doc.MediaType))
	}
	return img.replaced(manifest.bytes(), config)
}

// replaced makes the image of other bytes, with img's places, and checks it.
func (img *Image) replaced(manifest, config []byte) (*Image, error) {
	doc, err := content.ParseDocument("", manifest)
	if err != nil {
		return nil, err
	}
	if content.IsIndex(doc.MediaType) || !isImageConfig(doc.Config.MediaType) {
		return nil, img.noImage(doc.MediaType)
	}
	changed := &Image{
		desc: content.Of(doc.MediaType, manifest), manifest: manifest, doc: doc, config: config, places: img.places, around: img.around,
	}
	if len(config) > content.MaxDocument {
		return nil, fmt.Errorf("%w config: %d bytes are more than the limit of %d", content.ErrInvalid, len(config), content.MaxDocument)
	}
	return changed, changed.parse()
}

func (img *Image) noImage(mediaType string) error {
	return fmt.Errorf("change %s: %w: it is a %q, which can only be copied", img.desc.Digest, ErrArtifact, mediaType)
}
