package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgscript/imgscript/core/content"
)

// Rebasing says how Rebase gives an image another base.
type Rebasing struct {
	Old, New *Image
	// NewName and NewDigest are the reference of the new base and the digest of what that names, an index or a manifest. They go into the image's annotations where these name the old base. "" takes
	// the annotation away.
	NewName   string
	NewDigest digest.Digest
	// CreatedBy and Created are those of an entry of the history that says of the image that it was rebased; an empty CreatedBy adds none.
	CreatedBy string
	Created   time.Time
}

// ErrNotBased says that an image does not start with the layers of a base.
var ErrNotBased = errors.New("the image is not built on that base")

// Rebase returns the image with the layers of a new base in the place of those of its old one, with which it has to start; that is decided by the diff IDs, so that they may be compressed otherwise. No layer
// is read.
//
// What the config has as the old base has it becomes as the new base has it: environment variables, labels, exposed ports and volumes each by its name, all else by the field. What the image set itself
// stays, and what it took away stays away; a cmd belongs to its entrypoint. The platform stays. Annotations of the manifest are as labels, in an OCI image. The history of the old base becomes that of
// the new.
//
// Errors are ErrNotBased, [content.ErrInvalid] for a new base that does not run where the image does, [content.ErrUnsupported] for a layer that the image's family has no name for, and ErrArtifact.
func (img *Image) Rebase(r *Rebasing) (*Image, error) {
	if img.config == nil {
		return nil, img.noImage(img.doc.Config.MediaType)
	}
	was, err := r.Old.listsAs(r.Old.Format())
	if err != nil {
		return nil, err
	}
	now, err := r.New.listsAs(img.Format())
	if err != nil {
		return nil, err
	}
	if err := img.checkBases(r.Old, r.New); err != nil {
		return nil, err
	}
	changed, err := img.edit(func(manifest, config *object) error {
		if err := img.editLayers(manifest, config, func(l *lists) error { return l.rebase(was, now, r.history()) }); err != nil {
			return err
		}
		if err := rebaseConfig(config, img, r.Old, r.New); err != nil {
			return err
		}
		return img.rebaseAnnotations(manifest, r)
	})
	if err != nil {
		return nil, err
	}
	if changed == img {
		return img, nil
	}
	return changed.readsFrom(r.New), nil
}

// checkBases makes sure that the image is built on one base and can be put on the other.
func (img *Image) checkBases(was, now *Image) error {
	mine, theirs := img.Layers(), was.Layers()
	for i, l := range theirs {
		switch {
		case i == len(mine):
			return fmt.Errorf("%w: the base has %d layers, and the image only %d", ErrNotBased, len(theirs), len(mine))
		case mine[i].DiffID != l.DiffID:
			return fmt.Errorf("%w: they differ from layer %d of the base's %d on, which is %s, and in the image %s", ErrNotBased, i+1, len(theirs), l.said(), mine[i].said())
		}
	}
	p, other := img.Platform(), now.Platform()
	p.OSVersion = "" // that comes with the base
	if p != (Platform{}) && other != (Platform{}) && len(now.doc.Layers) > 0 && !p.Matches(other) {
		return fmt.Errorf("%w: the new base is for %s, and the image for %s", content.ErrInvalid, other, p)
	}
	return nil
}

// said names a layer by what made it.
func (l *LayerInfo) said() string {
	if l.CreatedBy == "" {
		return l.DiffID.String()
	}
	return fmt.Sprintf("%s (%.100q)", l.DiffID, l.CreatedBy)
}

// history is the entry of the rebase.
func (r *Rebasing) history() []json.RawMessage {
	if r.CreatedBy == "" {
		return nil
	}
	h := historyEntry{CreatedBy: r.CreatedBy, EmptyLayer: true}
	if !r.Created.IsZero() {
		h.Created = timestamp(r.Created)
	}
	return []json.RawMessage{encode(h)}
}

// rebase puts the layers and the history of a new base in the place of those of the old one, and more at the end of the history.
func (l *lists) rebase(was, now *lists, more []json.RawMessage) error {
	own, err := l.historyAbove(was)
	if err != nil {
		return err
	}
	n := len(was.layers)
	l.layers = slices.Concat(now.layers, l.layers[n:])
	l.diffIDs = slices.Concat(now.diffIDs, l.diffIDs[n:])
	l.history = slices.Concat(now.history, own, more)
	l.entries = nil // who edits further reads them anew
	return nil
}

// historyAbove is what of the history is about the image and not about its base: all behind the entry of the base's last layer, but for the entries that stand behind that in the base's own history.
func (l *lists) historyAbove(base *lists) ([]json.RawMessage, error) {
	n := len(base.layers)
	own, behind := l.history, base.history
	if n > 0 {
		own, behind = own[l.entries[n-1]+1:], behind[base.entries[n-1]+1:]
	}
	for len(own) > 0 && len(behind) > 0 {
		same, err := sameHistory(own[0], behind[0])
		if err != nil || !same {
			return own, err
		}
		own, behind = own[1:], behind[1:]
	}
	return own, nil
}

// sameHistory reports whether two entries say the same but for the time, which some tools set anew.
func sameHistory(a, b json.RawMessage) (bool, error) {
	var one, other historyEntry
	if err := errors.Join(json.Unmarshal(a, &one), json.Unmarshal(b, &other)); err != nil {
		return false, fmt.Errorf("%w history: %w", content.ErrInvalid, err)
	}
	one.Created, other.Created = "", ""
	return one == other, nil
}

// baseAnnotations are those that name the base of an image.
func baseAnnotations() []string {
	return []string{ocispec.AnnotationBaseImageName, ocispec.AnnotationBaseImageDigest}
}

// BaseAnnotations returns what the manifest's annotations say the image is built on: a reference, and the digest of what that named then; "" is what they don't say. An image that has them as its own base has
// them says the same.
func (img *Image) BaseAnnotations() (name string, dgst digest.Digest) {
	return img.doc.Annotations[ocispec.AnnotationBaseImageName], digest.Digest(img.doc.Annotations[ocispec.AnnotationBaseImageDigest])
}

// rebaseAnnotations edits those of the manifest.
func (img *Image) rebaseAnnotations(manifest *object, r *Rebasing) error {
	if img.Format() == FormatDocker {
		return nil
	}
	was, err := annotationsOf(r.Old)
	if err != nil {
		return err
	}
	now, err := annotationsOf(r.New)
	if err != nil {
		return err
	}
	return manifest.edit("annotations", func(mine *object) error {
		named := slices.ContainsFunc(baseAnnotations(), func(key string) bool {
			value := mine.getExact(key)
			return value != nil && !sameExactly(value, was.getExact(key))
		})
		if err := rebaseNamed(mine, was, now); err != nil || !named {
			return err
		}
		for i, value := range []string{r.NewName, r.NewDigest.String()} {
			if key := baseAnnotations()[i]; value == "" {
				mine.dropExact(key)
			} else {
				mine.setExact(key, encode(value))
			}
		}
		return nil
	})
}

func annotationsOf(img *Image) (*object, error) {
	manifest, err := parseObject(img.manifest)
	if err != nil {
		return nil, err
	}
	return parseObject(manifest.get("annotations"))
}
