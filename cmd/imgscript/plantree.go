package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
)

// planTree shows a plan to people: a tree, no line wider than width, which may be 0.
func planTree(p *build.Plan, width int) []string {
	if len(p.Writes) == 0 {
		return []string{"nothing would be written"}
	}
	var lines []string
	for i := range p.Writes {
		w := &p.Writes[i]
		lines = append(lines, progress.Cut(planHead(w), width))
		branches := planBranches(w)
		for k, branch := range branches {
			twig := "├─ "
			if k == len(branches)-1 {
				twig = "└─ "
			}
			lines = append(lines, progress.Cut(twig+branch, width))
		}
	}
	return lines
}

// planHead is the line of a write itself.
func planHead(w *build.Write) string {
	head := w.Op + " " + w.Target
	if w.From != "" && w.Op != "save" && w.Op != "sync" {
		head += " from " + w.From
	}
	var parts []string
	if w.Digest != "" {
		parts = append(parts, shortDigest(w.Digest))
	}
	if len(w.Platforms) > 0 {
		parts = append(parts, strings.Join(w.Platforms, ", "))
	}
	if w.Size > 0 {
		parts = append(parts, progress.Size(w.Size))
	}
	if w.Referrers > 0 {
		parts = append(parts, count(w.Referrers, "referrer"))
	}
	if w.Op == "delete" && w.Digest != "" {
		parts = append(parts, "with every tag that it has")
	}
	if w.Unchanged {
		parts = append(parts, "unchanged")
	}
	if len(parts) == 0 {
		return head
	}
	return head + "  " + strings.Join(parts, ", ")
}

// planBranches are the lines below a write: its blobs, its tags.
func planBranches(w *build.Write) []string {
	var lines []string
	for _, b := range w.Blobs {
		size := "unknown"
		if b.Size >= 0 {
			size = progress.Size(b.Size)
		}
		line := fmt.Sprintf("%-6s  %-6s  %s  %8s", b.Action, b.Kind, shortDigest(b.Digest), size)
		if b.Source != "" {
			line += "  " + b.Source
		}
		if b.Platform != "" {
			line += "  for " + b.Platform
		}
		lines = append(lines, line)
	}
	for _, t := range w.Tags {
		lines = append(lines, fmt.Sprintf("%-6s  %s  %s", "tag", t.Name, planMove(t)))
	}
	return lines
}

// planMove says what becomes of a tag.
func planMove(t build.PlannedTag) string {
	switch {
	case t.Old == t.New:
		return shortDigest(t.New) + " (unchanged)"
	case t.New == "":
		return shortDigest(t.Old) + " → (deleted)"
	case t.Old == "":
		return "(new) → " + shortDigest(t.New)
	}
	return shortDigest(t.Old) + " → " + shortDigest(t.New)
}

// shortDigest is enough of a digest to tell it from others.
func shortDigest(dgst digest.Digest) string { return progress.Digest(dgst) }

// planSummary is what a plan says at its end.
func planSummary(p *build.Plan, took time.Duration) string {
	var all blobs
	created, moved, deleted, manifests := 0, 0, 0, 0
	for i := range p.Writes {
		w := &p.Writes[i]
		uploaded, bytes := w.Count(build.ActionUpload)
		mounted, _ := w.Count(build.ActionMount)
		skipped, _ := w.Count(build.ActionSkip)
		all.add(uploaded, mounted, skipped, bytes)
		for _, t := range w.Tags {
			switch {
			case t.Old == t.New:
			case t.New == "":
				deleted++
			case t.Old == "":
				created++
			default:
				moved++
			}
		}
		if w.Op == "delete" && w.Digest != "" {
			manifests++
		}
	}
	var parts []string
	add := func(n int, text string) {
		if n > 0 {
			parts = append(parts, text)
		}
	}
	add(all.uploaded, fmt.Sprintf("%s to upload (%s)", count(all.uploaded, "blob"), progress.Size(all.bytes)))
	add(all.mounted, fmt.Sprintf("%d to mount", all.mounted))
	add(all.skipped, fmt.Sprintf("%d there already", all.skipped))
	add(created, count(created, "new tag"))
	add(moved, count(moved, "tag")+" to move")
	add(deleted, count(deleted, "tag")+" to delete")
	add(manifests, count(manifests, "manifest")+" to delete")
	text := fmt.Sprintf("planned %s in %s", count(len(p.Writes), "write"), progress.Duration(took))
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}
