package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
)

// savedJSON is a line of --output json. Its names are those of Saved in scripts; none is renamed or removed.
type savedJSON struct {
	outputJSON
	UploadedBytes int64 `json:"uploaded_bytes"`
	Uploaded      int   `json:"uploaded"` // blobs
	Mounted       int   `json:"mounted"`
	Skipped       int   `json:"skipped"`
}

// outputJSON is the part of it that is the same in every run, and so in the report of one.
type outputJSON struct {
	Reference string        `json:"reference"` // target@digest
	Digest    digest.Digest `json:"digest"`
	Tags      []string      `json:"tags"`
	MediaType string        `json:"media_type"`
	Size      int64         `json:"size"` // compressed bytes
	Platforms []string      `json:"platforms"`
	Layers    []layerJSON   `json:"layers"`
}

// layerJSON is one layer of it, with the names of Layer in scripts.
type layerJSON struct {
	Digest    digest.Digest `json:"digest"`
	DiffID    digest.Digest `json:"diff_id"`
	Size      int64         `json:"size"`
	MediaType string        `json:"media_type"`
}

// writeResults writes a line for each image that was written: its reference, or what object makes of it.
func writeResults[T interface{ Reference() string }, J any](w io.Writer, format string, results []T, object func(T) (J, error)) error {
	out := bufio.NewWriter(w)
	for _, r := range results {
		if format != "json" {
			fmt.Fprintln(out, r.Reference())
			continue
		}
		line, err := object(r)
		if err != nil {
			return err
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

func savedLine(s build.Saved) (*savedJSON, error) {
	line := &savedJSON{
		outputJSON: outputJSON{
			Reference: s.Reference(), Digest: s.Digest, Tags: append([]string{}, s.Tags...), MediaType: s.MediaType, Size: s.Size,
			Platforms: append([]string{}, s.Platforms...), Layers: []layerJSON{},
		},
		UploadedBytes: s.UploadedBytes, Uploaded: s.Uploaded, Mounted: s.Mounted, Skipped: s.Skipped,
	}
	for _, l := range s.Layers {
		known, err := l.Wait()
		if err != nil {
			return nil, err
		}
		desc := known.Descriptor
		line.Layers = append(line.Layers, layerJSON{desc.Digest, known.DiffID, desc.Size, desc.MediaType})
	}
	return line, nil
}

// blobs counts how the blobs of all images came to their targets.
type blobs struct {
	uploaded, mounted, skipped int
	bytes                      int64 // uploaded
}

func (b *blobs) add(uploaded, mounted, skipped int, bytes int64) {
	b.uploaded, b.mounted, b.skipped, b.bytes = b.uploaded+uploaded, b.mounted+mounted, b.skipped+skipped, b.bytes+bytes
}

// summary is what a successful run says at its end. done is what became of n images: "saved".
func (b *blobs) summary(done string, n int, took time.Duration) string {
	var parts []string
	if b.uploaded > 0 {
		parts = append(parts, fmt.Sprintf("%s uploaded (%s)", count(b.uploaded, "blob"), progress.Size(b.bytes)))
	}
	if b.mounted > 0 {
		parts = append(parts, fmt.Sprintf("%d mounted", b.mounted))
	}
	if b.skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d there already", b.skipped))
	}
	text := fmt.Sprintf("%s %s in %s", done, count(n, "image"), progress.Duration(took))
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
