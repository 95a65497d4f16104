package build

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
)

// Plan is what a run would write, of a run with Options.Plan. Two runs in which nothing differs have plans that are equal, whatever their speed and their
// number of processors. The JSON of it and of what it consists of is a format that others read: what is there stays, and what is added can be ignored by
// whoever does not know it, or PlanVersion grows.
type Plan struct {
	Version int     `json:"version"` // PlanVersion
	Writes  []Write `json:"writes"`  // in program order
}

// PlanVersion is the version of the format that plans have.
const PlanVersion = 1

// Write is one thing in a run that writes: a save, a sync, an image that is copied, or one call of a client.
type Write struct {
	// Op is "save", "sync", "copy", or, of a client, "upload", "mount", "copy_blob", "manifest_upload" or "delete".
	Op string `json:"op"`
	// Target is the repository that is written to, "registry/repository" or "oci:DIR".
	Target string `json:"target"`
	// From is the base of a save or sync, the source of a copy, or the repository that a blob is mounted from.
	From string `json:"from,omitempty"`
	// Digest is that of the manifest or index that is written, or deleted; "" where only blobs are.
	Digest digest.Digest `json:"digest,omitempty"`
	// MediaType is that of what Digest names, if it is written.
	MediaType string `json:"media_type,omitempty"`
	// Size is the number of bytes of all blobs of an image, compressed; of a manifest_upload that of the manifest.
	Size int64 `json:"size,omitempty"`
	// Platforms are those of a saved image.
	Platforms []string `json:"platforms,omitempty"`
	// Referrers is how many manifests that refer to it go along with a copy.
	Referrers int `json:"referrers,omitempty"`
	// Unchanged says that there is nothing to write: every tag names just this already.
	Unchanged bool `json:"unchanged,omitempty"`
	// Blobs are those that have to be at the target, each once: the layers of each manifest, the lowest first, and its config. Foreign layers that are left
	// where they are, are not among them.
	Blobs []PlannedBlob `json:"blobs,omitempty"`
	// Tags are those that are set, also to what they are already, or deleted.
	Tags []PlannedTag `json:"tags,omitempty"`
}

// How a blob would come to be at a target.
const (
	ActionUpload = "upload" // its bytes are sent
	ActionMount  = "mount"  // the registry links it from another of its repositories; a registry that refuses is sent it
	ActionSkip   = "skip"   // it is there, or an earlier write of the plan brings it
)

// PlannedBlob is a blob that a write needs at its target.
type PlannedBlob struct {
	Action    string        `json:"action"` // one of the constants
	Kind      string        `json:"kind"`   // "layer", "config", or "blob" for what is of no image
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"` // bytes; -1 of a blob whose registry does not tell
	MediaType string        `json:"media_type"`
	DiffID    digest.Digest `json:"diff_id,omitempty"`  // of a saved layer
	Source    string        `json:"source,omitempty"`   // of a saved layer: the base or other image that it is from, or the call that made it; of an upload the data's name
	Platform  string        `json:"platform,omitempty"` // of an index: the platform that alone needs it; "" where several do
}

// PlannedTag is a tag that moves.
type PlannedTag struct {
	Name string        `json:"name"`
	Old  digest.Digest `json:"old"` // before this write; "" is none
	New  digest.Digest `json:"new"` // after it; "" is none
}

// Count returns how many blobs of the write come by an action, and their bytes.
func (w *Write) Count(action string) (n int, size int64) {
	for _, blob := range w.Blobs {
		if blob.Action == action {
			n++
			size += max(blob.Size, 0)
		}
	}
	return n, size
}

// JSON returns the plan as indented text, the same for equal plans. [ParsePlan] reads it.
func (p *Plan) JSON() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(p)
	return b.Bytes(), err
}

// ParsePlan reads the JSON of a plan. What is none, or of another version, is an error.
func ParsePlan(data []byte) (*Plan, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	p := &Plan{}
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("it is no plan: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it is no plan: there is more behind it")
	}
	if p.Version != PlanVersion {
		return nil, fmt.Errorf("it is a plan of version %d; this program reads version %d", p.Version, PlanVersion)
	}
	return p, nil
}

// plannedWrite is a Write and its place in program order.
type plannedWrite struct {
	place int
	Write
}

// note adds a write of a step to the plan. Outside of a plan it does nothing.
func (p *planning) note(s *step, w Write) { p.noteAt(2*s.seq, w) }

// noteCall adds a write of a call that is no step: it comes after the steps that started before it.
func (r *Run) noteCall(w Write) {
	if r.plan == nil {
		return
	}
	r.mu.Lock()
	place := 2*len(r.steps) - 1
	r.mu.Unlock()
	r.plan.noteAt(place, w)
}

func (p *planning) noteAt(place int, w Write) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes = append(p.writes, plannedWrite{place, w})
}

// report returns what was planned so far; nil outside of a plan.
func (p *planning) report() *Plan {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	ordered := slices.Clone(p.writes)
	slices.SortStableFunc(ordered, func(a, b plannedWrite) int { return a.place - b.place })
	plan := &Plan{Version: PlanVersion, Writes: []Write{}}
	for _, w := range ordered {
		plan.Writes = append(plan.Writes, w.Write)
	}
	return plan
}
