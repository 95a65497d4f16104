package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/cmd/imgscript/internal/table"
	"github.com/imgscript/imgscript/core/inspect"
)

// inspectLines shows a document to people: the reference, the digest, a tree, and the files if they are there; no line wider than width, which may be 0.
func inspectLines(d *inspect.Document, width int) []string {
	t := inspectTree{width: width, root: &d.Object}
	lines := []string{progress.Cut(d.Reference, width), progress.Cut(d.Digest.String(), width)}
	lines = append(lines, table.Tree(t.rows(), width)...)
	for _, o := range imagesOf(&d.Object) {
		if o.Files == nil {
			continue
		}
		heading := "files"
		if d.Kind == inspect.Index {
			heading += " of " + o.Platform
		}
		lines = append(append(lines, "", progress.Cut(heading, width)), fileLines(o.Files, width)...)
	}
	return lines
}

// inspectTree makes rows of what an object says. What is not said, or goes without saying, is left out.
type inspectTree struct {
	width  int
	root   *inspect.Object
	images int             // of the root
	common []inspect.Field // what all of them say
}

// The widths from which a tree has room for more: narrower ones show no digests of layers, wide ones, and those without an end, whole digests.
const (
	narrow = 60
	wide   = 150
)

// digest is as much of a digest as there is room for beside other things.
func (t *inspectTree) digest(d digest.Digest) string {
	switch {
	case !t.short():
		return d.String()
	case t.narrow():
		return d.Encoded()[:12]
	}
	return shortDigest(d)
}

// short reports whether digests are cut.
func (t *inspectTree) short() bool { return 0 < t.width && t.width < wide }

func (t *inspectTree) rows() []table.Row {
	o := t.root
	if o.Kind != inspect.Index {
		return append(t.heads(o), t.body(o)...)
	}
	images := imagesOf(o)
	t.images, t.common = len(images), commonFields(images)
	rows := append(t.heads(o), texts("annotations", o.Annotations)...)
	rows = append(rows, section("config of all images", fieldRows(t.common))...)
	return append(rows, t.entries(o)...)
}

// heads say what an object is.
func (t *inspectTree) heads(o *inspect.Object) []table.Row {
	rows := []table.Row{pairRow("type", typeText(o))}
	if o.TotalSize > 0 {
		rows = append(rows, pairRow("size", sizeText(o)))
	}
	if created := createdOf(o); created != "" {
		rows = append(rows, pairRow("created", created))
	}
	if o.Subject != nil {
		rows = append(rows, pairRow("refers to", o.Subject.Digest.String()))
	}
	if o.Problem != "" {
		rows = append(rows, pairRow("problem", o.Problem))
	}
	return rows
}

// body is what is in an object that is no index.
func (t *inspectTree) body(o *inspect.Object) []table.Row {
	rows := texts("annotations", o.Annotations)
	rows = append(rows, section("config", fieldRows(t.own(o)))...)
	if o.Kind != inspect.Image {
		return append(rows, section("blobs", t.blobs(o))...)
	}
	rows = append(rows, section("layers", t.layers(o))...)
	if inStep(o) {
		return rows
	}
	return append(rows, section("history, which does not match the layers", t.steps(o.History))...)
}

// own are the fields of an object that are shown below it: not those that its other rows say, nor those that all images of the index have.
func (t *inspectTree) own(o *inspect.Object) []inspect.Field {
	fields := inspect.Fields(o.Config)
	if o.Kind != inspect.Image {
		return fields
	}
	return slices.DeleteFunc(fields, func(f inspect.Field) bool {
		return slices.Contains([]string{"created", "os", "architecture", "variant", "os_version"}, f.Name) || slices.ContainsFunc(t.common, func(c inspect.Field) bool { return sameField(c, f) })
	})
}

func sameField(a, b inspect.Field) bool {
	return a.Name == b.Name && a.Key == b.Key && a.Text() == b.Text()
}

// commonFields are those that all of several images have.
func commonFields(images []*inspect.Object) []inspect.Field {
	if len(images) < 2 {
		return nil
	}
	var t inspectTree
	common := t.own(images[0])
	for _, o := range images[1:] {
		fields := t.own(o)
		common = slices.DeleteFunc(common, func(c inspect.Field) bool {
			return !slices.ContainsFunc(fields, func(f inspect.Field) bool { return sameField(c, f) })
		})
	}
	return common
}

// imagesOf lists the images of an object.
func imagesOf(o *inspect.Object) []*inspect.Object {
	if o.Kind == inspect.Image {
		return []*inspect.Object{o}
	}
	var all []*inspect.Object
	for _, child := range o.Manifests {
		all = append(all, imagesOf(child)...)
	}
	return all
}

// entries are those of an index, attestations below the images that they are of.
func (t *inspectTree) entries(index *inspect.Object) []table.Row {
	below := map[digest.Digest][]table.Row{}
	there := map[digest.Digest]bool{}
	for _, o := range index.Manifests {
		there[o.Digest] = o.Kind != inspect.Attestation || there[o.Digest]
	}
	var rows []table.Row
	for _, o := range index.Manifests {
		if o.Kind == inspect.Attestation && there[o.Attests] {
			below[o.Attests] = append(below[o.Attests], t.named("attestation", o.Digest, predicatesText(o.Predicates)))
		}
	}
	for _, o := range index.Manifests {
		if o.Kind == inspect.Attestation && there[o.Attests] {
			continue
		}
		row := t.entry(o)
		row.Below = append(row.Below, below[o.Digest]...)
		rows = append(rows, row)
	}
	return rows
}

