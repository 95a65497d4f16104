package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/inspect"
)

// typeText says in words what an object is.
func typeText(o *inspect.Object) string {
	family := "OCI"
	if strings.HasPrefix(o.MediaType, "application/vnd.docker.") {
		family = "Docker"
	}
	switch o.Kind {
	case inspect.Index:
		return family + " index of " + entriesText(o)
	case inspect.Image:
		if o.Platform == "" {
			return family + " image"
		}
		return family + " image for " + o.Platform
	case inspect.Attestation:
		return "attestation"
	case inspect.Artifact:
		return artifactText(o)
	}
	return o.MediaType
}

func artifactText(o *inspect.Object) string {
	mediaType := o.ArtifactType
	if mediaType == "" && o.ConfigBlob != nil {
		mediaType = o.ConfigBlob.MediaType
	}
	switch {
	case o.Type == "":
		return "artifact, " + mediaType
	case len(o.Predicates) > 0:
		return o.Type + ": " + predicatesText(o.Predicates)
	}
	return o.Type + ", " + mediaType
}

// entriesText counts what an index lists.
func entriesText(o *inspect.Object) string {
	counts := map[inspect.Kind]int{}
	for _, child := range o.Manifests {
		counts[child.Kind]++
	}
	var parts []string
	for _, kind := range []struct {
		kind inspect.Kind
		name string
	}{{inspect.Image, "image"}, {inspect.Attestation, "attestation"}, {inspect.Artifact, "artifact"}, {inspect.Other, "other"}} {
		if n := counts[kind.kind]; n > 0 {
			parts = append(parts, count(n, kind.name))
		}
	}
	switch n := counts[inspect.Index]; {
	case n == 1:
		parts = append(parts, "1 index")
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d indexes", n))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// sizeText is how much there is of an object.
func sizeText(o *inspect.Object) string {
	text := progress.Size(o.TotalSize)
	switch {
	case o.Kind == inspect.Image && len(o.Layers) > 0:
		text += " in " + count(len(o.Layers), "layer")
	case o.Kind == inspect.Artifact && len(o.Layers) > 1:
		text += " in " + count(len(o.Layers), "blob")
	}
	return text
}

// createdOf is when an image's config says that it was made.
func createdOf(o *inspect.Object) string {
	for _, f := range inspect.Fields(o.Config) {
		if o.Kind == inspect.Image && f.Name == "created" {
			return timeText(f.Text())
		}
	}
	return ""
}

// timeText is a time of a document for people; what is none stays.
func timeText(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return at.UTC().Format("2006-01-02 15:04 UTC")
}

// stepText says how a step was done, without what Docker writes around each of its instructions.
func stepText(s inspect.Step) string {
	text := strings.Join(strings.Fields(s.CreatedBy), " ")
	text = strings.TrimSuffix(text, " # buildkit")
	if done, ok := strings.CutPrefix(text, "/bin/sh -c #(nop) "); ok {
		text = strings.TrimSpace(done)
	}
	if done, ok := strings.CutPrefix(text, "RUN /bin/sh -c "); ok {
		text = "RUN " + done
	}
	if text == "" {
		text = s.Comment
	}
	return text
}

// predicatesText says in words what attestations state.
func predicatesText(predicates []string) string {
	var names []string
	for _, p := range predicates {
		name := p
		for _, known := range []struct{ prefix, name string }{
			{"https://slsa.dev/provenance/", "SLSA provenance "}, {"https://spdx.dev/Document", "SPDX SBOM"}, {"https://cyclonedx.org/bom", "CycloneDX SBOM"},
		} {
			if rest, ok := strings.CutPrefix(p, known.prefix); ok {
				name = strings.TrimSuffix(known.name+strings.TrimPrefix(rest, "/"), " ")
			}
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
