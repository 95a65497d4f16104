// Package doctest reads the documents of this project, which are Markdown, for the tests that run what they say.
package doctest

import (
	"regexp"
	"strings"
)

// Block is a fenced block of code.
type Block struct {
	Line    int    // of the opening fence, from 1
	Heading string // the nearest above it, without its marks; "" if there is none
	Lang    string // what stands behind the opening fence
	Text    string // the lines between the fences
	Next    string // the text block right behind it: what it prints, or its error
}

var fence = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")

// Blocks lists the blocks of a document, in its order.
func Blocks(text string) []Block {
	var list []Block
	end := 0
	for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
		b := Block{Line: 1 + strings.Count(text[:m[0]], "\n"), Lang: text[m[2]:m[3]], Text: text[m[4]:m[5]]}
		if n := len(list); n > 0 {
			b.Heading = list[n-1].Heading
			if b.Lang == "text" && strings.TrimSpace(text[end:m[0]]) == "" {
				list[n-1].Next = b.Text
			}
		}
		for line := range strings.Lines(text[end:m[0]]) { // what is between blocks, so that no comment of a script is a heading
			if heading, ok := headingOf(line); ok {
				b.Heading = heading
			}
		}
		list, end = append(list, b), m[1]
	}
	return list
}

// headingOf returns the text of a heading.
func headingOf(line string) (text string, ok bool) {
	marks, text, ok := strings.Cut(line, " ")
	return strings.TrimSpace(text), ok && marks != "" && strings.Trim(marks, "#") == ""
}

// Row is a row of a table that puts a tool's way of saying something, in its first cell, beside ours, in its second.
type Row struct {
	Line    int    // from 1
	Heading string // the nearest above it, without its marks
	Theirs  string // the code of the first cell, its spans joined by line ends; "" if it has none
	Ours    string // the code of the second cell, in the same way; "" if it has none, or begins with prose
}

var span = regexp.MustCompile("`([^`]+)`")

// Rows lists the rows of all tables of a document, in its order, without the heads of tables. A cell's spans of code are lines of one script; `\|` in a cell is a
// vertical bar, as in Markdown.
func Rows(text string) []Row {
	text = fence.ReplaceAllStringFunc(text, func(block string) string { return strings.Repeat("\n", strings.Count(block, "\n")) })
	var list []Row
	line, heading, body := 0, "", false
	for text := range strings.Lines(text) {
		line++
		if h, ok := headingOf(text); ok {
			heading = h
		}
		if !strings.HasPrefix(text, "|") {
			body = false
			continue
		}
		cells := strings.Split(strings.ReplaceAll(text, `\|`, "\x00"), "|")
		switch {
		case strings.HasPrefix(text, "|--"):
			body = true
		case body && len(cells) > 3:
			row := Row{Line: line, Heading: heading, Theirs: code(cells[1])}
			if strings.HasPrefix(strings.TrimSpace(cells[2]), "`") {
				row.Ours = code(cells[2])
			}
			list = append(list, row)
		}
	}
	return list
}

// code returns the code of a cell.
func code(cell string) string {
	var lines []string
	for _, m := range span.FindAllStringSubmatch(cell, -1) {
		lines = append(lines, strings.ReplaceAll(m[1], "\x00", "|"))
	}
	return strings.Join(lines, "\n")
}