// entry is a row for an entry of an index, with all that is in it.
func (t *inspectTree) entry(o *inspect.Object) table.Row {
	name := o.Platform
	if name == "" {
		name = string(o.Kind)
	}
	parts := []string{}
	if o.TotalSize > 0 {
		parts = append(parts, sizeText(o))
	}
	if created := createdOf(o); created != "" {
		parts = append(parts, created)
	}
	switch o.Kind {
	case inspect.Index:
		parts = append([]string{entriesText(o)}, parts...)
	case inspect.Artifact, inspect.Other:
		parts = append([]string{typeText(o)}, parts...)
	}
	row := t.named(name, o.Digest, strings.Join(parts, ", "))
	if o.Problem != "" {
		row.Below = append(row.Below, pairRow("problem", o.Problem))
	}
	if o.Kind == inspect.Index {
		row.Below = append(row.Below, t.entries(o)...)
		return row
	}
	row.Below = append(row.Below, t.body(o)...)
	return row
}

// named is a row for something with a digest, which is left out where there is no room for it.
func (t *inspectTree) named(name string, d digest.Digest, text string) table.Row {
	if t.narrow() {
		return pairRow(name, text)
	}
	return table.Row{Cells: []string{name, t.digest(d), text}}
}

func (t *inspectTree) narrow() bool { return 0 < t.width && t.width < narrow }

// inStep reports whether the history says which layer each of its steps made, or says nothing.
func inStep(o *inspect.Object) bool {
	made := 0
	for _, s := range o.History {
		made += min(s.Layer, 1)
	}
	return made == len(o.Layers) || len(o.History) == 0
}

// layers are the layers, and between them the steps that made none.
func (t *inspectTree) layers(o *inspect.Object) []table.Row {
	if len(o.History) == 0 || !inStep(o) {
		var rows []table.Row
		for i := range o.Layers {
			rows = append(rows, t.layer(i+1, &o.Layers[i], ""))
		}
		return rows
	}
	var rows []table.Row
	for _, s := range o.History {
		if s.Layer == 0 {
			rows = append(rows, t.layer(0, nil, stepText(s)))
			continue
		}
		rows = append(rows, t.layer(s.Layer, &o.Layers[s.Layer-1], stepText(s)))
	}
	return rows
}

// layer is a row for a layer, or for a step without one.
func (t *inspectTree) layer(n int, l *inspect.Layer, by string) table.Row {
	number, dgst, size := "·", "", strings.Repeat(" ", 8)
	if l != nil {
		number, dgst, size = strconv.Itoa(n), t.digest(l.Digest), fmt.Sprintf("%8s", progress.Size(l.Size))
		switch others := len(l.SharedWith); {
		case others > 1 && others == t.images-1:
			by = "(of all images)  " + by
		case others > 0:
			by = "(also of " + strings.Join(l.SharedWith, ", ") + ")  " + by
		}
	}
	if t.narrow() {
		return table.Row{Cells: []string{number, size, by}}
	}
	return table.Row{Cells: []string{number, dgst, size, by}}
}

// blobs are what an artifact consists of.
func (t *inspectTree) blobs(o *inspect.Object) []table.Row {
	var rows []table.Row
	for i := range o.Layers {
		l := &o.Layers[i]
		text := l.MediaType
		if title := l.Annotations["org.opencontainers.image.title"]; title != "" {
			text = title + ", " + text
		}
		if p := l.Annotations["in-toto.io/predicate-type"]; p != "" {
			text = predicatesText([]string{p}) + ", " + text
		}
		rows = append(rows, t.layer(i+1, l, text))
	}
	return rows
}

// steps are those of a history that knows no layers.
func (t *inspectTree) steps(history []inspect.Step) []table.Row {
	var rows []table.Row
	for _, s := range history {
		rows = append(rows, table.Row{Cells: []string{stepText(s)}})
	}
	return rows
}

// fieldRows are rows for what a config says: the environment and labels below names of their own.
func fieldRows(fields []inspect.Field) []table.Row {
	var rows []table.Row
	for _, f := range fields {
		text := f.Text()
		if f.Key == "" {
			rows = append(rows, pairRow(f.Name, text))
			continue
		}
		if n := len(rows); n == 0 || rows[n-1].Cells[0] != f.Name || len(rows[n-1].Cells) > 1 {
			rows = append(rows, table.Row{Cells: []string{f.Name}})
		}
		last := &rows[len(rows)-1]
		last.Below = append(last.Below, pairRow(f.Key, text))
	}
	return rows
}

func pairRow(name, value string) table.Row { return table.Row{Cells: []string{name, value}} }

// section is a row with others below it; nothing when there are none.
func section(name string, below []table.Row) []table.Row {
	if len(below) == 0 {
		return nil
	}
	return []table.Row{{Cells: []string{name}, Below: below}}
}

// texts is a section of texts by their keys.
func texts(name string, all map[string]string) []table.Row {
	var rows []table.Row
	for _, key := range slices.Sorted(maps.Keys(all)) {
		rows = append(rows, pairRow(key, all[key]))
	}
	return section(name, rows)
}
