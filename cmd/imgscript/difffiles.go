package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/cmd/imgscript/internal/table"
	"github.com/imgscript/imgscript/core/inspect"
)

// fileChanges are rows for files.
func (t *diffTree) fileChanges(d *inspect.FileDiff) []table.Row {
	if d == nil {
		return nil
	}
	var rows []table.Row
	for i := 0; i < len(d.Changes); i++ {
		c := &d.Changes[i]
		switch c.Change {
		case inspect.Changed:
			rows = append(rows, marked(changed, c.Path, t.fileChange(c)))
		default:
			inside := t.inside(d.Changes[i+1:], c)
			rows = append(rows, oneSided(c, inside))
			i += len(inside)
		}
	}
	if d.TimesOnly > 0 {
		rows = append(rows, marked(same, fmt.Sprintf("%s %s in the time alone", count(d.TimesOnly, "file"), differs(d.TimesOnly))))
	}
	return rows
}

func differs(n int) string {
	if n == 1 {
		return "differs"
	}
	return "differ"
}

// inside is what is in a directory that only one of the images has, unless each file is to be shown.
func (t *diffTree) inside(rest []inspect.FileChange, dir *inspect.FileChange) []inspect.FileChange {
	n := 0
	for !t.eachFile && n < len(rest) && rest[n].Change == dir.Change && strings.HasPrefix(rest[n].Path, dir.Path+"/") {
		n++
	}
	return rest[:n]
}

// oneSided is a row for what only one of the images has, with what is in it.
func oneSided(c *inspect.FileChange, inside []inspect.FileChange) table.Row {
	mark, file := fresh, sideOf(c)
	if c.Change == inspect.Removed {
		mark = gone
	}
	switch {
	case file.Type == "directory" && len(inside) > 0:
		files, size := 0, int64(0)
		for i := range inside {
			f := sideOf(&inside[i])
			if f.Type != "directory" {
				files++
			}
			if f.Type == "file" {
				size += f.Size
			}
		}
		return marked(mark, c.Path+"/", fmt.Sprintf("%s in %s", progress.Size(size), count(files, "file")))
	case file.Type == "directory":
		return marked(mark, c.Path+"/", modeText(file))
	case file.Type == "hardlink":
		return marked(mark, c.Path, "hard link to "+file.Link)
	case file.Type == "symlink":
		return marked(mark, c.Path, "→ "+file.Link)
	case file.Type == "char" || file.Type == "block":
		return marked(mark, c.Path, file.Type+" device "+deviceText(file))
	case file.Type != "file":
		return marked(mark, c.Path, file.Type)
	}
	return marked(mark, c.Path, fmt.Sprintf("%s, %s", progress.Size(file.Size), modeText(file)))
}

// sideOf is the file of what only one image has.
func sideOf(c *inspect.FileChange) *inspect.ChangedFile {
	if c.Old != nil {
		return c.Old
	}
	return c.New
}

func modeText(f *inspect.ChangedFile) string {
	text := "mode " + f.Mode
	if f.UID != 0 || f.GID != 0 {
		text += ", owner " + ownerText(f)
	}
	return text
}

func ownerText(f *inspect.ChangedFile) string { return fmt.Sprintf("%d:%d", f.UID, f.GID) }

// fileChange says what of a file differs.
func (t *diffTree) fileChange(c *inspect.FileChange) string {
	var parts []string
	add := func(what, old, new string) { parts = append(parts, fmt.Sprintf("%s %s → %s", what, old, new)) }
	differs := map[string]bool{}
	for _, f := range c.Fields {
		differs[f] = true
	}
	old, new := c.Old, c.New
	if differs["type"] {
		add("type", old.Type, new.Type)
	}
	if differs["mode"] {
		add("mode", old.Mode, new.Mode)
	}
	if differs["uid"] || differs["gid"] {
		add("owner", ownerText(old), ownerText(new))
	}
	if differs["link"] {
		add("link", orNone(old.Link), orNone(new.Link))
	}
	switch a, b := progress.Size(old.Size), progress.Size(new.Size); {
	case differs["type"] || !differs["size"]:
	case a == b:
		add("size", fmt.Sprintf("%d B", old.Size), fmt.Sprintf("%d B", new.Size))
	default:
		add("size", a, b)
	}
	if differs["digest"] && !differs["type"] && !(differs["size"] && t.width > 0) {
		parts = append(parts, "contents "+t.digests(old.Digest, new.Digest))
	}
	if differs["device"] {
		add("device", deviceText(old), deviceText(new))
	}
	if differs["xattrs"] {
		add("attributes", attributesText(old), attributesText(new))
	}
	if differs["mtime"] && len(parts) == 0 {
		add("time", old.MTime, new.MTime)
	}
	return strings.Join(parts, ", ")
}

func deviceText(f *inspect.ChangedFile) string { return fmt.Sprintf("%d:%d", f.Major, f.Minor) }

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func attributesText(f *inspect.ChangedFile) string {
	var names []string
	for name, value := range f.Xattrs {
		names = append(names, fmt.Sprintf("%s=%q", name, value))
	}
	slices.Sort(names)
	return orNone(strings.Join(names, " "))
}
