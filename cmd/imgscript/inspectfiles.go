package main

import (
	"fmt"
	"path"
	"strings"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/cmd/imgscript/internal/table"
	"github.com/imgscript/imgscript/core/inspect"
)

// fileLines shows the files of an image as a tree, with their sizes and the numbers of the layers that have them in front; a directory has the size of all that is in it.
func fileLines(files []inspect.File, width int) []string {
	t := &fileTree{sizes: directorySizes(files)}
	t.front("size", "layer")
	rows := t.rows(files[1:]) // the first is the root
	wide := width
	if width > 0 {
		wide = max(width-table.Width(t.fronts[0]), 1)
	}
	lines := []string{progress.Cut(strings.TrimRight(t.fronts[0], " "), width)}
	for i, line := range table.Tree(rows, wide) {
		lines = append(lines, progress.Cut(t.fronts[i+1]+line, width))
	}
	return lines
}

// fileTree makes rows of files, and what stands in front of each.
type fileTree struct {
	sizes  map[string]int64 // of directories
	fronts []string
}

func (t *fileTree) front(size, layer string) {
	t.fronts = append(t.fronts, fmt.Sprintf("%10s  %5s  ", size, layer))
}

// rows are those of files of one directory, with all that is in them. A directory in which there is nothing but another one stands in a row with that.
func (t *fileTree) rows(files []inspect.File) (rows []table.Row) {
	for len(files) > 0 {
		f := files[0]
		inside := below(files[1:], f.Path)
		files = files[1+len(inside):]
		name := fileName(f)
		for f.Type == "directory" && len(inside) > 0 && inside[0].Type == "directory" && len(below(inside[1:], inside[0].Path)) == len(inside)-1 {
			f, inside = inside[0], inside[1:]
			name += fileName(f)
		}
		t.front(fileSize(f, t.sizes), layerNumber(f))
		rows = append(rows, table.Row{Cells: []string{name}, Below: t.rows(inside)})
	}
	return rows
}

// below are the files at the beginning of a list that are in a directory, however deep.
func below(files []inspect.File, dir string) []inspect.File {
	n := 0
	for n < len(files) && strings.HasPrefix(files[n].Path, dir+"/") {
		n++
	}
	return files[:n]
}

// directorySizes are the sizes of directories by their paths. A file with several names counts once, where its contents are listed.
func directorySizes(files []inspect.File) map[string]int64 {
	sizes := map[string]int64{}
	for _, f := range files {
		if f.Type != "file" {
			continue
		}
		for dir := f.Path; dir != "/"; {
			dir = path.Dir(dir)
			sizes[dir] += f.Size
		}
	}
	return sizes
}

// fileName is a file's name with what it is, if that is neither a file nor a directory.
func fileName(f inspect.File) string {
	name := path.Base(f.Path)
	switch f.Type {
	case "file":
		return name
	case "directory":
		return name + "/"
	case "symlink":
		return name + " → " + f.Link
	case "hardlink":
		return name + " = " + f.Link
	}
	return name + " (" + f.Type + ")"
}

// fileSize is the size of a file or of all that is in a directory.
func fileSize(f inspect.File, directories map[string]int64) string {
	switch f.Type {
	case "file":
		return progress.Size(f.Size)
	case "directory":
		return progress.Size(directories[f.Path])
	}
	return ""
}

func layerNumber(f inspect.File) string {
	if f.Layer == 0 || f.Type == "directory" {
		return ""
	}
	return fmt.Sprint(f.Layer)
}
