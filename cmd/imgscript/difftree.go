package main

import (
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/cmd/imgscript/internal/table"
	"github.com/imgscript/imgscript/core/inspect"
)

// The marks of what is gone, new and changed.
const (
	gone    = "- "
	fresh   = "+ "
	changed = "~ "
	same    = "  "
)

// diffLines shows a diff to people, no line wider than width, which may be 0. A directory that only one of the images has is one line, unless each file of it is asked for.
func diffLines(d *inspect.Diff, eachFile bool, width int) []string {
	t := &diffTree{inspectTree{width: width}, eachFile}
	lines := []string{progress.Cut(gone+t.side(d.Old), width), progress.Cut(fresh+t.side(d.New), width)}
	if d.Same {
		return append(lines, progress.Cut("the same, byte for byte", width))
	}
	var rows []table.Row
	rows = append(rows, section("index", t.fields(d.Index, 8))...)
	for _, image := range d.Images {
		rows = append(rows, t.image(image))
	}
	return append(lines, table.Tree(rows, width)...)
}

// marked is a row with a mark in front.
func marked(mark string, cells ...string) table.Row { return table.Row{Mark: mark, Cells: cells} }

func (t *diffTree) side(s inspect.Side) string { return s.Reference + "  " + t.digest(s.Digest) }

// diffTree makes rows of what differs.
type diffTree struct {
	inspectTree
	eachFile bool
}

// image is a row for a pair of images with all in which they differ.
func (t *diffTree) image(d *inspect.ImageDiff) table.Row {
	name := d.Platform
	switch {
	case name == "":
		name = string(d.Kind)
	case d.Kind != inspect.Image:
		name = string(d.Kind) + " of " + name
	}
	switch d.Change {
	case inspect.Kept:
		return marked(same, name, "the same")
	case inspect.Added:
		return marked(fresh, name, t.digest(d.New.Digest))
	case inspect.Removed:
		return marked(gone, name, t.digest(d.Old.Digest))
	}
	row := marked(changed, name, t.digests(d.Old.Digest, d.New.Digest))
	row.Below = append(row.Below, section("manifest", t.fields(d.Manifest, 11))...)
	row.Below = append(row.Below, section("config", t.fields(d.Config, 11))...)
	if d.ConfigBytes {
		row.Below = append(row.Below, pairRow("config", "says the same in other bytes"))
	}
	row.Below = append(row.Below, section("layers", t.layerChanges(d.Layers))...)
	row.Below = append(row.Below, section("history", t.stepChanges(d.History, layersDiffer(d.Layers)))...)
	row.Below = append(row.Below, section("files", t.fileChanges(d.Files))...)
	if d.Problem != "" {
		row.Below = append(row.Below, pairRow("problem", d.Problem))
	}
	return row
}

// wideForTwo is the width from which there is room for two whole digests in a line.
const wideForTwo = 190

// digests are as much of two digests as there is room for.
func (t *diffTree) digests(old, new digest.Digest) string {
	if t.short() || 0 < t.width && t.width < wideForTwo {
		narrower := inspectTree{width: min(t.width, wide-1)}
		return narrower.digest(old) + " → " + narrower.digest(new)
	}
	return old.String() + " → " + new.String()
}

// fields are rows for fields, those with keys below the names that they have in common. indent is the width of what is in front of the rows.
func (t *diffTree) fields(changes []inspect.FieldChange, indent int) []table.Row {
	column := 0
	keyed := map[string][]inspect.FieldChange{}
	for _, c := range changes {
		if c.Key == "" {
			column = max(column, table.Width(c.Name+"  "))
		} else {
			keyed[c.Name] = append(keyed[c.Name], c)
		}
	}
	var rows []table.Row
	for _, c := range changes {
		if c.Key == "" {
			rows = append(rows, t.field(c.Name, c, indent, column)...)
		} else if group := keyed[c.Name]; group != nil {
			row := marked(same, c.Name)
			row.Below = t.keys(group, indent+len(same)+1)
			rows = append(rows, row)
			keyed[c.Name] = nil
		}
	}
	return rows
}

