// Package table lays out what commands tell people: trees of rows whose cells stand below each other, no line wider than the terminal.
package table

import (
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
)

// Row is a line of a tree. Cells stand in columns with those of the rows beside it, but for the last one, which takes what is left of the line and is cut where that is not enough. What a terminal may
// act on is escaped in each.
type Row struct {
	Mark  string // in front of the cells, never cut
	Cells []string
	Below []Row
}

// gap is between columns.
const gap = "  "

// Tree draws rows with branches in front of them, no line wider than width, which may be 0 for any. There is a line for each row, those below it right behind it.
func Tree(rows []Row, width int) []string { return appendTree(nil, rows, "", width) }

func appendTree(lines []string, rows []Row, trunk string, width int) []string {
	cells := escaped(rows)
	columns := columnsOf(cells, left(width, trunk+"├─ "+widestMark(rows)))
	for i, row := range rows {
		branch, stem := "├─ ", "│  "
		if i == len(rows)-1 {
			branch, stem = "└─ ", "   "
		}
		lines = append(lines, progress.Cut(trunk+branch+row.Mark+line(cells[i], columns), width))
		lines = appendTree(lines, row.Below, trunk+stem, width)
	}
	return lines
}

// left is what is left of a width; 0 of one that is any.
func left(width int, text string) int {
	if width <= 0 {
		return 0
	}
	return max(width-Width(text), 1)
}

func widestMark(rows []Row) (widest string) {
	for _, row := range rows {
		if Width(row.Mark) > Width(widest) {
			widest = row.Mark
		}
	}
	return widest
}

func escaped(rows []Row) [][]string {
	all := make([][]string, len(rows))
	for i, row := range rows {
		for _, cell := range row.Cells {
			all[i] = append(all[i], progress.Cut(cell, 0))
		}
	}
	return all
}

// columnsOf are the widths of the columns: those of their widest cells, but for cells that end their row. Together they leave a third of the width to the last cells.
func columnsOf(rows [][]string, width int) []int {
	var columns []int
	for _, row := range rows {
		for i := range max(len(row)-1, 0) {
			if i == len(columns) {
				columns = append(columns, 0)
			}
			columns[i] = max(columns[i], Width(row[i]))
		}
	}
	if width > 0 {
		shrink(columns, width*2/3)
	}
	return columns
}

// minColumn is the width below which no column is made narrower.
const minColumn = 8

// shrink makes the widest columns narrower until all fit.
func shrink(columns []int, width int) {
	for {
		sum, widest := 0, 0
		for i, c := range columns {
			sum += c + len(gap)
			if c > columns[widest] {
				widest = i
			}
		}
		if sum <= width || columns[widest] <= minColumn {
			return
		}
		columns[widest]--
	}
}

// line joins the cells of a row.
func line(cells []string, columns []int) string {
	var b strings.Builder
	for i, cell := range cells {
		if i == len(cells)-1 {
			b.WriteString(cell)
			break
		}
		cell = CutLeft(cell, columns[i])
		b.WriteString(cell + strings.Repeat(" ", columns[i]-Width(cell)) + gap)
	}
	return strings.TrimRight(b.String(), " ")
}

// CutLeft cuts a text at its beginning to a width: of names with dots or slashes, the end says more.
func CutLeft(s string, width int) string {
	have := Width(s)
	if have <= width {
		return s
	}
	return condition().TruncateLeft(s, have-width+1, "…")
}

// Width is how many columns a text takes on a terminal.
func Width(s string) int { return condition().StringWidth(s) }

// condition is that of package progress, which cuts lines: ambiguous characters take one column, wherever the program runs.
func condition() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }
