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
	Reference     string        `json:"reference"` // target@digest
	Digest        digest.Digest `json:"digest"`
	Tags          []string      `json:"tags"`
	MediaType     string        `json:"media_type"`
	Size          int64         `json:"size"` // compressed bytes
	Platforms     []string      `json:"platforms"`
	Layers        []layerJSON   `json:"layers"`
	UploadedBytes int64         `json:"uploaded_bytes"`
	Uploaded      int           `json:"uploaded"` // blobs
	Mounted       int           `json:"mounted"`
	Skipped       int           `json:"skipped"`
}

// layerJSON is one layer of it, with the names of Layer in scripts.
type layerJSON struct {
	Digest    digest.Digest `json:"digest"`
	DiffID    digest.Digest `json:"diff_id"`
	Size      int64         `json:"size"`
	MediaType string        `json:"media_type"`
}

// writeSaved writes a line for each saved image.
func writeSaved(w io.Writer, output string, saved []build.Saved) error {
	out := bufio.NewWriter(w)
	for _, s := range saved {
		if output != "json" {
			fmt.Fprintln(out, s.Reference())
			continue
		}
		line, err := toJSON(s)
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

func toJSON(s build.Saved) (*savedJSON, error) {
	line := &savedJSON{
		Reference: s.Reference(), Digest: s.Digest, Tags: append([]string{}, s.Tags...), MediaType: s.MediaType, Size: s.Size,
		Platforms: append([]string{}, s.Platforms...), Layers: []layerJSON{},
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

// summary is what a successful run says at its end.
func summary(saved []build.Saved, took time.Duration) string {
	var uploaded, mounted, skipped int
	var size int64
	for _, s := range saved {
		uploaded, mounted, skipped, size = uploaded+s.Uploaded, mounted+s.Mounted, skipped+s.Skipped, size+s.UploadedBytes
	}
	var parts []string
	if uploaded > 0 {
		parts = append(parts, fmt.Sprintf("%s uploaded (%s)", count(uploaded, "blob"), progress.Size(size)))
	}
	if mounted > 0 {
		parts = append(parts, fmt.Sprintf("%d mounted", mounted))
	}
	if skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d there already", skipped))
	}
	text := fmt.Sprintf("saved %s in %s", count(len(saved), "image"), progress.Duration(took))
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