// keys are rows for fields of one name.
func (t *diffTree) keys(changes []inspect.FieldChange, indent int) []table.Row {
	column := 0
	for _, c := range changes {
		column = max(column, table.Width(progress.Cut(c.Key, 0)+"  "))
	}
	var rows []table.Row
	for _, c := range changes {
		rows = append(rows, t.field(c.Key, c, indent, column)...)
	}
	return rows
}

// field is a row for a field: old → new where there is room for both behind its name, else two rows.
func (t *diffTree) field(name string, c inspect.FieldChange, indent, column int) []table.Row {
	room := 0
	if t.width > 0 {
		room = max(t.width-indent-min(column, (t.width-indent)*2/3), 1)
	}
	old, new := c.Text()
	old, new = progress.Cut(old, 0), progress.Cut(new, 0)
	switch both := old + " → " + new; {
	case c.Old == nil:
		return []table.Row{marked(fresh, name, new)}
	case c.New == nil:
		return []table.Row{marked(gone, name, old)}
	case room == 0 || table.Width(both) <= room:
		return []table.Row{marked(changed, name, both)}
	}
	old, new = differing(old, new, room)
	return []table.Row{marked(gone, name, old), marked(fresh, name, new)}
}

// differing leaves out what two texts begin with alike, but for a little, if they are wider than the room for each.
func differing(old, new string, room int) (string, string) {
	if table.Width(old) <= room && table.Width(new) <= room {
		return old, new
	}
	a, b := []rune(old), []rune(new)
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	const context = 8
	if n <= context+1 || n < room/2 {
		return old, new
	}
	return "…" + string(a[n-context:]), "…" + string(b[n-context:])
}

// layerChanges are rows for layers, those that stay counted together; none where all stay.
func (t *diffTree) layerChanges(changes []inspect.LayerChange) []table.Row {
	var rows []table.Row
	kept, size, differ := 0, int64(0), false
	flush := func() {
		if kept > 0 {
			rows = append(rows, marked(same, fmt.Sprintf("%s kept, %s", count(kept, "layer"), progress.Size(size))))
		}
		kept, size = 0, 0
	}
	for _, c := range changes {
		if c.Change == inspect.Kept {
			kept, size = kept+1, size+c.Old.Size
			continue
		}
		flush()
		differ = true
		switch c.Change {
		case inspect.Recompressed:
			rows = append(rows, t.layerRow(changed, c.New, "compressed otherwise, was "+progress.Size(c.Old.Size)))
		case inspect.Removed:
			rows = append(rows, t.layerRow(gone, c.Old, ""))
		case inspect.Added:
			rows = append(rows, t.layerRow(fresh, c.New, ""))
		}
	}
	flush()
	if !differ {
		return nil
	}
	return rows
}

// layersDiffer reports whether one image has layers that the other has not.
func layersDiffer(changes []inspect.LayerChange) bool {
	return slices.ContainsFunc(changes, func(c inspect.LayerChange) bool { return c.Change == inspect.Added || c.Change == inspect.Removed })
}

// layerRow is a row for a layer, with what is to be said of it, or else how it was made.
func (t *diffTree) layerRow(mark string, l *inspect.Layer, text string) table.Row {
	switch {
	case text != "":
	case l.DiffID == "":
		text = l.MediaType // a blob of an artifact
	default:
		text = stepText(inspect.Step{CreatedBy: l.CreatedBy})
	}
	size := fmt.Sprintf("%8s", progress.Size(l.Size))
	if t.narrow() {
		return marked(mark, size, text)
	}
	return marked(mark, t.digest(l.Digest), size, text)
}

// stepChanges are rows for the steps of the history that only one image has, but for those of which its layers tell already. The time is shown where nothing else differs.
func (t *diffTree) stepChanges(changes []inspect.StepChange, layersDiffer bool) []table.Row {
	times := map[string]int{}
	for _, c := range changes {
		times[stepText(c.Step)]++
	}
	var rows []table.Row
	for _, c := range changes {
		mark, text := fresh, stepText(c.Step)
		if c.Change == inspect.Removed {
			mark = gone
		}
		if times[text] > 1 {
			text = timeText(c.Created) + "  " + text
		}
		if c.Layer == 0 || !layersDiffer {
			rows = append(rows, marked(mark, text))
		}
	}
	return rows
}
